//! Groups of one head stand apart when they find their phases themselves, and the report shows how far that went.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Writes down at which instants its group ticks.
fn ticker(log: &Log) -> Script {
    let log = log.clone();
    Script::new().life(move |cx| {
        log.say(format!("{}", cx.now().as_nanos()));
        Ok(())
    })
}

/// The most ticks at one instant within a second.
fn most_at_once(log: &Log) -> usize {
    let mut instants: Vec<u64> = log.take().iter().map(|line| line.parse().unwrap()).collect();
    instants.sort_unstable();
    instants.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or(0)
}

fn application(log: &Log, phase: Option<Phase>) -> Application {
    [1000, 500, 200, 100].into_iter().fold(simulated(), |application, hertz| {
        let application = application.add_process(ticker(log), hz(hertz));
        match phase {
            Some(phase) => application.group(hz(hertz), |g| g.phase(phase)),
            None => application,
        }
    })
}

#[test]
fn they_meet_unless_they_find_their_phases() {
    let log = Log::default();
    let exit = application(&log, None).run_for(secs(1));
    assert_eq!((most_at_once(&log), exit.report().heads[0].most_at_once), (4, 4));

    let exit = application(&log, Some(Phase::Auto)).run_for(secs(1));
    assert_eq!((most_at_once(&log), exit.report().heads[0].most_at_once), (1, 1));
    let phases: Vec<Duration> = exit.report().groups.iter().map(|group| group.phase).collect();
    assert_eq!(phases[0], Duration::ZERO, "the fastest stays where it is");
    assert!(phases[1..].iter().all(|&phase| phase > Duration::ZERO), "{phases:?}");
    assert!(exit.report().to_string().contains("ran"), "it prints");
}

#[test]
fn a_phase_that_is_given_stays_and_the_others_give_way() {
    let log = Log::default();
    let exit = simulated()
        .add_process(ticker(&log), hz(100))
        .add_process(ticker(&log), hz(50))
        .group(hz(50), |g| g.phase(ms(3)))
        .group(hz(100), |g| g.phase(Phase::Auto))
        .run_for(secs(1));
    assert_eq!(exit.report().group("50 Hz").unwrap().phase, ms(3));
    assert_eq!(exit.report().group("100 Hz").unwrap().phase, ms(8), "opposite");
}

#[test]
fn while_it_runs_a_new_phase_loses_no_tick_uncounted() {
    let log = Log::default();
    let mut running = application(&log, None).build().unwrap();
    running.run_for(secs(1));
    running.handle().group(hz(200), |g| g.phase(Phase::Auto));
    running.run_for(secs(1));
    let report = running.report();
    let group = report.group("200 Hz").unwrap();
    assert!(group.phase > Duration::ZERO);
    // The tick that was due at that very instant is on the old grid, and lost.
    assert_eq!((group.ticks, group.dropped), (400, 1));
    assert_eq!(report.heads[0].most_at_once, 3);
    // And back.
    running.handle().group(hz(200), |g| g.phase(Duration::ZERO));
    running.run_for(secs(1));
    assert_eq!(running.report().heads[0].most_at_once, 4);
}

#[test]
fn heads_do_not_mind_each_other() {
    let log = Log::default();
    let exit = simulated()
        .add_process(ticker(&log), (hz(100), named("a")))
        .group(hz(100), |g| g.phase(Phase::Auto))
        .add_head(
            Head::new("other")
                .add_process(ticker(&log), (hz(100), named("b")))
                .group(hz(100), |g| g.phase(Phase::Auto)),
        )
        .run_for(secs(1));
    assert!(exit.report().groups.iter().all(|group| group.phase == Duration::ZERO));
}
