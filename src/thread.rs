//! Child threads: what may block, wait and poll for a process, while the process itself keeps its rhythm.
//!
//! They sleep in their owner's rhythm ([`freq_sleep`](Thread::freq_sleep)) or until something changes
//! ([`light_sleep`](Thread::light_sleep)), write mail in its name, ask and wait, emit events to it, and end with it: who does not is named.
//! [Locks](crate::lock) are shared by a process and its threads, and may be held across calls.
//!
//! All that a thread does here by its [`Thread`] obeys the application's clock. Under the simulated one, threads run one at a time between
//! the ticks, in one order, and time moves on only when each is parked in a sleep, an ask or a lock of this module; what waits for anything
//! else goes inside [`Thread::outside`].
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Board { pongs: u32 }
//!
//! impl Process for Board {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.add_locks(["bus"])?;
//!         cx.on_event("pong", |board, event, _| {
//!             board.pongs += *event.get::<u32>().ok_or("no number")?;
//!             Ok(())
//!         });
//!         cx.add_thread("pinger", |thread| {
//!             while thread.freq_sleep(2.0) {
//!                 // `None` when the thread is to end; the guard is held across the transfer.
//!                 let Some(_bus) = thread.lock("bus")? else { break };
//!                 thread.light_sleep(Duration::from_millis(5), || true);
//!                 thread.emit(Event::new("pong").body(1_u32))?;
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! let app = Application::new().clock(Clock::simulated()).add_process(Board::default(), (hz(10), Name::new("board")));
//! let mut running = app.build().unwrap();
//! running.run_for(Duration::from_secs(1));
//! assert_eq!(running.get::<Board>("board").unwrap().pongs, 4); // at 205, 405, 605 and 805 ms, heard in the next tick
//! ```

mod ends;
mod handle;
mod plan;

pub use crate::incidents::ThreadCount;
pub use handle::{Slept, Thread, Waker};
pub(crate) use plan::{Child, Progress};
pub use plan::{ChildThread, DuplicateThread, Removal, ThreadInfo, ThreadState, UnknownThread};

use crate::answer::AskError;
use crate::bell::{Bell, Wake};
use crate::control::Control;
use crate::crowd::Place;
use crate::frequency::Frequency;
use crate::lock::Locks;
use crate::mail::Mail;
use crate::post::Address;
use ends::Ends;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// What a process and all its threads share.
pub(crate) struct Family {
    pub(crate) owner: Address,
    pub(crate) control: Arc<Control>,
    pub(crate) locks: Arc<Locks>,
    /// The owner's name, as a holder of locks.
    pub(crate) own: Arc<str>,
    /// How often the owner lives.
    pub(crate) frequency: Mutex<Frequency>,
    ends: Ends,
    questions: Mutex<Vec<Question>>,
}

/// A thread that waits for an answer.
struct Question {
    thread: u64,
    answer: Arc<Mutex<Option<Result<Mail, AskError>>>>,
    asker: Arc<Shared>,
}

/// One thread, as everybody sees it.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    control: Arc<Control>,
    /// Its place among the threads of a simulated application.
    place: Option<Arc<Place>>,
    bell: Bell,
    /// Told to end.
    stopped: AtomicBool,
    /// Told to look again at what it sleeps for.
    woken: AtomicBool,
    /// Whether it does something that simulated time does not wait for.
    outside: AtomicBool,
    progress: Mutex<Progress>,
}

impl Shared {
    fn new(name: Arc<str>, control: Arc<Control>) -> Self {
        Self {
            name,
            control,
            place: None,
            bell: Bell::default(),
            stopped: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            outside: AtomicBool::new(false),
            progress: Mutex::new(Progress::Waiting),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Tells it to end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.rouse();
    }

    /// Has it look again at what it sleeps for.
    pub(crate) fn wake_up(&self) {
        self.woken.store(true, Relaxed);
        self.rouse();
    }

    /// Ends its park, or its next one.
    fn rouse(&self) {
        match &self.place {
            Some(place) => self.control.crowd.wake(place, self.control.timeline().now()),
            None => self.bell.ring(),
        }
    }

    /// Waits until an instant of the application's clock, or until somebody rouses it.
    fn park_until(&self, instant: u64) {
        let timeline = self.control.timeline();
        match &self.place {
            Some(place) => self.control.crowd.park(place, instant, timeline.now()),
            None => drop(timeline.sleep_until(Some(instant), &self.bell)),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    pub(crate) fn has_ended(&self) -> bool {
        !matches!(*self.progress.lock(), Progress::Waiting | Progress::Running)
    }
}

impl Wake for Shared {
    fn wake(&self) {
        self.rouse();
    }
}

impl Family {
    pub(crate) fn new(owner: Address, control: Arc<Control>, frequency: Frequency) -> Arc<Self> {
        let (locks, own) = (Self::locks_of(&owner), owner.name().into());
        Arc::new(Self {
            owner,
            own,
            control,
            locks,
            frequency: Mutex::new(frequency),
            ends: Ends::new(),
            questions: Mutex::default(),
        })
    }

    fn locks_of(owner: &Address) -> Arc<Locks> {
        let address = owner.clone();
        Locks::new(owner.name().to_owned().into(), move || {
            address.0.incidents().lock_inversions.fetch_add(1, Relaxed);
        })
    }

    /// Whether there are threads to be reaped.
    #[inline]
    pub(crate) fn has_ended_threads(&self) -> bool {
        self.ends.are_unreaped()
    }

    /// One has been reaped.
    pub(crate) fn reaped(&self) {
        self.ends.reaped();
    }

    /// One has ended: its owner is visited in its next tick.
    fn note_end(&self) {
        self.ends.note();
        self.owner.0.announce();
    }

    /// Waits until all of these have ended, or until `deadline`. Simulated time stands still meanwhile, and who is parked
    /// in it is not waited for.
    pub(crate) fn wait_for(&self, threads: &[Arc<Shared>], deadline: Instant) {
        let (timeline, crowd) = (self.control.timeline(), &self.control.crowd);
        loop {
            crowd.run_due(timeline.now(), timeline, || false);
            let watch = self.ends.watch();
            let mut pending = threads.iter().filter(|thread| !thread.has_ended()).peekable();
            if pending.peek().is_none() {
                return;
            }
            if timeline.is_simulated() {
                if crowd.next_wake() <= timeline.now() {
                    continue; // It has come back from outside just now.
                }
                if !pending.any(|thread| thread.outside.load(Relaxed)) {
                    return;
                }
            }
            if self.ends.wait(watch, deadline) {
                return;
            }
        }
    }

    /// Has whoever waits for an end look again.
    fn stir(&self) {
        self.ends.stir();
    }

    /// Hands an answer to the thread that waits for it; back, when none does.
    pub(crate) fn answer(&self, mail: Mail) -> Option<Mail> {
        let mut questions = self.questions.lock();
        let Some(at) = questions.iter().position(|question| question.thread == mail.thread) else { return Some(mail) };
        let question = questions.swap_remove(at);
        drop(questions);
        let outcome = match mail.failed() {
            Some(failure) => {
                Err(AskError::Failed { recipient: failure.recipient.clone(), reason: failure.reason.to_string() })
            }
            None => Ok(mail),
        };
        *question.answer.lock() = Some(outcome);
        question.asker.rouse();
        None
    }
}
