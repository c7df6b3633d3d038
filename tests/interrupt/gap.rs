//! What the program misses while it is stopped.

use super::*;
use polycephaly::report::Report;

/// In its first life, says so and waits, if it is the one to be stopped in its life.
#[derive(Component)]
struct Walker {
    lingers: bool,
    speaks: bool,
}

impl Process for Walker {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        if std::mem::take(&mut self.lingers) {
            linger();
        }
        if self.speaks {
            println!("walks");
        }
        Ok(())
    }
}

/// Groups with each policy, watched closely.
pub(super) fn stopped(when: &str) -> i32 {
    let mut application = Application::new()
        .watchdog(Watchdog::after(secs(3)).then_ebrake())
        .add_main(Witness { lingers_in: "life".into(), binds: false }, hz(1));
    let policies = [Overrun::Stop, Overrun::Burst { max: 1000 }, Overrun::Delay, Overrun::Skip];
    for (policy, label) in policies.into_iter().zip(["stop", "burst", "delay", "skip"]) {
        let walker = Walker { lingers: when == "life" && label == "stop", speaks: label == "skip" };
        let budget = Budget::hard(secs(3)).misses(1).then_ebrake();
        application = application
            .group((hz(1), label), |g| g.overrun(policy).budget(budget))
            .add_process(walker, (hz(1), InGroup::new(label), budget));
    }
    let exit = application.run();
    println!("ended: {}\nreport: {}", exit.cause(), exit.report().to_json());
    exit.code().into()
}

fn report(said: &[String]) -> Report {
    let json = said.iter().find_map(|line| line.strip_prefix("report: ")).unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn ticks_missed_while_it_is_stopped_are_counted_apart_once_and_blame_nobody() {
    std::thread::scope(|scope| {
        for (signal, when) in [("TSTP", "sleep"), ("STOP", "sleep"), ("TSTP", "life"), ("STOP", "life")] {
            scope.spawn(move || stop(signal, when));
        }
    });
}

fn stop(signal: &str, when: &str) {
    let mut talk = start(&format!("stopped {when}"));
    // Births are over then.
    talk.expect(if when == "life" { "ready" } else { "walks" });
    if when == "life" {
        // So that the watchdog has looked at this very life: it does each quarter of its limit.
        std::thread::sleep(ms(1200));
    }
    talk.signal(signal);
    wait_for_stop(&talk);
    // What it misses. More than the watchdog's limit, than any budget, than any period.
    std::thread::sleep(secs(4));
    go_on(&mut talk);
    talk.tell("go");
    talk.tell("go");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{signal} in {when}: {said:#?}");
    let report = report(&said);
    assert_eq!((report.stalls, report.failures()), (0, 0));
    for group in &report.groups {
        // Of the 4 that were due in 4 s, the last may have been late by less than a period, and have run.
        assert!(group.suspended >= 3, "{signal} in {when}: {said:#?}");
        let (due, once) = (report.elapsed.as_secs() + 1, group.ticks + group.suspended);
        // The end may have come between the ticks of one instant.
        assert!(once == due || once == due - 1, "{once} of {due}, {signal} in {when}: {said:#?}");
        assert_eq!((group.dropped, group.overruns, group.shift), (0, 0, Duration::ZERO), "{group:#?}");
        assert_eq!((group.budget.hard, group.budget.soft), (0, 0), "{group:#?}");
    }
}
