//! All heads of an application together: built, started, and ended in one order over all of them.
//!
//! On clocks that go by themselves, each head but the main one is [`Away`] on a thread of its own, and does there what it
//! is ordered to, between its ticks. Under the simulated clock all are here, on the thread that steps the application, and
//! tick in one total order: by due instant, then the shortest period first, then the main head first.

mod away;

use crate::cause::Cause;
use crate::clock::Clock;
use crate::control::Control;
use crate::frequency::Frequency;
use crate::head::{Enroll, Layout, MAIN, Table};
use crate::post::Address;
use crate::realtime::{Grant, RealTimeError, Room};
use crate::runner::{Cut, Pass, Runner};
use crate::systems::debut::{self, Entrant};
use crate::systems::shutdown::{self, Doomed};
use away::Away;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const NEVER: u64 = u64::MAX;

/// See the module's documentation.
pub(crate) struct Crew {
    pub(crate) control: Arc<Control>,
    /// The main head, and under the simulated clock all others.
    pub(crate) here: Vec<Runner>,
    away: Vec<Away>,
    /// Who is to be born at the start.
    debut: Arc<[Address]>,
}

/// Orders.
impl Crew {
    /// Has every head do this at the same time. The answers are in the order of heads; a head that is lost gives none.
    pub(crate) fn each<R: Send + 'static>(
        &mut self,
        work: impl Fn(&mut Runner) -> R + Send + Sync + 'static,
    ) -> Vec<Option<R>> {
        let work = Arc::new(work);
        let order = |away: &Away| {
            let work = work.clone();
            away.order(move |runner| work(runner))
        };
        let answers: Vec<_> = self.away.iter().map(order).collect();
        let mut all: Vec<_> = self.here.iter_mut().map(|runner| Some(work(runner))).collect();
        all.extend(self.away.iter_mut().zip(answers).map(|(away, answer)| away.wait(answer)));
        all
    }

    /// Has one head do this.
    fn on<R: Send + 'static>(
        &mut self,
        head: usize,
        work: impl FnOnce(&mut Runner) -> R + Send + 'static,
    ) -> Option<R> {
        match self.here.get_mut(head) {
            Some(runner) => Some(work(runner)),
            None => {
                let away = &mut self.away[head - self.here.len()];
                let answer = away.order(work);
                away.wait(answer)
            }
        }
    }
}

fn unfit(head: &str, error: &RealTimeError) -> String {
    format!("head {head:?} can't start: {error}")
}

/// Building and starting.
impl Crew {
    /// All heads with their groups and processes; nobody is born yet. What can't be is told.
    pub(crate) fn assemble(
        control: &Arc<Control>,
        clock: Clock,
        layout: Layout,
        global: Frequency,
        faults: &mut Vec<String>,
    ) -> Self {
        let mut crew = Self { control: control.clone(), here: Vec::new(), away: Vec::new(), debut: Arc::new([]) };
        let known = faults.len();
        let main_wants = layout.heads.first().map(|main| main.realtime.clone()).unwrap_or_default();
        for head in layout.heads {
            let main = crew.here.is_empty();
            if clock.is_simulated() {
                faults.extend(head.realtime.check_values().err().map(|error| unfit(&head.name, &error)));
            }
            let link = if main { control.main_link() } else { control.add_link(&head.name) };
            if main || clock.is_simulated() {
                crew.here.push(head.furnish(control.clone(), link, global));
            } else {
                match Away::start(head, control.clone(), link, global) {
                    Ok(away) => crew.away.push(away),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        if !clock.is_simulated() {
            // Not before: the threads of the other heads would inherit it.
            match Grant::obtain(&main_wants, MAIN, Room::Found) {
                Ok(grant) => crew.here[0].grant = grant,
                Err(error) => faults.push(unfit(MAIN, &error)),
            }
        }
        if faults.len() == known {
            for (head, Table { expect, .. }, count) in layout.tables {
                crew.on(head, move |runner| expect(&mut runner.world, count));
            }
            let entrants = crew.enroll(layout.enrolments, faults);
            faults.extend(debut::rank(&control.post, &entrants));
            crew.debut = debut::order(&entrants).into();
        }
        faults.extend(crew.each(Runner::initialize).into_iter().flatten().flatten());
        crew
    }

    fn enroll(&mut self, enrolments: Vec<(usize, Enroll)>, faults: &mut Vec<String>) -> Vec<Entrant> {
        self.control.post.expect(enrolments.len());
        let mut entrants = Vec::with_capacity(enrolments.len());
        let mut waiting = enrolments.into_iter().peekable();
        while let Some((head, first)) = waiting.next() {
            let mut some = vec![first];
            while let Some((_, next)) = waiting.next_if(|(other, _)| *other == head) {
                some.push(next);
            }
            let enroll = |runner: &mut Runner| some.into_iter().map(|one| one(runner)).collect::<Vec<_>>();
            for one in self.on(head, enroll).unwrap_or_default() {
                match one {
                    Ok(entrant) => entrants.push(entrant),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        entrants
    }

    /// The births of all that start with the application, one rank after the other, then the common epoch.
    pub(crate) fn start(&mut self) {
        let main = self.here[0].link.clone();
        main.set_awake(true);
        let order = std::mem::replace(&mut self.debut, Arc::new([]));
        let rank = |at: usize| order[at].0.rank.load(Relaxed);
        let head = |at: usize| order[at].0.link.head as usize;
        let mut from = 0;
        while from < order.len() {
            let to = (from..order.len()).find(|&at| rank(at) != rank(from)).unwrap_or(order.len());
            let all = order.clone();
            self.each(move |runner| runner.prepare(&all[from..to]));
            while from < to {
                let until = (from..to).find(|&at| head(at) != head(from)).unwrap_or(to);
                let all = order.clone();
                self.on(head(from), move |runner| runner.bear(&all[from..until]));
                from = until;
            }
        }
        let epoch = self.each(Runner::ready).into_iter().flatten().max().unwrap_or(0);
        self.control.epoch.store(epoch, Relaxed);
        self.control.horizon.store(epoch, Relaxed);
        self.each(move |runner| runner.start(epoch));
        self.control.set_started();
        main.set_awake(false);
    }
}

/// Running.
impl Crew {
    /// Runs what is due next before the horizon: on clocks that go by themselves of the main head, under the simulated
    /// clock everything of one instant. `false` when there is nothing more.
    pub(crate) fn advance(&mut self) -> bool {
        if self.control.timeline().is_simulated() {
            return self.step();
        }
        loop {
            match self.here[0].pass() {
                Pass::Ran => return true,
                Pass::Rung => {}
                Pass::Horizon | Pass::Over => return false,
                Pass::Idle => return self.stop_idle(),
            }
        }
    }

    fn stop_idle(&self) -> bool {
        if !self.control.is_stopping() {
            self.control.stop(Cause::Idle);
        }
        false
    }

    fn step(&mut self) -> bool {
        self.here.iter_mut().for_each(Runner::attend);
        if !self.may_tick() {
            return false;
        }
        let threads = self.control.crowd.next_wake();
        let tick = self.here.iter().filter_map(Runner::next_start).min().unwrap_or(NEVER);
        let (next, horizon) = (tick.min(threads), self.control.horizon.load(Relaxed));
        if next < horizon {
            self.run_instant(next);
            return true;
        }
        next == NEVER && horizon == NEVER && self.stop_idle()
    }

    /// Runs everything that starts at one instant of simulated time. Child threads go first.
    fn run_instant(&mut self, instant: u64) {
        let timeline = self.control.timeline();
        self.control.crowd.run_due(instant, timeline, || false);
        timeline.jump_to(instant);
        for runner in &mut self.here {
            runner.simulate_pace(instant);
            runner.attend();
        }
        loop {
            let due = |(head, runner): (usize, &Runner)| {
                let (due, period, group) = runner.next()?;
                (runner.start_of(due) <= instant).then_some((due, period, head, group))
            };
            let next = self.here.iter().enumerate().filter_map(due).min();
            let Some((.., head, group)) = next.filter(|_| self.may_tick()) else { break };
            self.here[head].tick(group, instant);
        }
    }

    fn may_tick(&self) -> bool {
        self.here[0].may_tick()
    }
}

/// The end.
impl Crew {
    /// Where the run ends: now, or at the horizon if that is over.
    pub(crate) fn cut(&self) -> Cut {
        let (now, horizon) = (self.control.timeline().now(), self.control.horizon.load(Relaxed));
        Cut { at: now.min(horizon), is_sudden: now < horizon }
    }

    /// The deaths of all but those that are not bound to end with the application, and of those that they depend on.
    /// Whether any of them is left, and is waited for.
    pub(crate) fn shut_down(&mut self, cut: Cut) -> bool {
        if self.control.must_end() {
            return false;
        }
        let exempt = if self.control.has_unbound.load(Relaxed) {
            let ties = self.each(|runner| shutdown::ties(&mut runner.world));
            shutdown::exempt(&ties.into_iter().flatten().flatten().collect::<Vec<_>>())
        } else {
            HashSet::new()
        };
        let waits = !exempt.is_empty();
        self.end_all_but(exempt, cut);
        self.control.ending.waits.store(waits, Relaxed);
        self.control.ring();
        waits
    }

    /// Motors off if the e-brake is pulled, then the deaths of all.
    pub(crate) fn shut_down_all(&mut self, cut: Cut) {
        self.end_all_but(HashSet::new(), cut);
    }

    /// First all heads condemn, and see to the e-brake; then they bury, rank by rank.
    fn end_all_but(&mut self, exempt: HashSet<u64>, cut: Cut) {
        self.control.ending.waits.store(false, Relaxed);
        let condemned = self.each(move |runner| runner.condemn(&exempt, cut));
        let mut doomed: Vec<(Doomed, usize)> = Vec::new();
        for (head, some) in condemned.into_iter().enumerate() {
            doomed.extend(some.into_iter().flatten().map(|one| (one, head)));
        }
        doomed.sort_unstable_by(|a, b| b.cmp(a));
        for rank in doomed.chunk_by(|a, b| a.0.rank == b.0.rank) {
            if self.away.is_empty() {
                self.end_in_order(rank);
            } else {
                self.end_side_by_side(rank);
            }
        }
    }

    /// The youngest first, whatever head it is on. All threads of one rank are told to end before any is waited for.
    fn end_in_order(&mut self, rank: &[(Doomed, usize)]) {
        let same_head = |a: &(Doomed, usize), b: &(Doomed, usize)| a.1 == b.1;
        for halts in [true, false] {
            for some in rank.chunk_by(same_head) {
                let (runner, some) = (&mut self.here[some[0].1], some.iter().map(|one| one.0).collect::<Vec<_>>());
                if halts { shutdown::halt(&mut runner.world, &some) } else { runner.end(&some) }
            }
        }
    }

    /// All heads at the same time.
    fn end_side_by_side(&mut self, rank: &[(Doomed, usize)]) {
        let mut shares = vec![Vec::new(); self.here.len() + self.away.len()];
        rank.iter().for_each(|&(one, head)| shares[head].push(one));
        self.each(move |runner| {
            let share = &shares[runner.link.head as usize];
            shutdown::halt(&mut runner.world, share);
            runner.end(share);
        });
    }
}
