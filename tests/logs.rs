//! What the library logs: little while all is well, and of each trouble a line with its level, its module and who had it.

mod common;

use common::logs::lines_of;
use common::{Script, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// A healthy run logs fewer lines than this from the level INFO up, however long it is.
const FEW: usize = 10;

/// Uses mail, topics, events, timers, threads, locks, spawning, pausing and ends, and none of it fails.
fn busy() -> Script {
    Script::new()
        .birth(|cx| {
            cx.add_locks(["bus"])?;
            cx.add_filter(Filter::new().subject("ping"), |_, _, _| Ok(()))?;
            cx.on_event("beat", |_, _, _| Ok(()));
            cx.every(ms(100), |_, cx| {
                cx.spawn(doing(|cx| cx.die("lived once")), hz(50));
                Ok(())
            });
            cx.add_thread("beater", |thread| {
                while thread.freq_sleep(1.0) {
                    let Some(_bus) = thread.lock("bus")? else { break };
                    thread.emit("beat")?;
                }
                Ok(())
            })
        })
        .life(|cx| {
            cx.tell("busy", "ping", cx.frame());
            cx.publish(cx.frame());
            if cx.frame() == 50 {
                cx.pause("idle")?;
                cx.resume("idle")?;
            }
            Ok(())
        })
}

#[test]
fn a_healthy_run_logs_few_lines() {
    let (exit, lines) = lines_of(|| {
        simulated()
            .add_head(Head::new("other").add_process(Script::new(), (hz(200), named("idle"))))
            .add_process(busy(), (hz(100), named("busy")))
            .run_for(secs(60))
    });
    assert_eq!((exit.report().process("busy").unwrap().lives, exit.report().failures()), (6000, 0));
    assert!(lines.len() < FEW, "{lines:#?}");
    // The end is told, so that a log without it is one of a program that was cut off.
    assert!(lines.last().is_some_and(|line| line.contains("polycephaly::control: the application ends")), "{lines:#?}");
}

/// Does this in each of its lives.
fn doing(mut life: impl FnMut(&mut Context<Script>) + Send + Sync + 'static) -> Script {
    Script::new().life(move |cx| {
        life(cx);
        Ok(())
    })
}

/// The lines that a second of an application with this one process logs, but for that of its end.
fn troubles(process: Script) -> Vec<String> {
    let (_, mut lines) = lines_of(|| simulated().add_process(process, (hz(100), named("imu"))).run_for(secs(1)));
    lines.retain(|line| !line.contains("the application ends"));
    lines
}

#[test]
fn each_trouble_is_a_line_with_its_level_its_module_and_who_had_it() {
    let cases: [(&str, Script, &[&str]); 6] = [
        ("an error", Script::new().life(|_| Err("no answer")?), &["ERROR polycephaly::failure:", "imu", "no answer"]),
        (
            "a panic",
            Script::new().life(|_| panic!("out of range")),
            &["ERROR polycephaly::failure:", "panicked", "imu", "out of range"],
        ),
        (
            "unread mail",
            doing(|cx| cx.tell("imu", "calibrate", 7)),
            &["WARN polycephaly::systems::mailman:", "no filter matches", "imu", "calibrate"],
        ),
        (
            "an unheard event",
            Script::new().life(|cx| Ok(cx.emit("plugged")?)),
            &["WARN polycephaly::systems::events:", "no callback", "imu", "plugged"],
        ),
        (
            "the e-brake",
            doing(|cx| cx.ebrake("too hot")),
            &["ERROR polycephaly::control:", "e-brake", "imu", "too hot"],
        ),
        (
            "a thread that fails",
            Script::new().birth(|cx| cx.add_thread("reader", |_| Err("no device")?)),
            &["ERROR polycephaly::systems::threads:", "imu", "reader", "no device"],
        ),
    ];
    for (trouble, process, parts) in cases {
        let lines = troubles(process);
        let told = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(told, "{trouble} was to be told with {parts:?}, and was by {lines:#?}");
        assert!(lines.len() < FEW, "{trouble}, a hundred times a second, floods the log: {lines:#?}");
    }
}

#[test]
fn what_its_sender_need_not_know_is_not_told() {
    // Counted, and shown to the hook of the dead: a log at INFO says nothing of it.
    assert_eq!(troubles(doing(|cx| cx.tell("nobody", "hello", ()))), [""; 0]);
}
