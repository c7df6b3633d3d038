//! Sending: from a draft to the mailbox of its recipient, or back with the reason.

use crate::body::Body;
use crate::draft::{Back, Content, Draft, Letter, Nothing, Stamp};
use crate::id;
use crate::mail::{Mail, Name};
use crate::mailbox::{Dropped, Refusal};
use crate::party::Party;
use crate::post::{Address, Post, Record};
use std::borrow::Cow;
use std::fmt;
use std::time::Instant;
use uuid::Uuid;

/// A recipient: by name, by [`Address`], or whoever wrote the mail that is replied to.
#[derive(Clone, Debug)]
pub struct To<'a>(Who<'a>);

#[derive(Clone, Debug)]
enum Who<'a> {
    Name(&'a str),
    Address(&'a Address),
    OwnedName(Box<str>),
    OwnedAddress(Address),
    Party(Party),
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
    pub fn to<'a>(recipient: impl Into<To<'a>>) -> Draft<To<'a>, Nothing> {
        Draft::new(recipient.into())
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

impl To<'_> {
    /// The address, if there is such a process.
    pub(crate) fn resolve(&self, post: &Post) -> Option<Cow<'_, Address>> {
        match &self.0 {
            Who::Address(address) => Some(Cow::Borrowed(address)),
            Who::OwnedAddress(address) => Some(Cow::Borrowed(address)),
            Who::Name(name) => post.get(name).map(Cow::Owned),
            Who::OwnedName(name) => post.get(name).map(Cow::Owned),
            Who::Party(party) => Address::of(*party).map(Cow::Owned),
        }
    }

    /// The address, if it was given as one: nothing to look up.
    #[inline(always)]
    pub(crate) fn address(&self) -> Option<&Address> {
        match &self.0 {
            Who::Address(address) => Some(address),
            Who::OwnedAddress(address) => Some(address),
            _ => None,
        }
    }

    fn into_owned(self) -> To<'static> {
        To(match self.0 {
            Who::Name(name) => Who::OwnedName(name.into()),
            Who::OwnedName(name) => Who::OwnedName(name),
            Who::Address(address) => Who::OwnedAddress(address.clone()),
            Who::OwnedAddress(address) => Who::OwnedAddress(address),
            Who::Party(party) => Who::Party(party),
        })
    }
}

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Who::Name(name) => f.pad(name),
            Who::OwnedName(name) => f.pad(name),
            Who::Address(address) => f.pad(address.name()),
            Who::OwnedAddress(address) => f.pad(address.name()),
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

impl From<String> for To<'_> {
    fn from(name: String) -> Self {
        Self(Who::OwnedName(name.into()))
    }
}

impl<'a> From<&'a Address> for To<'a> {
    #[inline(always)]
    fn from(address: &'a Address) -> Self {
        Self(Who::Address(address))
    }
}

impl From<Address> for To<'_> {
    fn from(address: Address) -> Self {
        Self(Who::OwnedAddress(address))
    }
}

impl From<Back> for To<'_> {
    fn from(back: Back) -> Self {
        Self(Who::Party(back.0))
    }
}

impl Draft<Many<'_>, Body> {
    /// One draft for each recipient, in order. `post` and `sender` are asked when it is for everyone.
    pub(crate) fn each(&self, post: &Post, sender: Party) -> impl Iterator<Item = Draft<To<'_>, Body>> {
        let all: Vec<To<'_>> = match &self.to.0 {
            Audience::Named(names) => names.clone(),
            Audience::Everyone => {
                let others = post.addresses().into_iter().filter(|address| address.0.party != sender);
                others.map(To::from).collect()
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

/// A mail is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    pub(crate) number: u64,
    dropped: Option<Dropped>,
}

impl Sent {
    /// The id of the mail.
    #[must_use]
    pub fn id(&self) -> Uuid {
        id::to_uuid(self.number)
    }

    /// Which mail was lost for the bound of the mailbox, if one was: under some policies this very one.
    #[must_use]
    pub fn dropped(&self) -> Option<Dropped> {
        self.dropped
    }
}

/// Why a mail was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// No process bears this name.
    Unknown,
    /// The mailbox is full.
    Full {
        /// How many mails it may hold.
        limit: u32,
    },
    /// The recipient is ending, or has ended.
    Closed,
}

/// A mail was not sent: why, and the draft of it.
#[derive(thiserror::Error)]
#[error("{}", Self::text(.0))]
pub struct SendError(Box<Refused>);

struct Refused {
    kind: SendErrorKind,
    draft: Draft<To<'static>>,
}

impl SendError {
    #[cold]
    #[inline(never)]
    pub(crate) fn new<B: Content>(kind: SendErrorKind, draft: Draft<To<'_>, B>) -> Self {
        Self(Box::new(Refused { kind, draft: draft.erase().map(To::into_owned, |body| body) }))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> SendErrorKind {
        self.0.kind
    }

    /// For whom it was.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.0.draft.to.to_string()
    }

    /// The draft, to send it later or to somebody else.
    pub fn into_draft(self) -> Draft<To<'static>> {
        self.0.draft
    }

    fn text(refused: &Refused) -> String {
        let Refused { kind, draft } = refused;
        let (to, subject) = (draft.to.to_string(), draft.subject.as_str());
        match kind {
            SendErrorKind::Unknown => format!("no process is called {to:?}: mail {subject:?} was not sent"),
            SendErrorKind::Full { limit } => format!(
                "the mailbox of {to:?} is full with {limit}: mail {subject:?} was not sent; send it later, make it \
                 urgent, or give the process a larger MailboxSize or another Overflow"
            ),
            SendErrorKind::Closed => {
                format!("{to:?} is ending or has ended and takes no mail: mail {subject:?} was not sent")
            }
        }
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendError({self})")
    }
}

/// Where mail is sent from: a head, or a thread.
pub(crate) trait Office {
    /// The mailbox of `record` was idle and has mail now.
    fn wake(&self, record: &Record);

    /// `mail` was taken and then lost to the bound of its mailbox. Who asked a question with it must learn so.
    fn lost(&self, mail: Mail, why: Dropped);
}

impl Address {
    /// The process of a party that is a process, living or remembered.
    pub(crate) fn of(party: Party) -> Option<Self> {
        let resident: std::sync::Arc<dyn std::any::Any + Send + Sync> = party.resident()?;
        resident.downcast::<Record>().ok().map(Self)
    }

    /// Puts a draft into the mailbox, whatever its address says.
    #[inline(always)]
    pub(crate) fn post<B: Content>(
        &self,
        draft: Draft<To<'_>, B>,
        stamp: Stamp,
        office: &impl Office,
    ) -> Result<Sent, SendError> {
        let letter = Letter { draft, stamp, recipient: self.0.party };
        let wake = || office.wake(&self.0);
        match self.0.mailbox.push(letter, wake, |why, mail| office.lost(mail, why)) {
            Ok(dropped) => Ok(Sent { number: stamp.id, dropped }),
            Err((refusal, letter)) => Err(self.refuse(refusal, letter.draft)),
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse<B: Content>(&self, refusal: Refusal, draft: Draft<To<'_>, B>) -> SendError {
        let kind = match refusal {
            Refusal::Full => SendErrorKind::Full { limit: self.0.mailbox.size().0 },
            Refusal::Closed => SendErrorKind::Closed,
        };
        SendError::new(kind, draft)
    }

    /// Like [`post`](Self::post), and waits for room if the mailbox says so. For threads only: a tick never waits.
    #[cfg(not(loom))]
    pub(crate) fn post_patiently<B: Content>(
        &self,
        draft: Draft<To<'_>, B>,
        stamp: Stamp,
        office: &impl Office,
    ) -> Result<Sent, SendError> {
        let Some(until) = self.0.mailbox.patience().and_then(|patience| Instant::now().checked_add(patience)) else {
            return self.post(draft, stamp, office);
        };
        let mut draft = draft.erase().map(To::into_owned, |body| body);
        loop {
            let room = self.0.mailbox.wait_for_room(until);
            match self.post(draft, stamp, office) {
                // Somebody else was quicker.
                Err(error) if room && matches!(error.kind(), SendErrorKind::Full { .. }) => draft = error.into_draft(),
                result => return result,
            }
        }
    }
}

impl Name<'_> {
    /// The address of the process, if it is one that lives or ended not long ago.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Address::of(self.party)
    }
}
