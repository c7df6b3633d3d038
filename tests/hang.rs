//! What hangs, in an OS process of its own: the run still ends in time, names the culprit, and exits with a failing code.

mod common;

use common::child::{self, Outcome};
use common::{Script, ms, named};
use polycephaly::prelude::*;

fn hang() -> Result {
    loop {
        std::thread::park();
    }
}

/// Hangs in a hook. Before that, somebody outside asks for the end of the application.
fn culprit(hook: &str, handle: ApplicationHandle) -> Script {
    let hangs = move |_: &mut Context<Script>| {
        handle.stop_application("somebody waits");
        hang()
    };
    match hook {
        "birth" => Script::new().birth(hangs),
        "life" => Script::new().life(hangs),
        "timer" => Script::new().birth(move |cx| {
            let hangs = hangs.clone();
            cx.after(Duration::ZERO, move |_, cx| hangs(cx));
            Ok(())
        }),
        "death" => Script::new().death(hangs).life(|cx| {
            cx.stop_application("done");
            Ok(())
        }),
        "safe_stop" => Script::new().safe_stop(hangs).life(|cx| {
            cx.ebrake("smoke");
            Ok(())
        }),
        _ => unreachable!("{hook}"),
    }
}

/// Hangs where a `Script` has no hook: in its preparation, or in a callback of mail.
#[derive(Component)]
struct Stuck {
    prepares: bool,
    handle: ApplicationHandle,
}

impl Stuck {
    fn hang(&mut self) -> Result {
        self.handle.stop_application("somebody waits");
        hang()
    }
}

impl Process for Stuck {
    fn prepare(&mut self) -> Result {
        if self.prepares { self.hang() } else { Ok(()) }
    }

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter("note".into(), |stuck, _, _| stuck.hang())?;
        cx.tell("culprit", "note", ());
        Ok(())
    }
}

/// So many lives a tick, of which the one with this number hangs in the end.
fn swarm(application: Application, size: u32, culprit: u32) -> Exit {
    #[derive(Component)]
    struct Cheap {
        lives: u32,
        hangs: bool,
        handle: ApplicationHandle,
    }
    impl Process for Cheap {
        fn life(&mut self, _: &mut Context<Self>) -> Result {
            self.lives += 1;
            if self.hangs && self.lives == 100 {
                self.handle.stop_application("somebody waits");
                hang()?;
            }
            Ok(())
        }
    }
    let (handle, mut application) = (application.handle(), application);
    for number in 0..size {
        let cheap = Cheap { lives: 0, hangs: number == culprit, handle: handle.clone() };
        application = application.add_process(cheap, (hz(1000), named(&format!("cheap-{number}"))));
    }
    application.run()
}

/// Not a test of its own: what the child does.
#[test]
fn program() {
    let Some(kind) = child::kind() else { return };
    let died = Script::new().death(|cx| {
        println!("{} died", cx.name());
        Ok(())
    });
    let application = Application::new().shutdown_timeout(ms(300)).signals(false);
    let application = application.add_process(died, (hz(100), named("bystander")));
    let exit = match kind.split_once(' ') {
        Some(("hang", hook @ ("prepare" | "beside" | "callback"))) => {
            let stuck = Stuck { prepares: hook != "callback", handle: application.handle() };
            let settings = (hz(100), named("culprit"));
            match hook {
                "beside" => application.add_process(stuck, (settings, ParallelBirth)).run(),
                _ => application.add_process(stuck, settings).run(),
            }
        }
        Some(("hang", hook)) => {
            let culprit = culprit(hook, application.handle());
            application.add_process(culprit, (hz(100), named("culprit"))).run()
        }
        Some(("watchdog", action)) => {
            let watchdog = Watchdog::after(ms(100));
            let watchdog = if action == "abort" { watchdog.then_abort() } else { watchdog.then_ebrake() };
            let handle = application.handle();
            let pauses = action == "pause";
            let culprit = Script::new().life(move |_| {
                while !pauses || !handle.is_stopping() {
                    std::thread::yield_now();
                }
                Ok(())
            });
            application.watchdog(watchdog).add_process(culprit, (hz(100), named("culprit"))).run()
        }
        Some(("swarm", "small")) => swarm(application, 100, 80),
        Some(("swarm", _)) => swarm(application, 40_000, 39_900),
        Some(("system", _)) => {
            let handle = application.handle();
            let system = move || {
                handle.stop_application("somebody waits");
                hang().unwrap();
            };
            application.add_systems(hz(50), system).run()
        }
        _ => unreachable!("{kind}"),
    };
    println!("ended by itself: {exit}");
    std::process::exit(exit.code().into());
}

fn run(kind: &str) -> Outcome {
    child::run("program", kind)
}

#[test]
fn a_hook_that_hangs_is_named_and_the_program_ends_with_three() {
    for hook in ["prepare", "beside", "birth", "life", "callback", "timer", "death", "safe_stop"] {
        let Outcome { status, out, err } = run(&format!("hang {hook}"));
        assert_eq!(status.code(), Some(3), "{hook}: {out}{err}");
        assert!(err.contains("head \"main\" is held by \"culprit\""), "{hook}: {err}");
        // One whose preparation runs beside others is not yet at any level.
        let is_listed = err.contains("process \"culprit\" has not ended");
        assert_eq!(is_listed, hook != "beside", "{hook}: {err}");
        let because = match hook {
            "safe_stop" => "e-brake pulled by \"culprit\": smoke",
            "death" => "stopped by \"culprit\": done",
            _ => "stopped by \"application\": somebody waits",
        };
        assert!(err.contains(because), "{hook}: {err}");
        assert!(!out.contains("ended by itself"), "{hook}: {out}");
    }
}

#[test]
fn a_plain_system_that_hangs_is_told_apart() {
    let Outcome { status, err, .. } = run("system -");
    assert_eq!(status.code(), Some(3));
    assert!(err.contains("head \"main\" is held by a plain system"), "{err}");
}

/// Where this machine is slow or busy, they are taken for dear ones, each of which says that it lives. Who of cheap ones says
/// so is a matter of `systems/rows.rs`, and tested there.
#[test]
fn of_many_lives_one_near_the_culprit_is_named() {
    for (swarm, culprit, each) in [("small", 80, 64), ("large", 39_900, 256)] {
        let Outcome { status, err, .. } = run(&format!("swarm {swarm}"));
        assert_eq!(status.code(), Some(3), "{swarm}");
        let named = err.lines().find(|line| line.starts_with("head")).unwrap();
        let each = if named.contains("or one of those that live right after it") { each } else { 1 };
        let number: u32 = named.split(['-', '"']).filter_map(|part| part.parse().ok()).next().unwrap();
        assert!((culprit - each + 1..=culprit).contains(&number), "{named}");
    }
}

#[test]
fn the_watchdog_pulls_the_e_brake_or_aborts() {
    let Outcome { status, err, .. } = run("watchdog ebrake");
    assert_eq!(status.code(), Some(3), "{err}");
    assert!(err.contains("e-brake pulled by \"watchdog\": head \"main\" stands still"), "{err}");
    // One that goes on then is not too late for the orderly part of it.
    let Outcome { status, out, err } = run("watchdog pause");
    assert_eq!(status.code(), Some(1), "{err}");
    assert!(out.contains("bystander died\nended by itself: e-brake pulled by \"watchdog\""), "{out}");
    let Outcome { status, err, .. } = run("watchdog abort");
    assert_eq!(status.code(), None, "aborted by a signal: {err}");
    assert!(err.contains("aborted: head \"main\" stands still for") && err.contains("held by \"culprit\""), "{err}");
}
