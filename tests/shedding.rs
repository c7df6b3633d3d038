//! An overloaded head sheds what matters least, keeps what matters most, and recovers without a burst.

mod common;

use common::{Script, ms, named, secs, simulated};
use polycephaly::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Consumes so many microseconds in each life, as `cost` says at the time.
fn burns(cost: &Arc<AtomicU64>) -> Script {
    let cost = cost.clone();
    Script::new().life(move |cx| {
        cx.consume(Duration::from_micros(cost.load(Relaxed)));
        Ok(())
    })
}

struct Costs {
    control: Arc<AtomicU64>,
    vision: Arc<AtomicU64>,
    mapping: Arc<AtomicU64>,
}

/// Control at 100 Hz takes a tenth of the head; vision at 50 Hz and mapping at 200 Hz take what they are told to.
fn head(vision: u64, mapping: u64) -> (Application, Costs) {
    let [control, vision, mapping] = [1000, vision, mapping].map(|micros| Arc::new(AtomicU64::new(micros)));
    let application = simulated()
        .add_process(burns(&control), (hz(100), named("control")))
        .add_process(burns(&vision), (hz(50), named("vision")))
        .add_process(burns(&mapping), (hz(200), named("mapping")))
        .group(hz(100), |g| g.importance(Importance::Critical))
        .group(hz(200), |g| g.importance(Importance::Low));
    (application, Costs { control, vision, mapping })
}

/// Ticks run, dropped and shed by control, vision and mapping.
fn counts(running: &mut Running) -> [(u64, u64, u64); 3] {
    let report = running.report();
    ["100 Hz", "50 Hz", "200 Hz"].map(|name| {
        let group = report.group(name).unwrap();
        (group.ticks, group.dropped, group.shed)
    })
}

fn since(now: [(u64, u64, u64); 3], then: [(u64, u64, u64); 3]) -> [(u64, u64, u64); 3] {
    std::array::from_fn(|at| (now[at].0 - then[at].0, now[at].1 - then[at].1, now[at].2 - then[at].2))
}

#[test]
fn at_twice_what_it_can_do_control_keeps_its_rate() {
    // 0.1 + 0.4 + 1.5 of the head.
    let (application, _) = head(8000, 7500);
    let mut running = application.build().unwrap();
    running.run_for(secs(2));
    let settled = counts(&mut running);
    assert!(settled[2].2 > 0, "it sheds by now: {settled:?}");
    running.run_for(secs(10));
    let [control, vision, mapping] = since(counts(&mut running), settled);
    assert_eq!(control, (1000, 0, 0), "every tick of control ran");
    assert_eq!((vision.0 + vision.1, vision.2), (500, 0), "what matters more than mapping is not shed");
    assert!(vision.0 >= 495, "{vision:?}");
    // One in 8 fits: 0.1 + 0.4 + 0.19.
    assert_eq!(mapping.0 + mapping.1 + mapping.2, 2000, "every tick is accounted for");
    assert!(mapping.0.abs_diff(500) <= 2 || mapping.0.abs_diff(250) <= 2, "{mapping:?}");
}

#[test]
fn at_ten_times_nobody_starves_beyond_its_importance() {
    // 0.1 + 0.4 + 9.5 of the head: mapping alone needs 47.5 ms of every 5.
    let (application, _) = head(8000, 47_500);
    let mut running = application.build().unwrap();
    running.run_for(secs(5));
    let settled = counts(&mut running);
    running.run_for(secs(64));
    let [control, vision, mapping] = since(counts(&mut running), settled);
    assert_eq!(control.0 + control.1, 6400);
    assert_eq!(control.2 + vision.2, 0, "neither has to give");
    // A life of mapping can't be interrupted: each costs control at most five ticks.
    assert!(control.1 <= 5 * mapping.0, "{control:?} {mapping:?}");
    assert!(mapping.0 >= 12_800 / 64, "one in 64 is kept: {mapping:?}");
    assert_eq!(mapping.0 + mapping.1 + mapping.2, 12_800);
}

#[test]
fn it_recovers_without_a_burst() {
    let (application, costs) = head(8000, 7500);
    let mut running = application.build().unwrap();
    running.run_for(secs(3));
    costs.mapping.store(100, Relaxed);
    running.run_for(secs(2));
    let recovered = counts(&mut running);
    running.run_for(secs(1));
    assert_eq!(since(counts(&mut running), recovered), [(100, 0, 0), (50, 0, 0), (200, 0, 0)], "all is as it was");
    assert_eq!(running.report().heads[0].sheddings, 2, "once shed, once taken back");
    // And again, with another one to blame.
    costs.vision.store(30_000, Relaxed);
    running.run_for(secs(3));
    let settled = counts(&mut running);
    running.run_for(secs(8));
    let [control, vision, mapping] = since(counts(&mut running), settled);
    assert!(vision.2 > 0 && mapping.2 > 0, "{vision:?} {mapping:?}");
    assert!(vision.0 >= 8 * 50 / 8, "one in 8 is kept: {vision:?}");
    assert!(control.1 <= 3 * vision.0, "{control:?}");
    let _ = costs.control;
}

#[test]
fn what_is_shed_trips_nothing() {
    let (application, _) = head(8000, 7500);
    let mut running = application
        .group(hz(200), |g| g.overrun(Overrun::Burst { max: 1000 }).budget(Budget::soft(ms(8)).and_hard(ms(9))))
        .build()
        .unwrap();
    running.run_for(secs(2));
    let (overruns, budget) = {
        let report = running.report();
        let group = report.group("200 Hz").unwrap();
        (group.overruns, group.budget)
    };
    running.run_for(secs(10));
    let report = running.report();
    let group = report.group("200 Hz").unwrap();
    assert_eq!(group.budget, budget);
    assert!(group.overruns - overruns < 20, "shed ticks are no overruns: {}", group.overruns - overruns);
    assert!(running.finish().is_success());
}

#[test]
fn without_importances_nothing_is_shed() {
    let cost = Arc::new(AtomicU64::new(30_000));
    let mut running = simulated().add_process(burns(&cost), hz(100)).build().unwrap();
    running.run_for(secs(5));
    let report = running.report();
    let group = report.group("100 Hz").unwrap();
    assert_eq!((group.shed, report.heads[0].sheddings), (0, 0));
    assert!(group.dropped > 0);
}

#[test]
fn importance_can_be_declared_while_it_runs() {
    let cost = Arc::new(AtomicU64::new(30_000));
    let mut running = simulated().add_process(burns(&cost), hz(100)).build().unwrap();
    running.run_for(secs(1));
    running.handle().group(hz(100), |g| g.importance(Importance::Normal));
    running.run_for(secs(5));
    let report = running.report();
    let group = report.group("100 Hz").unwrap();
    assert!(group.shed > 0 && group.importance == Importance::Normal);
    assert_eq!(group.ticks + group.dropped + group.shed, 600);
}
