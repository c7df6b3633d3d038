//! What a head lends to every hook: the state that processes, systems and the head pass each other.
//!
//! One [`Scope`] lives in each World, as the resource [`Lent`]. It is touched by one thread at a time, so its cells are
//! plain. The few words that the head reads and writes at each tick are in [`Beat`].

mod branch;
mod forwards;
mod graveyard;
mod lent;
pub(crate) mod row;

use crate::bell::monotonic;
use crate::cause::Cause;
use crate::control::Control;
use crate::erased::{Actor, AnyProcess, Callback};
use crate::filter::Longer;
use crate::frequency::Frequency;
use crate::id::{Ids, SenderIds};
use crate::key::{GroupKey, GroupOptions};
use crate::link::{Call, Holder, Link};
use crate::mail::{Delivery, Mail};
use crate::mailbox::{Attic, Bag, Depot, HomeRef, Homes};
use crate::party::Party;
use crate::post::Fate;
use crate::process::{Flags, Vitals};
use crate::run_level::RunLevel;
use crate::suspension;
use crate::time::Beat;
use crate::timer::{Alarms, TimerId};
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::{Entity, EntityHashMap};
use bevy_ecs::schedule::InternedSystemSet;
use bevy_ecs::world::World;
use std::any::TypeId;
use std::borrow::Cow;
use std::cell::{Cell, RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use branch::Branch;
use forwards::Forwards;
pub(crate) use graveyard::{Departed, Forgotten, Graveyard};
pub(crate) use lent::{Lent, entity, lend, of, with, with_lender};
use row::Casts;

/// A group as processes know it; its deadlines and counters are the head's.
#[derive(Clone)]
pub(crate) struct GroupEntry {
    pub(crate) key: GroupKey,
    /// The zero-size component that its processes carry, those at home excepted.
    pub(crate) marker: ComponentId,
    pub(crate) population: u32,
}

/// All processes of one type in one group. They live together, so their lives are counted together.
#[derive(Clone, Copy)]
pub(crate) struct Lane {
    pub(crate) group: u32,
    pub(crate) kind: u32,
    /// Whether the group is the first of this type.
    pub(crate) is_home: bool,
    /// How often its lives have run.
    pub(crate) runs: u64,
    /// When they ran last.
    pub(crate) last: u64,
    /// When they ran before that.
    pub(crate) before: u64,
    /// Whether its lives take so long that the e-brake of others is looked at before each.
    pub(crate) dear: bool,
    /// Whether any of its processes may have a flag.
    pub(crate) flagged: bool,
}

impl Lane {
    /// Its lives run, now.
    #[inline]
    pub(crate) fn run(&mut self, now: u64) {
        self.runs += 1;
        self.before = self.last;
        self.last = now;
    }
}

/// How the processes of a lane are told from others of their type: see `systems::marker`.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    /// They are in the first group of their type.
    Home,
    /// They bear the marker of their group.
    Group(ComponentId),
}

/// What a head must do to its groups between two ticks.
pub(crate) enum Change {
    /// A new entry stands in [`Scope::groups`].
    Found,
    /// A new lane is to be run.
    Install { group: u32 },
    /// The first process has come, or the last has gone.
    Population { group: u32 },
    /// Settings were asked for.
    Options { key: GroupKey, options: GroupOptions },
    /// Pause or resume.
    Pause { key: GroupKey, paused: bool },
    /// Somebody watches USB: all groups of this head need the system that tells him.
    #[cfg(feature = "usb")]
    PollUsb,
}

/// What a hook has come to: its result, or its panic.
pub(crate) type Outcome = std::thread::Result<bevy_ecs::error::Result>;

/// A `prepare` that has run beforehand.
pub(crate) struct Prepared {
    pub(crate) outcome: Outcome,
    /// How long it has taken, in nanoseconds.
    pub(crate) took: u64,
}

/// All lives of a lane, one after another, and their mail before them.
pub(crate) trait Lives: Send + Sync {
    fn run(&mut self, world: &mut World, scope: &Scope);
}

/// The erased runner of one process type: what the head can do without knowing it.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The numbers of its components in this World: the process, and what is kept beside it.
    pub(crate) component: ComponentId,
    pub(crate) vitals: ComponentId,
    pub(crate) ways: &'static Ways,
}

/// What is the same for a type in every World.
pub(crate) struct Ways {
    pub(crate) type_id: TypeId,
    /// Its [`Renewal`](crate::renewal::Renewal), which may be no component of a World.
    pub(crate) renewal: TypeId,
    /// The set in which its lives run, for who orders them.
    pub(crate) life_set: fn() -> InternedSystemSet,
    /// What runs the lives of a lane, whose processes are told by this mark.
    pub(crate) lives: fn(&mut World, u32, Mark) -> Box<dyn Lives>,
    /// How a process in the World is borrowed.
    pub(crate) casts: Casts,
    /// Readies the process's state for a birth, without a context.
    pub(crate) prepare: fn(&mut AnyProcess<'_>) -> bevy_ecs::error::Result,
    /// Runs one of its hooks.
    pub(crate) act: Actor,
}

/// One that waits to be born again. The order is that of births: by instant, then by rank, then by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expected {
    pub(crate) due: u64,
    pub(crate) rank: u32,
    pub(crate) birth: u64,
    pub(crate) entity: Entity,
}

/// See the module's documentation.
pub(crate) struct Scope {
    pub(crate) control: Arc<Control>,
    pub(crate) link: Arc<Link>,
    pub(crate) beat: Arc<Beat>,
    /// Where it is written whose hook runs.
    holder: Arc<Holder>,
    /// What it has more if it is lent to lives that run beside others.
    branch: Option<Box<Branch>>,
    /// Births have a group from the start; late ones must wait for a later tick.
    pub(crate) started: Cell<bool>,
    pub(crate) groups: RefCell<Vec<GroupEntry>>,
    pub(crate) lanes: RefCell<Vec<Lane>>,
    pub(crate) kinds: RefCell<Vec<Kind>>,
    /// The number of the vitals in this World, from the first kind on.
    pub(crate) vitals: Cell<Option<ComponentId>>,
    /// The list of filters that the last of each kind had with its first.
    pub(crate) first_filters: RefCell<Vec<Longer<Callback<Mail>>>>,
    /// How many unnamed processes each kind has had.
    pub(crate) unnamed: RefCell<Vec<u32>>,
    pub(crate) ids: Ids,
    /// Whether mail is read only after the instant it was sent at; then ids are those of the senders.
    pub(crate) next_tick: bool,
    pub(crate) senders: SenderIds,
    /// The mail for the processes of this head, and who has some.
    pub(crate) depot: RefCell<Depot<Mail>>,
    /// To whom the mail that is being read is to be passed on.
    pub(crate) forwards: Forwards,
    /// Subjects that matched no filter and have been logged.
    pub(crate) unmatched: RefCell<HashSet<String>>,
    /// Whose death runs at the end of this tick.
    pub(crate) leaving: RefCell<Vec<Entity>>,
    /// Who is started then, by name.
    pub(crate) starting: RefCell<Vec<Cow<'static, str>>>,
    /// Who is born again, and when.
    pub(crate) nursery: RefCell<BinaryHeap<Reverse<Expected>>>,
    pub(crate) deferred: RefCell<Vec<Call>>,
    pub(crate) changes: RefCell<Vec<Change>>,
    pub(crate) alarms: RefCell<Alarms>,
    /// Timers that came due, by group, until that group ticks.
    pub(crate) ringing: RefCell<Vec<Vec<(Entity, TimerId, u64)>>>,
    /// When those joined that may not yet live.
    pub(crate) joined: RefCell<EntityHashMap<u64>>,
    pub(crate) graveyard: RefCell<Graveyard>,
    /// Whether deaths and births are going on: one of those that are pending in the whole application.
    pub(crate) settles: Cell<bool>,
    /// Whether anybody has ever been born.
    pub(crate) had_any: Cell<bool>,
    /// Whether any process of this head has ever had a thread.
    pub(crate) has_threads: Cell<bool>,
    /// Births that took long.
    pub(crate) slow_births: Cell<u64>,
    pub(crate) refused_births: Cell<u64>,
    pub(crate) global_frequency: Frequency,
}

impl Scope {
    pub(crate) fn new(control: Arc<Control>, link: Arc<Link>, global_frequency: Frequency) -> Self {
        let seed = control.seed.load(Relaxed);
        // From the end, and the threads that send mail from the beginning: how many heads there are changes nothing there.
        let ids = Ids::new(seed, u64::MAX - u64::from(link.head));
        let (next_tick, senders) = (control.delivery.get() == Some(&Delivery::NextTick), SenderIds::new(seed));
        Self {
            control,
            beat: Arc::default(),
            holder: link.holder.clone(),
            link,
            branch: None,
            started: Cell::new(false),
            groups: RefCell::default(),
            lanes: RefCell::default(),
            kinds: RefCell::default(),
            vitals: Cell::new(None),
            first_filters: RefCell::default(),
            unnamed: RefCell::default(),
            ids,
            next_tick,
            senders,
            depot: RefCell::default(),
            forwards: Forwards::default(),
            unmatched: RefCell::default(),
            leaving: RefCell::default(),
            starting: RefCell::default(),
            nursery: RefCell::default(),
            deferred: RefCell::default(),
            changes: RefCell::default(),
            alarms: RefCell::default(),
            ringing: RefCell::default(),
            joined: RefCell::default(),
            graveyard: RefCell::default(),
            settles: Cell::new(false),
            had_any: Cell::new(false),
            has_threads: Cell::new(false),
            slow_births: Cell::new(0),
            refused_births: Cell::new(0),
            global_frequency,
        }
    }

    /// Application time of this tick; outside of ticks, of the last time the head looked.
    #[inline(always)]
    pub(crate) fn now(&self) -> u64 {
        self.beat.now()
    }

    /// A hook of this process runs now.
    #[inline(always)]
    pub(crate) fn hold(&self, party: Party) {
        self.holder.hold(party);
    }

    /// Cheap lives of many processes run now, of which this is the first.
    #[inline(always)]
    pub(crate) fn hold_many(&self, first: Party) {
        self.holder.hold_many(first);
    }

    /// What hooks are timed by: on the simulated clock, what has been consumed.
    pub(crate) fn stopwatch(&self) -> u64 {
        if self.control.timeline().is_simulated() { self.beat.consumed() } else { monotonic() }
    }

    /// Whether the whole program was stopped since a reading of the stopwatch.
    #[cold]
    pub(crate) fn was_stopped(&self, since: u64) -> bool {
        !self.control.timeline().is_simulated() && suspension::since(since, monotonic())
    }

    /// Does this to the World when the tick's systems have run.
    pub(crate) fn defer(&self, call: impl FnOnce(&mut World) + Send + 'static) {
        self.deferred.borrow_mut().push(Box::new(call));
        self.beat.unsettle();
    }

    pub(crate) fn change(&self, change: Change) {
        self.changes.borrow_mut().push(change);
        self.beat.unsettle();
    }

    /// Marks a process for death at the end of this tick, and says what becomes of it then. The first cause holds; an end
    /// for good outranks the others.
    pub(crate) fn leave(&self, vitals: &mut Vitals, fate: Fate, cause: Arc<Cause>) {
        if vitals.flags.has(Flags::OVER) {
            return;
        }
        let leaves = vitals.flags.has(Flags::DYING);
        if leaves && fate != Fate::End {
            return;
        }
        self.flag(vitals, Flags::DYING);
        let address = &vitals.address;
        address.0.ends_by(cause);
        address.0.set_fate(fate);
        address.set_run_level(if fate == Fate::Restart { RunLevel::Reboot } else { RunLevel::Cleanup });
        if !leaves {
            self.leaving.borrow_mut().push(address.entity());
            self.beat.unsettle();
        }
    }

    /// Marks a process for an end for good.
    pub(crate) fn condemn(&self, vitals: &mut Vitals, cause: Arc<Cause>) {
        self.leave(vitals, Fate::End, cause);
    }

    /// Sets flags on a process, and has its lane look at flags.
    pub(crate) fn flag(&self, vitals: &mut Vitals, flags: Flags) {
        vitals.flags.set(flags);
        self.mind(vitals.lane);
    }

    /// Has a lane look at flags: one of its processes may have some.
    pub(crate) fn mind(&self, lane: u32) {
        self.lanes.borrow_mut()[lane as usize].flagged = true;
    }

    /// Has a process of any head started at the end of this tick, by name.
    pub(crate) fn start(&self, name: Cow<'static, str>) {
        self.starting.borrow_mut().push(name);
        self.beat.unsettle();
    }

    /// Has a process of this head born again.
    pub(crate) fn expect(&self, expected: Expected) {
        self.beat.set_cradle(self.beat.cradle().min(expected.due));
        self.control.pending.fetch_add(1, Relaxed);
        self.nursery.borrow_mut().push(Reverse(expected));
    }

    /// The next that is to be born again by now.
    pub(crate) fn pop_expected(&self) -> Option<Entity> {
        let mut nursery = self.nursery.borrow_mut();
        let next = nursery.peek().filter(|Reverse(next)| next.due <= self.now()).map(|Reverse(next)| next.entity);
        if next.is_some() {
            nursery.pop();
            self.control.pending.fetch_sub(1, Relaxed);
        }
        self.beat.set_cradle(nursery.peek().map_or(u64::MAX, |Reverse(next)| next.due));
        next
    }

    /// How the processes of a lane are told from others of their type, as long as they are to live.
    pub(crate) fn mark(&self, lane: u32) -> Mark {
        let lane = self.lanes.borrow()[lane as usize];
        if lane.is_home { Mark::Home } else { Mark::Group(self.groups.borrow()[lane.group as usize].marker) }
    }

    pub(crate) fn lane(&self, vitals: &Vitals) -> Lane {
        self.lanes.borrow()[vitals.lane as usize]
    }

    /// How often a process lives.
    pub(crate) fn frequency(&self, vitals: &Vitals) -> Frequency {
        self.groups.borrow()[self.lane(vitals).group as usize].key.frequency
    }

    /// How often a process has lived.
    pub(crate) fn lives(&self, vitals: &Vitals) -> u64 {
        let runs = if vitals.flags.has(Flags::OVER) { 0 } else { self.lane(vitals).runs };
        vitals.address.attic().lives_offset().wrapping_add(runs)
    }

    /// Whether a process has joined its group so late that this tick was due by then.
    pub(crate) fn joined_too_late(&self, entity: Entity) -> bool {
        self.joined.borrow().get(&entity).is_some_and(|&since| self.beat.due() <= since)
    }

    /// The mail for the processes of a lane.
    #[inline(always)]
    pub(crate) fn bag(&self, lane: u32) -> RefMut<'_, Bag<Mail>> {
        RefMut::map(self.depot.borrow_mut(), |depot| &mut depot.bags[lane as usize])
    }

    /// Lists a process of this head whose mailbox has mail.
    #[inline]
    pub(crate) fn list_ready(&self, lane: u32, party: Party) {
        self.bag(lane).list(party.slot());
    }

    /// Looks at what this head keeps of its mailboxes.
    #[inline(always)]
    pub(crate) fn at_homes<R>(&self, look: impl FnOnce(Homes<'_>) -> R) -> R {
        look(self.depot.borrow().homes())
    }

    /// Whether anything else than mail has ever waited for the mailman of this one.
    #[inline(always)]
    pub(crate) fn has_errands(&self, party: Party) -> bool {
        self.link.has_errands() && self.at_homes(|homes| homes.attic(party.slot()).is_some_and(Attic::has_errands))
    }

    /// A slot for a new process of this head.
    pub(crate) fn claim_slot(&self) -> (Party, HomeRef) {
        let (party, home) = self.link.slots.claim();
        self.depot.borrow_mut().add(&home);
        (party, home)
    }

    /// Tells the head when the janitor has to look next: at once while timers wait for their owners' group.
    pub(crate) fn wind_alarm(&self) {
        let waits = self.ringing.borrow().iter().any(|waiting| !waiting.is_empty());
        self.beat.set_alarm(if waits { 0 } else { self.alarms.borrow().next_due() });
    }

    /// Counts one process in or out of the group of its lane.
    pub(crate) fn count(&self, lane: u32, joins: bool) {
        let group = self.lanes.borrow()[lane as usize].group;
        let mut groups = self.groups.borrow_mut();
        let population = &mut groups[group as usize].population;
        *population = if joins { *population + 1 } else { *population - 1 };
        if *population == u32::from(joins) {
            drop(groups);
            self.change(Change::Population { group });
        }
    }
}
