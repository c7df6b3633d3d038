//! Who a mail is for: one by name, which is looked up at each sending, by [`Address`], which needs no look-up, or the one who
//! wrote the mail that is answered; or many, who share one body.

use crate::body::Body;
use crate::draft::{Back, Content, Draft, Nothing};
use crate::mail::{Mail, Name};
use crate::party::Party;
use crate::post::{Address, Post, Record};
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A recipient: by name, by [`Address`], or whoever wrote the mail that is replied to.
#[derive(Clone, Copy, Debug)]
pub struct To<'a>(Who<'a>);

#[derive(Clone, Copy, Debug)]
enum Who<'a> {
    Name(&'a str),
    Address(&'a Address),
    Party(Party),
}

/// The recipient of a draft that came back.
#[derive(Clone, Debug)]
pub struct Kept(KeptWho);

#[derive(Clone, Debug)]
enum KeptWho {
    Name(Box<str>),
    Address(Address),
    Party(Party),
}

/// What a draft to one recipient can be addressed to. A type each, rather than one enum: a draft to an address is then a
/// few registers on its whole way.
pub trait Recipient: Clone {
    /// The recipient.
    fn to(&self) -> To<'_>;
}

impl Recipient for To<'_> {
    #[inline(always)]
    fn to(&self) -> To<'_> {
        *self
    }
}

impl Recipient for &Address {
    #[inline(always)]
    fn to(&self) -> To<'_> {
        To(Who::Address(self))
    }
}

impl Recipient for &str {
    #[inline(always)]
    fn to(&self) -> To<'_> {
        To(Who::Name(self))
    }
}

impl Recipient for &String {
    #[inline(always)]
    fn to(&self) -> To<'_> {
        To(Who::Name(self))
    }
}

impl Recipient for Back {
    fn to(&self) -> To<'_> {
        To(Who::Party(self.0))
    }
}

impl Recipient for Kept {
    fn to(&self) -> To<'_> {
        To(match &self.0 {
            KeptWho::Name(name) => Who::Name(name),
            KeptWho::Address(address) => Who::Address(address),
            KeptWho::Party(party) => Who::Party(*party),
        })
    }
}

/// Many recipients.
#[derive(Clone, Debug)]
pub struct Many<'a>(Audience<'a>);

#[derive(Clone, Debug)]
enum Audience<'a> {
    Named(Vec<To<'a>>),
    Everyone,
}

impl Mail {
    /// Begins a mail to a process: by its name (in any case) or by its [`Address`], which saves the look-up.
    #[inline(always)]
    pub fn to<T: Recipient>(recipient: T) -> Draft<T, Nothing> {
        Draft::new(recipient)
    }

    /// Begins a mail to several processes, who share its body.
    pub fn to_all<'a, T: Into<To<'a>>>(recipients: impl IntoIterator<Item = T>) -> Draft<Many<'a>, Nothing> {
        Draft::new(Many(Audience::Named(recipients.into_iter().map(Into::into).collect())))
    }

    /// Begins a mail to all processes but the sender, on all heads, in order of birth.
    pub fn broadcast() -> Draft<Many<'static>, Nothing> {
        Draft::new(Many(Audience::Everyone))
    }
}

impl<'a> To<'a> {
    /// The address, if there is such a process.
    pub(crate) fn resolve(self, post: &Post) -> Option<Cow<'a, Address>> {
        match self.0 {
            Who::Address(address) => Some(Cow::Borrowed(address)),
            Who::Name(name) => post.get(name).map(Cow::Owned),
            Who::Party(party) => Address::of(party).map(Cow::Owned),
        }
    }

    /// The address, if it was given as one: nothing to look up.
    #[inline(always)]
    pub(crate) fn address(self) -> Option<&'a Address> {
        match self.0 {
            Who::Address(address) => Some(address),
            _ => None,
        }
    }

    /// The same, owned.
    pub(crate) fn keep(self) -> Kept {
        Kept(match self.0 {
            Who::Name(name) => KeptWho::Name(name.into()),
            Who::Address(address) => KeptWho::Address(address.clone()),
            Who::Party(party) => KeptWho::Party(party),
        })
    }
}

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Who::Name(name) => f.pad(name),
            Who::Address(address) => f.pad(address.name()),
            Who::Party(party) => f.pad(party.resident().as_ref().map_or("(unknown)", |resident| resident.name())),
        }
    }
}

impl<'a> From<&'a str> for To<'a> {
    #[inline(always)]
    fn from(name: &'a str) -> Self {
        Self(Who::Name(name))
    }
}

impl<'a> From<&'a String> for To<'a> {
    #[inline(always)]
    fn from(name: &'a String) -> Self {
        Self(Who::Name(name))
    }
}

impl<'a> From<&'a Address> for To<'a> {
    #[inline(always)]
    fn from(address: &'a Address) -> Self {
        Self(Who::Address(address))
    }
}

impl Draft<Many<'_>, Body> {
    /// One draft for each recipient, in order. `post` and `sender` are asked when it is for everyone.
    pub(crate) fn each(&self, post: &Post, sender: Party) -> impl Iterator<Item = Draft<Kept, Body>> {
        let all: Vec<Kept> = match &self.to.0 {
            Audience::Named(names) => names.iter().map(|to| to.keep()).collect(),
            Audience::Everyone => {
                let others = post.addresses().into_iter().filter(|address| address.party() != sender);
                others.map(|address| Kept(KeptWho::Address(address))).collect()
            }
        };
        all.into_iter().map(|to| self.copy(to))
    }
}

impl<'a, B: Content> Draft<Many<'a>, B> {
    /// With a body that all recipients share.
    pub(crate) fn share(self) -> Draft<Many<'a>, Body> {
        self.erase().map(|to| to, Body::share)
    }
}

impl Address {
    /// The process of a party that is a process, living or remembered.
    pub(crate) fn of(party: Party) -> Option<Self> {
        let resident: Arc<dyn Any + Send + Sync> = party.resident()?;
        resident.downcast::<Record>().ok().map(Self::from)
    }
}

impl Name<'_> {
    /// The address of the process, if it is one that lives or ended not long ago.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Address::of(self.party)
    }
}
