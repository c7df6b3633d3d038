//! Child threads on the simulated clock: their life, their sleeps, their mail, and the same order run after run.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::thread::{Removal, ThreadState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

fn millis(thread: &Thread) -> u128 {
    thread.now().as_millis()
}

#[test]
fn threads_keep_the_rhythm_of_their_owner_and_come_in_order() {
    let history = || {
        let log = Log::default();
        let own = log.clone();
        let lives = log.clone();
        let p = Script::new()
            .birth(move |cx| {
                for (name, multiplier) in [("half", 0.5), ("one", 1.0), ("odd", 0.7)] {
                    let log = own.clone();
                    cx.add_thread(name, move |thread| {
                        while thread.freq_sleep(multiplier) {
                            log.say(format!("{name} {}", millis(thread)));
                        }
                        log.say(format!("{name} ends"));
                        Ok(())
                    })?;
                }
                Ok(())
            })
            .life(move |cx| {
                lives.say(format!("life {}", cx.now().as_millis()));
                Ok(())
            });
        simulated().add_process(p, (hz(10), named("p"))).run_for(ms(201)).assert_clean();
        log.take()
    };
    let first = history();
    assert_eq!(
        first,
        [
            "life 0",
            "half 50",
            "odd 70",
            "half 100",
            "one 100",
            "life 100",
            "odd 140",
            "half 150",
            "half 200",
            "one 200",
            "life 200",
            "half ends",
            "one ends",
            "odd ends"
        ]
    );
    for _ in 0..20 {
        assert_eq!(history(), first);
    }
}

#[test]
fn no_beat_drifts_and_those_that_pass_are_left_out() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new().birth(move |cx| {
        let log = own.clone();
        cx.add_thread("t", move |thread| {
            for nap in [0, 0, 250, 0] {
                thread.freq_sleep(1.0);
                log.say(millis(thread).to_string());
                thread.light_sleep(ms(nap), || true);
            }
            Ok(())
        })?;
        Ok(())
    });
    simulated().add_process(p, hz(10)).add_process(Script::new(), hz(10)).run_for(secs(1)).assert_clean();
    assert_eq!(log.take(), ["100", "200", "300", "600"], "asleep until 550: the beats at 400 and 500 are over");
}

#[test]
fn a_changed_frequency_is_the_threads_too() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new()
        .birth(move |cx| {
            let log = own.clone();
            cx.add_thread("t", move |thread| {
                while thread.freq_sleep(1.0) {
                    log.say(millis(thread).to_string());
                }
                Ok(())
            })?;
            Ok(())
        })
        .life(|cx| {
            if cx.now() == ms(200) {
                cx.set_frequency(hz(20));
            }
            Ok(())
        });
    simulated().add_process(p, hz(10)).run_for(ms(401)).assert_clean();
    assert_eq!(log.take(), ["100", "200", "300", "350", "400"], "the sleep that had begun goes to its end");
}

#[test]
fn a_light_sleep_ends_with_its_condition_within_five_milliseconds() {
    let log = Log::default();
    let flag = Arc::new(AtomicBool::new(true));
    let (own, condition) = (log.clone(), flag.clone());
    let p = Script::new()
        .birth(move |cx| {
            let (log, condition) = (own.clone(), condition.clone());
            cx.add_thread("t", move |thread| {
                let slept = thread.light_sleep(secs(60), || condition.load(Relaxed));
                log.say(format!("{slept:?} {}", millis(thread)));
                log.say(format!("{:?} {}", thread.light_sleep(ms(7), || true), millis(thread)));
                log.say(format!("{:?} {}", thread.light_sleep(secs(1), || false), millis(thread)));
                Ok(())
            })?;
            Ok(())
        })
        .life(move |cx| {
            flag.store(cx.now() < ms(300), Relaxed);
            Ok(())
        });
    simulated().add_process(p, hz(7)).add_process(Script::new(), hz(10)).run_for(secs(1)).assert_clean();
    // At 7 Hz, the flag falls at 428.57 ms.
    assert_eq!(log.take(), ["Early 430", "Full 437", "Early 437"]);
}

#[test]
fn a_wake_has_the_condition_looked_at_at_once() {
    let log = Log::default();
    let flag = Arc::new(AtomicBool::new(true));
    let (own, condition) = (log.clone(), flag.clone());
    let p = Script::new()
        .birth(move |cx| {
            let (log, condition) = (own.clone(), condition.clone());
            cx.add_thread("t", move |thread| {
                let slept = thread.light_sleep(secs(60), || condition.load(Relaxed));
                log.say(format!("{slept:?} {}", thread.now().as_micros()));
                Ok(())
            })?;
            Ok(())
        })
        .life(move |cx| {
            if cx.now() >= ms(300) && flag.swap(false, Relaxed) {
                cx.wake_thread("T")?;
            }
            Ok(())
        });
    simulated().add_process(p, hz(7)).add_process(Script::new(), hz(10)).run_for(secs(1)).assert_clean();
    assert_eq!(log.take(), ["Early 428571"]);
}

#[test]
fn a_thousand_are_started_and_reaped_and_their_os_threads_are_gone() {
    let ended = Arc::new(AtomicU32::new(0));
    let count = ended.clone();
    let p = Script::new()
        .birth(move |cx| {
            for number in 0..1000 {
                let ended = count.clone();
                cx.add_thread(format!("t{number}"), move |thread| {
                    thread.light_sleep(ms(number % 50), || true);
                    ended.fetch_add(1, Relaxed);
                    Ok(())
                })?;
            }
            assert_eq!(cx.threads().len(), 1000);
            Ok(())
        })
        .life(|cx| {
            if cx.now() == ms(200) {
                assert_eq!(cx.threads(), [], "all reaped");
            }
            Ok(())
        });
    let exit = simulated().add_process(p, (hz(10), named("p"))).run_for(ms(300));
    assert_eq!(ended.load(Relaxed), 1000);
    let threads = &exit.report().process("p").unwrap().threads;
    assert_eq!((threads.started, threads.ended, threads.left), (1000, 1000, 0));
    exit.assert_clean();
    #[cfg(target_os = "linux")]
    {
        let all = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let ours = all.filter(|task| {
            std::fs::read_to_string(task.path().join("comm"))
                .is_ok_and(|name| name.starts_with('t') && name.trim()[1..].parse::<u32>().is_ok())
        });
        assert_eq!(ours.count(), 0);
    }
}

#[test]
fn names_states_and_removals_have_clear_answers() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new()
        .birth(|cx| {
            cx.add_child(ChildThread::new("later", |_| Ok(())).start(false))?;
            cx.add_thread("worker", |thread| {
                while thread.freq_sleep(1.0) {}
                Ok(())
            })?;
            let again = cx.add_thread("WORKER", |_| Ok(())).unwrap_err().to_string();
            assert!(again.starts_with("\"p\" has a thread \"WORKER\" already: give this one another name"), "{again}");
            Ok(())
        })
        .life(move |cx| {
            let state = |cx: &Context<Script>, name: &str| cx.thread(name).map(|thread| thread.state);
            match cx.now().as_millis() {
                0 => {
                    assert_eq!(state(cx, "later"), Ok(ThreadState::Waiting));
                    assert_eq!(state(cx, "worker"), Ok(ThreadState::Running));
                    let some = cx.threads_named(["WORKER", "nobody", "later"]);
                    let states: Vec<_> = some.into_iter().map(|it| it.ok().map(|it| it.state)).collect();
                    assert_eq!(states, [Some(ThreadState::Running), None, Some(ThreadState::Waiting)]);
                    let answers = cx.remove_threads(["worker", "nobody"]);
                    assert_eq!(answers[0], Ok(Removal::StillRunning));
                    let error = answers[1].as_ref().unwrap_err().to_string();
                    assert_eq!(error, "\"p\" has no thread \"nobody\"; it has later, worker");
                    cx.start_thread("later")?;
                    cx.start_thread("later")?;
                    cx.stop_thread("worker")?;
                    assert_eq!(state(cx, "worker"), Ok(ThreadState::Stopping));
                }
                100 => {
                    assert!(cx.threads().is_empty(), "reaped before this life");
                    cx.add_child(ChildThread::new("later", |_| Ok(())).start(false))?;
                    assert_eq!(cx.remove_thread("later"), Ok(Removal::Removed));
                    assert_eq!(
                        cx.remove_thread("later").unwrap_err().to_string(),
                        "\"p\" has no thread \"later\"; it has none"
                    );
                    own.say("seen");
                }
                _ => {}
            }
            Ok(())
        });
    let exit = simulated().add_process(p, (hz(10), named("p"))).run_for(ms(200));
    exit.assert_clean();
    assert!(log.contains("seen"));
    let threads = &exit.report().process("p").unwrap().threads;
    assert_eq!((threads.started, threads.ended), (2, 2));
}

#[test]
fn declared_threads_are_launched_together() {
    #[derive(Component)]
    struct Declares(Log);
    impl Process for Declares {
        fn threads(&mut self) -> Vec<ChildThread> {
            let of = |name: &'static str, log: &Log| {
                let log = log.clone();
                ChildThread::new(name, move |_| {
                    log.say(name);
                    Ok(())
                })
            };
            vec![of("a", &self.0), of("b", &self.0).start(false)]
        }
        fn birth(&mut self, cx: &mut Context<Self>) -> Result {
            cx.launch_threads(self)
        }
    }
    let log = Log::default();
    simulated().add_process(Declares(log.clone()), hz(10)).run_for(ms(10)).assert_clean();
    assert_eq!(log.take(), ["a", "b"]);
}

#[test]
fn a_failing_thread_is_counted_and_is_its_owners_failure_if_it_asks_so() {
    for (panics, supervised) in [(false, false), (false, true), (true, false), (true, true)] {
        let p = Script::new().birth(move |cx| {
            let work = move |_: &Thread| -> Result { if panics { panic!("as told") } else { Err("as told")? } };
            cx.add_child(ChildThread::new("bad", work).supervised(supervised))
        });
        let exit = simulated().add_process(p, (hz(10), named("p"))).add_process(Script::new(), hz(10)).run_for(ms(500));
        let report = exit.report().process("p").unwrap();
        assert_eq!((report.threads.failed, report.threads.panicked), (u64::from(!panics), u64::from(panics)));
        assert_eq!(report.threads.last.as_deref(), Some("bad: as told"));
        assert_eq!(report.errors, u64::from(!panics && supervised));
        assert_eq!(report.panics, u64::from(panics && supervised));
        let cause = "\"p\" panicked: as told";
        assert_eq!(report.ended_by.as_deref() == Some(cause), panics && supervised, "a panic is its death");
    }
}

#[test]
fn a_thread_writes_mail_in_its_owners_name_and_asks() {
    let log = Log::default();
    let own = log.clone();
    let server = Script::new().birth(|cx| {
        cx.add_filter("square".into(), |_, mail, cx| {
            let number = *mail.get::<u64>().ok_or("no number")?;
            assert_eq!(mail.sender().to_string(), "client");
            if number == 99 { Ok(()) } else { Ok(cx.reply(mail, number * number).map(drop)?) }
        })?;
        Ok(())
    });
    let client = Script::new().birth(move |cx| {
        let log = own.clone();
        cx.add_thread("t", move |thread| {
            let ask = |number: u64| thread.ask(Mail::to("server").subject("square").body(number), ms(350));
            log.say(format!("{:?} at {}", ask(7)?.get::<u64>(), millis(thread)));
            log.say(format!("{} at {}", ask(99).unwrap_err(), millis(thread)));
            log.say(format!("{}", thread.ask(Mail::to("nobody"), secs(1)).unwrap_err()));
            thread.tell("nobody", "lost", ());
            log.say(format!("{} at {}", ask(99).unwrap_err(), millis(thread)));
            Ok(())
        })?;
        cx.add_thread("killer", |thread| {
            thread.light_sleep(ms(550), || true);
            thread.send(Mail::to("server").subject("die"))?;
            Ok(())
        })
    });
    let exit = simulated()
        .poison_pill("die")
        .add_process(server, (hz(10), named("server")))
        .add_process(client, (hz(10), named("client")))
        .run_for(secs(2));
    assert_eq!(
        log.take(),
        [
            "Some(49) at 100",
            "\"server\" did not answer within 350ms; give it more time, or do without at 450",
            "the question to \"nobody\" was not sent: there is no such process; mend the name, or add the process first",
            "\"server\" will not answer: it died before answering at 700"
        ]
    );
    assert_eq!(exit.report().dead_letters, 1, "to nobody");
}

#[test]
fn what_waits_elsewhere_does_not_hold_time() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let log = Log::default();
    let (own, lives, receive) = (log.clone(), log.clone(), Arc::new(std::sync::Mutex::new(receive)));
    let p = Script::new()
        .birth(move |cx| {
            let (log, receive) = (own.clone(), receive.clone());
            cx.add_thread("t", move |thread| {
                let got = thread.outside(|| receive.lock().unwrap().recv());
                log.say(format!("{got:?}"));
                Ok(())
            })
        })
        .life(move |cx| {
            lives.say(format!("life {}", cx.now().as_millis()));
            Ok(())
        });
    let mut running = simulated().add_process(p, (hz(10), named("p"))).build().unwrap();
    running.run_for(ms(201));
    assert_eq!(log.take(), ["life 0", "life 100", "life 200"], "time went on without it");
    send.send(()).unwrap();
    let exit = running.finish();
    assert_eq!(log.take(), ["Ok(())"], "its owner's death has waited for it");
    assert!(exit.is_success(), "{exit}");
}
