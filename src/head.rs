//! A head as the builder is told of it: what is to live, and to tick, on one thread.
//!
//! What blocks on one head does not delay another. Processes are put on it by [`Head::add_process`], or by an [`OnHead`] in their bundle;
//! mail, topics, `start`, `stop`, `Depends` and the report know all heads. Under the simulated clock all tick in one order on one thread, and
//! with [`Delivery::NextTick`](crate::mail::Delivery::NextTick) any placement gives the same bits. A head that is asked for too much for long
//! sheds ticks of groups by their [`importance`](crate::importance); [`Phase::Auto`](crate::phase::Phase::Auto) keeps groups from meeting;
//! [`Head::paced_by`] ticks a head by an external reference, such as a field bus, instead of the clock.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Control { ticks: u32 }
//! impl Process for Control {
//!     fn life(&mut self, _: &mut Context<Self>) -> Result {
//!         self.ticks += 1;
//!         Ok(())
//!     }
//! }
//! #[derive(Component)]
//! struct Camera;
//! impl Process for Camera {
//!     fn life(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.consume(Duration::from_millis(50)); // it waits for its device
//!         Ok(())
//!     }
//! }
//!
//! let head = Head::new("slow").add_process(Camera, hz(10)).group(hz(10), |g| g.importance(Importance::Low));
//! let app = Application::new().clock(Clock::simulated()).add_process(Control::default(), hz(1000)).add_head(head);
//! let exit = app.run_for(Duration::from_secs(1));
//! assert_eq!(exit.report().group_on("main", "1000 Hz").unwrap().dropped, 0);
//! ```

use crate::control::Control;
use crate::frequency::Frequency;
use crate::group::GroupPlan;
use crate::handle::ApplicationHandle;
use crate::key::{GroupKey, GroupOptions, OnHead};
use crate::link::{Link, UnknownHead};
use crate::pace::{Pace, Pacer};
use crate::post::Address;
use crate::process::Process;
use crate::realtime::RealTime;
use crate::runner::Runner;
use crate::settings::{Place, Settings, Sorter};
use crate::systems::debut::Entrant;
use crate::systems::{Step, birth};
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{InternedSystemSet, IntoScheduleConfigs};
use bevy_ecs::system::ScheduleSystem;
use bevy_ecs::world::World;
use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What the main head is called.
pub(crate) const MAIN: &str = "main";

/// Something the builder was told to do to a World before any process is born; done on the head's own thread.
type Setting = Box<dyn FnOnce(&mut World) + Send>;

/// Puts one process into a head's World, at rest.
pub(crate) type Enroll = Box<dyn FnOnce(&mut Runner) -> Result<Entrant, String> + Send>;

/// The table in a head's World of all processes of one type that bring no components of their own: how to make room in it.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) process: TypeId,
    pub(crate) expect: fn(&mut World, usize),
}

/// A process to be put on some head.
pub(crate) struct Enrolment {
    pub(crate) place: Place,
    pub(crate) table: Option<Table>,
    pub(crate) enroll: Enroll,
}

/// One OS thread with a World and frequency groups of its own. What blocks on one head does not delay another.
///
/// ```
/// use polycephaly::prelude::*;
/// # #[derive(Component)] struct Motor;
/// # impl Process for Motor {}
/// # #[derive(Component)] struct Camera;
/// # impl Process for Camera {}
/// let app = Application::new()
///     .add_head(Head::new("control").add_process(Motor, hz(1000)))
///     .add_process(Camera, hz(30));
/// ```
#[must_use = "a head does nothing until it is added to an application"]
pub struct Head {
    pub(crate) name: Cow<'static, str>,
    /// Whether it stands for one head per frequency group.
    pub(crate) per_group: bool,
    pub(crate) groups: Vec<(GroupKey, GroupPlan)>,
    settings: Vec<Setting>,
    pub(crate) enrolments: Vec<Enrolment>,
    pub(crate) realtime: RealTime,
    pace: Option<Pace>,
    sorter: Sorter,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({:?})", self.name)
    }
}

impl Head {
    /// A head of this name. Names are compared without case; `main` is the one that each application has anyway, on the
    /// thread that runs it.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            per_group: false,
            groups: Vec::new(),
            settings: Vec::new(),
            enrolments: Vec::new(),
            realtime: RealTime::default(),
            pace: None,
            sorter: Sorter::default(),
        }
    }

    /// A head for each frequency group of what is added to it, called after the group: `1000 Hz`, `100 Hz io`. Resources
    /// and set-up belong to no one of them: give those to a [`new`](Self::new) head.
    pub fn per_group() -> Self {
        Self { per_group: true, ..Self::new("") }
    }

    /// Real-time settings of the head's thread: none unless set.
    pub fn realtime(mut self, realtime: RealTime) -> Self {
        self.realtime = realtime;
        self
    }

    /// An external reference that paces this head: its pulses are its ticks, instead of the clock's instants. A pulse is waited
    /// for, so what others ask of the head may wait for it, too, five milliseconds at most.
    pub fn paced_by(mut self, pace: Pace) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Adds a process to this head: see [`Application::add_process`](crate::application::Application::add_process). An
    /// [`OnHead`] in its bundle outranks this.
    pub fn add_process<P: Process>(mut self, process: P, bundle: impl Settings) -> Self {
        let enrolment = self.enrolment(process, bundle);
        self.enrolments.push(enrolment);
        self
    }

    /// One more process for this head.
    pub(crate) fn enrolment<P: Process, B: Settings>(&mut self, process: P, bundle: B) -> Enrolment {
        let (place, bundle) = if self.per_group || self.sorter.names_head::<B>() {
            self.sorter.look(bundle)
        } else {
            (Place::default(), bundle)
        };
        let table =
            self.sorter.is_bare::<B>().then(|| Table { process: TypeId::of::<P>(), expect: birth::expect::<P> });
        let enroll = Box::new(move |runner: &mut Runner| {
            let entity = birth::put_settings(&mut runner.world, bundle);
            enroll(runner, entity, process)
        });
        Enrolment { place, table, enroll }
    }

    /// Adds plain Bevy systems to a frequency group of this head: see
    /// [`Application::add_systems`](crate::application::Application::add_systems).
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

    /// Settings of a frequency group of this head.
    pub fn group(mut self, group: impl Into<GroupKey>, set: impl FnOnce(GroupOptions) -> GroupOptions) -> Self {
        let plan = self.plan(group.into());
        plan.options = set(std::mem::take(&mut plan.options));
        self
    }

    /// Puts a resource into the head's World, before any process is born.
    pub fn insert_resource<R: Resource>(self, resource: R) -> Self {
        self.setup(move |world| world.insert_resource(resource))
    }

    /// Does something to the head's World on its own thread, before any process is born.
    pub fn setup(mut self, setup: impl FnOnce(&mut World) + Send + 'static) -> Self {
        self.settings.push(Box::new(setup));
        self
    }

    fn plan(&mut self, key: GroupKey) -> &mut GroupPlan {
        let known = self.groups.iter().position(|(known, _)| *known == key);
        let index = known.unwrap_or_else(|| {
            self.groups.push((key, GroupPlan::default()));
            self.groups.len() - 1
        });
        &mut self.groups[index].1
    }

    /// The head's World and groups, on this thread, which is the head's own from now on.
    pub(crate) fn furnish(self, control: Arc<Control>, link: Arc<Link>, global: Frequency) -> Runner {
        let handle = ApplicationHandle::new(control.clone());
        let mut runner = Runner::new(control, link, global);
        runner.world.insert_resource(handle);
        for (key, plan) in self.groups {
            runner.add_group(key, plan);
        }
        for setting in self.settings {
            setting(&mut runner.world);
        }
        runner.pacer = self.pace.map(Pacer::new);
        runner
    }
}

/// Enrols one process on its head, to the settings that stand there.
pub(crate) fn enroll<P: Process>(runner: &mut Runner, entity: Entity, process: P) -> Result<Entrant, String> {
    let address = birth::enroll(&mut runner.world, entity, process).map_err(|error| error.to_string())?;
    Ok(enter(runner, address))
}

fn enter(runner: &mut Runner, address: Address) -> Entrant {
    // Its settings were taken, before there was anybody to see it: that is not to heap up.
    runner.world.clear_trackers();
    Entrant::new(&runner.world, address)
}

/// All heads of an application, the main one first, and on which of them each process is put, in order of adding.
pub(crate) struct Layout {
    pub(crate) heads: Vec<Head>,
    pub(crate) enrolments: Vec<(usize, Enroll)>,
    /// How many come into each table.
    pub(crate) tables: Vec<(usize, Table, usize)>,
}

impl Layout {
    /// Heads as they were given, and processes with the number of the head that they were given to. What can't be is told.
    pub(crate) fn new(
        given: Vec<Head>,
        enrolments: Vec<(usize, Enrolment)>,
        global: Frequency,
        faults: &mut Vec<String>,
    ) -> Self {
        let mut layout = Self { heads: Vec::new(), enrolments: Vec::new(), tables: Vec::new() };
        let mut homes = Vec::new();
        for head in given {
            homes.push(if head.per_group {
                Home::PerGroup(head.realtime.clone())
            } else {
                Home::One(head.name.clone())
            });
            layout.add(head, faults);
        }
        for (home, Enrolment { place, table, enroll }) in enrolments {
            let name = match (place.head, &homes[home]) {
                (Some(OnHead(name)), _) => name,
                (None, Home::One(name)) => name.clone(),
                (None, Home::PerGroup(realtime)) => {
                    let label = place.group.map_or(Cow::Borrowed(""), |group| group.0);
                    let key = GroupKey { frequency: place.frequency.unwrap_or(global), label };
                    layout.part(&key, realtime).name.clone()
                }
            };
            match layout.heads.iter().position(|head| head.name.eq_ignore_ascii_case(&name)) {
                Some(head) => {
                    layout.enrolments.push((head, enroll));
                    table.into_iter().for_each(|table| layout.count(head, table));
                }
                None => {
                    let who = place.name.map_or("a process".into(), |who| format!("{:?}", who.as_str()));
                    let known = layout.heads.iter().map(|head| head.name.to_string()).collect();
                    faults.push(format!(
                        "{who} can't be put on its head: {}",
                        UnknownHead { name: name.into_owned(), known }
                    ));
                }
            }
        }
        layout
    }

    fn add(&mut self, head: Head, faults: &mut Vec<String>) {
        if head.per_group {
            if !head.settings.is_empty() || head.pace.is_some() {
                let fault = "a head per group has no one World to set up, and nothing paces them all: give that to a head of its own";
                faults.push(fault.into());
            }
            for (key, plan) in head.groups {
                self.part(&key, &head.realtime).groups.push((key, plan));
            }
        } else if head.name.is_empty() {
            faults.push("a head's name can't be empty".into());
        } else if self.heads.iter().any(|known| known.name.eq_ignore_ascii_case(&head.name)) {
            faults.push(format!("there are two heads {:?}; give one of them another name", head.name));
        } else {
            self.heads.push(head);
        }
    }

    fn count(&mut self, head: usize, table: Table) {
        let known = self.tables.iter_mut().find(|known| (known.0, known.1.process) == (head, table.process));
        match known {
            Some((.., count)) => *count += 1,
            None => self.tables.push((head, table, 1)),
        }
    }

    /// The head of one group.
    fn part(&mut self, key: &GroupKey, realtime: &RealTime) -> &mut Head {
        let name = key.to_string();
        let known = self.heads.iter().position(|head| head.name == name);
        let at = known.unwrap_or_else(|| {
            self.heads.push(Head::new(name).realtime(realtime.clone()));
            self.heads.len() - 1
        });
        &mut self.heads[at]
    }
}

/// Where what was given to one head goes.
enum Home {
    One(Cow<'static, str>),
    PerGroup(RealTime),
}
