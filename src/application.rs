//! The builder of an application.

#[cfg(feature = "usb")]
mod usb;

use crate::cause::Cause;
use crate::clock::Clock;
use crate::control::{Control, DeadLetter, DeadLetterHook};
use crate::exit::Exit;
use crate::frequency::{Frequency, FrequencyError};
use crate::group::GroupPlan;
use crate::handle::ApplicationHandle;
use crate::head::Head;
use crate::key::{GroupKey, GroupOptions};
use crate::link::Link;
use crate::mail::{Delivery, Mail};
use crate::mailbox::MailboxSize;
use crate::post::Address;
use crate::process::Process;
use crate::running::Running;
use crate::scope;
use crate::service::ServiceManager;
use crate::signals::Interrupts;
use crate::subject::Subject;
use crate::systems::{Step, birth, debut};
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

/// One thing the builder was told; done on the head's own thread.
type Part = Box<dyn FnOnce(&mut Head) -> Result<(), String> + Send>;

/// Puts one process into the World, at rest.
type Enrolment = Box<dyn FnOnce(&mut Head) -> Result<Address, String> + Send>;

/// What the main process is called unless its bundle names it.
const MAIN: &str = "main";

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
    link: Arc<Link>,
    clock: Clock,
    ctrl_c: Option<bool>,
    watchdog: Watchdog,
    tells_systemd: bool,
    groups: Vec<(GroupKey, GroupPlan)>,
    settings: Vec<Part>,
    enrolments: Vec<Enrolment>,
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
        let link = Arc::new(Link::new(0, MAIN));
        control.add_link(link.clone());
        Self {
            control,
            link,
            clock: Clock::real(),
            ctrl_c: None,
            watchdog: Watchdog::default(),
            tells_systemd: false,
            groups: Vec::new(),
            settings: Vec::new(),
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
            Ok(frequency) => self.set(move |head| scope::of(&mut head.world).global_frequency.set(frequency)),
            Err(error) => {
                let error = FrequencyError::from(error);
                self.faults.push(format!("the global frequency is none: {error}"));
                self
            }
        }
    }

    /// When mail can be read: [`Delivery::SameTick`] unless set.
    pub fn delivery(self, delivery: Delivery) -> Self {
        let _ = self.control.delivery.set(delivery);
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

    /// Whether Ctrl-C (and SIGTERM, SIGHUP) ends the application in order. Yes, unless set or simulated.
    pub fn ctrl_c(mut self, ends: bool) -> Self {
        self.ctrl_c = Some(ends);
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

    /// Whether a second request from outside, by a handle or a signal, forces the end: yes, unless set. If not, it is logged
    /// and counted.
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
        self.enrolments.push(Box::new(move |head| {
            let entity = head.world.spawn_empty().insert(bundle).id();
            if head.world.get::<Name>(entity).is_none() {
                head.world.entity_mut(entity).insert(Name::new(MAIN));
            }
            let name = head.world.get::<Name>(entity).map(|name| name.as_str().to_owned());
            head.control.set_main_name(name.as_deref().unwrap_or(MAIN));
            birth::enroll(&mut head.world, entity, process, ()).map_err(|error| error.to_string())
        }));
        self
    }

    /// Adds a process. `bundle` holds its settings (a [`Frequency`], a [`Name`], an [`InGroup`](crate::key::InGroup)) and any other
    /// components. It is born when the application is built, after those that it [`Depends`](crate::lifecycle::Depends) on,
    /// else in order of adding.
    pub fn add_process<P: Process>(mut self, process: P, bundle: impl Bundle) -> Self {
        self.enrolments.push(Box::new(move |head| {
            let entity = head.world.spawn_empty().id();
            birth::enroll(&mut head.world, entity, process, bundle).map_err(|error| error.to_string())
        }));
        self
    }

    /// Adds plain Bevy systems to a frequency group, with Bevy's own ordering. Their commands are applied at the end of
    /// the tick, or where an `ApplyDeferred` is put. An error or panic in one is counted and logged; it never ends the
    /// run.
    pub fn add_systems<M>(
        mut self,
        group: impl Into<GroupKey>,
        systems: impl IntoScheduleConfigs<ScheduleSystem, M>,
    ) -> Self {
        let plan = self.plan(group.into());
        plan.has_systems = true;
        plan.schedule.add_systems(systems.into_configs().in_set(Step::Live));
        self
    }

    /// Orders system sets of a frequency group, such as [`LifeOf`](crate::process::LifeOf).
    pub fn configure_sets<M>(
        mut self,
        group: impl Into<GroupKey>,
        sets: impl IntoScheduleConfigs<InternedSystemSet, M>,
    ) -> Self {
        self.plan(group.into()).schedule.configure_sets(sets);
        self
    }

    /// Settings of a frequency group.
    pub fn group(mut self, group: impl Into<GroupKey>, set: impl FnOnce(GroupOptions) -> GroupOptions) -> Self {
        let plan = self.plan(group.into());
        plan.options = set(std::mem::take(&mut plan.options));
        self
    }

    /// Puts a resource into the World, before any process is born.
    pub fn insert_resource<R: Resource>(self, resource: R) -> Self {
        self.set(move |head| head.world.insert_resource(resource))
    }

    /// Does something to the World on its own thread, before any process is born.
    pub fn setup(self, setup: impl FnOnce(&mut World) + Send + 'static) -> Self {
        self.set(move |head| setup(&mut head.world))
    }

    fn plan(&mut self, key: GroupKey) -> &mut GroupPlan {
        let known = self.groups.iter().position(|(known, _)| *known == key);
        let index = known.unwrap_or_else(|| {
            self.groups.push((key, GroupPlan::default()));
            self.groups.len() - 1
        });
        &mut self.groups[index].1
    }

    fn set(mut self, part: impl FnOnce(&mut Head) + Send + 'static) -> Self {
        self.settings.push(Box::new(|head| {
            part(head);
            Ok(())
        }));
        self
    }

    /// A handle for other threads, before and while it runs.
    #[must_use]
    pub fn handle(&self) -> ApplicationHandle {
        ApplicationHandle::new(self.control.clone())
    }

    /// Bears all processes on this thread and hands over what can be stepped and looked into.
    ///
    /// # Errors
    /// [`BuildError`] with every fault there is: taken names, dependencies in a circle, impossible orders of systems, and so
    /// on. Nobody has been born then.
    pub fn build(mut self) -> Result<Running, BuildError> {
        self.control.start_clock(self.clock);
        let guard = self.post_guard();
        let mut head = Head::new(self.control.clone(), self.link.clone());
        head.world.insert_resource(self.handle());
        let mut faults = std::mem::take(&mut self.faults);
        for (key, plan) in std::mem::take(&mut self.groups) {
            head.add_group(key, plan);
        }
        for part in std::mem::take(&mut self.settings) {
            faults.extend(part(&mut head).err());
        }
        let mut enrolled = Vec::new();
        for enrolment in std::mem::take(&mut self.enrolments) {
            match enrolment(&mut head) {
                Ok(address) => enrolled.push(address),
                Err(fault) => faults.push(fault),
            }
        }
        faults.extend(debut::rank(&mut head.world, &enrolled));
        faults.extend(head.initialize());
        if !faults.is_empty() {
            self.control.stop(Cause::NotStarted { faults: faults.clone() });
            return Err(BuildError { faults });
        }
        head.bear(&enrolled);
        head.start();
        let listens = self.ctrl_c.unwrap_or(!self.clock.is_simulated());
        Ok(Running::new(head, listens.then(|| Interrupts::listen(&self.control)), guard))
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
