//! What is known of one process beside its World: shared between all threads.

use crate::cause::Cause;
use crate::event::Inbox;
use crate::incidents::Incidents;
use crate::link::Link;
use crate::mail::Mail;
use crate::mailbox::Mailbox;
use crate::party::{Party, Resident};
use crate::run_level::RunLevel;
use bevy_ecs::entity::Entity;
use once_cell::race::OnceBox;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI8, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What the whole application may know of one process: everything here is shared between threads. What every mail touches is
/// not here, but at the home of its mailbox.
#[derive(Debug)]
pub(crate) struct Record {
    /// Of its slot, which its mailbox knows.
    tenancy: u32,
    level: AtomicI8,
    fate: AtomicU8,
    /// Of [`BORN`] and [`UNBOUND`].
    marks: AtomicU8,
    /// The head it lives on.
    pub(crate) link: Arc<Link>,
    pub(crate) mailbox: Mailbox<Mail>,
    /// Index of its type on that head.
    pub(crate) kind: u32,
    /// Births go by rising rank, deaths by falling: see [`Depends`](crate::lifecycle::Depends).
    pub(crate) rank: AtomicU32,
    /// Order of birth over the whole application.
    pub(crate) birth: u64,
    /// While absent or just back: instant of the last life; of birth, before the first.
    since: AtomicU64,
    pub(crate) name: Box<str>,
    annex: OnceBox<Annex>,
}

/// What is not known of most processes.
#[derive(Debug, Default)]
struct Annex {
    incidents: OnceBox<Incidents>,
    /// Why it dies or has died.
    cause: Mutex<Option<Arc<Cause>>>,
}

/// It has been born before.
const BORN: u8 = 1;
/// An orderly end of the application does not end it.
const UNBOUND: u8 = 2;

/// What becomes of a process when its death has run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It is gone, and its name is free.
    End = 0,
    /// It stays where it is, until somebody starts it.
    Rest = 1,
    /// It is born again.
    Restart = 2,
}

impl Record {
    /// Of one who has got this slot of the head, with a mailbox there.
    pub(crate) fn new(
        name: Box<str>,
        party: Party,
        link: Arc<Link>,
        kind: u32,
        birth: u64,
        bound: bool,
        mailbox: Mailbox<Mail>,
    ) -> Self {
        Self {
            name,
            link,
            kind,
            birth,
            tenancy: party.tenancy(),
            since: AtomicU64::new(0),
            mailbox,
            annex: OnceBox::new(),
            rank: AtomicU32::new(0),
            level: AtomicI8::new(RunLevel::Unset.into()),
            fate: AtomicU8::new(Fate::Rest as u8),
            marks: AtomicU8::new(if bound { 0 } else { UNBOUND }),
        }
    }

    /// Its number in every mail, and where its home is.
    pub(crate) fn party(&self) -> Party {
        Party::new(self.mailbox.slot(), self.tenancy)
    }

    /// The process in the World of its head.
    pub(crate) fn entity(&self) -> Entity {
        self.mailbox.attic().entity()
    }

    pub(super) fn level(&self) -> RunLevel {
        RunLevel::try_from(self.level.load(Relaxed)).unwrap_or(RunLevel::Unset)
    }

    pub(super) fn set_level(&self, level: RunLevel) {
        self.level.store(level.into(), Relaxed);
    }

    pub(crate) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }

    pub(crate) fn set_since(&self, instant: u64) {
        self.since.store(instant, Relaxed);
    }

    /// Tells its head that something waits for its mailman.
    pub(crate) fn announce(&self) {
        self.link.announce(self.entity());
    }

    /// Whether an orderly end of the application ends it, too.
    pub(crate) fn is_bound(&self) -> bool {
        self.marks.load(Relaxed) & UNBOUND == 0
    }

    /// Notes a birth. Whether it has been born before.
    pub(crate) fn note_birth(&self) -> bool {
        self.marks.fetch_or(BORN, Relaxed) & BORN != 0
    }

    fn annex(&self) -> &Annex {
        self.annex.get_or_init(Box::default)
    }

    /// What has happened to it, to be written down.
    pub(crate) fn incidents(&self) -> &Incidents {
        self.annex().incidents.get_or_init(Box::default)
    }

    /// What has happened to it, if anything has.
    pub(crate) fn known_incidents(&self) -> Option<&Incidents> {
        self.annex.get()?.incidents.get()
    }

    /// Where its events wait.
    pub(crate) fn inbox(&self) -> &Inbox {
        self.add_errand();
        self.incidents().inbox.get_or_init(Inbox::default)
    }

    /// Has its mailman look, at each visit from now on, at what else than mail may wait: events, threads, routes.
    pub(crate) fn add_errand(&self) {
        self.mailbox.attic().add_errand();
        self.link.add_errand();
    }

    /// Where its events wait, if it has ever had one.
    #[inline]
    pub(crate) fn known_inbox(&self) -> Option<&Inbox> {
        self.known_incidents()?.inbox.get()
    }

    /// One of its counters.
    pub(crate) fn tally(&self, counter: impl Fn(&Incidents) -> &AtomicU32) -> u64 {
        self.known_incidents().map_or(0, |incidents| counter(incidents).load(Relaxed).into())
    }

    /// Why it dies or has died.
    pub(crate) fn cause(&self) -> Option<Arc<Cause>> {
        self.annex.get()?.cause.lock().clone()
    }

    /// Keeps the first cause of its end.
    pub(crate) fn ends_by(&self, cause: Arc<Cause>) {
        self.annex().cause.lock().get_or_insert(cause);
    }

    /// It is born again: what ended its last life is over.
    pub(crate) fn forget_cause(&self) {
        if let Some(annex) = self.annex.get() {
            *annex.cause.lock() = None;
        }
    }

    pub(crate) fn fate(&self) -> Fate {
        match self.fate.load(Relaxed) {
            1 => Fate::Rest,
            2 => Fate::Restart,
            _ => Fate::End,
        }
    }

    pub(crate) fn set_fate(&self, fate: Fate) {
        self.fate.store(fate as u8, Relaxed);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.link.slots.free(self.party(), self.mailbox.home_ref());
    }
}

impl Resident for Record {
    fn name(&self) -> &str {
        &self.name
    }

    fn birth(&self) -> u64 {
        self.birth
    }
}
