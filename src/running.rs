//! A built application: what `run` drives, and what tests step through and look into.

use crate::cause::Cause;
use crate::clock::nanos;
use crate::control::Control;
use crate::crew::Crew;
use crate::draft::{Content, Draft};
use crate::exit::Exit;
use crate::handle::ApplicationHandle;
use crate::outside::Outside;
use crate::party::Party;
use crate::process::Process;
use crate::recipient::Recipient;
use crate::report::{self, Report};
use crate::runner::Runner;
use crate::send::{SendError, Sent};
use crate::signals::Interrupts;
use crate::watchdog::Guard;
use bevy_ecs::world::World;
use std::sync::Arc;
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
    crew: Crew,
    /// Everything due before this has run.
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
    pub(crate) fn new(crew: Crew, interrupts: Option<Interrupts>, guard: Option<Guard>) -> Self {
        let control = &crew.control;
        let position = control.epoch.load(Relaxed);
        let outside = Outside { ids: control.new_ids(), control: control.clone(), sender: Party::NOBODY };
        Self { crew, position, ended: false, outside, _interrupts: interrupts, _guard: guard }
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
        let goes_on = !self.control().is_stopping();
        if goes_on {
            self.control().timeline().jump_to(limit);
            self.position = limit;
        }
        goes_on
    }

    /// Runs until the application ends.
    pub fn run(mut self) -> Exit {
        while self.advance(None) {}
        self.finish()
    }

    /// Ends the application, if it has not ended by itself, and tells how it went. Ticks that were due before the end of
    /// the last `run_for` and have not run, because their head was late, are counted as dropped; so are those of a group
    /// that is a whole period behind when the application is stopped.
    pub fn finish(mut self) -> Exit {
        self.end(Cause::TimeUp);
        let end = self.control().end();
        Exit::new(end, self.report())
    }

    /// One instant; `false` when there is none before `limit`, or the application is to end.
    fn advance(&mut self, limit: Option<u64>) -> bool {
        if self.control().is_stopping() {
            return false;
        }
        self.control().set_horizon(limit);
        self.at_work(Crew::advance)
    }

    fn end(&mut self, cause: Cause) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let control = self.control();
        if cause == Cause::Dropped {
            control.ending.hurry();
        }
        if !control.is_stopping() {
            control.stop(cause);
        }
        self.at_work(|crew| {
            let mut cut = crew.cut();
            crew.control.set_horizon(None);
            while crew.shut_down(cut) {
                if !crew.advance() {
                    cut = crew.cut();
                    break;
                }
            }
            crew.shut_down_all(cut);
        });
    }

    /// Does this where the watchdog looks.
    fn at_work<R>(&mut self, work: impl FnOnce(&mut Crew) -> R) -> R {
        self.main().link.set_awake(true);
        let done = work(&mut self.crew);
        self.main().link.set_awake(false);
        done
    }

    fn control(&self) -> &Control {
        &self.crew.control
    }

    fn main(&self) -> &Runner {
        &self.crew.here[0]
    }
}

/// Looking in.
impl Running {
    /// Application time: simulated, or real since the run began.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.control().timeline().now())
    }

    /// The World of the main head.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.main().world
    }

    /// The World of a head, by its name in any case. `None` when there is no such head, or it has a thread of its own: under
    /// the simulated clock, all heads are here.
    #[must_use]
    pub fn world_of(&self, head: &str) -> Option<&World> {
        let home = self.crew.here.iter().find(|runner| runner.link.name.eq_ignore_ascii_case(head))?;
        Some(&home.world)
    }

    /// The World of the main head, to change. What is asked of processes takes effect at the next step.
    pub fn world_mut(&mut self) -> &mut World {
        let main = &mut self.crew.here[0];
        main.look_at_clock();
        &mut main.world
    }

    /// The state of a process, by its name in any case. `None` when nobody has it, it is of another type, or it lives on
    /// a head with a thread of its own: under the simulated clock, all heads are here.
    #[must_use]
    pub fn get<P: Process>(&self, name: &str) -> Option<&P> {
        let address = self.control().post.get(name)?;
        let home = self.crew.here.iter().find(|runner| Arc::ptr_eq(&runner.link, &address.0.link))?;
        home.world.get::<P>(address.entity())
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
        ApplicationHandle::new(self.crew.control.clone())
    }

    /// How it goes so far.
    #[must_use]
    pub fn report(&mut self) -> Report {
        report::of(&mut self.crew)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Cause::Dropped);
    }
}
