//! The report: the same through JSON, readable as a table, and true to what happened.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

fn busy() -> Running {
    let late = Script::new().life(|cx| {
        cx.consume(if cx.now() == ms(200) { ms(120) } else { ms(2) });
        Ok(())
    });
    let erring = Script::new().life(|cx| if cx.frame() == 2 { Err("slipped".into()) } else { Ok(()) });
    let mut running = simulated()
        .seed(42)
        .group((hz(20), "logging"), |g| g.overrun(Overrun::Delay))
        .add_process(late, (hz(10), named("late")))
        .add_process(erring, (hz(20), InGroup::new("logging"), named("erring")))
        .add_process(diary(&Log::default()), (hz(1), named("gone")))
        .build()
        .unwrap();
    assert!(running.run_for(ms(500)));
    running.handle().stop("gone", "no longer needed").unwrap();
    running.handle().pause("late").unwrap();
    assert!(running.run_for(ms(500)));
    running
}

#[test]
fn json_goes_there_and_back() {
    let report = busy().report();
    let json = report.to_json();
    assert!(!json.contains('\n'));
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["elapsed_ns"], 1_000_000_000);
    assert_eq!(value["groups"][1]["group"], "10 Hz");
    assert_eq!(value["groups"][1]["busy"]["max_ns"], 120_000_000);
    assert_eq!(value["groups"][0]["overrun"], "delay");
    assert_eq!(value["processes"][2]["ended_by"], "stopped by \"application\": no longer needed");
    assert_eq!(serde_json::from_str::<Report>(&Report::default().to_json()).unwrap(), Report::default());
}

#[test]
fn the_table_of_a_small_run() {
    let table = busy().report().to_string();
    let expected = "\
ran 1.00 s with seed 42
group          ticks  dropped  overruns  late  paused  shed  late p50      p99      max  busy p50     p99     max
20 Hz logging     19        0         1     1       0     0      0 ns  70.0 ms  70.0 ms      0 ns    0 ns    0 ns
10 Hz             10        0         0     1       0     0      0 ns  20.0 ms  20.0 ms      0 ns  120 ms  120 ms
1 Hz               1        0         0     0       0     0   2.00 ms  2.00 ms  2.00 ms      0 ns    0 ns    0 ns
group 20 Hz logging was delayed by 70.0 ms in all
process  group          lives  errors  panics  restarts  paused  mail  lost  state
erring   20 Hz logging     19       1       0         0       0     0     0  RUN
late     10 Hz              5       0       0         0       5     0     0  RUN
gone     1 Hz               1       0       0         0       0     0     0  stopped by \"application\": no longer needed
up to 3 groups of head main are due at one instant
";
    assert_eq!(table, expected, "\n{table}");
}

#[test]
fn groups_and_processes_are_found_by_name() {
    let report = busy().report();
    assert_eq!(report.group("20 Hz logging").unwrap().overrun, Overrun::Delay);
    assert!(report.group("20 Hz").is_none());
    assert_eq!(report.process("LATE").unwrap().paused, 5);
    assert_eq!(report.process("gone").unwrap().run_level, RunLevel::Unset);
    assert_eq!(report.process("late").unwrap().run_level, RunLevel::Run);
    assert!(report.process("nobody").is_none());
}

/// Among many, those that failed are shown, and the rest is counted.
#[test]
fn the_table_shows_failures_first_and_is_bounded() {
    let mut application = simulated();
    for index in 0..100 {
        let process = Script::new().life(move |_| if index == 90 { Err("x".into()) } else { Ok(()) });
        application = application.add_process(process, (hz(10), named(&format!("p{index}"))));
    }
    let mut running = application.build().unwrap();
    assert!(running.run_for(secs(1)));
    let table = running.report().to_string();
    let lines: Vec<_> = table.lines().collect();
    assert!(lines.len() < 35, "{table}");
    assert!(lines[4].starts_with("p90 "), "{table}");
    assert_eq!(lines.last(), Some(&"and 76 more processes"));
}

#[test]
fn a_report_can_be_had_at_any_time_and_counts_on() {
    let mut running = simulated().add_process(Script::new(), (hz(10), named("a"))).build().unwrap();
    let first = running.report();
    assert_eq!((first.groups[0].ticks, first.elapsed), (0, ms(0)));
    assert_eq!(first.groups[0].lateness, polycephaly::stats::Summary::default());
    assert!(running.run_for(ms(250)));
    assert_eq!((running.report().groups[0].ticks, running.report().elapsed), (3, ms(250)));
    assert!(running.run_for(ms(250)));
    let exit = running.finish();
    assert_eq!((exit.report().groups[0].ticks, exit.report().elapsed), (5, ms(500)));
}

#[test]
fn an_exit_says_why_in_words() {
    let exit = simulated().add_process(Script::new(), hz(10)).run_for(ms(100));
    assert_eq!((exit.to_string().as_str(), exit.code(), exit.more()), ("the time to run is over", 0, 0));
    let exit = simulated()
        .add_process(
            Script::new().life(|cx| {
                (0..20).for_each(|_| cx.ebrake("hot"));
                Ok(())
            }),
            (hz(10), named("motor")),
        )
        .run();
    assert_eq!((exit.code(), exit.further().len(), exit.more()), (1, 16, 3));
    let text = exit.to_string();
    assert!(
        text.starts_with("e-brake pulled by \"motor\": hot\n  then ") && text.ends_with("\n  and 3 more"),
        "{text}"
    );
}
