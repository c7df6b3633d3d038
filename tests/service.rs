//! What systemd gets to hear, at a real datagram socket, from an OS process of its own.
#![cfg(target_os = "linux")]

mod common;

use common::{Script, child, ms, named};
use polycephaly::prelude::*;
use std::os::unix::net::UnixDatagram;

/// By the same way as the library's words, so that the order tells who came first.
fn tell(word: &str) -> Result {
    if let Ok(path) = std::env::var("NOTIFY_SOCKET") {
        UnixDatagram::unbound()?.send_to(word.as_bytes(), path)?;
    }
    Ok(())
}

/// Not a test of its own: what the child does.
#[test]
fn program() {
    let Some(kind) = child::kind() else { return };
    let mut lives = 0;
    let p = Script::new()
        .birth(|_| {
            println!("born");
            Ok(())
        })
        .life(move |cx| {
            lives += 1;
            match kind.as_str() {
                // Long enough for some words of life, then silence.
                "hangs" if lives == 30 => std::thread::sleep(ms(1000)),
                "hangs" if lives > 30 => cx.die("awake again"),
                "ends" if lives == 30 => cx.die("done"),
                "stops" if lives == 3 => cx.stop_application("done"),
                "brakes" if lives == 3 => cx.ebrake("smoke"),
                _ => {}
            }
            Ok(())
        })
        .safe_stop(|_| tell("SAFE"))
        .death(|_| tell("DEATH"));
    let exit = Application::new()
        .signals(false)
        .sd_notify()
        .watchdog(Watchdog::after(ms(400)))
        .add_main(p, (hz(100), named("main")))
        .run();
    println!("stalls {}", exit.report().stalls);
    std::process::exit(exit.code().into());
}

/// All words that the child says, in order.
fn words(kind: &str, watchdog: &str) -> (Vec<String>, String) {
    let folder = std::env::temp_dir().join(format!("polycephaly-{kind}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(ms(20))).unwrap();
    let more = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", watchdog)];
    let child = child::start("program", kind, &more);
    let ended = std::thread::spawn(move || child::wait(child));
    let (mut words, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => words.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(_) if ended.is_finished() => break,
            Err(_) => {}
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let outcome = ended.join().unwrap();
    assert_eq!(outcome.status.code(), Some(i32::from(kind == "brakes")), "{}", outcome.err);
    (words, outcome.out)
}

fn count(words: &[String], text: &str) -> usize {
    words.iter().filter(|word| word.contains(text)).count()
}

#[test]
fn ready_once_then_signs_of_life_then_stopping_before_any_death() {
    let (words, _) = words("ends", "60000");
    assert_eq!(words[0].trim_end(), "READY=1\nSTATUS=running 1 process(es)");
    assert_eq!(count(&words, "READY=1"), 1);
    assert_eq!(count(&words, "STOPPING=1"), 1);
    // 300 ms at half of 60 ms, a machine in trouble may swallow some.
    let alive = count(&words, "WATCHDOG=1");
    assert!((2..=20).contains(&alive), "{alive} in {words:?}");
    let stopping = words.iter().position(|word| word.contains("STOPPING=1")).unwrap();
    assert_eq!(words[stopping].trim_end(), "STOPPING=1\nSTATUS=\"main\" dies");
    let death = words.iter().position(|word| word == "DEATH").unwrap();
    assert!(stopping < death, "{words:?}");
}

#[test]
fn stopping_comes_first_of_all_that_the_end_does() {
    let (words, _) = words("stops", "60000000");
    let said: Vec<&str> = words.iter().map(|word| word.trim_end()).collect();
    let ready = "READY=1\nSTATUS=running 1 process(es)";
    assert_eq!(said, [ready, "STOPPING=1\nSTATUS=stopped by \"main\": done", "DEATH"]);
    let (words, _) = self::words("brakes", "60000000");
    let said: Vec<&str> = words.iter().map(|word| word.trim_end()).collect();
    assert_eq!(said, [ready, "STOPPING=1\nSTATUS=e-brake pulled by \"main\": smoke", "SAFE", "DEATH"]);
}

#[test]
fn a_sick_head_withholds_the_signs_of_life() {
    let (words, out) = words("hangs", "200000");
    assert!(out.contains("stalls 1"), "{out}");
    let sick = words.iter().position(|word| word.contains("stands still")).unwrap();
    assert!(words[sick].contains("held by \"main\""), "{words:?}");
    // 600 ms more of standing still, and no sign in them: the next word is that of the end, or the one sign after waking.
    let after = count(&words[sick..], "WATCHDOG=1");
    assert!(after <= 1, "{words:?}");
    assert!(count(&words[..sick], "WATCHDOG=1") >= 1, "{words:?}");
}

#[test]
fn without_a_service_manager_nothing_is_said_and_nothing_fails() {
    let outcome = child::wait(child::start("program", "ends", &[]));
    assert!(outcome.status.success(), "{}", outcome.err);
}
