//! The address book of the application: names to addresses, over all heads.

mod record;

pub(crate) use record::{Fate, Record};

use crate::fold::folded_hash;
use crate::mailbox::{Attic, MailCount};
use crate::party::Party;
use crate::run_level::RunLevel;
use bevy_ecs::entity::Entity;
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A resolved handle to a process: sending to it needs no look-up and no World. Cheap to clone; it may outlive the
/// process, and then every use says so.
#[derive(Clone)]
pub struct Address(pub(crate) Arc<Record>, Party);

impl Address {
    /// The handle to a new process, which can be found by its number from now on.
    fn new(record: Record) -> Self {
        let record = Arc::new(record);
        record.party().settle(record.clone());
        record.into()
    }

    /// The number in every mail. It is here, too, for the record may be far.
    #[inline(always)]
    pub(crate) fn party(&self) -> Party {
        self.1
    }

    /// What its head keeps of the process and of its mailbox.
    pub(crate) fn attic(&self) -> &Attic {
        self.0.mailbox.attic()
    }

    /// The name of the process, as written when it was added.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The entity of the process in the World of its head.
    #[must_use]
    pub fn entity(&self) -> Entity {
        self.0.entity()
    }

    /// What went through the mailbox of the process so far.
    #[must_use]
    pub fn mail_count(&self) -> MailCount {
        self.0.mailbox.count()
    }

    /// The level the process is at now.
    #[must_use]
    pub fn run_level(&self) -> RunLevel {
        self.0.level()
    }

    pub(crate) fn set_run_level(&self, level: RunLevel) {
        self.0.set_level(level);
    }
}

impl From<Arc<Record>> for Address {
    fn from(record: Arc<Record>) -> Self {
        let party = record.party();
        Self(record, party)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?})", self.name())
    }
}

/// The book itself. Names are compared without case (ASCII) and kept as written.
#[derive(Default)]
pub(crate) struct Post {
    book: RwLock<Book>,
    births: AtomicU64,
}

#[derive(Default)]
struct Book {
    hasher: DefaultHashBuilder,
    table: HashTable<Arc<Record>>,
}

impl Book {
    fn find(&self, name: &str) -> Option<&Arc<Record>> {
        self.table.find(folded_hash(&self.hasher, name), |known| known.name.eq_ignore_ascii_case(name))
    }
}

impl Post {
    /// Makes room for so many more names.
    pub(crate) fn expect(&self, more: usize) {
        let Book { hasher, table } = &mut *self.book.write();
        table.reserve(more, |known| folded_hash(hasher, &known.name));
    }

    /// Lists a process under its name, unless that is taken: two births can't both win it.
    ///
    /// # Errors
    /// The record itself.
    pub(crate) fn list(&self, record: Record) -> Result<Address, Box<Record>> {
        let Book { hasher, table } = &mut *self.book.write();
        let hash = folded_hash(hasher, &record.name);
        let is_it = |known: &Arc<Record>| known.name.eq_ignore_ascii_case(&record.name);
        match table.entry(hash, is_it, |known| folded_hash(hasher, &known.name)) {
            Entry::Occupied(_) => Err(Box::new(record)),
            Entry::Vacant(place) => {
                let address = Address::new(record);
                place.insert(address.0.clone());
                Ok(address)
            }
        }
    }

    /// Lists a process under `base`, or `base-2`, `base-3` and so on: the first that is free.
    pub(crate) fn list_numbered(&self, mut record: Record, base: &'static str, next: &mut u32) -> Address {
        loop {
            *next += 1;
            record.name = if *next == 1 { base.into() } else { format!("{base}-{next}").into() };
            match self.list(record) {
                Ok(address) => return address,
                Err(refused) => record = *refused,
            }
        }
    }

    /// Frees a name. Mail that its bearer has sent keeps saying so for a while.
    pub(crate) fn release(&self, address: &Address) {
        let mut book = self.book.write();
        let hash = folded_hash(&book.hasher, address.name());
        let found = book.table.find_entry(hash, |known| Arc::ptr_eq(known, &address.0)).ok();
        let removed = found.map(|found| found.remove().0);
        // Who is forgotten for it is dropped then, with mail that may do anything: not under this lock.
        drop(book);
        if removed.is_some() {
            address.party().retire();
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Address> {
        Some(self.book.read().find(name)?.clone().into())
    }

    /// All that are listed, in order of birth.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let mut all: Vec<Address> = self.book.read().table.iter().cloned().map(Address::from).collect();
        all.sort_unstable_by_key(|address| address.0.birth);
        all
    }

    /// The number of the next birth: 0, 1, 2 …
    pub(crate) fn next_birth(&self) -> u64 {
        self.births.fetch_add(1, Relaxed)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        for address in self.addresses() {
            address.party().retire();
        }
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
pub(crate) mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::link::Link;
    use crate::mailbox::{Mailbox, Order, Overflow};
    use std::num::NonZeroU32;

    /// A process that nobody finds by its name.
    pub(crate) fn address(name: &'static str, birth: u64) -> Address {
        Address::new(record(name, birth))
    }

    /// A process of this name, listed.
    pub(crate) fn listed(post: &Post, name: &'static str, birth: u64) -> Result<Address, Box<Record>> {
        post.list(record(name, birth))
    }

    fn record(name: &'static str, birth: u64) -> Record {
        let link = Arc::new(Link::new(0, "main"));
        let (party, home) = link.slots.claim();
        home.attic().set_entity(Entity::PLACEHOLDER);
        let mailbox = Mailbox::new(home, NonZeroU32::MAX, Overflow::Reject, Order::Fifo);
        Record::new(name.into(), party, link, 0, birth, true, mailbox)
    }

    #[test]
    fn names_are_found_in_any_case_and_kept_as_written() {
        let post = Post::default();
        let motor = listed(&post, "Front-Left-Motor", 0).unwrap();
        let refused = listed(&post, "FRONT-left-motor", 1).unwrap_err();
        assert_eq!(&*refused.name, "FRONT-left-motor", "handed back");
        assert_eq!(post.get("fRONT-lEFT-mOTOR").unwrap().name(), "Front-Left-Motor");
        post.release(&motor);
        assert!(post.get("Front-Left-Motor").is_none());
        let next = listed(&post, "front-left-motor", 2).unwrap();
        post.release(&motor);
        assert_eq!(post.get("Front-Left-Motor").unwrap().0.birth, next.0.birth, "the name is another's now");
    }

    #[test]
    fn unnamed_processes_are_numbered_around_taken_names() {
        let post = Post::default();
        let mut next = 0;
        listed(&post, "motor-2", 0).unwrap();
        let names: Vec<_> = (0..3).map(|_| post.list_numbered(record("", 1), "Motor", &mut next)).collect();
        assert_eq!(names.iter().map(Address::name).collect::<Vec<_>>(), ["Motor", "Motor-3", "Motor-4"]);
    }

    #[test]
    fn addresses_come_in_order_of_birth() {
        let post = Post::default();
        for (name, birth) in [("c", 2), ("a", 0), ("b", 1)] {
            listed(&post, name, birth).unwrap();
        }
        let names: Vec<_> = post.addresses().iter().map(|address| address.name().to_owned()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn what_the_application_knows_of_a_process_is_small() {
        assert!(size_of::<Record>() <= 96, "{}", size_of::<Record>());
        assert_eq!(size_of::<Address>(), 16);
    }

    #[test]
    fn the_first_cause_holds_until_the_next_birth() {
        let record = record("p", 0);
        record.ends_by(Arc::new(Cause::TimeUp));
        record.ends_by(Arc::new(Cause::Idle));
        assert_eq!(record.cause().as_deref(), Some(&Cause::TimeUp));
        record.forget_cause();
        assert_eq!(record.cause(), None);
        record.ends_by(Arc::new(Cause::Idle));
        assert_eq!(record.cause().as_deref(), Some(&Cause::Idle));
    }
}
