//! What all heads of an application share: its time, its post, and whether it is to go on.

use crate::bell::Wake;
use crate::cause::Cause;
use crate::clock::{Clock, Timeline, nanos};
use crate::crowd::Crowd;
use crate::ending::Ending;
use crate::id::Ids;
use crate::link::{Link, UnknownHead};
use crate::mail::{Delivery, Mail};
use crate::mailbox::{Dropped, MailboxSize};
use crate::post::Post;
use crate::service::ServiceManager;
use crate::subject::Subject;
use crate::switchboard::Switchboard;
use crate::topic::Topics;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;
use uuid::Uuid;

/// How many causes after the first are kept by name; the rest are only counted.
const FURTHER: usize = 16;

/// One per application, shared by heads, handles and addresses.
pub(crate) struct Control {
    timeline: OnceLock<Timeline>,
    pub(crate) post: Post,
    pub(crate) seed: AtomicU64,
    /// How many threads a head may run lives on; 0 for as many as there are cores.
    pub(crate) workers: AtomicUsize,
    /// Application time at which tick 0 of every group is due; nothing is late before it.
    pub(crate) epoch: AtomicU64,
    /// Processes born and not yet dead.
    pub(crate) population: AtomicUsize,
    pub(crate) paused: AtomicBool,
    /// Whether any process has been enrolled that is not bound to end with the application.
    pub(crate) has_unbound: AtomicBool,
    stopping: AtomicBool,
    braked: AtomicBool,
    pub(crate) topics: Topics,
    pub(crate) delivery: OnceLock<Delivery>,
    pub(crate) mailbox_size: OnceLock<MailboxSize>,
    /// The subject that makes its recipient die.
    pub(crate) pill: OnceLock<Subject>,
    pub(crate) dead_letter_hook: OnceLock<DeadLetterHook>,
    pub(crate) dead_letters: AtomicU64,
    pub(crate) unmatched: AtomicU64,
    /// Numbers those that give ids to mail.
    offices: AtomicU64,
    /// Nanoseconds since 1970 at the start of application time.
    utc: AtomicU64,
    main_name: Mutex<Option<Arc<str>>>,
    end: Mutex<End>,
    pub(crate) ending: Ending,
    manager: OnceLock<ServiceManager>,
    started: AtomicBool,
    pub(crate) switchboard: Switchboard,
    links: Mutex<Vec<Arc<Link>>>,
    /// Heads whose deaths and births are going on, and processes that wait to be born again: what may yet add to the
    /// population.
    pub(crate) pending: AtomicUsize,
    /// Before which instant ticks may start: how far the program that steps the application lets it go.
    pub(crate) horizon: AtomicU64,
    /// Child threads under the simulated clock.
    pub(crate) crowd: Crowd,
    /// All child threads, to be woken when their deadlines move.
    children: Mutex<Vec<Weak<dyn Wake>>>,
    /// The watcher of USB devices, which this floor does not know.
    #[cfg(feature = "usb")]
    pub(crate) usb: OnceLock<Arc<dyn std::any::Any + Send + Sync>>,
}

/// The first cause of the end, and what came after it.
#[derive(Default, Debug, Clone)]
pub(crate) struct End {
    pub(crate) cause: Option<Cause>,
    pub(crate) further: Vec<Cause>,
    pub(crate) more: u64,
}

/// Why nobody will read a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DeadLetter {
    /// It could not be sent, and its sender did not ask to know: the mailbox was full.
    Full,
    /// It could not be sent, and its sender did not ask to know: the recipient had ended.
    Closed,
    /// It could not be sent, and its sender did not ask to know: nobody has this name.
    Unknown,
    /// It was taken in and then lost to the bound of the mailbox.
    Dropped(Dropped),
    /// Its recipient died before reading it.
    Unread,
}

/// What the application does with dead letters.
pub(crate) struct DeadLetterHook(pub(crate) Box<dyn Fn(&Mail, DeadLetter) + Send + Sync>);

impl std::fmt::Debug for DeadLetterHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeadLetterHook")
    }
}

fn nanos_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos)
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            timeline: OnceLock::new(),
            post: Post::default(),
            seed: AtomicU64::new(0),
            workers: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            population: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            has_unbound: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            braked: AtomicBool::new(false),
            topics: Topics::default(),
            delivery: OnceLock::new(),
            mailbox_size: OnceLock::new(),
            pill: OnceLock::new(),
            dead_letter_hook: OnceLock::new(),
            dead_letters: AtomicU64::new(0),
            unmatched: AtomicU64::new(0),
            offices: AtomicU64::new(0),
            utc: AtomicU64::new(0),
            main_name: Mutex::new(None),
            end: Mutex::default(),
            ending: Ending::default(),
            manager: OnceLock::new(),
            started: AtomicBool::new(false),
            switchboard: Switchboard::default(),
            links: Mutex::default(),
            pending: AtomicUsize::new(0),
            horizon: AtomicU64::new(0),
            crowd: Crowd::default(),
            children: Mutex::default(),
            #[cfg(feature = "usb")]
            usb: OnceLock::new(),
        })
    }

    /// Begins the run: application time is 0 now.
    pub(crate) fn start_clock(&self, clock: Clock) {
        self.timeline.get_or_init(|| Timeline::new(clock));
        if !clock.is_simulated() {
            // A simulated run is to give the same bits every time: it begins in 1970.
            self.utc.store(nanos_since_1970(), Relaxed);
        }
    }

    /// Nanoseconds since 1970 at an instant of application time.
    #[inline]
    pub(crate) fn utc_at(&self, instant: u64) -> u64 {
        self.utc.load(Relaxed).saturating_add(instant)
    }

    /// Ids for one more thread that sends mail.
    pub(crate) fn new_ids(&self) -> Ids {
        Ids::new(self.seed.load(Relaxed), self.offices.fetch_add(1, Relaxed))
    }

    /// The subject of the poison pill: a new UUID, unless the application has set one.
    pub(crate) fn pill(&self) -> &Subject {
        self.pill.get_or_init(|| {
            Subject::intern(&Uuid::from_u64_pair(nanos_since_1970(), self.offices.fetch_add(1, Relaxed)).to_string())
        })
    }

    /// Counts a mail that nobody will read, and shows it to the application's hook.
    #[cold]
    pub(crate) fn dead_letter(&self, mail: &Mail, why: DeadLetter) {
        self.dead_letters.fetch_add(1, Relaxed);
        tracing::debug!(%mail, ?why, "dead letter");
        if let Some(DeadLetterHook(hook)) = self.dead_letter_hook.get() {
            hook(mail, why);
        }
    }

    /// The application's time, real unless [`start_clock`](Self::start_clock) said otherwise.
    #[inline]
    pub(crate) fn timeline(&self) -> &Timeline {
        self.timeline.get_or_init(|| Timeline::new(Clock::real()))
    }

    /// The line to one more head; the first is the main one.
    pub(crate) fn add_link(&self, name: &str) -> Arc<Link> {
        let mut links = self.links.lock();
        let link = Arc::new(Link::new(links.len() as u32, name));
        links.push(link.clone());
        link
    }

    /// Whether nothing is left to tick on any head.
    pub(crate) fn is_all_idle(&self) -> bool {
        self.links.lock().iter().all(|link| link.is_idle())
    }

    pub(crate) fn main_link(&self) -> Arc<Link> {
        self.links.lock()[0].clone()
    }

    pub(crate) fn main_name(&self) -> Option<Arc<str>> {
        self.main_name.lock().clone()
    }

    pub(crate) fn set_main_name(&self, name: &str) {
        *self.main_name.lock() = Some(name.into());
    }

    /// Whether an orderly or a sudden end has begun.
    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Whether the e-brake is pulled.
    #[inline]
    pub(crate) fn is_braked(&self) -> bool {
        self.braked.load(Relaxed)
    }

    /// Whether the end waits for nobody any more.
    pub(crate) fn must_end(&self) -> bool {
        self.is_braked() || self.ending.is_forced()
    }

    /// The flag itself, looked at between any two lives.
    #[inline(always)]
    pub(crate) fn brake_flag(&self) -> &AtomicBool {
        &self.braked
    }

    /// Begins an orderly end, unless one has begun; the first cause is kept.
    pub(crate) fn stop(&self, cause: Cause) {
        self.note(cause);
        self.stopping.store(true, Relaxed);
        self.ring();
    }

    /// Pulls the e-brake. An e-brake outranks an orderly stop that has already begun.
    pub(crate) fn brake(&self, culprit: &str, reason: String) {
        let cause = Cause::Ebrake { culprit: culprit.to_owned(), reason };
        tracing::error!(%cause, "e-brake");
        if self.braked.swap(true, Relaxed) {
            self.note(cause);
        } else {
            let mut end = self.end.lock();
            if let Some(manager) = self.manager() {
                manager.stopping(&cause.to_string());
            }
            if let Some(orderly) = end.cause.replace(cause) {
                end.push(orderly);
            }
        }
        self.stopping.store(true, Relaxed);
        self.ring();
    }

    /// Somebody outside asks for an orderly end: a second time, it is forced.
    pub(crate) fn ask_to_stop(&self, cause: Cause) {
        let again = self.is_stopping();
        self.stop(cause);
        if again && self.ending.force() {
            self.ring();
        }
    }

    /// Tells the service manager how it goes with this application.
    pub(crate) fn set_manager(&self, manager: ServiceManager) {
        let _ = self.manager.set(manager);
    }

    pub(crate) fn manager(&self) -> Option<&ServiceManager> {
        self.manager.get()
    }

    /// All that start with the application have been born.
    pub(crate) fn set_started(&self) {
        self.started.store(true, Relaxed);
        if let Some(manager) = self.manager().filter(|_| !self.is_stopping()) {
            manager.ready(&format!("running {} process(es)", self.population.load(Relaxed)));
        }
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Relaxed)
    }

    /// The head of this name, in any case.
    pub(crate) fn link_of(&self, name: &str) -> Result<Arc<Link>, UnknownHead> {
        let links = self.links.lock();
        let found = links.iter().find(|link| link.name.eq_ignore_ascii_case(name));
        found.cloned().ok_or_else(|| {
            let known = links.iter().map(|link| link.name.to_string()).collect();
            UnknownHead { name: name.to_owned(), known }
        })
    }

    /// How far ticks may go from now on: `None` for ever.
    pub(crate) fn set_horizon(&self, horizon: Option<u64>) {
        let horizon = horizon.unwrap_or(u64::MAX);
        if self.horizon.swap(horizon, Relaxed) != horizon {
            self.ring();
        }
    }

    /// Whether anybody has asked a head for something that it has not done yet.
    pub(crate) fn has_calls(&self) -> bool {
        self.links.lock().iter().any(|link| link.has_calls())
    }

    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.links.lock().clone()
    }

    fn note(&self, cause: Cause) {
        let mut end = self.end.lock();
        if end.cause.is_none() {
            tracing::info!(%cause, "the application ends");
            if let Some(manager) = self.manager() {
                manager.stopping(&cause.to_string());
            }
            end.cause = Some(cause);
        } else {
            end.push(cause);
        }
    }

    pub(crate) fn end(&self) -> End {
        self.end.lock().clone()
    }

    /// One more child thread.
    pub(crate) fn add_child(&self, child: Weak<dyn Wake>) {
        let mut children = self.children.lock();
        if children.len() == children.capacity() {
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(child);
    }

    /// Wakes every child thread.
    pub(crate) fn wake_children(&self) {
        let children: Vec<_> = self.children.lock().iter().filter_map(Weak::upgrade).collect();
        children.iter().for_each(|child| child.wake());
    }

    /// Wakes every head.
    pub(crate) fn ring(&self) {
        for link in self.links.lock().iter() {
            link.bell.ring();
        }
    }
}

impl End {
    fn push(&mut self, cause: Cause) {
        if self.further.len() < FURTHER {
            self.further.push(cause);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_stays_first() {
        let control = Control::new();
        control.stop(Cause::TimeUp);
        control.stop(Cause::Idle);
        let end = control.end();
        assert_eq!((end.cause, end.further), (Some(Cause::TimeUp), vec![Cause::Idle]));
        assert!(!control.is_braked());
    }

    #[test]
    fn the_e_brake_outranks_an_orderly_stop_and_later_culprits_are_listed() {
        let control = Control::new();
        control.stop(Cause::TimeUp);
        control.brake("motor", "hot".into());
        (0..40).for_each(|_| control.brake("imu", "lost".into()));
        let end = control.end();
        assert!(matches!(end.cause, Some(Cause::Ebrake { culprit, .. }) if culprit == "motor"));
        assert_eq!(end.further[0], Cause::TimeUp);
        assert_eq!(end.further.len() as u64 + end.more, 41);
    }
}
