//! Each way in which an application ends, in an OS process of its own: from a life, a callback or a birth, asked for twice,
//! and with something that hangs. All its hooks are told, and what must never follow one another does not.
#![cfg(unix)]

mod common;

use common::child::{self, Outcome};
use common::{Script, ms, named};
use polycephaly::prelude::*;
use std::process::Command;

/// What begins the end.
const CAUSES: [&str; 10] = [
    "main-dies",
    "last-dies",
    "stop",
    "stop-from-outside",
    "ebrake",
    "ebrake-from-outside",
    "signal",
    "supervision",
    "overrun",
    "time-up",
];

/// Where and how.
const WAYS: [&str; 8] =
    ["life", "callback", "birth", "twice", "thread-hangs", "life-hangs", "death-hangs", "own-death-hangs"];

/// Whether there is such a thing.
fn is_possible(cause: &str, way: &str) -> bool {
    match way {
        // No tick is missed before the first, and time is up in nobody's hook.
        "birth" => !matches!(cause, "overrun" | "time-up"),
        "callback" => cause != "time-up",
        // Who hangs before the end has begun holds its head, and that is its watchdog's matter.
        "life-hangs" => matches!(cause, "stop" | "stop-from-outside" | "ebrake" | "ebrake-from-outside" | "signal"),
        // The last one has nobody beside it.
        "twice" | "thread-hangs" | "death-hangs" => cause != "last-dies",
        _ => true,
    }
}

fn say<P: Process>(text: &str, cx: &Context<P>) {
    println!("{text} {}", cx.name());
}

/// Tells each of its hooks.
fn teller() -> Script {
    let tell = |text: &'static str| {
        move |cx: &mut Context<Script>| {
            say(text, cx);
            Ok(())
        }
    };
    Script::new().birth(tell("born")).life(tell("lives")).death(tell("dies")).safe_stop(tell("stops"))
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn interrupt() {
    // The shell's own `kill`: there is not everywhere a program of that name.
    let kill = format!("kill -INT {}", std::process::id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// Does something on a thread that is none of the application's, and waits for it.
fn outside(act: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(act).join().unwrap());
}

/// Begins the end.
fn trigger(cause: &str, handle: &ApplicationHandle, cx: &mut Context<Actor>) -> Result {
    match cause {
        "main-dies" | "last-dies" => cx.die("enough"),
        "stop" => cx.stop_application("enough"),
        "stop-from-outside" => outside(|| handle.stop_application("enough")),
        "ebrake" => cx.ebrake("smoke"),
        "ebrake-from-outside" => outside(|| handle.ebrake("smoke")),
        "signal" => {
            interrupt();
            // It comes on a thread of its own: nothing else is to happen before.
            while !handle.is_stopping() {
                std::thread::yield_now();
            }
        }
        "supervision" => Err("broken")?,
        "overrun" => std::thread::sleep(ms(60)),
        _ => unreachable!("{cause}"),
    }
    Ok(())
}

/// Begins the end in its third life, in a callback before that, or in its birth.
#[derive(Component)]
struct Actor {
    cause: &'static str,
    way: &'static str,
    handle: ApplicationHandle,
    lives: u32,
}

impl Actor {
    fn act(&mut self, cx: &mut Context<Self>) -> Result {
        let done = trigger(self.cause, &self.handle, cx);
        if self.way == "life-hangs" {
            hang();
        }
        done
    }
}

impl Process for Actor {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        say("born", cx);
        cx.add_filter("now".into(), |actor, _, cx| actor.act(cx))?;
        if self.way == "birth" { self.act(cx) } else { Ok(()) }
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        say("lives", cx);
        self.lives += 1;
        let own = cx.name().to_owned();
        match self.way {
            "callback" if self.lives == 2 => cx.tell(&own, "now", ()),
            "callback" | "birth" => {}
            _ if self.lives == 3 && self.cause != "time-up" => self.act(cx)?,
            _ => {}
        }
        Ok(())
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        say("dies", cx);
        if self.way == "own-death-hangs" { hang() } else { Ok(()) }
    }

    fn safe_stop(&mut self, cx: &mut Context<Self>) -> Result {
        say("stops", cx);
        Ok(())
    }
}

/// Has a thread that hangs, a death that does, or is waited for until a second request comes.
fn witness(way: &'static str, handle: ApplicationHandle) -> Script {
    let mut asked = false;
    teller()
        .birth(move |cx| {
            say("born", cx);
            if way == "thread-hangs" { cx.add_thread("stuck", |_| hang()) } else { Ok(()) }
        })
        .life(move |cx| {
            say("lives", cx);
            if way == "twice" && handle.is_stopping() && !std::mem::replace(&mut asked, true) {
                outside(|| handle.stop_application("at once"));
            }
            Ok(())
        })
        .death(move |cx| {
            say("dies", cx);
            if way == "death-hangs" { hang() } else { Ok(()) }
        })
}

/// Not a test of its own: what the child does.
#[test]
fn program() {
    let Some(kind) = child::kind() else { return };
    let (cause, way) = kind.split_once(' ').unwrap();
    let known = |names: &[&'static str], name: &str| *names.iter().find(|known| **known == name).unwrap();
    let (cause, way) = (known(&CAUSES, cause), known(&WAYS, way));
    let application = match way {
        "thread-hangs" => Application::new().death_timeout(ms(100)),
        hangs if hangs.ends_with("hangs") => Application::new().shutdown_timeout(ms(600)),
        _ => Application::new(),
    };
    let handle = application.handle();
    let short = {
        let mut lives = 0;
        teller().life(move |cx| {
            say("lives", cx);
            lives += 1;
            if cause == "last-dies" && lives == 1 {
                cx.die("not the last");
            }
            Ok(())
        })
    };
    let application = application
        .group(hz(100), |group| if cause == "overrun" { group.overrun(Overrun::Stop) } else { group })
        .add_process(short, (hz(100), named("before")));
    let bound = BoundShutdown(way != "twice");
    let application = match cause {
        "last-dies" => application,
        _ => application.add_process(witness(way, handle.clone()), (hz(100), named("witness"), bound)),
    };
    let settings = (hz(100), Supervision::new().on_error(Response::Ebrake));
    let actor = Actor { cause, way, handle, lives: 0 };
    let application = match cause {
        "main-dies" => application.add_main(actor, (settings, named("actor"))),
        _ => application.add_process(actor, (settings, named("actor"))),
    };
    let application = match cause {
        "last-dies" => application,
        _ => application.add_process(teller(), (hz(100), named("after"))),
    };
    let exit = match cause {
        "time-up" => application.run_for(ms(100)),
        _ => application.run(),
    };
    eprintln!("{exit}");
    println!("exit {} {}", exit.code(), exit.cause());
    std::process::exit(exit.code().into());
}

/// What a child has told: what, and who.
fn told(out: &str) -> Vec<(&str, &str)> {
    // The test program itself begins a line before the first of them.
    let lines = out.lines().map(|line| line.rsplit("... ").next().unwrap());
    lines.filter_map(|line| line.split_once(' ')).filter(|(verb, _)| VERBS.contains(verb)).collect()
}

const VERBS: [&str; 5] = ["born", "lives", "dies", "stops", "exit"];

fn check(cause: &'static str, way: &'static str) {
    let Outcome { status, out, err } = child::run("program", &format!("{cause} {way}"));
    let what = format!("{cause} {way}: {out}{err}");
    let told = told(&out);
    let count = |verb: &str, who: &str| told.iter().filter(|it| **it == (verb, who)).count();
    let first = |verb: &str| told.iter().position(|it| it.0 == verb);
    let last = |verb: &str| told.iter().rposition(|it| it.0 == verb);
    let brakes = cause.starts_with("ebrake") || matches!(cause, "supervision" | "overrun");
    let hangs = way == "death-hangs" || way == "own-death-hangs" || way == "life-hangs";
    let code = if hangs { 3 } else { i32::from(brakes || way == "thread-hangs") };
    assert_eq!(status.code(), Some(code), "{what}");
    assert_eq!(first("exit"), (!hangs).then_some(told.len() - 1), "nothing happens after the exit: {what}");
    for who in ["before", "witness", "actor", "after"] {
        let is_there = cause != "last-dies" || matches!(who, "before" | "actor");
        let comes_too_late = who == "after" && way == "birth" && !cause.ends_with("dies");
        assert_eq!(count("born", who), usize::from(is_there && !comes_too_late), "{who}: {what}");
        if hangs {
            assert!(count("dies", who) <= count("born", who), "{who}: {what}");
        } else {
            assert_eq!(count("dies", who), count("born", who), "{who}: {what}");
        }
        let death = told.iter().position(|it| *it == ("dies", who)).unwrap_or(told.len());
        assert!(told[death..].iter().all(|it| *it != ("lives", who)), "no life after death: {what}");
        let stops = usize::from(brakes && way != "life-hangs") * count("born", who);
        assert_eq!(count("stops", who), stops, "{who}: {what}");
    }
    if brakes && way != "life-hangs" {
        assert!(last("stops") < first("dies") && last("lives") < first("stops"), "motors off before all else: {what}");
    }
    if way == "twice" && !brakes {
        assert_eq!(told[last("dies").unwrap()].1, "witness", "the others do not wait for it: {what}");
        assert!(told.iter().rposition(|it| *it == ("lives", "witness")) > first("dies"), "it was waited for: {what}");
    }
    let told_cause = match cause {
        "main-dies" => "the main process ended (\"actor\" died: enough)",
        "last-dies" => "the last process has died",
        "stop" => "stopped by \"actor\": enough",
        "stop-from-outside" => "stopped by \"application\": enough",
        "ebrake" => "e-brake pulled by \"actor\": smoke",
        "ebrake-from-outside" => "e-brake pulled by \"application\": smoke",
        "signal" => "interrupted by SIG",
        "supervision" => "e-brake pulled by \"actor\": \"actor\" failed in its ",
        "overrun" => "e-brake pulled by \"group 100 Hz\": ",
        _ => "the time to run is over",
    };
    match first("exit") {
        Some(at) => assert!(told[at].1.starts_with(&format!("{code} {told_cause}")), "{what}"),
        None => assert!(err.contains("ended by force") && err.contains("is held by "), "{what}"),
    }
    if way == "thread-hangs" {
        assert!(err.contains("thread \"stuck\" of \"witness\" took longer than it may"), "{what}");
    }
}

/// All causes that there are in some ways, one child after the other.
fn check_all(ways: &[&'static str]) {
    for way in ways {
        CAUSES.iter().filter(|cause| is_possible(cause, way)).for_each(|cause| check(cause, way));
    }
}

#[test]
fn each_cause_from_a_life() {
    check_all(&["life"]);
}

#[test]
fn each_cause_from_a_callback() {
    check_all(&["callback"]);
}

#[test]
fn each_cause_during_the_births() {
    check_all(&["birth"]);
}

#[test]
fn each_cause_and_then_a_second_request() {
    check_all(&["twice"]);
}

#[test]
fn each_cause_beside_a_thread_that_hangs() {
    check_all(&["thread-hangs"]);
}

#[test]
fn each_cause_beside_a_hook_that_hangs() {
    check_all(&["life-hangs", "death-hangs", "own-death-hangs"]);
}
