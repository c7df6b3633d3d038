//! A child thread as its owner sees it: what it is to do, and how far it is.

use super::{Family, Shared, Thread};
use crate::bell::Wake;
use crate::cause::message_of;
use crate::realtime::Civil;
use bevy_ecs::error::Result;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

type Call = Box<dyn FnOnce(&Thread) -> Result + Send>;

/// What a thread is to do, until it is started. The mutex only makes it `Sync`: it is reached through `&mut`, never locked.
struct Work(Mutex<Option<Call>>);

impl Work {
    fn take(&mut self) -> Option<Call> {
        self.0.get_mut().take()
    }
}

/// A child thread that is to be added to a process.
///
/// ```
/// use polycephaly::prelude::*;
///
/// let poller = ChildThread::new("poller", |thread| {
///     while thread.freq_sleep(0.5) {
///         thread.emit("polled")?;
///     }
///     Ok(())
/// });
/// ```
pub struct ChildThread {
    pub(crate) name: Cow<'static, str>,
    work: Work,
    pub(crate) daemon: bool,
    pub(crate) start: bool,
    pub(crate) supervised: bool,
}

impl ChildThread {
    /// A thread that does `work` once. It should end soon when it is told to: when its sleeps say so, or
    /// [`is_active`](Thread::is_active) is `false`.
    pub fn new(name: impl Into<Cow<'static, str>>, work: impl FnOnce(&Thread) -> Result + Send + 'static) -> Self {
        Self {
            name: name.into(),
            work: Work(Mutex::new(Some(Box::new(work)))),
            daemon: false,
            start: true,
            supervised: false,
        }
    }

    /// Whether its owner's death waits for it: not for a daemon. No, unless set.
    #[must_use]
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// Whether it is started when it is added, or later by its name. Yes, unless set.
    #[must_use]
    pub fn start(mut self, start: bool) -> Self {
        self.start = start;
        self
    }

    /// Whether its error or panic is its owner's failure, which the owner's
    /// [`Supervision`](crate::supervision::Supervision) answers. If not, it is counted and logged.
    #[must_use]
    pub fn supervised(mut self, supervised: bool) -> Self {
        self.supervised = supervised;
        self
    }
}

impl fmt::Debug for ChildThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildThread({:?})", self.name)
    }
}

/// How far a thread is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    Waiting,
    Running,
    Done,
    Failed(String),
    Panicked(String),
}

/// How far a thread is. One that has ended stays listed until its owner's next tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ThreadState {
    /// Added, and not started.
    Waiting,
    /// At work.
    Running,
    /// Told to end, and still at work.
    Stopping,
    /// It has ended.
    Ended,
}

/// What may be known of a child thread.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ThreadInfo {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: ThreadState,
    /// Whether its owner's death does not wait for it.
    pub daemon: bool,
}

/// What became of the wish to remove a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// It had not been started, or has ended, and is gone.
    Removed,
    /// It is at work: tell it to stop first.
    StillRunning,
}

/// A name that no thread of the process has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{owner:?} has no thread {name:?}; {}", if .known.is_empty() { "it has none".into() } else { format!("it has {}", .known.join(", ")) })]
#[non_exhaustive]
pub struct UnknownThread {
    /// Whose threads were asked for.
    pub owner: String,
    /// The name asked for.
    pub name: String,
    /// Those that there are.
    pub known: Vec<String>,
}

/// A thread that could not be added; it is handed back.
#[derive(thiserror::Error, Debug)]
#[error("{owner:?} has a thread {:?} already: give this one another name, or wait until that one has ended", .thread.name)]
#[non_exhaustive]
pub struct DuplicateThread {
    /// To whom it was to be added.
    pub owner: String,
    /// The thread.
    pub thread: ChildThread,
}

/// A thread in the hands of its owner.
pub(crate) struct Child {
    pub(crate) shared: Arc<Shared>,
    pub(crate) daemon: bool,
    pub(crate) supervised: bool,
    work: Work,
    pub(crate) running: Option<JoinHandle<()>>,
}

impl Child {
    pub(crate) fn new(plan: ChildThread, family: &Family) -> Self {
        let ChildThread { name, work, daemon, supervised, .. } = plan;
        let shared = Arc::new(Shared::new(name.as_ref().into(), family.control.clone()));
        Self { shared, daemon, supervised, work, running: None }
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.shared.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn info(&self) -> ThreadInfo {
        let state = match self.shared.progress() {
            Progress::Waiting => ThreadState::Waiting,
            Progress::Running if self.shared.is_stopped() => ThreadState::Stopping,
            Progress::Running => ThreadState::Running,
            Progress::Done | Progress::Failed(_) | Progress::Panicked(_) => ThreadState::Ended,
        };
        ThreadInfo { name: self.shared.name.to_string(), state, daemon: self.daemon }
    }

    /// Starts it, unless it has been started.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn start(&mut self, family: &Arc<Family>) -> std::io::Result<bool> {
        let Some(work) = self.work.take() else { return Ok(false) };
        let timeline = family.control.timeline();
        let place = timeline.is_simulated().then(|| family.control.crowd.enter(timeline.now()));
        // Nobody else has the thread yet: it is made anew with its place.
        let mut shared = Shared::new(self.shared.name.clone(), family.control.clone());
        shared.place = place;
        *shared.progress.get_mut() = Progress::Running;
        self.shared = Arc::new(shared);
        let all: Weak<dyn Wake> = Arc::downgrade(&(self.shared.clone() as Arc<dyn Wake>));
        family.control.add_child(all);
        let (shared, family, civil) = (self.shared.clone(), family.clone(), Civil::of_this_thread());
        let started = std::thread::Builder::new().name(self.shared.name.to_string()).spawn(move || {
            civil.enter();
            run(shared, family, work);
        });
        if started.is_err()
            && let Some(place) = &self.shared.place
        {
            self.shared.control.crowd.leave(place);
            *self.shared.progress.lock() = Progress::Done;
        }
        self.running = Some(started?);
        Ok(true)
    }
}

fn run(shared: Arc<Shared>, family: Arc<Family>, work: Call) {
    if let Some(place) = &shared.place {
        family.control.crowd.begin(place);
    }
    let thread = Thread::new(shared.clone(), family.clone());
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&thread)));
    // What it owns is dropped in its turn, before anybody hears that it has ended.
    drop(thread);
    *shared.progress.lock() = match outcome {
        Ok(Ok(())) => Progress::Done,
        Ok(Err(error)) => Progress::Failed(error.to_string().trim_end().to_owned()),
        Err(panic) => Progress::Panicked(message_of(&*panic).to_owned()),
    };
    family.note_end();
    if let Some(place) = &shared.place {
        family.control.crowd.leave(place);
    }
}
