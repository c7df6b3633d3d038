//! Errors and panics: of every hook, at every place among siblings, in both kinds of storage, and of plain systems.

mod common;

use common::{Log, Script, Sparse, ms, named, secs, simulated};
use polycephaly::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hook {
    Birth,
    Life,
    Timer,
    Death,
    SafeStop,
}

const HOOKS: [Hook; 5] = [Hook::Birth, Hook::Life, Hook::Timer, Hook::Death, Hook::SafeStop];

fn fail(panics: bool) -> Result {
    assert!(!panics, "on purpose");
    Err("on purpose".into())
}

const SIBLINGS: usize = 5;
/// The tick in which the culprit fails, if it fails in a tick.
const WHEN: u64 = 300;

/// Builds one sibling of either kind: all write their lives and deaths; the culprit fails in one hook, after writing.
macro_rules! sibling {
    ($kind:ident, $log:expr, $fault:expr) => {{
        let (fault, log): (Option<(Hook, bool)>, &Log) = ($fault, $log);
        let hit = move |hook, log: &Log, line: String| {
            log.say(line);
            match fault {
                Some((at, panics)) if at == hook => fail(panics),
                _ => Ok(()),
            }
        };
        let [birth, life, death, stop] = [log.clone(), log.clone(), log.clone(), log.clone()];
        $kind::new()
            .birth(move |cx| {
                let timer = birth.clone();
                cx.after(ms(WHEN), move |_, cx| hit(Hook::Timer, &timer, format!("{} timer", cx.name())));
                hit(Hook::Birth, &birth, format!("{} born", cx.name()))
            })
            .life(move |cx| {
                let now = cx.now().as_millis() as u64;
                life.say(format!("{} {now}", cx.name()));
                if now == WHEN { hit(Hook::Life, &life, format!("{} hit", cx.name())) } else { Ok(()) }
            })
            .death(move |cx| hit(Hook::Death, &death, format!("{} dead {}", cx.name(), cx.cause().unwrap())))
            .safe_stop(move |cx| hit(Hook::SafeStop, &stop, format!("{} safe", cx.name())))
    }};
}

fn run(sparse: bool, place: usize, hook: Hook, panics: bool) -> (Log, Exit) {
    let log = Log::default();
    let mut application = simulated();
    for index in 0..SIBLINGS {
        let fault = (index == place).then_some((hook, panics));
        let bundle = (hz(10), named(&format!("p{index}")));
        application = if sparse {
            application.add_process(sibling!(Sparse, &log, fault), bundle)
        } else {
            application.add_process(sibling!(Script, &log, fault), bundle)
        };
    }
    let mut running = application.build().unwrap();
    assert!(running.run_for(ms(600)));
    if hook == Hook::SafeStop {
        running.handle().ebrake("test");
    }
    (log, running.finish())
}

/// The instants at which it lived.
fn lives(lines: &[String], name: &str) -> Vec<u64> {
    lines.iter().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok()).collect()
}

fn check(sparse: bool, place: usize, hook: Hook, panics: bool) {
    let case = format!("sparse {sparse}, place {place}, {hook:?}, panics {panics}");
    let (log, exit) = run(sparse, place, hook, panics);
    let lines = log.take();
    let all: Vec<u64> = (0..6).map(|k| 100 * k).collect();
    for index in 0..SIBLINGS {
        let name = format!("p{index}");
        let culprit = index == place;
        let ticks = match hook {
            Hook::Birth if culprit && panics => 0,
            Hook::Life | Hook::Timer if culprit && panics => 4,
            _ => 6,
        };
        assert_eq!(lives(&lines, &name), all[..ticks], "{name}: {case}");
        let deaths = lines.iter().filter(|line| line.starts_with(&format!("{name} dead"))).count();
        assert_eq!(deaths, 1, "{name}: {case}");
        let stops = lines.iter().filter(|line| **line == format!("{name} safe")).count();
        assert_eq!(stops, usize::from(hook == Hook::SafeStop), "{name}: {case}");
        let process = exit.report().process(&name).unwrap();
        let expected = (ticks as u64, u64::from(culprit && !panics), u64::from(culprit && panics));
        assert_eq!((process.lives, process.errors, process.panics), expected, "{name}: {case}");
        let by_panic = culprit && panics && hook != Hook::Death;
        let ended = process.ended_by.as_deref().unwrap();
        assert_eq!(ended == format!("{name:?} panicked: on purpose"), by_panic, "{ended}: {case}");
    }
    assert_eq!(exit.report().groups[0].ticks, 6, "{case}");
    assert_eq!(exit.is_success(), hook != Hook::SafeStop, "{case}");
}

#[test]
fn every_failure_of_every_hook_at_every_place_stays_its_own() {
    for sparse in [false, true] {
        for place in [0, 2, SIBLINGS - 1] {
            for hook in HOOKS {
                check(sparse, place, hook, false);
                check(sparse, place, hook, true);
            }
        }
    }
}

#[test]
fn all_may_panic_in_one_tick() {
    for sparse in [false, true] {
        let log = Log::default();
        let mut application = simulated().add_process(common::diary(&log), (hz(10), named("bystander")));
        for _ in 0..20 {
            let fault = Some((Hook::Life, true));
            application = if sparse {
                application.add_process(sibling!(Sparse, &log, fault), hz(10))
            } else {
                application.add_process(sibling!(Script, &log, fault), hz(10))
            };
        }
        let mut running = application.build().unwrap();
        assert!(running.run_for(secs(1)));
        let report = running.report();
        assert_eq!(report.processes.iter().filter(|p| (p.lives, p.panics) == (4, 1)).count(), 20);
        assert_eq!(report.groups[0].population, 1);
        assert_eq!(report.process("bystander").unwrap().lives, 10);
    }
}

#[test]
fn an_error_at_each_life_is_counted_each_time() {
    let process = Script::new().life(|_| Err("again".into()));
    let mut running = simulated().add_process(process, (hz(100), named("a"))).build().unwrap();
    assert!(running.run_for(secs(5)));
    let report = running.report();
    let process = report.process("a").unwrap();
    assert_eq!((process.lives, process.errors, process.panics), (500, 500, 0));
}

#[test]
fn an_error_after_die_is_counted_and_the_process_dies_all_the_same() {
    let process = Script::new().life(|cx| {
        cx.die("had enough");
        fail(cx.now() == ms(0))
    });
    let exit = simulated().add_process(process, named("a")).run();
    let process = exit.report().process("a").unwrap();
    assert_eq!((process.lives, process.panics), (1, 1));
    assert_eq!(process.ended_by.as_deref(), Some("\"a\" died: had enough"), "the first cause holds");
}

#[test]
fn a_panic_of_main_is_a_failed_end() {
    let exit = simulated().add_main(Script::new().life(|_| panic!("main {}", 1)), ()).run();
    assert_eq!(exit.code(), 1);
    assert_eq!(exit.cause().to_string(), "the main process ended (\"main\" panicked: main 1)");
}

#[test]
fn a_panic_without_text_is_told_as_such() {
    let process = Script::new().life(|_| std::panic::panic_any(7_u8));
    let exit = simulated().add_process(process, named("a")).run();
    assert_eq!(
        exit.report().process("a").unwrap().ended_by.as_deref(),
        Some("\"a\" panicked: a panic without a message")
    );
}

/// A plain system's failure is counted, it runs again in the next tick, and so do its neighbours.
#[test]
fn failing_systems_are_counted_and_run_again() {
    let log = Log::default();
    let [erring, panicking, after] = [log.clone(), log.clone(), log.clone()];
    let mut running = simulated()
        .add_process(common::diary(&log), (hz(10), named("a")))
        .add_systems(
            hz(10),
            (
                move || -> Result {
                    erring.say("erring");
                    Err("the sensor is wet".into())
                },
                move || {
                    panicking.say("panicking");
                    panic!("a wheel came off");
                },
                move || after.say("after"),
            ),
        )
        .build()
        .unwrap();
    assert!(running.run_for(secs(1)));
    for name in ["erring", "panicking", "after"] {
        assert_eq!(log.count(name), 10, "{name}");
    }
    let report = running.report();
    assert_eq!(report.process("a").unwrap().lives, 10);
    let failures: u64 = report.systems.iter().map(|system| system.failures).sum();
    assert_eq!(failures, 20, "{:?}", report.systems);
    let exit = running.finish();
    assert!(exit.is_success(), "{exit}");
    assert!(exit.report().to_string().contains("failed"), "{}", exit.report());
}

/// Commands run after their system, on nobody's stack: what panics or errs in them must not end the run either.
#[test]
fn failing_commands_do_not_end_the_run() {
    let log = Log::default();
    let writes = log.clone();
    let mut running = simulated()
        .add_process(common::diary(&log), (hz(10), named("a")))
        .add_systems(hz(10), move |mut commands: Commands| {
            let writes = writes.clone();
            commands.queue(|_: &mut World| -> Result { Err("no".into()) });
            commands.queue(|_: &mut World| panic!("in a command"));
            commands.queue(move |_: &mut World| writes.say("later command"));
        })
        .build()
        .unwrap();
    assert!(running.run_for(ms(500)));
    let report = running.report();
    assert_eq!((report.process("a").unwrap().lives, report.groups[0].ticks), (5, 5));
    let failures: u64 = report.systems.iter().map(|system| system.failures).sum();
    assert_eq!(failures, 10, "{:?}", report.systems);
    assert_eq!(log.count("later command"), 5);
}

#[test]
fn what_a_handle_does_to_the_world_may_panic() {
    let log = Log::default();
    let mut running = simulated().add_process(common::diary(&log), (hz(10), named("a"))).build().unwrap();
    let handle = running.handle();
    let writes = log.clone();
    handle.do_to_world(|_| panic!("from outside"));
    handle.do_to_world(move |_| writes.say("next"));
    assert!(running.run_for(secs(1)));
    assert_eq!((log.count("next"), running.report().process("a").unwrap().lives), (1, 10));
    assert_eq!(running.report().systems.len(), 1, "counted");
}

/// A component whose hook panics as it comes into the World is the fault of one birth, not of all.
#[test]
fn a_bundle_that_panics_spoils_only_its_own_birth() {
    #[derive(Component)]
    #[component(on_add = refuse)]
    struct Bad;
    fn refuse(_: bevy_ecs::world::DeferredWorld<'_>, _: bevy_ecs::lifecycle::HookContext) {
        panic!("bad bundle");
    }

    let log = Log::default();
    let spawner = Script::new().life(|cx| {
        if cx.now() == ms(100) {
            cx.spawn(Script::new(), Bad);
            cx.spawn(Script::new(), named("good"));
        }
        Ok(())
    });
    let mut running = simulated()
        .add_process(spawner, (hz(10), named("spawner")))
        .add_process(common::diary(&log), (hz(10), named("a")))
        .build()
        .unwrap();
    assert!(running.run_for(secs(1)));
    assert!(running.get::<Script>("good").is_some());
    assert_eq!(running.report().process("a").unwrap().lives, 10);
}
