//! A built application: what `run` drives, and what tests step through and look into.

use crate::cause::Cause;
use crate::clock::nanos;
use crate::draft::{Content, Draft};
use crate::exit::Exit;
use crate::handle::ApplicationHandle;
use crate::head::Head;
use crate::outside::Outside;
use crate::party::Party;
use crate::process::Process;
use crate::report::{self, Report};
use crate::send::{Recipient, SendError, Sent};
use crate::signals::Interrupts;
use crate::watchdog::Guard;
use bevy_ecs::world::World;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// An application whose autostart processes are born. Dropping it ends it in order, deaths included.
///
/// ```
/// use polycephaly::prelude::*;
/// use std::time::Duration;
///
/// #[derive(Component)]
/// struct Counter(u64);
/// impl Process for Counter {
///     fn life(&mut self, _: &mut Context<Self>) -> Result {
///         self.0 += 1;
///         Ok(())
///     }
/// }
///
/// let mut running = Application::new()
///     .clock(Clock::simulated())
///     .add_process(Counter(0), (hz(100), Name::new("counter")))
///     .build()?;
/// running.run_for(Duration::from_secs(2));
/// assert_eq!(running.get::<Counter>("counter").map(|counter| counter.0), Some(200));
/// # Ok::<(), polycephaly::application::BuildError>(())
/// ```
pub struct Running {
    head: Head,
    /// The instant up to which everything due has run, where a limit was given.
    position: u64,
    ended: bool,
    outside: Outside,
    _interrupts: Option<Interrupts>,
    _guard: Option<Guard>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running(at {:?})", self.now())
    }
}

impl Running {
    pub(crate) fn new(head: Head, interrupts: Option<Interrupts>, guard: Option<Guard>) -> Self {
        let position = head.control.epoch.load(Relaxed);
        head.sharpen();
        let outside = Outside { ids: head.control.new_ids(), control: head.control.clone(), sender: Party::NOBODY };
        Self { head, position, ended: false, outside, _interrupts: interrupts, _guard: guard }
    }

    /// Runs everything that is due at the next instant: on the simulated clock at once, else when its time has come.
    /// `false` when the application is to end, and nothing has run.
    pub fn step(&mut self) -> bool {
        self.advance(None)
    }

    /// Runs everything that is due before `time` from here has passed, counted from the end of the last `run_for`, or
    /// from the epoch. Ends earlier when the application is to end; `false` then.
    pub fn run_for(&mut self, time: Duration) -> bool {
        let limit = self.position.saturating_add(nanos(time));
        while self.advance(Some(limit)) {}
        let goes_on = !self.head.control.is_stopping();
        if goes_on {
            self.head.control.timeline().jump_to(limit);
            self.position = limit;
        }
        goes_on
    }

    /// Runs until the application ends.
    pub fn run(mut self) -> Exit {
        while self.advance(None) {}
        self.finish()
    }

    /// Ends the application, if it has not ended by itself, and tells how it went.
    pub fn finish(mut self) -> Exit {
        self.end(Cause::TimeUp);
        let end = self.head.control.end();
        Exit::new(end, self.report())
    }

    /// One instant; `false` when there is none before `limit`, or the application is to end.
    fn advance(&mut self, limit: Option<u64>) -> bool {
        self.head.link.set_awake(true);
        let goes_on = !self.head.control.is_stopping() && self.go_on(limit);
        self.head.link.set_awake(false);
        goes_on
    }

    fn go_on(&mut self, limit: Option<u64>) -> bool {
        loop {
            self.head.attend();
            if !self.head.may_tick() {
                return false;
            }
            let threads = self.head.control.crowd.next_wake();
            if self.head.is_idle() && threads == u64::MAX && limit.is_none() {
                self.head.control.stop(Cause::Idle);
                return false;
            }
            let next = self.head.next_start().into_iter().chain(Some(threads).filter(|&at| at != u64::MAX)).min();
            let next = next.filter(|&start| limit.is_none_or(|limit| start < limit));
            if self.head.control.timeline().is_simulated() {
                let Some(start) = next else { return false };
                self.run_instant(start);
                return true;
            }
            let now = self.head.sleep_until(next.or(limit));
            match next {
                Some(start) if now >= start => {
                    self.run_late(now, limit);
                    return true;
                }
                None if limit.is_some_and(|limit| now >= limit) => return false,
                _ => {} // rung: somebody wants something
            }
        }
    }

    /// Simulated: all ticks that start at this instant.
    fn run_instant(&mut self, instant: u64) {
        let timeline = self.head.control.timeline();
        self.head.control.crowd.run_due(instant, timeline, || false);
        timeline.jump_to(instant);
        self.head.attend();
        while let Some((due, index)) = self.head.next() {
            if self.head.start_of(due) > instant || !self.head.may_tick() {
                break;
            }
            self.head.tick(index, instant);
        }
    }

    /// Real: all ticks that are due by now, one after the other.
    fn run_late(&mut self, mut now: u64, limit: Option<u64>) {
        while let Some((due, index)) = self.head.next() {
            if due > now || limit.is_some_and(|limit| due >= limit) || !self.head.may_tick() {
                break;
            }
            now = self.head.tick(index, now);
            self.head.attend();
        }
    }

    fn end(&mut self, cause: Cause) {
        if !std::mem::replace(&mut self.ended, true) {
            if cause == Cause::Dropped {
                self.head.control.ending.hurry();
            }
            if !self.head.control.is_stopping() {
                self.head.control.stop(cause);
            }
            self.head.link.set_awake(true);
            while self.head.shut_down() && self.go_on(None) {}
            self.head.shut_down_all();
            self.head.link.set_awake(false);
        }
    }
}

/// Looking in.
impl Running {
    /// Application time: simulated, or real since the run began.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.head.control.timeline().now())
    }

    /// The World of the main head.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.head.world
    }

    /// The World of the main head, to change. What is asked of processes takes effect at the next step.
    pub fn world_mut(&mut self) -> &mut World {
        self.head.look_at_clock();
        &mut self.head.world
    }

    /// The state of a process, by its name in any case. `None` when nobody has it, or it is of another type.
    #[must_use]
    pub fn get<P: Process>(&self, name: &str) -> Option<&P> {
        let address = self.head.control.post.get(name)?;
        self.head.world.get::<P>(address.entity())
    }

    /// Sends a mail from outside, as [`Outside::send`](crate::outside::Outside::send) does.
    ///
    /// # Errors
    /// [`SendError`] with the draft, when nobody has this name, or the mailbox is full or closed.
    pub fn mail<T: Recipient, B: Content>(&self, draft: Draft<T, B>) -> Result<Sent, SendError> {
        self.outside.send(draft)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> ApplicationHandle {
        ApplicationHandle::new(self.head.control.clone())
    }

    /// How it goes so far.
    #[must_use]
    pub fn report(&mut self) -> Report {
        report::of(&mut self.head)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Cause::Dropped);
    }
}
