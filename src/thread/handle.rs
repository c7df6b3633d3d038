//! What a child thread may do.

use super::{Family, Question, Shared};
use crate::answer::AskError;
use crate::bell::Wake;
use crate::clock::nanos;
use crate::draft::{Content, Draft};
use crate::emitter::Emitter;
use crate::event::{EmitError, Event};
use crate::lock::{LockGuard, Taker, UnknownLock};
use crate::mail::Mail;
use crate::outside::Outside;
use crate::post::Address;
use crate::recipient::Recipient;
use crate::send::{SendError, SendErrorKind, Sent};
use crate::subject::Subject;
use parking_lot::Mutex;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How a [`light_sleep`](Thread::light_sleep) has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slept {
    /// The whole time has passed.
    Full,
    /// The condition holds no longer, or the thread is to end.
    Early,
}

/// Lent to a child thread while it works.
pub struct Thread {
    shared: Arc<Shared>,
    family: Arc<Family>,
    office: Outside,
    /// The last deadline of `freq_sleep`.
    beat: Cell<Option<u64>>,
}

/// A sleep looks at its condition so often, if nobody wakes it.
const LOOK_EVERY: u64 = 5_000_000;
/// Under the simulated clock, a full mailbox is tried again so often.
const TRY_EVERY: u64 = 1_000_000;

/// Wakes a thread from a light sleep, from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct Waker(Arc<Shared>);

impl Waker {
    /// Has the thread look at its condition at once.
    pub fn wake(&self) {
        self.0.wake_up();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waker({:?})", self.0.name)
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thread({:?} of {:?})", self.name(), self.owner().name())
    }
}

impl Thread {
    pub(super) fn new(shared: Arc<Shared>, family: Arc<Family>) -> Self {
        let control = family.control.clone();
        let office = Outside { ids: control.new_ids(), control, sender: family.owner.party() };
        Self { shared, family, office, beat: Cell::new(None) }
    }

    /// Its own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The process that it works for.
    #[must_use]
    pub fn owner(&self) -> &Address {
        &self.family.owner
    }

    /// Whether it is to go on: `false` from the moment that it is told to stop, or that its owner dies.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.shared.is_stopped()
    }

    /// The application's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.instant())
    }

    #[cfg(feature = "usb")]
    pub(crate) fn control(&self) -> &crate::control::Control {
        &self.family.control
    }

    fn instant(&self) -> u64 {
        self.family.control.timeline().now()
    }

    /// Sleeps until the next beat of a rhythm: `multiplier` periods of the owner's frequency after the last one, so that no
    /// error accumulates. Beats that have passed meanwhile are left out. Whether it is to go on.
    ///
    /// # Panics
    /// When `multiplier` is not a positive number.
    pub fn freq_sleep(&self, multiplier: f64) -> bool {
        assert!(multiplier > 0.0 && multiplier.is_finite(), "a thread can't sleep for {multiplier} periods");
        let frequency = *self.family.frequency.lock();
        let now = self.instant();
        let step = ((frequency.due(1) as f64 * multiplier) as u64).max(1);
        let last = self.beat.get().unwrap_or(now);
        let passed = now.saturating_sub(last) / step;
        let next = last.saturating_add(step.saturating_mul(passed + 1));
        self.beat.set(Some(next));
        self.sleep_until(next)
    }

    /// Sleeps until an instant, or its end. Whether it is to go on.
    pub(crate) fn sleep_until(&self, instant: u64) -> bool {
        // One that is told to end and goes on all the same sleeps on, or it would hold up simulated time for ever.
        while self.instant() < instant {
            self.shared.park_until(instant);
            if !self.is_active() {
                return false;
            }
        }
        self.is_active()
    }

    /// Sleeps *while* `condition` holds, but no longer than `time`. It is looked at on entry, when somebody
    /// [`wake`](Waker::wake)s this thread, and every 5 ms. The owner's death ends the sleep, too.
    pub fn light_sleep(&self, time: Duration, condition: impl Fn() -> bool) -> Slept {
        let end = self.instant().saturating_add(nanos(time));
        loop {
            self.shared.woken.store(false, Relaxed);
            if !self.is_active() || !condition() {
                return Slept::Early;
            }
            let now = self.instant();
            if now >= end {
                return Slept::Full;
            }
            self.shared.park_until(end.min(now.saturating_add(LOOK_EVERY)));
        }
    }

    /// What wakes this thread from a light sleep.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.shared.clone())
    }

    /// Emits an event to the owner.
    ///
    /// # Errors
    /// [`EmitError`] with the event, when too many wait or the owner does not live.
    pub fn emit(&self, event: impl Into<Event>) -> Result<(), EmitError> {
        self.emitter().emit(event)
    }

    /// What emits events to the owner, for others that work for it.
    #[must_use]
    pub fn emitter(&self) -> Emitter {
        Emitter::new(self.family.owner.clone(), self.family.control.clone())
    }

    /// Does something that may block on anything else than this module: under the simulated clock, time does not wait for
    /// it. What it does then is up to the operating system, and so is when it comes back.
    pub fn outside<R>(&self, work: impl FnOnce() -> R) -> R {
        let Some(place) = &self.shared.place else { return work() };
        let crowd = &self.family.control.crowd;
        self.shared.outside.store(true, Relaxed);
        crowd.leave(place);
        let result = work();
        crowd.come_back(place, self.instant());
        self.shared.outside.store(false, Relaxed);
        self.family.stir();
        crowd.begin(place);
        result
    }

    /// Takes a lock of the owner, and waits for it as long as it takes. `None` when this thread is to end.
    ///
    /// # Errors
    /// [`UnknownLock`], which lists the known ones.
    #[track_caller]
    pub fn lock(&self, name: &str) -> Result<Option<LockGuard>, UnknownLock> {
        self.lock_until(name, Duration::MAX, Location::caller())
    }

    /// Takes a lock of the owner, and waits for it for `time` at most. `None` when that has passed, or this thread is to end.
    ///
    /// # Errors
    /// [`UnknownLock`], which lists the known ones.
    #[track_caller]
    pub fn lock_within(&self, name: &str, time: Duration) -> Result<Option<LockGuard>, UnknownLock> {
        self.lock_until(name, time, Location::caller())
    }

    fn lock_until(
        &self,
        name: &str,
        time: Duration,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, UnknownLock> {
        let waker: Arc<dyn Wake> = self.shared.clone();
        let park = |until| {
            self.shared.park_until(until);
            self.is_active()
        };
        let timeline = self.family.control.timeline();
        let taker = Taker { holder: &self.shared.name, place, waker: Some(&waker) };
        self.family.locks.take_within(name, &taker, time, timeline, park)
    }
}

/// Mail, in the owner's name.
impl Thread {
    /// Sends a mail; what is refused is counted, and goes to the application's dead-letter hook.
    pub fn tell<T: Recipient, V: Any + Send + Sync>(&self, to: T, subject: impl Into<Subject>, body: V) {
        if let Err(error) = self.send(Mail::to(to).subject(subject).body(body)) {
            self.office.undeliverable(error);
        }
    }

    /// Sends a mail, and waits for room where the mailbox blocks its senders.
    ///
    /// # Errors
    /// [`SendError`] with the draft, when nobody has this name, or the mailbox is full or closed.
    pub fn send<T: Recipient, B: Content>(&self, draft: Draft<T, B>) -> Result<Sent, SendError> {
        if self.shared.place.is_none() {
            return self.office.send(draft);
        }
        // Simulated time must go on while it waits.
        let patience = self.office.patience(&draft).unwrap_or_default();
        let until = self.instant().saturating_add(nanos(patience));
        let mut draft = draft.erase().map(|to| to.to().keep(), |body| body);
        loop {
            match self.office.send_at_once(draft) {
                Err(error) if self.may_wait(&error, until) => draft = error.into_draft(),
                sent => return sent,
            }
            self.shared.park_until(until.min(self.instant().saturating_add(TRY_EVERY)));
        }
    }

    fn may_wait(&self, error: &SendError, until: u64) -> bool {
        matches!(error.kind(), SendErrorKind::Full { .. }) && self.is_active() && self.instant() < until
    }

    /// Asks a question, and waits for the reply. It comes by the owner's mailbox, in one of its ticks.
    ///
    /// # Errors
    /// [`AskError`], when the question was refused, no reply came in time, none will come, or this thread is to end.
    pub fn ask<T: Recipient, B: Content>(&self, draft: Draft<T, B>, timeout: Duration) -> Result<Mail, AskError> {
        let until = self.instant().saturating_add(nanos(timeout));
        let recipient = draft.to.to().to_string();
        let mut draft = draft.question();
        // Known before it is sent: the answer may be here before that has returned.
        let (number, _) = *draft.thread.get_or_insert_with(|| (self.office.ids.next(), 0));
        let answer = Arc::new(Mutex::new(None));
        let question = Question { thread: number, answer: answer.clone(), asker: self.shared.clone() };
        self.family.questions.lock().push(question);
        let sent =
            self.send(draft).map_err(|error| AskError::NotSent { recipient: recipient.clone(), kind: error.kind() });
        let outcome = sent.and_then(|_| self.wait_for(&answer, until, timeout, recipient));
        self.family.questions.lock().retain(|question| !Arc::ptr_eq(&question.answer, &answer));
        outcome
    }

    fn wait_for(
        &self,
        answer: &Mutex<Option<Result<Mail, AskError>>>,
        until: u64,
        timeout: Duration,
        recipient: String,
    ) -> Result<Mail, AskError> {
        loop {
            if let Some(outcome) = answer.lock().take() {
                return outcome;
            }
            if !self.is_active() {
                return Err(AskError::Gone);
            }
            if self.instant() >= until {
                return Err(AskError::TimedOut { recipient, timeout });
            }
            self.shared.park_until(until);
        }
    }
}
