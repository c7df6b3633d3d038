//! A head: one World and the frequency groups placed on it, ticked in order of their deadlines.

use crate::bell;
use crate::cause::Cause;
use crate::control::Control;
use crate::group::{Group, GroupPlan};
use crate::key::{GroupKey, GroupOptions};
use crate::link::Link;
use crate::post::Address;
use crate::scope::{self, Change, Lane, Lent, Scope};
use crate::systems::{debut, fallback, mailman, placement, rebirth, settle, shutdown};
use crate::time::{Beat, Time};
use bevy_ecs::change_detection::CheckChangeTicks;
use bevy_ecs::entity::EntityHashSet;
use bevy_ecs::observer::On;
use bevy_ecs::system::ResMut;
use bevy_ecs::world::World;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// When a group is next due, and what decides among equals: kept apart from the groups, so that looking for the next
/// tick reads one short array.
#[derive(Clone, Copy, Debug)]
struct Appointment {
    due: u64,
    period: u64,
}

const NEVER: u64 = u64::MAX;

/// See the module's documentation.
pub(crate) struct Head {
    pub(crate) world: World,
    pub(crate) groups: Vec<Group>,
    agenda: Vec<Appointment>,
    pub(crate) control: Arc<Control>,
    pub(crate) link: Arc<Link>,
    beat: Arc<Beat>,
    started: bool,
    /// On the simulated clock: until when the lives so far have taken.
    busy_until: u64,
    /// Whether a process of this head watches USB.
    #[cfg(feature = "usb")]
    polls_usb: bool,
}

/// Bevy asks now and then that systems forget ancient ticks; a head passes that on to its own schedules.
#[derive(bevy_ecs::resource::Resource, Default)]
struct TickCheck(Option<CheckChangeTicks>);

impl Head {
    pub(crate) fn new(control: Arc<Control>, link: Arc<Link>) -> Self {
        let mut world = World::new();
        let scope = Scope::new(control.clone(), link.clone());
        let beat = scope.beat.clone();
        world.insert_resource(Lent::new(scope));
        world.insert_resource(Time(beat.clone()));
        world.init_resource::<TickCheck>();
        world.add_observer(|check: On<CheckChangeTicks>, mut asked: ResMut<TickCheck>| asked.0 = Some(*check));
        placement::watch_settings(&mut world);
        fallback::install(&mut world);
        fallback::forget();
        Self {
            world,
            groups: Vec::new(),
            agenda: Vec::new(),
            control,
            link,
            beat,
            started: false,
            busy_until: 0,
            #[cfg(feature = "usb")]
            polls_usb: false,
        }
    }

    /// Takes over a group as the builder has laid it out, before the start.
    pub(crate) fn add_group(&mut self, key: GroupKey, plan: GroupPlan) {
        placement::find_group(&mut self.world, key.clone());
        let options = plan.options.clone();
        let mut group = Group::new(key, plan, self.beat.clone(), 0);
        group.configure(&options, None, false);
        self.groups.push(group);
    }

    /// Stamps the present instant for a birth before the start.
    pub(crate) fn stamp(&mut self) {
        self.busy_until += self.beat.take_consumed();
        let timeline = self.control.timeline();
        timeline.jump_to(self.busy_until);
        self.beat.set_now(timeline.now());
    }

    /// Stamps the present instant for what happens between two ticks.
    pub(crate) fn look_at_clock(&self) {
        self.beat.set_now(self.beat.now().max(self.control.timeline().now()));
    }

    /// Builds all schedules, so that an impossible order is found before the first tick.
    pub(crate) fn initialize(&mut self) -> Vec<String> {
        self.adopt();
        let mut faults = Vec::new();
        for group in &mut self.groups {
            if let Err(error) = group.schedule.initialize(&mut self.world) {
                let text = error.to_string(group.schedule.graph(), &self.world);
                faults.push(format!("the systems of group {} can't be ordered: {text}", group.key));
            }
        }
        faults
    }

    /// The births of all that start with the application, one rank after the other.
    pub(crate) fn bear(&mut self, enrolled: &[Address]) {
        self.link.set_awake(true);
        self.bear_by_rank(&debut::order(&self.world, enrolled));
        self.link.set_awake(false);
    }

    fn bear_by_rank(&mut self, order: &[Address]) {
        let rank = |address: &Address| address.0.rank.load(Relaxed);
        for rank in order.chunk_by(|a, b| rank(a) == rank(b)) {
            let mut prepared = debut::prepare(&mut self.world, rank);
            for address in rank {
                if self.control.is_stopping() {
                    return;
                }
                self.stamp();
                let entity = address.entity();
                rebirth::begin(&mut self.world, entity, prepared.remove(&entity));
            }
        }
    }

    /// Sets the epoch: from here on, ticks are due.
    pub(crate) fn start(&mut self) {
        self.stamp();
        self.adopt();
        let epoch = self.beat.now();
        self.control.epoch.store(epoch, Relaxed);
        for group in &mut self.groups {
            group.start(epoch);
        }
        scope::of(&mut self.world).started.set(true);
        self.started = true;
        self.control.set_started();
        self.attend();
        self.refresh_agenda();
    }

    /// Between ticks: what others asked for, deaths and births, changes of groups.
    pub(crate) fn attend(&mut self) {
        if self.control.is_braked() {
            return;
        }
        if self.link.has_calls() {
            self.look_at_clock();
            for call in self.link.take_calls() {
                fallback::contained(&mut self.world, call);
            }
            self.world.flush();
        }
        if self.beat.cradle() != NEVER {
            self.look_at_clock();
            if self.beat.cradle() <= self.beat.now() {
                self.beat.unsettle();
            }
        }
        if self.beat.is_unsettled() {
            settle::now(&mut self.world);
            self.adopt();
        }
    }

    /// The next tick: its due instant and group.
    pub(crate) fn next(&self) -> Option<(u64, usize)> {
        let mut best: Option<(u64, u64, usize)> = None;
        for (index, appointment) in self.agenda.iter().enumerate() {
            let candidate = (appointment.due, appointment.period, index);
            if appointment.due != NEVER && best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        best.map(|(due, _, index)| (due, index))
    }

    /// When something next can start: a tick, or the birth of one that waits to be born again.
    pub(crate) fn next_start(&self) -> Option<u64> {
        let tick = self.next().map_or(NEVER, |(due, _)| due);
        let next = tick.min(self.beat.cradle());
        (next != NEVER).then(|| self.start_of(next))
    }

    /// When that tick can start: when it is due, or when the head is no longer busy.
    pub(crate) fn start_of(&self, due: u64) -> u64 {
        due.max(self.busy_until)
    }

    /// Runs one tick of a group, starting at `now`; returns when it ended.
    pub(crate) fn tick(&mut self, index: usize, now: u64) -> u64 {
        let group = &mut self.groups[index];
        if group.paused || self.control.paused.load(Relaxed) {
            group.pass_paused(now);
            self.agenda[index].due = group.next_due;
            return now;
        }
        let (number, due) = (group.next, group.next_due);
        let verdict = group.advance(now);
        self.agenda[index].due = group.next_due;
        if !verdict.runs {
            let reason = format!("{} tick(s) missed: it started {} µs late", verdict.dropped, (now - due) / 1000);
            self.control.brake(&format!("group {}", group.key), reason);
            return now;
        }
        self.link.live();
        if self.link.has_announced() {
            mailman::sort_announced(scope::of(&mut self.world));
        }
        self.beat.begin(index, number, due, now, std::mem::replace(&mut group.last, now));
        group.schedule.run(&mut self.world);
        let consumed = self.beat.take_consumed();
        let timeline = self.control.timeline();
        let end = if timeline.is_simulated() { now.saturating_add(consumed) } else { timeline.now() };
        self.busy_until = end;
        let group = &mut self.groups[index];
        if let Some(reason) = group.account(end.saturating_sub(now), end) {
            self.control.brake(&format!("group {}", group.key), reason);
        }
        if self.beat.is_unsettled() {
            self.adopt();
        }
        end
    }

    /// Whether ticks may begin: not once the end has begun, but while it waits for some.
    pub(crate) fn may_tick(&self) -> bool {
        !self.control.is_stopping() || self.control.ending.waits.load(Relaxed) && !self.must_end()
    }

    /// Whether nobody is waited for any more.
    fn must_end(&self) -> bool {
        self.control.is_braked() || self.control.ending.is_forced()
    }

    /// The deaths of all but those that are not bound to end with the application, and of those that they depend on.
    /// Whether any of them is left, and is waited for.
    pub(crate) fn shut_down(&mut self) -> bool {
        if self.must_end() {
            return false;
        }
        let exempt = shutdown::exempt(&mut self.world);
        self.control.ending.waits.store(false, Relaxed);
        self.end_all_but(&exempt);
        self.control.ending.waits.store(!exempt.is_empty(), Relaxed);
        !exempt.is_empty()
    }

    /// Motors off if the e-brake is pulled, then the deaths of all.
    pub(crate) fn shut_down_all(&mut self) {
        self.control.ending.waits.store(false, Relaxed);
        self.look_at_clock();
        if self.control.is_braked() {
            shutdown::safe_stop_all(&mut self.world);
        }
        self.end_all_but(&EntityHashSet::default());
    }

    fn end_all_but(&mut self, exempt: &EntityHashSet) {
        let cause = Arc::new(self.control.end().cause.unwrap_or(Cause::Dropped));
        self.look_at_clock();
        shutdown::end_all_but(&mut self.world, exempt, &cause);
        self.world.flush();
        if self.beat.is_unsettled() {
            self.adopt();
        }
    }

    /// Whether any group could still tick.
    pub(crate) fn is_idle(&self) -> bool {
        self.beat.cradle() == NEVER && self.agenda.iter().all(|appointment| appointment.due == NEVER)
    }

    fn refresh_agenda(&mut self) {
        self.agenda.clear();
        let due = |group: &Group| if group.active { group.next_due } else { NEVER };
        self.agenda.extend(self.groups.iter().map(|group| Appointment { due: due(group), period: group.period }));
    }

    /// Carries out changes to the groups, between two ticks.
    #[cold]
    fn adopt(&mut self) {
        loop {
            let changes = std::mem::take(&mut *scope::of(&mut self.world).changes.borrow_mut());
            if changes.is_empty() {
                break;
            }
            for change in changes {
                self.adopt_one(change);
            }
        }
        if let Some(check) = self.world.resource_mut::<TickCheck>().0.take() {
            for group in &mut self.groups {
                group.schedule.check_change_ticks(check);
            }
        }
        self.refresh_agenda();
    }

    fn adopt_one(&mut self, change: Change) {
        match change {
            Change::Found => self.adopt_groups(),
            Change::Install { lane } => self.install(lane),
            Change::Population { group } => {
                self.adopt_groups();
                self.activate(group as usize);
            }
            Change::Options { key, options } => self.configure(key, &options),
            #[cfg(feature = "usb")]
            Change::PollUsb => {
                self.polls_usb = true;
                self.groups.iter_mut().for_each(Group::poll_usb);
            }
            Change::Pause { key, paused } => {
                let index = placement::find_group(&mut self.world, key) as usize;
                self.adopt_groups();
                self.groups[index].paused = paused;
            }
        }
    }

    fn install(&mut self, lane: u32) {
        self.adopt_groups();
        let scope = scope::of(&mut self.world);
        let Lane { group, kind, .. } = scope.lanes.borrow()[lane as usize];
        let install = scope.kinds.borrow()[kind as usize].install;
        let marker = scope.groups.borrow()[group as usize].marker;
        install(&mut self.world, lane, marker, &mut self.groups[group as usize].schedule);
    }

    /// Gives every entry of the scope its group.
    fn adopt_groups(&mut self) {
        let epoch = self.control.epoch.load(Relaxed);
        let known = self.groups.len();
        let keys: Vec<GroupKey> =
            scope::of(&mut self.world).groups.borrow()[known..].iter().map(|entry| entry.key.clone()).collect();
        let beat = &self.beat;
        self.groups.extend(keys.into_iter().map(|key| Group::new(key, GroupPlan::default(), beat.clone(), epoch)));
        #[cfg(feature = "usb")]
        if self.polls_usb {
            self.groups[known..].iter_mut().for_each(Group::poll_usb);
        }
    }

    fn configure(&mut self, key: GroupKey, options: &GroupOptions) {
        let index = placement::find_group(&mut self.world, key) as usize;
        self.adopt_groups();
        let now = self.started.then(|| self.beat.now());
        let group = &mut self.groups[index];
        let paused = group.paused || self.control.paused.load(Relaxed);
        group.configure(options, now, paused);
    }

    /// A group ticks while it has a process or a system.
    fn activate(&mut self, index: usize) {
        let population = scope::of(&mut self.world).groups.borrow()[index].population;
        let now = self.beat.now();
        let group = &mut self.groups[index];
        let active = population > 0 || group.has_systems;
        if active && !group.active && self.started {
            group.resume_after(now);
        }
        group.active = active;
    }

    /// Sleeps until `deadline`, or until the bell rings; returns the time.
    pub(crate) fn sleep_until(&self, deadline: Option<u64>) -> u64 {
        self.link.set_awake(false);
        self.control.timeline().sleep_until(deadline, &self.link.bell);
        self.link.set_awake(true);
        self.control.timeline().now()
    }

    /// Readies this thread for sharp deadlines.
    pub(crate) fn sharpen(&self) {
        if !self.control.timeline().is_simulated() {
            bell::sharpen_sleep();
        }
    }
}
