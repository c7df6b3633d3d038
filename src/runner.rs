//! A head: one World and the frequency groups placed on it, ticked in order of their deadlines.

mod changes;
mod load;
mod pacing;

use crate::bell::Woken;
use crate::cause::Cause;
use crate::control::Control;
use crate::frequency::Frequency;
use crate::group::{Group, GroupPlan};
use crate::key::GroupKey;
use crate::link::Link;
use crate::pace::Pacer;
use crate::post::Address;
use crate::realtime::Grant;
use crate::scope::{self, Lent, Prepared, Scope};
use crate::systems::shutdown::{self, Doomed};
use crate::systems::{debut, fallback, mailman, placement, population, rebirth, settle};
use crate::time::{Beat, Time};
use bevy_ecs::change_detection::CheckChangeTicks;
use bevy_ecs::entity::EntityHashMap;
use bevy_ecs::observer::On;
use bevy_ecs::system::ResMut;
use bevy_ecs::world::World;
use load::Load;
use std::collections::HashSet;
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

/// What came of one [`pass`](Runner::pass).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pass {
    /// Something was due, and ran.
    Ran,
    /// Somebody wants something.
    Rung,
    /// Nothing more is due as far as the head may go.
    Horizon,
    /// Nothing may run.
    Over,
    /// Nothing is left to run, on any head: told by the main one alone.
    Idle,
}

/// See the module's documentation.
pub(crate) struct Runner {
    pub(crate) world: World,
    pub(crate) groups: Vec<Group>,
    agenda: Vec<Appointment>,
    pub(crate) control: Arc<Control>,
    pub(crate) link: Arc<Link>,
    beat: Arc<Beat>,
    started: bool,
    /// On the simulated clock: until when the lives so far have taken.
    busy_until: u64,
    /// What the births to come have prepared.
    prepared: EntityHashMap<Prepared>,
    /// Whether its motors have been told to be off.
    safe: bool,
    pub(crate) load: Load,
    /// Whether a process of this head watches USB.
    #[cfg(feature = "usb")]
    polls_usb: bool,
    /// What paces it, if it does not go by the clock.
    pub(crate) pacer: Option<Pacer>,
    /// What its thread got of its real-time settings. Dropped last: until then, all that is here has them.
    pub(crate) grant: Grant,
}

/// Bevy asks now and then that systems forget ancient ticks; a head passes that on to its own schedules.
#[derive(bevy_ecs::resource::Resource, Default)]
struct TickCheck(Option<CheckChangeTicks>);

/// Where a run ends.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) at: u64,
    /// Somebody has stopped it before its time was up.
    pub(crate) is_sudden: bool,
}

impl Runner {
    pub(crate) fn new(control: Arc<Control>, link: Arc<Link>, global_frequency: Frequency) -> Self {
        let mut world = World::new();
        let scope = Scope::new(control.clone(), link.clone(), global_frequency);
        let beat = scope.beat.clone();
        world.insert_resource(Lent::new(scope));
        world.insert_resource(Time(beat.clone()));
        world.init_resource::<TickCheck>();
        world.add_observer(|check: On<CheckChangeTicks>, mut asked: ResMut<TickCheck>| asked.0 = Some(*check));
        placement::watch_settings(&mut world);
        fallback::install(&mut world);
        Self {
            world,
            groups: Vec::new(),
            agenda: Vec::new(),
            control,
            link,
            beat,
            started: false,
            busy_until: 0,
            prepared: EntityHashMap::default(),
            safe: false,
            load: Load::default(),
            #[cfg(feature = "usb")]
            polls_usb: false,
            pacer: None,
            grant: Grant::default(),
        }
    }

    /// Takes over a group as the builder has laid it out, before the start.
    pub(crate) fn add_group(&mut self, key: GroupKey, plan: GroupPlan) {
        placement::find_group(&mut self.world, key.clone());
        let options = plan.options.clone();
        let mut group = Group::new(key, plan, self.beat.clone(), 0);
        group.configure(&options, None, false);
        self.load.sheds |= options.importance.is_some();
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
        self.lay_out()
    }

    /// The part of the births of this rank that may go on side by side, on threads of their own.
    pub(crate) fn prepare(&mut self, rank: &[Address]) {
        self.prepared = debut::prepare(&mut self.world, rank);
    }

    /// The births of some that start with the application.
    pub(crate) fn bear(&mut self, some: &[Address]) {
        for address in some {
            if self.control.is_stopping() {
                return;
            }
            self.stamp();
            let entity = address.entity();
            let prepared = self.prepared.remove(&entity);
            rebirth::begin(&mut self.world, entity, prepared);
        }
    }

    /// When the last birth before the start is over.
    pub(crate) fn ready(&mut self) -> u64 {
        population::settle(&mut self.world);
        self.stamp();
        self.adopt();
        self.beat.now()
    }

    /// From the epoch on, ticks are due.
    pub(crate) fn start(&mut self, epoch: u64) {
        self.beat.set_now(epoch);
        self.spread();
        if let Some(pacer) = &mut self.pacer {
            pacer.start(epoch, self.control.timeline().is_simulated());
            self.link.set_pace(pacer.state());
        }
        for group in &mut self.groups {
            group.start(epoch);
        }
        scope::of(&mut self.world).started.set(true);
        self.started = true;
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
            if self.control.population.load(Relaxed) == 0 {
                self.beat.unsettle(); // The last one may have died while these waited.
            }
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

    /// The next tick: its due instant, period and group. Of a paced head, `None` until a pulse makes one due.
    pub(crate) fn next(&self) -> Option<(u64, u64, usize)> {
        let before = self.pacer.as_ref().map_or(NEVER, |pacer| pacer.reference().map_or(0, |reference| reference + 1));
        let mut best: Option<(u64, u64, usize)> = None;
        for (index, appointment) in self.agenda.iter().enumerate() {
            let candidate = (appointment.due, appointment.period, index);
            if appointment.due < before && best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        best
    }

    /// When something next can start: a tick, or the birth of one that waits to be born again. Of a paced head, also when
    /// the absence of a pulse has a consequence, and under the simulated clock the next pulse.
    pub(crate) fn next_start(&self) -> Option<u64> {
        let tick = self.next().map_or(NEVER, |(due, ..)| self.start_of(due));
        let birth = self.beat.cradle();
        let birth = if birth == NEVER { NEVER } else { birth.max(self.busy_until) };
        let next = tick.min(birth).min(self.next_event());
        (next != NEVER).then_some(next)
    }

    /// When that tick can start: when it is due, or when the head is no longer busy.
    pub(crate) fn start_of(&self, due: u64) -> u64 {
        let due = self.pacer.as_ref().map_or(due, |pacer| pacer.arrived);
        due.max(self.busy_until)
    }

    /// Runs one tick of a group, starting at `now`; returns when it ended.
    pub(crate) fn tick(&mut self, index: usize, now: u64) -> u64 {
        let on_grid = self.on_grid(now);
        if self.passes(index, now, on_grid) {
            self.agenda[index].due = self.groups[index].next_due;
            return now;
        }
        let group = &mut self.groups[index];
        let number = group.next;
        let due = self.pacer.as_ref().map_or(group.next_due, |pacer| pacer.arrived);
        let verdict = group.advance(on_grid);
        self.agenda[index].due = group.next_due;
        if !verdict.runs {
            let reason = format!("{} tick(s) missed: it started {} µs late", verdict.dropped, (now - due) / 1000);
            self.control.brake(&format!("group {}", group.key), reason);
            return now;
        }
        self.link.live();
        if self.link.has_announced() {
            mailman::sort_announced(&mut self.world);
        }
        self.beat.begin(index, number, due, now, std::mem::replace(&mut group.last, now));
        let span = tracing::trace_span!("tick", head = &*self.link.name, group = %group.key, number).entered();
        group.schedule.run(&mut self.world);
        drop(span);
        let consumed = self.beat.take_consumed();
        let timeline = self.control.timeline();
        let end = if timeline.is_simulated() { now.saturating_add(consumed) } else { timeline.now() };
        self.busy_until = end;
        let (group, took) = (&mut self.groups[index], end.saturating_sub(now));
        if let Some(reason) = group.account(took, end, || timeline.stopped_since(now)) {
            self.control.brake(&format!("group {}", group.key), reason);
        }
        self.load.note(index, took, end, &mut self.groups, &self.link.name);
        if self.beat.is_unsettled() {
            self.adopt();
        }
        end
    }

    /// Passes over a tick that is not to run, and counts it: paused, shed, or due while the program was stopped.
    fn passes(&mut self, index: usize, now: u64, on_grid: u64) -> bool {
        let group = &mut self.groups[index];
        if group.paused || self.control.paused.load(Relaxed) {
            group.pass_paused(on_grid);
        } else if group.shed() {
            // It has counted itself.
        } else if self.pacer.is_none() && group.is_behind(now) && self.control.timeline().stopped_since(group.next_due)
        {
            group.pass_suspended(now);
        } else {
            return false;
        }
        true
    }

    /// Whether ticks may begin: not once the end has begun, but while it waits for some.
    pub(crate) fn may_tick(&self) -> bool {
        !self.control.is_stopping() || self.control.ending.waits.load(Relaxed) && !self.control.must_end()
    }

    /// Motors off, once, if the e-brake is pulled: whatever the other heads are doing.
    pub(crate) fn mind_brake(&mut self) {
        if self.control.is_braked() && !std::mem::replace(&mut self.safe, true) {
            self.look_at_clock();
            shutdown::safe_stop_all(&mut self.world);
        }
    }

    /// Condemns all but a few. What comes back must be given to [`end`](Self::end), rank by rank.
    pub(crate) fn condemn(&mut self, exempt: &HashSet<u64>, cut: Cut) -> Vec<Doomed> {
        self.mind_brake();
        self.write_off(cut);
        let cause = Arc::new(self.control.end().cause.unwrap_or(Cause::Dropped));
        self.look_at_clock();
        shutdown::condemn(&mut self.world, exempt, &cause)
    }

    /// The deaths of some that have been condemned.
    pub(crate) fn end(&mut self, some: &[Doomed]) {
        self.mind_brake();
        self.look_at_clock();
        shutdown::end(&mut self.world, some);
        self.world.flush();
        if self.beat.is_unsettled() {
            self.adopt();
        }
    }

    /// Counts the ticks that were due before the run ended, and will not run. Where it ended all of a sudden, only those of
    /// groups that are a whole period behind: what was due just then has not been missed.
    fn write_off(&mut self, cut: Cut) {
        let Some(last) = cut.at.checked_sub(1).filter(|_| self.started && self.pacer.is_none()) else { return };
        for index in 0..self.groups.len() {
            if cut.is_sudden && !self.groups[index].is_behind(cut.at) {
                continue;
            }
            while self.agenda[index].due < cut.at {
                if !self.passes(index, last, last) {
                    self.groups[index].drop_due(last);
                }
                self.agenda[index].due = self.groups[index].next_due;
            }
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

    /// On a clock that goes by itself: sleeps until something is due before the horizon, or somebody rings, and runs it.
    pub(crate) fn pass(&mut self) -> Pass {
        self.mind_brake();
        self.attend();
        if !self.started || !self.may_tick() {
            return Pass::Over;
        }
        let horizon = self.control.horizon.load(Relaxed);
        let next = self.next_start().filter(|&start| start < horizon);
        if self.rests() && horizon == NEVER {
            return Pass::Idle;
        }
        if self.awaits_pulse() {
            return self.await_pulse(horizon);
        }
        let (woken, now) = self.sleep_until(next.or((horizon != NEVER).then_some(horizon)));
        match next {
            Some(start) if now >= start => {
                self.run_due(now);
                Pass::Ran
            }
            // Not when somebody has rung as well: that ring is taken, and whoever rests here would not hear of it.
            None if now >= horizon && woken == Woken::Deadline => Pass::Horizon,
            _ => Pass::Rung,
        }
    }

    /// Says whether anything is left to tick here. Whether nothing is on any head, if this is the main one.
    fn rests(&self) -> bool {
        let (idle, main) = (self.is_idle(), self.link.head == 0);
        if self.link.set_idle(idle) && idle && !main {
            self.control.main_link().bell.ring();
        }
        idle && main && self.control.is_all_idle()
    }

    /// Runs every tick that is due by now, looking at the clock again after each.
    fn run_due(&mut self, mut now: u64) {
        while let Some((due, _, index)) = self.next() {
            let start = self.start_of(due);
            if start > now || start >= self.control.horizon.load(Relaxed) || !self.may_tick() {
                break;
            }
            now = self.tick(index, now);
            self.attend();
        }
    }

    /// Sleeps until `deadline`, or until the bell rings; returns which it was, and the time.
    fn sleep_until(&self, deadline: Option<u64>) -> (Woken, u64) {
        self.link.set_awake(false);
        let woken = self.control.timeline().sleep_and_spin(deadline, self.grant.spin, &self.link.bell);
        self.link.set_awake(true);
        (woken, self.control.timeline().now())
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::frequency::hz;

    #[test]
    fn who_rings_at_the_horizon_is_heard() {
        let control = Control::new();
        control.start_clock(Clock::real());
        let link = control.add_link("main");
        let mut runner = Runner::new(control.clone(), link.clone(), hz(30));
        runner.start(0);
        control.horizon.store(1, Relaxed);
        link.bell.ring();
        assert_eq!([runner.pass(), runner.pass()], [Pass::Rung, Pass::Horizon]);
    }
}
