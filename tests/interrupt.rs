//! Ctrl-C and SIGTERM end a real OS process in order; a second request ends it at once.
#![cfg(unix)]

use polycephaly::prelude::*;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Set in the OS process that is to be interrupted.
const CHILD: &str = "POLYCEPHALY_TEST_CHILD";

/// Says that it lives, and how it dies; hangs in its death if told so.
#[derive(Component)]
struct Witness {
    hangs: bool,
}

impl Process for Witness {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if cx.dt() > Duration::ZERO {
            println!("alive");
        }
        Ok(())
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        println!("dying: {}", cx.cause().ok_or("no cause")?);
        if self.hangs {
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }
}

/// Not a test of its own: what the child does. Without the variable it does nothing.
#[test]
fn child() {
    let Ok(kind) = env::var(CHILD) else { return };
    let exit = Application::new().add_process(Witness { hangs: kind == "hangs" }, hz(1000)).run();
    println!("ended: {}", exit.cause());
    std::process::exit(exit.code().into());
}

fn start(kind: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, kind)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    wait_for(&mut lines, "alive");
    (child, lines)
}

/// Reads until a line says so. The end of the output is a failure.
fn wait_for(lines: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "never said {text:?}");
    }
}

fn send(signal: &str, child: &Child) {
    // The shell's own `kill`: there is not everywhere a program of that name.
    let kill = format!("kill {signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn an_interrupt_ends_it_in_order() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (mut child, mut lines) = start("dies");
        send(signal, &child);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("dying: interrupted from outside\nended: interrupted from outside\n"), "{rest}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let (mut child, mut lines) = start("hangs");
    send("-INT", &child);
    wait_for(&mut lines, "dying");
    send("-INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
