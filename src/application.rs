//! The builder of an application.
//!
//! Add processes, systems, heads and settings, then [`run`](Application::run) it, or [`build`](Application::build) it to step through it.
//! What is wrong with all that is told together, before anybody is born. An application ends by itself when its main process dies, or
//! without one when the last process has; by [`stop_application`](crate::context::Context::stop_application), a signal, or the e-brake.
//! Then all die in order: who [depends](crate::lifecycle) on others before them, each with a deadline.
//!
//! # Logs
//!
//! The library logs through `tracing`, one target a module (`polycephaly::failure`, `polycephaly::systems::mailman`, ...); the subscriber is
//! yours to choose. ERROR is what failed, WARN what one should look at, INFO what a healthy run tells in a few lines, DEBUG all deaths and
//! dead letters. What happens in every tick is logged once, or once a second, and counted in the report.

#[cfg(all(test, not(loom_model)))]
mod tests;
#[cfg(feature = "usb")]
mod usb;

use crate::cause::Cause;
use crate::clock::Clock;
use crate::control::{Control, DeadLetter, DeadLetterHook};
use crate::crew::Crew;
use crate::exit::Exit;
use crate::frequency::{Frequency, FrequencyError, hz};
use crate::handle::ApplicationHandle;
use crate::head::{self, Enrolment, Head, Layout, MAIN};
use crate::key::{GroupKey, GroupOptions};
use crate::mail::{Delivery, Mail};
use crate::mailbox::MailboxSize;
use crate::process::Process;
use crate::realtime::RealTime;
use crate::runner::Runner;
use crate::running::Running;
use crate::service::ServiceManager;
use crate::settings::{Place, Settings};
use crate::signals::Interrupts;
use crate::subject::Subject;
use crate::systems::fallback;
use crate::watchdog::{Guard, Watchdog};
use bevy_ecs::bundle::Bundle;
use bevy_ecs::name::Name;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{InternedSystemSet, IntoScheduleConfigs};
use bevy_ecs::system::ScheduleSystem;
use bevy_ecs::world::World;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Everything that was wrong with what the builder was told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the application can't be built: {}", .faults.join("; "))]
#[non_exhaustive]
pub struct BuildError {
    /// Each fault, in the order of the calls that caused them.
    pub faults: Vec<String>,
}

/// Builds an application: processes, systems and settings, then [`run`](Self::run).
///
/// ```
/// use polycephaly::prelude::*;
///
/// #[derive(Component)]
/// struct Hello { left: u32 }
///
/// impl Process for Hello {
///     fn life(&mut self, cx: &mut Context<Self>) -> Result {
///         println!("{} at {:?}", cx.name(), cx.now());
///         self.left -= 1;
///         if self.left == 0 {
///             cx.die("said it all");
///         }
///         Ok(())
///     }
/// }
///
/// let exit = Application::new().add_process(Hello { left: 3 }, hz(1000)).run();
/// assert!(exit.is_success());
/// ```
#[must_use = "an application does nothing until it is run"]
pub struct Application {
    control: Arc<Control>,
    clock: Clock,
    signals: Option<bool>,
    watchdog: Watchdog,
    tells_systemd: bool,
    global_frequency: Frequency,
    main: Head,
    /// All but the main head.
    heads: Vec<Head>,
    /// Processes in order of adding, with the number of their head: 0 is the main one.
    enrolments: Vec<(usize, Enrolment)>,
    faults: Vec<String>,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Default for Application {
    fn default() -> Self {
        Self::new()
    }
}

impl Application {
    /// An application without processes, on the real clock.
    pub fn new() -> Self {
        let control = Control::new();
        control.add_link(MAIN);
        Self {
            control,
            clock: Clock::real(),
            signals: None,
            watchdog: Watchdog::default(),
            tells_systemd: false,
            global_frequency: hz(30),
            main: Head::new(MAIN),
            heads: Vec::new(),
            enrolments: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// What drives the application's time: [`Clock::real`] unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The seed of all [`Context::rng`](crate::context::Context::rng): 0 unless set.
    pub fn seed(self, seed: u64) -> Self {
        self.control.seed.store(seed, Relaxed);
        self
    }

    /// The frequency of processes that have none in their bundle: 30 Hz unless set.
    pub fn global_frequency<F>(mut self, frequency: F) -> Self
    where
        F: TryInto<Frequency>,
        FrequencyError: From<F::Error>,
    {
        match frequency.try_into() {
            Ok(frequency) => self.global_frequency = frequency,
            Err(error) => {
                let error = FrequencyError::from(error);
                self.faults.push(format!("the global frequency is none: {error}"));
            }
        }
        self
    }

    /// On how many threads each head runs the lives of [`Parallel`](crate::parallel::Parallel) types, its own among them: as
    /// many as the thread that builds it may use cores, unless set. 1: all on its own. A thread that runs one application
    /// after the other keeps the workers of the first. Without the cargo feature `parallel` there are none.
    pub fn workers(mut self, workers: usize) -> Self {
        match workers {
            0 => self.faults.push("0 workers can run nothing: give 1 or more".into()),
            _ => self.control.workers.store(workers, Relaxed),
        }
        self
    }

    /// When mail can be read: [`Delivery::SameTick`] unless set.
    pub fn delivery(self, delivery: Delivery) -> Self {
        let _ = self.control.delivery.set(delivery);
        self.control.topics.set_logical(delivery == Delivery::NextTick);
        self
    }

    /// The bound of mailboxes whose process has none in its bundle: 50 unless set.
    pub fn mailbox_size(mut self, size: MailboxSize) -> Self {
        match size.checked() {
            Ok(_) => drop(self.control.mailbox_size.set(size)),
            Err(error) => self.faults.push(error.to_string()),
        }
        self
    }

    /// The subject that makes its recipient die: a new UUID unless set.
    pub fn poison_pill(self, subject: &str) -> Self {
        let _ = self.control.pill.set(Subject::intern(subject));
        self
    }

    /// Called with every mail that nobody will read, on the thread that finds out: refused ones whose sender did not ask
    /// to know, those lost to the bound of a mailbox, and those left when their recipient dies. It must be quick.
    pub fn on_dead_letter(self, hook: impl Fn(&Mail, DeadLetter) + Send + Sync + 'static) -> Self {
        let _ = self.control.dead_letter_hook.set(DeadLetterHook(Box::new(hook)));
        self
    }

    /// Whether the application listens to the signals of its OS process, while it runs: yes, unless set or simulated.
    ///
    /// SIGINT (Ctrl-C), SIGTERM, SIGHUP and SIGQUIT end it in order then, where no process has
    /// [bound](crate::context::Context::on_signal) them; SIGTSTP (Ctrl-Z) and SIGCONT stop it and let it go on, without
    /// counting what it missed as dropped. A second SIGINT or SIGQUIT ends the OS process at once, with 128 and the number
    /// of the signal as the exit code. What the program was started to ignore, as by `nohup`, it goes on to ignore. What was
    /// done about signals before comes back when the application has ended. On systems other than Unix there is nothing
    /// but Ctrl-C.
    pub fn signals(mut self, listens: bool) -> Self {
        self.signals = Some(listens);
        self
    }

    /// How long the end of the application may take: 30 s unless set. Then the OS process ends, with what has not ended
    /// named on standard error and the exit code 3. Not under the simulated clock.
    pub fn shutdown_timeout(self, time: Duration) -> Self {
        self.control.ending.set_total(time);
        self
    }

    /// How long one process's death may take: 5 s unless set. One that takes longer is named in the log and the report, and
    /// the exit is a failure.
    pub fn death_timeout(self, time: Duration) -> Self {
        self.control.ending.set_each(time);
        self
    }

    /// Whether a second request from outside, by a handle, SIGINT or SIGQUIT, forces the end: yes, unless set. If not, it is
    /// logged and counted.
    pub fn force_stop(self, may: bool) -> Self {
        self.control.ending.may_force.store(may, Relaxed);
        self
    }

    /// What becomes of a head that stands still: logged after 5 s unless set.
    pub fn watchdog(mut self, watchdog: Watchdog) -> Self {
        self.watchdog = watchdog;
        self
    }

    /// Tells systemd how it goes, if that has started this program (with `Type=notify`): READY when all autostart processes
    /// are born, STOPPING before the first death, STATUS, and WATCHDOG while no head stands still. Not under the simulated
    /// clock.
    pub fn sd_notify(mut self) -> Self {
        self.tells_systemd = true;
        self
    }

    /// Adds the main process: when it dies, the application ends. It is called `main` unless its bundle names it.
    pub fn add_main<P: Process>(mut self, process: P, bundle: impl Bundle) -> Self {
        if self.control.main_name().is_some() {
            self.faults.push("there are two main processes; an application has at most one".into());
            return self;
        }
        self.control.set_main_name(MAIN);
        let enroll = Box::new(move |runner: &mut Runner| {
            let entity = runner.world.spawn(bundle).id();
            if runner.world.get::<Name>(entity).is_none() {
                runner.world.entity_mut(entity).insert(Name::new(MAIN));
            }
            let name = runner.world.get::<Name>(entity).map(|name| name.as_str().to_owned());
            runner.control.set_main_name(name.as_deref().unwrap_or(MAIN));
            head::enroll(runner, entity, process)
        });
        self.enrolments.push((0, Enrolment { place: Place::default(), table: None, enroll }));
        self
    }

    /// Adds a process. `bundle` holds its settings (a [`Frequency`], a [`Name`], an [`InGroup`](crate::key::InGroup), an
    /// [`OnHead`](crate::key::OnHead)) and any other components. It is born when the application is built, after those that
    /// it [`Depends`](crate::lifecycle::Depends) on, else in order of adding.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # #[derive(Component)] struct Probe; impl Process for Probe {}
    /// let app = Application::new().add_process(Probe, (hz(100), Name::new("probe"), Depends::on(["bus"])));
    /// ```
    pub fn add_process<P: Process>(mut self, process: P, bundle: impl Settings) -> Self {
        let enrolment = self.main.enrolment(process, bundle);
        self.enrolments.push((0, enrolment));
        self
    }

    /// Adds a head: a thread with a World and frequency groups of its own. Under the simulated clock it has no thread: all
    /// heads tick in one order on the thread that steps the application.
    pub fn add_head(mut self, mut head: Head) -> Self {
        let number = self.heads.len() + 1;
        self.enrolments.extend(head.enrolments.drain(..).map(|enrolment| (number, enrolment)));
        self.heads.push(head);
        self
    }

    /// Real-time settings of the main head's thread, which is the one that runs the application: none unless set. They are
    /// taken back when it has ended.
    pub fn realtime(mut self, realtime: RealTime) -> Self {
        self.main = self.main.realtime(realtime);
        self
    }

    /// Adds plain Bevy systems to a frequency group, with Bevy's own ordering. Their commands are applied at the end of
    /// the tick, or where an `ApplyDeferred` is put. An error or panic in one is counted and logged; it never ends the
    /// run. `RemovedComponents` are kept for a second at least, and for two at most.
    pub fn add_systems<M>(
        mut self,
        group: impl Into<GroupKey>,
        systems: impl IntoScheduleConfigs<ScheduleSystem, M>,
    ) -> Self {
        self.main = self.main.add_systems(group, systems);
        self
    }

    /// Orders system sets of a frequency group, such as [`LifeOf`](crate::process::LifeOf).
    pub fn configure_sets<M>(
        mut self,
        group: impl Into<GroupKey>,
        sets: impl IntoScheduleConfigs<InternedSystemSet, M>,
    ) -> Self {
        self.main = self.main.configure_sets(group, sets);
        self
    }

    /// Settings of a frequency group of the main head.
    pub fn group(mut self, group: impl Into<GroupKey>, set: impl FnOnce(GroupOptions) -> GroupOptions) -> Self {
        self.main = self.main.group(group, set);
        self
    }

    /// Puts a resource into the World of the main head, before any process is born.
    pub fn insert_resource<R: Resource>(mut self, resource: R) -> Self {
        self.main = self.main.insert_resource(resource);
        self
    }

    /// Does something to the World of the main head on its own thread, before any process is born.
    pub fn setup(mut self, setup: impl FnOnce(&mut World) + Send + 'static) -> Self {
        self.main = self.main.setup(setup);
        self
    }

    /// A handle for other threads, before and while it runs.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # #[derive(Component)] struct Probe; impl Process for Probe {}
    /// let app = Application::new().add_process(Probe, hz(100));
    /// let handle = app.handle();
    /// std::thread::spawn(move || handle.stop_application("seen enough"));
    /// assert!(app.run().is_success());
    /// ```
    #[must_use]
    pub fn handle(&self) -> ApplicationHandle {
        ApplicationHandle::new(self.control.clone())
    }

    /// Bears all processes on this thread and hands over what can be stepped and looked into.
    ///
    /// Where more than 32,768 stand in one table, their memory is moved onto huge pages then, if the system has them (Linux 6.1 and
    /// later). With a million processes that takes most of a second, and a tick takes a sixth less.
    ///
    /// # Errors
    /// [`BuildError`] with every fault there is: taken names, dependencies in a circle, impossible orders of systems, and so
    /// on. Nobody has been born then.
    pub fn build(mut self) -> Result<Running, BuildError> {
        self.control.start_clock(self.clock);
        let guard = self.post_guard();
        fallback::forget();
        let (mut faults, global) = (std::mem::take(&mut self.faults), self.global_frequency);
        let heads = std::iter::once(self.main).chain(self.heads).collect();
        let layout = Layout::new(heads, self.enrolments, global, &mut faults);
        let mut crew = Crew::assemble(&self.control, self.clock, layout, global, &mut faults);
        if !faults.is_empty() {
            self.control.stop(Cause::NotStarted { faults: faults.clone() });
            return Err(BuildError { faults });
        }
        let listens = self.signals.unwrap_or(!self.clock.is_simulated());
        // Before the births: they may take long, and what has been born by then is to die in order.
        let interrupts = listens.then(|| Interrupts::listen(&self.control));
        crew.start();
        Ok(Running::new(crew, interrupts, guard))
    }

    /// Under the simulated clock nobody watches: there, time waits for every hook.
    fn post_guard(&self) -> Option<Guard> {
        if self.clock.is_simulated() {
            return None;
        }
        if self.tells_systemd
            && let Some(manager) = ServiceManager::find()
        {
            self.control.set_manager(manager);
        }
        Some(Guard::post(&self.control, self.watchdog))
    }

    /// Runs until the application ends by itself, by the e-brake or by Ctrl-C.
    pub fn run(self) -> Exit {
        match self.build() {
            Ok(running) => running.run(),
            Err(error) => Exit::not_started(error.faults),
        }
    }

    /// Runs for this long at most, counted from the birth of the last autostart process.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # #[derive(Component)] struct Probe; impl Process for Probe {}
    /// let exit = Application::new().clock(Clock::simulated()).add_process(Probe, hz(100)).run_for(Duration::from_secs(1));
    /// assert_eq!(exit.report().process("probe").unwrap().lives, 100);
    /// ```
    pub fn run_for(self, time: Duration) -> Exit {
        match self.build() {
            Ok(mut running) => {
                running.run_for(time);
                running.finish()
            }
            Err(error) => Exit::not_started(error.faults),
        }
    }
}
