//! Lateness and overruns: each policy against a model that lists every due instant and crosses them off.

mod common;

use common::{Log, Script, due, ms, named, secs, simulated};
use polycephaly::prelude::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The instants due and started of each life.
type Lives = Arc<Mutex<Vec<(u64, u64)>>>;

/// Lives that take so long, one after the other; later ones take no time.
fn worker(mut takes: VecDeque<u64>, lives: &Lives) -> Script {
    let lives = lives.clone();
    Script::new().life(move |cx| {
        lives.lock().unwrap().push((cx.due().as_nanos() as u64, cx.now().as_nanos() as u64));
        cx.consume(Duration::from_nanos(takes.pop_front().unwrap_or(0)));
        Ok(())
    })
}

/// What a group has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    ticks: u64,
    dropped: u64,
    paused: u64,
    overruns: u64,
    shift: u64,
}

impl Tally {
    fn of(group: &polycephaly::report::GroupReport) -> Self {
        let shift = group.shift.as_nanos() as u64;
        Self { ticks: group.ticks, dropped: group.dropped, paused: group.paused, overruns: group.overruns, shift }
    }
}

/// One group: what is due is a plain list of instants, the earliest first; what is over is taken off.
struct Plan {
    policy: Overrun,
    frequency: Frequency,
    paused: bool,
    origin: u64,
    waiting: VecDeque<u64>,
    takes: VecDeque<u64>,
    lives: Vec<(u64, u64)>,
    tally: Tally,
}

const HORIZON: u64 = 5_000_000_000;

impl Plan {
    fn new(frequency: Frequency, policy: Overrun, takes: &[u64]) -> Self {
        let waiting = (0..).map(|k| due(frequency, k)).take_while(|&at| at < HORIZON).collect();
        let (lives, tally, takes) = (Vec::new(), Tally::default(), takes.iter().copied().collect());
        Self { policy, frequency, paused: false, origin: 0, waiting, takes, lives, tally }
    }

    /// The earliest due tick starts at `start`; how long its life takes. `None` when the e-brake is pulled.
    fn tick(&mut self, start: u64) -> Option<u64> {
        if self.paused {
            while self.waiting[0] <= start {
                self.waiting.pop_front();
                self.tally.paused += 1;
            }
            return Some(0);
        }
        let own = self.waiting.pop_front().unwrap();
        let missed = self.waiting.iter().take_while(|&&at| at <= start).count();
        self.tally.overruns += u64::from(missed > 0);
        if missed > 0 {
            let drops = match self.policy {
                Overrun::Skip => missed,
                Overrun::Burst { max } => missed.saturating_sub(max as usize),
                Overrun::Delay => 0,
                Overrun::Stop => {
                    self.tally.dropped += missed as u64 + 1;
                    return None;
                }
            };
            self.waiting.drain(..drops);
            self.tally.dropped += drops as u64;
            if self.policy == Overrun::Delay {
                self.waiting.iter_mut().for_each(|at| *at += start - own);
                self.origin += start - own;
                self.tally.shift += start - own;
            }
        }
        self.tally.ticks += 1;
        self.lives.push((own, start));
        Some(self.takes.pop_front().unwrap_or(0))
    }

    /// A new phase: what waits and is already due is lost, the new grid begins behind `now`.
    fn rephase(&mut self, from: u64, to: u64, now: u64) {
        if from == to {
            return;
        }
        let lost = self.waiting.iter().take_while(|&&at| at <= now).count() as u64;
        if self.paused {
            self.tally.paused += lost;
        } else {
            self.tally.dropped += lost;
        }
        self.origin = self.origin + to - from;
        let (origin, frequency) = (self.origin, self.frequency);
        let grid = (0..).map(|k| origin + due(frequency, k));
        self.waiting = grid.skip_while(|&at| at <= now).take_while(|&at| at < HORIZON).collect();
    }
}

/// One head: runs what is due first, one after the other.
fn run_model(plans: &mut [Plan], free: &mut u64, limit: u64) -> bool {
    loop {
        let key = |plan: &Plan| (plan.waiting[0], due(plan.frequency, 1));
        let next = (0..plans.len()).min_by_key(|&index| (key(&plans[index]), index)).unwrap();
        let start = plans[next].waiting[0].max(*free);
        if start >= limit {
            return true;
        }
        match plans[next].tick(start) {
            Some(taken) => *free = start + taken,
            None => return false,
        }
    }
}

fn policies() -> impl Strategy<Value = Overrun> {
    prop_oneof![
        Just(Overrun::Skip),
        (0u32..4).prop_map(|max| Overrun::Burst { max }),
        Just(Overrun::Delay),
        Just(Overrun::Stop)
    ]
}

fn rates() -> impl Strategy<Value = Frequency> {
    prop::sample::select(vec![
        hz(1000),
        hz(300),
        hz(100),
        hz(29.97),
        hz(7),
        hz(71),
        every(Duration::from_nanos(1_234_567)),
    ])
}

/// Mostly nothing, now and then up to several periods.
fn durations() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![3 => Just(0u64), 2 => 0u64..3_000_000, 1 => 0u64..200_000_000], 0..60)
}

#[derive(Clone, Debug)]
enum Turn {
    Pause(usize, bool),
    Policy(usize, Overrun),
    Phase(usize, u64),
}

fn turns() -> impl Strategy<Value = Vec<(u64, Turn)>> {
    let turn = prop_oneof![
        (0usize..2, any::<bool>()).prop_map(|(group, paused)| Turn::Pause(group, paused)),
        (0usize..2, policies()).prop_map(|(group, policy)| Turn::Policy(group, policy)),
        (0usize..2, 0u64..300_000_000).prop_map(|(group, phase)| Turn::Phase(group, phase)),
    ];
    prop::collection::vec((0u64..400_000_000, turn), 0..6)
}

const LABELS: [&str; 2] = ["", "other"];

fn apply(handle: &ApplicationHandle, plans: &mut [Plan], phases: &mut [u64; 2], turn: Turn, now: u64) {
    let key = |group: usize| GroupKey::from((plans[group].frequency, LABELS[group]));
    match turn {
        Turn::Pause(group, true) => handle.pause(key(group)).unwrap(),
        Turn::Pause(group, false) => handle.resume(key(group)).unwrap(),
        Turn::Policy(group, policy) => handle.group(key(group), |g| g.overrun(policy)),
        Turn::Phase(group, phase) => handle.group(key(group), |g| g.phase(Duration::from_nanos(phase))),
    }
    match turn {
        Turn::Pause(group, paused) => plans[group].paused = paused,
        Turn::Policy(group, policy) => plans[group].policy = policy,
        Turn::Phase(group, phase) => {
            plans[group].rephase(phases[group], phase, now);
            phases[group] = phase;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two groups on one head hold each other up, are paused, and change their policy and phase while running.
    #[test]
    fn any_lateness_any_policy(
        groups in [(rates(), policies(), durations()), (rates(), policies(), durations())],
        turns in turns(),
    ) {
        let mut plans: Vec<_> = groups.iter().map(|(rate, policy, takes)| Plan::new(*rate, *policy, takes)).collect();
        let lives = [Lives::default(), Lives::default()];
        let mut application = simulated();
        for (index, (rate, policy, takes)) in groups.iter().enumerate() {
            let process = worker(takes.iter().copied().collect(), &lives[index]);
            application = application
                .group((*rate, LABELS[index]), |g| g.overrun(*policy))
                .add_process(process, (*rate, InGroup::new(LABELS[index])));
        }
        let mut running = application.build().unwrap();
        let (handle, mut free, mut limit, mut phases, mut goes_on) = (running.handle(), 0, 0, [0, 0], true);
        for (length, turn) in turns.into_iter().map(|(l, t)| (l, Some(t))).chain([(2_000_000_000, None)]) {
            limit += length;
            goes_on = run_model(&mut plans, &mut free, limit);
            prop_assert_eq!(running.run_for(Duration::from_nanos(length)), goes_on);
            let Some(turn) = turn.filter(|_| goes_on) else { break };
            apply(&handle, &mut plans, &mut phases, turn, limit);
        }
        let report = running.report();
        for (index, plan) in plans.iter().enumerate() {
            prop_assert_eq!(&*lives[index].lock().unwrap(), &plan.lives);
            prop_assert_eq!(Tally::of(&report.groups[index]), plan.tally);
        }
        prop_assert_eq!(running.finish().is_success(), goes_on);
    }

    /// Whatever happens, each tick that is due is counted once, also if the run ends while one is late.
    #[test]
    fn ticks_dropped_and_paused_add_up(
        rate in rates(), policy in policies(), takes in durations(), pause in 0u64..500, rest in 0u64..1000
    ) {
        prop_assume!(policy != Overrun::Delay);
        let lives = Lives::default();
        let mut running = simulated()
            .group(rate, |g| g.overrun(policy))
            .add_process(worker(takes.into_iter().take(20).collect(), &lives), rate)
            .build()
            .unwrap();
        let mut goes_on = running.run_for(ms(pause));
        running.handle().pause(rate).unwrap();
        goes_on = goes_on && running.run_for(ms(300));
        running.handle().resume(rate).unwrap();
        let goes_on = goes_on && running.run_for(ms(rest));
        let tally = Tally::of(&running.finish().report().groups[0]);
        if goes_on {
            let all = common::ticks_before(rate, (pause + 300 + rest) * 1_000_000);
            prop_assert_eq!(tally.ticks + tally.dropped + tally.paused, all);
        }
        prop_assert_eq!(tally.ticks, lives.lock().unwrap().len() as u64);
    }
}

/// 10 Hz, the second life takes 350 ms: it starts at 100 and ends at 450, when 200, 300 and 400 are due.
fn late(policy: Overrun) -> (Vec<(u64, u64)>, Tally, Exit) {
    let lives = Lives::default();
    let process = worker([0, 350_000_000].into(), &lives);
    let mut running = simulated().group(hz(10), |g| g.overrun(policy)).add_process(process, hz(10)).build().unwrap();
    running.run_for(ms(700));
    let tally = Tally::of(&running.report().groups[0]);
    let lives = lives.lock().unwrap().iter().map(|&(due, now)| (due / 1_000_000, now / 1_000_000)).collect();
    (lives, tally, running.finish())
}

#[test]
fn each_policy_by_hand() {
    let start = [(0, 0), (100, 100)];
    let shift = 250_000_000;
    for (policy, rest, dropped, overruns, shift) in [
        (Overrun::Skip, vec![(200, 450), (500, 500), (600, 600)], 2, 1, 0),
        (Overrun::Burst { max: 0 }, vec![(200, 450), (500, 500), (600, 600)], 2, 1, 0),
        (Overrun::Burst { max: 1 }, vec![(200, 450), (400, 450), (500, 500), (600, 600)], 1, 1, 0),
        (Overrun::Burst { max: 9 }, vec![(200, 450), (300, 450), (400, 450), (500, 500), (600, 600)], 0, 2, 0),
        (Overrun::Delay, vec![(200, 450), (550, 550), (650, 650)], 0, 1, shift),
    ] {
        let (lives, tally, exit) = late(policy);
        assert_eq!(lives, start.into_iter().chain(rest).collect::<Vec<_>>(), "{policy}");
        assert_eq!((tally.dropped, tally.overruns, tally.shift), (dropped, overruns, shift), "{policy}");
        assert_eq!(tally.ticks, lives.len() as u64, "{policy}");
        assert!(exit.is_success());
    }
}

#[test]
fn stop_pulls_the_e_brake_and_the_late_tick_does_not_run() {
    let log = Log::default();
    let lives = Lives::default();
    let mut running = simulated()
        .group(hz(10), |g| g.overrun(Overrun::Stop))
        .add_process(worker([0, 350_000_000].into(), &lives), (hz(10), named("worker")))
        .add_process(common::diary(&log), (hz(4), named("other")))
        .build()
        .unwrap();
    assert!(!running.run_for(secs(2)));
    assert!(!running.run_for(secs(2)) && !running.step(), "nothing ever runs again");
    assert_eq!(lives.lock().unwrap().len(), 2);
    let exit = running.finish();
    assert_eq!(exit.code(), 1);
    assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "group 10 Hz"), "{exit}");
    assert!(exit.cause().to_string().contains("3 tick(s) missed: it started 250000 µs late"), "{exit}");
    // 0 is due with the first; 250 is behind the culprit's 200.
    assert_eq!(log.take(), ["other born", "other 0", "other safe", "other dead"]);
    let group = &exit.report().groups[0];
    assert_eq!((group.ticks, group.dropped, group.overruns), (2, 3, 1));
}

/// A jitter probe must be shown live: the delay that is put in is the delay that is found.
#[test]
fn a_known_delay_is_found_in_the_report() {
    let mut turn = 0;
    // One life in ten takes 3 ms; so each tick of the victim at that instant starts 3 ms late.
    let culprit = Script::new().life(move |cx| {
        turn += 1;
        cx.consume(if turn % 10 == 1 { ms(3) } else { Duration::ZERO });
        Ok(())
    });
    let mut running = simulated()
        .add_process(culprit, (hz(100), named("culprit")))
        .add_process(Script::new(), (hz(50), named("victim")))
        .build()
        .unwrap();
    assert!(running.run_for(secs(10)));
    let report = running.report();
    let [culprit, victim] = &report.groups[..] else { panic!("two groups") };
    assert_eq!((culprit.busy.count, culprit.busy.min, culprit.busy.max), (1000, ms(0), ms(3)));
    assert_eq!((culprit.lateness.max, culprit.late), (ms(0), 0));
    assert_eq!((culprit.busy.p50, culprit.busy.p99), (ms(0), ms(3)));
    // 500 ticks, the one in five at a multiple of 100 ms is 3 ms late: more than a tenth of 20 ms.
    assert_eq!((victim.ticks, victim.late, victim.overruns, victim.dropped), (500, 100, 0, 0));
    let lateness = victim.lateness;
    assert_eq!((lateness.count, lateness.min, lateness.p50, lateness.max), (500, ms(0), ms(0), ms(3)));
    assert!(lateness.p99 >= Duration::from_micros(2970) && lateness.p99 <= ms(3), "{:?}", lateness.p99);
    assert_eq!(victim.busy.max, ms(0));
}

/// Late is more than a tenth of a period, not a tenth exactly.
#[test]
fn a_tenth_of_a_period_is_not_late_yet() {
    for (nanos, late) in [(10_000_000, 0), (10_000_001, 1)] {
        let mut running = simulated()
            .add_process(worker([nanos].into(), &Lives::default()), hz(20))
            .add_process(Script::new(), hz(10))
            .build()
            .unwrap();
        assert!(running.run_for(ms(100)));
        assert_eq!(running.report().groups[1].late, late, "{nanos}");
    }
}

#[test]
fn a_process_changes_policy_and_phase_of_its_group_while_running() {
    let lives = Lives::default();
    let (writes, mut turn) = (lives.clone(), 0);
    let process = Script::new().life(move |cx| {
        writes.lock().unwrap().push((cx.due().as_millis() as u64, cx.now().as_millis() as u64));
        turn += 1;
        match turn {
            2 => cx.group(hz(10), |g| g.overrun(Overrun::Burst { max: 8 })),
            3 => cx.consume(ms(350)),
            7 => cx.group(hz(10), |g| g.phase(ms(40))),
            _ => {}
        }
        Ok(())
    });
    let mut running = simulated().add_process(process, hz(10)).build().unwrap();
    assert!(running.run_for(secs(1)));
    let expected =
        [(0, 0), (100, 100), (200, 200), (300, 550), (400, 550), (500, 550), (600, 600), (640, 640), (740, 740)];
    let lives = lives.lock().unwrap().clone();
    assert_eq!(lives[..9], expected);
    assert_eq!(running.report().groups[0].dropped, 0);
    assert_eq!(running.report().groups[0].overrun, Overrun::Burst { max: 8 });
}

/// What is due at the very instant at which a tick starts late is missed; with one nanosecond less it is not.
#[test]
fn an_overrun_begins_when_the_next_tick_is_due() {
    for (nanos, tally) in [(199_999_999, (4, 0, 0)), (200_000_000, (3, 1, 1))] {
        let process = worker([nanos].into(), &Lives::default());
        let mut running = simulated().add_process(process, hz(10)).build().unwrap();
        assert!(running.run_for(ms(400)));
        let found = Tally::of(&running.report().groups[0]);
        assert_eq!((found.ticks, found.dropped, found.overruns), tally, "{nanos}");
    }
}

/// 100 Hz; the third life takes a second, from 20 ms on.
fn stuck() -> Application {
    simulated().add_process(worker([0, 0, 1_000_000_000].into(), &Lives::default()), hz(100))
}

fn tally(exit: &Exit) -> Tally {
    Tally::of(&exit.report().groups[0])
}

#[test]
fn a_run_that_ends_while_a_group_is_late_counts_what_it_did_not_run() {
    let late = tally(&stuck().run_for(ms(201)));
    assert_eq!(late, Tally { ticks: 3, dropped: 18, ..Tally::default() });
    let mut running = stuck().build().unwrap();
    assert!(running.run_for(ms(100)));
    running.handle().pause(hz(100)).unwrap();
    assert!(running.run_for(ms(101)));
    assert_eq!(tally(&running.finish()), Tally { ticks: 3, paused: 18, ..Tally::default() });
}

/// What is due at the very moment of a stop has not been missed.
#[test]
fn a_stop_counts_what_a_late_group_did_not_run() {
    for (stop_at, dropped) in [(10, 0), (20, 0), (30, 0), (40, 1), (50, 2), (150, 12)] {
        let stop = Script::new().life(move |cx| {
            if cx.now() == ms(stop_at) {
                cx.stop_application("enough");
            }
            Ok(())
        });
        let exit = stuck().add_head(Head::new("other").add_process(stop, hz(100))).run();
        assert_eq!(tally(&exit).dropped, dropped, "stopped at {stop_at} ms");
    }
}
