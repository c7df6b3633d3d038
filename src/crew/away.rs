//! A head on a thread of its own, and the orders it gets.

use crate::bell::monotonic;
use crate::cause::message_of;
use crate::clock::nanos;
use crate::control::Control;
use crate::frequency::Frequency;
use crate::head::Head;
use crate::link::Link;
use crate::realtime::{Grant, Room};
use crate::runner::{Pass, Runner};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often one who waits for an answer looks whether the end has begun.
const LOOK: Duration = Duration::from_millis(20);
/// How long a head is waited for when the end is forced: less than the watchdog gives the whole end then.
const FORCED: Duration = Duration::from_millis(250);

/// The stack of a head's thread, beside what it wants touched: as much as Rust gives any thread.
const STACK: usize = 2 << 20;

/// Something that a head does between two of its ticks.
type Order = Box<dyn FnOnce(&mut Runner) + Send>;

#[derive(Default)]
struct Desk {
    orders: Mutex<VecDeque<Order>>,
    over: AtomicBool,
}

/// See the module's documentation.
pub(crate) struct Away {
    link: Arc<Link>,
    control: Arc<Control>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    /// Whether it has not answered in time: it is not asked again.
    lost: bool,
}

impl Away {
    /// Starts the thread, and waits until the head's World is set up.
    pub(crate) fn start(head: Head, control: Arc<Control>, link: Arc<Link>, global: Frequency) -> Result<Self, String> {
        let desk = Arc::<Desk>::default();
        let (told, hears) = channel();
        let (name, stack) = (link.name.to_string(), head.realtime.stack());
        let on_thread = {
            let (desk, control, link) = (desk.clone(), control.clone(), link.clone());
            move || match catch_unwind(AssertUnwindSafe(|| equip(head, control, link, global))) {
                Ok(Ok(runner)) => {
                    let _ = told.send(Ok(())); // Whoever started it waits for this.
                    serve(runner, &desk);
                }
                Ok(Err(fault)) => drop(told.send(Err(fault))),
                Err(panic) => drop(told.send(Err(format!("its set-up panicked: {}", message_of(&*panic))))),
            }
        };
        let thread = std::thread::Builder::new().name(name.clone());
        let thread = if stack == 0 { thread } else { thread.stack_size(STACK + stack) }.spawn(on_thread);
        let thread = thread.map_err(|error| format!("head {name:?} has no thread: {error}"))?;
        let ready = hears.recv().unwrap_or_else(|_| Err("its thread ended".into()));
        ready.map_err(|fault| format!("head {name:?} can't start: {fault}"))?;
        Ok(Self { link, control, desk, thread: Some(thread), lost: false })
    }

    /// Has the head do this, and does not wait for it.
    pub(crate) fn order<R: Send + 'static>(&self, work: impl FnOnce(&mut Runner) -> R + Send + 'static) -> Receiver<R> {
        let (answer, answered) = channel();
        let order = move |runner: &mut Runner| drop(answer.send(work(runner)));
        self.desk.orders.lock().push_back(Box::new(order));
        self.link.bell.ring();
        answered
    }

    /// The answer; `None` of one that is lost: once the end has begun, a head is not waited for without limit.
    pub(crate) fn wait<R>(&mut self, answer: Receiver<R>) -> Option<R> {
        let mut give_up_at = None;
        while !self.lost {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Disconnected) => self.lose("its thread has ended"),
                Err(RecvTimeoutError::Timeout) if self.control.is_stopping() => {
                    let ending = &self.control.ending;
                    let patience = if ending.is_forced() { nanos(FORCED) } else { ending.each() };
                    let now = monotonic();
                    if now >= *give_up_at.get_or_insert(now.saturating_add(patience)) {
                        self.lose(&format!("held by {}", self.link.holder()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        None
    }

    fn lose(&mut self, why: &str) {
        let head = &*self.link.name;
        tracing::error!(head, why, "does not answer, and is left behind");
        self.control.ending.note_overdue(&format!("head {head:?}, {why},"));
        self.lost = true;
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.desk.over.store(true, Relaxed);
        self.link.bell.ring();
        if let Some(thread) = self.thread.take().filter(|_| !self.lost) {
            // Hooks are guarded each; what panics beyond them has been told by the panic's own message.
            let _ = thread.join();
        }
    }
}

/// Real-time settings first, then the World.
fn equip(head: Head, control: Arc<Control>, link: Arc<Link>, global: Frequency) -> Result<Runner, String> {
    let grant = Grant::obtain(&head.realtime, &link.name, Room::Made).map_err(|error| error.to_string())?;
    let mut runner = head.furnish(control, link, global);
    runner.grant = grant;
    Ok(runner)
}

/// What the head's thread does.
fn serve(mut runner: Runner, desk: &Desk) {
    let (control, link) = (runner.control.clone(), runner.link.clone());
    loop {
        link.set_awake(true);
        loop {
            let Some(order) = desk.orders.lock().pop_front() else { break };
            order(&mut runner);
        }
        let pass = if desk.over.load(Relaxed) { None } else { Some(runner.pass()) };
        link.set_awake(false);
        match pass {
            None => return,
            Some(Pass::Over | Pass::Horizon) => drop(control.timeline().sleep_until(None, &link.bell)),
            Some(Pass::Ran | Pass::Rung | Pass::Idle) => {}
        }
    }
}
