//! Questions: mail whose sender waits for the reply, never by blocking.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Client { square: u64 }
//!
//! impl Process for Client {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.ask_then(Mail::to("server").subject("square").body(12_u64), Duration::from_millis(500), |client, reply, _| {
//!             client.square = *reply?.get().ok_or("no number")?;
//!             Ok(())
//!         })?;
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Component)]
//! struct Server;
//!
//! impl Process for Server {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.add_filter(Filter::new().subject("square"), |_, mail, cx| {
//!             let number = *mail.get::<u64>().ok_or("no number")?;
//!             cx.reply(mail, number * number)?;
//!             Ok(())
//!         })?;
//!         Ok(())
//!     }
//! }
//!
//! let app = Application::new().add_process(Client::default(), (hz(50), Name::new("client")));
//! let mut running = app.add_process(Server, (hz(20), Name::new("server"))).clock(Clock::simulated()).build().unwrap();
//! running.run_for(Duration::from_millis(100));
//! assert_eq!(running.get::<Client>("client").unwrap().square, 144);
//! ```

pub use crate::answer::AskError;
use crate::clock::nanos;
use crate::context::Context;
use crate::draft::{Back, Content, Draft, Nothing};
use crate::erased::{self, AnyProcess, Callback, Calls, RawContext};
use crate::mail::Mail;
use crate::process::Process;
use crate::recipient::Recipient;
use crate::timer::TimerId;
use bevy_ecs::error::Result;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The outcome of an ask, to be looked at in later lives.
#[derive(Debug)]
pub struct Pending(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Waiting,
    Ready(Outcome),
    Gone,
}

impl Pending {
    /// Whether [`take`](Self::take) would give something.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !matches!(*self.0.lock(), State::Waiting)
    }

    /// The reply, or why there is none; `None` while there is neither. The reply can be taken once.
    pub fn take(&mut self) -> Option<Result<Mail, AskError>> {
        let mut state = self.0.lock();
        if matches!(*state, State::Waiting) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Gone) {
            State::Ready(outcome) => Some(outcome),
            State::Waiting | State::Gone => Some(Err(AskError::Gone)),
        }
    }
}

/// What is done with the outcome of an ask.
pub(crate) type OnReply<P> = fn(&mut P, Result<&Mail, AskError>, &mut Context<'_, P>) -> Result;

/// What has come of an ask.
type Outcome = Result<Mail, AskError>;

/// Calls an [`OnReply`].
struct Reply<P>(PhantomData<P>);

impl<P: Process> Calls<Outcome> for Reply<P> {
    type Function = OnReply<P>;

    fn call(call: OnReply<P>, process: &mut AnyProcess<'_>, outcome: &Outcome, cx: &mut RawContext<'_>) -> Result {
        let (process, cx) = erased::typed(process, cx);
        call(process, outcome.as_ref().map_err(AskError::clone), cx)
    }
}

/// A question as its asker keeps it.
pub(crate) struct Ask {
    /// The thread in which the answer will come.
    pub(crate) thread: u64,
    pub(crate) timer: TimerId,
    terms: Terms,
    then: Then,
}

/// Who is to answer, and by when.
struct Terms {
    recipient: Box<str>,
    timeout: Duration,
}

enum Then {
    Keep(Kept),
    Call(Callback<Outcome>),
}

/// Where the outcome is kept for a [`Pending`].
struct Kept(Arc<Mutex<State>>);

impl Drop for Kept {
    /// Whoever still holds the [`Pending`] learns that its asker is gone.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(*state, State::Waiting) {
            *state = State::Gone;
        }
    }
}

impl Terms {
    fn timed_out(&self) -> AskError {
        AskError::TimedOut { recipient: self.recipient.to_string(), timeout: self.timeout }
    }

    fn outcome(&self, mail: Mail) -> Outcome {
        match mail.failed() {
            Some(failure) => {
                Err(AskError::Failed { recipient: self.recipient.to_string(), reason: failure.reason.to_string() })
            }
            None => Ok(mail),
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { recipient, timeout } = &self.terms;
        write!(f, "Ask({recipient:?} within {timeout:?})")
    }
}

impl Ask {
    /// Why no answer came in time.
    pub(crate) fn timed_out(&self) -> AskError {
        self.terms.timed_out()
    }

    /// What the answer says: it may be the bounce of the question.
    pub(crate) fn outcome(&self, mail: Mail) -> Outcome {
        self.terms.outcome(mail)
    }

    /// Ends the ask.
    pub(crate) fn resolve(self, outcome: Outcome, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) -> Result {
        cx.forget_ask(self.timer, &outcome);
        match self.then {
            Then::Keep(kept) => {
                kept.resolve(outcome);
                Ok(())
            }
            Then::Call(callback) => callback.call(process, &outcome, cx),
        }
    }
}

impl Kept {
    fn resolve(self, outcome: Outcome) {
        *self.0.lock() = State::Ready(outcome);
    }
}

impl RawContext<'_> {
    /// Nobody waits for its time-out, unless that is what has come.
    fn forget_ask(&mut self, timer: TimerId, outcome: &Outcome) {
        if !matches!(outcome, Err(AskError::TimedOut { .. })) {
            self.scope.alarms.borrow_mut().withdraw(self.vitals.address.entity(), timer);
        }
    }
}

/// How many questions a process may owe an answer. Of one that never answers, the list would grow for ever.
const OWED: usize = 1000;

/// The questions that a process has read and not answered, as the answers to them. Of too many the oldest is forgotten: whoever
/// asked it learns by its time-out that there is no answer, not by the death of this process.
#[derive(Default)]
pub(crate) struct Debts {
    all: VecDeque<Draft<Back, Nothing>>,
    forgets: bool,
}

impl Debts {
    pub(crate) fn push(&mut self, answer: Draft<Back, Nothing>) {
        if self.all.len() == OWED {
            self.all.pop_front();
            if !std::mem::replace(&mut self.forgets, true) {
                tracing::warn!("{OWED} questions are unanswered: from now on, the oldest are left to their time-outs");
            }
        }
        self.all.push_back(answer);
    }

    /// Drops those for which it does not hold.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&Draft<Back, Nothing>) -> bool) {
        if !self.all.is_empty() {
            self.retain_some(&mut is_kept);
        }
    }

    /// Once for all who ask, each of whom would bring a function of its own.
    fn retain_some(&mut self, is_kept: &mut dyn FnMut(&Draft<Back, Nothing>) -> bool) {
        self.all.retain(is_kept);
    }
}

impl IntoIterator for Debts {
    type Item = Draft<Back, Nothing>;
    type IntoIter = std::collections::vec_deque::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// Asking.
impl<P: Process> Context<'_, P> {
    /// Sends a question; the [`Pending`] is looked at in later lives. The answer comes even into a full mailbox, and
    /// passes by the filters. `timeout` is on the application's clock.
    pub fn ask<T: Recipient, B: Content>(&mut self, draft: Draft<T, B>, timeout: Duration) -> Pending {
        let state = Arc::new(Mutex::new(State::Waiting));
        if let Err(error) = self.begin_ask(draft, timeout, Then::Keep(Kept(state.clone()))) {
            *state.lock() = State::Ready(Err(error));
        }
        Pending(state)
    }

    /// Sends a question, and calls back with the answer or with the reason why there is none.
    ///
    /// # Errors
    /// [`AskError::NotSent`] when the question is refused: then there is no call.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// cx.ask_then(Mail::to("server").subject("time"), Duration::from_millis(100), |_, reply, _| {
    ///     println!("{}", reply?.body());
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    pub fn ask_then<T: Recipient, B: Content>(
        &mut self,
        draft: Draft<T, B>,
        timeout: Duration,
        call: OnReply<P>,
    ) -> Result<(), AskError> {
        self.begin_ask(draft, timeout, Then::Call(Callback::new::<Reply<P>>(call)))
    }

    fn begin_ask<T: Recipient, B: Content>(
        &mut self,
        draft: Draft<T, B>,
        timeout: Duration,
        then: Then,
    ) -> Result<(), AskError> {
        let draft = draft.question();
        let (recipient, thread) = (draft.to.to().to_string(), draft.thread.map(|(thread, _)| thread));
        let sent = match self.send(draft) {
            Ok(sent) => sent,
            Err(error) => {
                // Whoever the asker waits on already, in the same thread, is none of this one's.
                return Err(AskError::NotSent { recipient, kind: error.kind() });
            }
        };
        let timer = self.raw().own().number_timer();
        let thread = thread.unwrap_or(sent.number);
        let terms = Terms { recipient: recipient.into(), timeout };
        self.vitals.private.own().asks.push(Ask { thread, timer, terms, then });
        let due = self.scope.now().saturating_add(nanos(timeout));
        self.scope.alarms.borrow_mut().set(due, self.vitals.address.clone(), timer);
        self.scope.wind_alarm();
        Ok(())
    }
}
