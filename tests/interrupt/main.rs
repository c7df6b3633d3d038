//! Real signals to a real OS process: each of them, twice, during birth, life and death; and what was there before.
//! What does not depend on the operating system is in `tests/signals.rs`.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod gap;
mod host;

use common::child::{self, Talk};
use common::{ms, named, secs};
use polycephaly::prelude::*;
use std::io::stdin;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tracing_subscriber::filter::LevelFilter as Level;

const ALL: [&str; 8] = ["HUP", "INT", "QUIT", "CONT", "TERM", "USR1", "USR2", "TSTP"];

/// Says what comes, and waits for a word in the hook that it is told to linger in.
#[derive(Component)]
struct Witness {
    lingers_in: String,
    binds: bool,
}

/// Waits for a line from the test.
fn linger() {
    println!("ready");
    stdin().read_line(&mut String::new()).unwrap();
}

impl Process for Witness {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        if self.binds {
            cx.on_signal(ALL, |_, signal, _| {
                println!("got {signal}");
                Ok(())
            })?;
        }
        if self.lingers_in == "birth" {
            linger();
        }
        let lingers = self.lingers_in != "death";
        cx.on_event("go", |_, _, cx| {
            cx.die("enough");
            Ok(())
        });
        let reader = move |thread: &Thread| {
            if lingers {
                linger();
            }
            Ok(thread.emit("go")?)
        };
        cx.add_child(ChildThread::new("reader", reader).daemon(true))
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        println!("dying: {}", cx.cause().ok_or("no cause")?);
        if self.lingers_in == "death" {
            linger();
        }
        Ok(())
    }
}

/// The masks of signals that this OS process ignores and catches.
fn masks() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let masks = status.lines().filter(|line| line.starts_with("SigIgn") || line.starts_with("SigCgt"));
    masks.collect::<Vec<_>>().join(" ")
}

/// Not a test of its own: what the child does.
#[test]
fn program() {
    let Some(kind) = child::kind() else { return };
    // The library says when a signal has come.
    tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_writer(std::io::stderr).with_ansi(false).init();
    let before = masks();
    let words: Vec<&str> = kind.split(' ').collect();
    let code = match words[0] {
        "rounds" => host::rounds(),
        "two" => two(),
        "stopped" => gap::stopped(words[1]),
        phase => witness(phase, &words),
    };
    assert_eq!(masks(), before, "as it was before");
    std::process::exit(code);
}

fn witness(phase: &str, words: &[&str]) -> i32 {
    let witness = Witness { lingers_in: phase.into(), binds: words.contains(&"binds") };
    let exit = Application::new()
        .signals(!words.contains(&"deaf"))
        .force_stop(!words.contains(&"patient"))
        .death_timeout(secs(120))
        .shutdown_timeout(secs(120))
        .add_process(witness, hz(1000))
        .run();
    println!("ended: {}\n{}", exit.cause(), exit.report());
    exit.code().into()
}

fn start(kind: &str) -> Talk {
    let mut talk = Talk::with(child::start("program", kind, &[]));
    talk.expect("ready");
    talk
}

/// Sends a signal, and waits until the library has got it, so that a second one is not one with it and the next is later.
fn send(talk: &mut Talk, name: &str) {
    talk.signal(name);
    talk.expect(&format!("came signal=SIG{name}"));
}

fn is_stopped(stat: &str) -> bool {
    stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
}

fn wait_for_stop(talk: &Talk) {
    talk.wait_until("stat", is_stopped);
}

fn go_on(talk: &mut Talk) {
    send(talk, "CONT");
    talk.wait_until("stat", |stat| !is_stopped(stat));
}

#[track_caller]
fn assert_came(said: &[String], name: &str, times: usize, handed: usize) {
    let line = format!("SIG{name} came {times} time(s): {handed} handed to processes");
    assert!(said.iter().any(|said| said.contains(&line)), "{line}: {said:#?}");
}

#[test]
fn in_life_each_is_heard_twice_and_ctrl_z_stops_it_after_that() {
    let mut talk = start("life binds");
    for name in ALL.into_iter().chain(ALL) {
        send(&mut talk, name);
        talk.expect(&format!("got SIG{name}"));
        if name == "TSTP" {
            wait_for_stop(&talk);
            go_on(&mut talk);
            talk.expect("got SIGCONT");
        }
    }
    talk.tell("go");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    for name in ALL {
        let times = if name == "CONT" { 4 } else { 2 };
        assert_came(&said, name, times, times);
    }
}

#[test]
fn in_birth_each_waits_for_the_first_tick_and_a_second_ctrl_z_does_not() {
    let mut talk = start("birth binds");
    for name in ALL {
        send(&mut talk, name);
        send(&mut talk, name);
    }
    wait_for_stop(&talk);
    go_on(&mut talk);
    talk.tell("go");
    talk.expect("ready");
    talk.tell("go");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    for name in ALL {
        let times = if name == "CONT" { 3 } else { 2 };
        assert_came(&said, name, times, times);
        let got = format!("got SIG{name}");
        assert_eq!(said.iter().filter(|line| line.contains(&got)).count(), times, "{got}: {said:#?}");
    }
}

#[test]
fn who_says_go_on_means_a_ctrl_z_that_still_waits_for_its_callback_too() {
    let mut talk = start("birth binds");
    send(&mut talk, "TSTP");
    send(&mut talk, "CONT");
    talk.tell("go");
    talk.expect("got SIGTSTP");
    talk.expect("ready");
    talk.tell("go");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
}

#[test]
fn in_death_each_is_counted_and_nothing_is_heard() {
    let mut talk = start("death binds patient");
    for name in ALL.into_iter().chain(ALL) {
        send(&mut talk, name);
        if name == "TSTP" {
            wait_for_stop(&talk);
            go_on(&mut talk);
        }
    }
    talk.tell("go");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    ALL.into_iter().filter(|name| *name != "CONT").for_each(|name| assert_came(&said, name, 2, 0));
    assert!(!said.iter().any(|line| line.contains("got SIG")), "{said:#?}");
    assert!(said.iter().any(|line| line.contains("4 request(s) to force the end refused")), "INT and QUIT: {said:#?}");
}

#[test]
fn unbound_four_of_them_end_it_in_order_in_life_and_in_birth() {
    for (phase, name) in
        ["life", "birth"].into_iter().flat_map(|phase| ["INT", "TERM", "HUP", "QUIT"].map(|it| (phase, it)))
    {
        let mut talk = start(phase);
        talk.signal(name);
        if phase == "birth" {
            talk.expect("the application ends");
        }
        if phase == "birth" {
            talk.tell("go");
        }
        talk.expect(&format!("dying: interrupted by SIG{name}"));
        talk.expect(&format!("ended: interrupted by SIG{name}"));
        let (status, said) = talk.end();
        assert_eq!(status.code(), Some(0), "{said:#?}");
        assert_came(&said, name, 1, 0);
    }
}

#[test]
fn unbound_ctrl_z_stops_it_twice() {
    let mut talk = start("life");
    for _ in 0..2 {
        send(&mut talk, "TSTP");
        wait_for_stop(&talk);
        go_on(&mut talk);
    }
    talk.tell("go");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    assert_came(&said, "TSTP", 2, 0);
}

#[test]
fn unbound_one_without_a_default_is_left_to_the_system() {
    for name in ["USR1", "USR2"] {
        let talk = start("life");
        talk.signal(name);
        assert_eq!(talk.end().0.signal(), signal_number(name));
    }
}

#[test]
fn an_application_that_does_not_listen_leaves_all_of_them_to_the_system() {
    for name in ["HUP", "INT", "QUIT", "TERM"] {
        let talk = start("life deaf");
        talk.signal(name);
        assert_eq!(talk.end().0.signal(), signal_number(name));
    }
}

#[test]
fn during_the_end_only_those_that_are_typed_force_it() {
    for (name, code) in [("INT", 130), ("QUIT", 131)] {
        let mut talk = start("death");
        for patient in ["TERM", "TERM", "HUP", "HUP"] {
            send(&mut talk, patient);
        }
        talk.signal(name);
        let (status, said) = talk.end();
        assert_eq!(status.code(), Some(code), "{said:#?}");
        assert!(said.iter().any(|line| line.contains(&format!("ended by force: SIG{name} came"))), "{said:#?}");
    }
}

#[test]
fn what_the_program_was_started_to_ignore_is_ignored_unless_it_is_bound() {
    for kind in ["life", "life binds"] {
        let exe = std::env::current_exe().unwrap();
        let command = format!("trap '' HUP; exec {exe:?} program --exact --nocapture");
        let child = Command::new("sh")
            .args(["-c", &command])
            .env("POLYCEPHALY_TEST_CHILD", kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut talk = Talk::with(child);
        talk.expect("ready");
        talk.signal("HUP");
        if kind == "life binds" {
            talk.expect("got SIGHUP");
        }
        talk.tell("go");
        let (status, said) = talk.end();
        // The program itself has checked that it is ignored again.
        assert_eq!(status.code(), Some(0), "{said:#?}");
        assert_eq!(said.iter().any(|line| line.contains("SIGHUP came")), kind == "life binds", "{said:#?}");
    }
}

/// Two applications in one OS process, one of which ends before the other.
fn two() -> i32 {
    let application = |name: &'static str| Application::new().add_process(Quiet, (hz(1000), named(name)));
    let early = std::thread::spawn(move || application("early").run_for(ms(5)).cause().clone());
    let late = std::thread::spawn(move || application("late").run());
    let last = std::thread::spawn(move || application("last").run());
    assert_eq!(early.join().unwrap(), polycephaly::cause::Cause::TimeUp);
    while LISTENING.load(Relaxed) < 3 {
        std::thread::sleep(ms(1));
    }
    println!("ready");
    for exit in [late.join().unwrap(), last.join().unwrap()] {
        assert_eq!(exit.cause().signal(), Some(Signal::TERM));
    }
    0
}

/// How many of them have been born: their applications listen by then.
static LISTENING: AtomicU32 = AtomicU32::new(0);

#[derive(Component)]
struct Quiet;
impl Process for Quiet {
    fn birth(&mut self, _: &mut Context<Self>) -> Result {
        LISTENING.fetch_add(1, Relaxed);
        Ok(())
    }
}

#[test]
fn a_signal_is_for_all_applications_that_still_run() {
    let talk = start("two");
    talk.signal("TERM");
    let (status, said) = talk.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
}

#[test]
fn three_rounds_and_the_host_programs_own_handlers_come_back() {
    let outcome = child::run("program", "rounds");
    assert_eq!(outcome.status.code(), Some(0), "{}\n{}", outcome.out, outcome.err);
    assert_eq!(outcome.out.matches("round is well").count(), 3);
}
