//! Heads on threads of their own, on the real clock. What happens decides, not when it does.

mod common;

use common::{Log, Script, Sparse, ms, named, secs};
use polycephaly::prelude::*;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

fn application() -> Application {
    Application::new().signals(false)
}

/// Writes down which threads its hooks run on.
fn on_threads(log: &Arc<Mutex<Vec<(&'static str, ThreadId, Option<String>)>>>, name: &'static str) -> Script {
    let note = move |log: &Arc<Mutex<Vec<_>>>| {
        let log = log.clone();
        move || {
            let thread = std::thread::current();
            log.lock().unwrap().push((name, thread.id(), thread.name().map(str::to_owned)));
        }
    };
    let (birth, life, death) = (note(log), note(log), note(log));
    Script::new()
        .birth(move |_| {
            birth();
            Ok(())
        })
        .life(move |cx| {
            life();
            if cx.name() == "far" && cx.frame() == 3 {
                cx.stop_application("seen enough");
            }
            Ok(())
        })
        .death(move |_| {
            death();
            Ok(())
        })
}

#[test]
fn all_hooks_of_a_process_run_on_the_thread_of_its_head() {
    let log = Arc::default();
    let exit = application()
        .add_process(on_threads(&log, "near"), (hz(500), named("near")))
        .add_head(Head::new("control").add_process(on_threads(&log, "far"), (hz(500), named("far"))))
        .run();
    exit.assert_clean();
    let log = log.lock().unwrap();
    let threads = |who: &str| -> HashSet<ThreadId> {
        log.iter().filter(|(name, ..)| *name == who).map(|&(_, thread, _)| thread).collect()
    };
    assert_eq!((threads("near").len(), threads("far").len()), (1, 1));
    assert!(threads("near").contains(&std::thread::current().id()), "the main head runs where it was told to");
    assert!(threads("near").is_disjoint(&threads("far")));
    let name = log.iter().find(|(name, ..)| *name == "far").and_then(|(.., name)| name.clone());
    assert_eq!(name.as_deref(), Some("control"));
    assert!(exit.report().process("far").unwrap().lives >= 3);
}

/// Hangs in its life until told to go on.
fn stuck(entered: Sender<()>, goes_on: Receiver<()>) -> Script {
    let (entered, goes_on) = (Mutex::new(entered), Mutex::new(goes_on));
    Script::new().life(move |_| {
        entered.lock().unwrap().send(()).ok();
        goes_on.lock().unwrap().recv().ok();
        Ok(())
    })
}

/// A motor on the one head, and one who hangs on the other.
fn brake_while_one_hangs(on_main: bool) {
    let (entered, hangs) = channel();
    let (go_on, goes_on) = channel();
    let (go_on, hangs) = (Mutex::new(go_on), Mutex::new(hangs));
    let log = Log::default();
    let (lives, stops) = (log.clone(), log.clone());
    // Pulls the e-brake once the other hangs, and only its own motors going off lets that go on.
    let motor = Script::new()
        .life(move |cx| {
            if hangs.lock().unwrap().try_recv().is_ok() {
                cx.ebrake("the other hangs");
                lives.say("pulled");
            }
            Ok(())
        })
        .safe_stop(move |_| {
            stops.say("motors off");
            go_on.lock().unwrap().send(()).ok();
            Ok(())
        });
    let (stuck, motor) = ((stuck(entered, goes_on), hz(100), named("stuck")), (motor, hz(500), named("motor")));
    let (main, control) = if on_main { (stuck, motor) } else { (motor, stuck) };
    let exit = application()
        .add_process(main.0, (main.1, main.2))
        .add_head(Head::new("control").add_process(control.0, (control.1, control.2)))
        .run();
    assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "motor"), "{exit}");
    assert_eq!(log.take(), ["pulled", "motors off"]);
    assert!(exit.report().overdue.is_empty(), "{exit}");
}

#[test]
fn the_e_brake_stops_other_heads_while_main_hangs_in_a_life() {
    brake_while_one_hangs(true);
}

#[test]
fn the_e_brake_stops_main_while_another_head_hangs_in_a_life() {
    brake_while_one_hangs(false);
}

#[test]
fn a_head_that_hangs_at_the_end_is_left_behind_and_named() {
    let (entered, hangs) = channel();
    let (go_on, goes_on) = channel();
    let hangs = Mutex::new(hangs);
    let log = Log::default();
    let deaths = log.clone();
    let other = Script::new().death(move |_| {
        deaths.say("other dead");
        Ok(())
    });
    let stops = Script::new().life(move |cx| {
        if hangs.lock().unwrap().try_recv().is_ok() {
            cx.stop_application("the other one hangs");
        }
        Ok(())
    });
    let exit = application()
        .death_timeout(ms(30))
        .add_process(stops, (hz(500), named("stops")))
        .add_head(Head::new("sick").add_process(stuck(entered, goes_on), (hz(500), named("culprit"))))
        .add_head(Head::new("well").add_process(other, (hz(500), named("other"))))
        .run();
    assert!(!exit.is_success());
    assert_eq!(exit.code(), 1);
    assert_eq!(log.take(), ["other dead"], "the others die in order");
    assert_eq!(exit.report().overdue, ["head \"sick\", held by \"culprit\","]);
    let lost: Vec<_> = exit.report().heads.iter().map(|head| (head.name.as_str(), head.lost)).collect();
    assert_eq!(lost, [("main", false), ("sick", true), ("well", false)]);
    assert!(exit.report().to_string().contains("head sick did not answer"), "{}", exit.report());
    drop(go_on); // Lets the thread end.
}

#[test]
fn run_for_lets_all_heads_go_equally_far() {
    let mut running = application()
        .add_process(Script::new(), (hz(1000), named("near")))
        .add_head(Head::new("far").add_process(Sparse::new(), (hz(1000), named("far"))))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert!(running.run_for(ms(20)));
    }
    let exit = running.finish();
    // A late tick drops those that came due meanwhile, and they may be due beyond the end.
    for head in ["main", "far"] {
        let group = exit.report().group_on(head, "1000 Hz").unwrap();
        assert!(group.ticks <= 60, "{head}: {group:?}");
    }
    let near = exit.report().group_on("main", "1000 Hz").unwrap();
    assert!(near.ticks + near.dropped >= 60, "{near:?}");
}

#[test]
fn mail_goes_between_threads_and_the_last_death_ends_it() {
    let ping = Script::new().birth(|cx| {
        cx.add_filter("pong".into(), |_, mail, cx| {
            let count = *mail.get::<u32>().unwrap();
            if count == 100 {
                cx.send(Mail::to("pong").subject("enough").body(()))?;
                cx.die("enough");
            } else {
                cx.reply(mail, count + 1)?;
            }
            Ok(())
        })?;
        cx.after(Duration::ZERO, |_, cx| {
            cx.tell("pong", "pong", 1_u32);
            Ok(())
        });
        Ok(())
    });
    let pong = Sparse::new().birth(|cx| {
        cx.add_filter("pong".into(), |_, mail, cx| {
            let count = *mail.get::<u32>().unwrap();
            cx.reply(mail, count)?;
            Ok(())
        })?;
        cx.add_filter("enough".into(), |_, _, cx| {
            cx.die("enough");
            Ok(())
        })?;
        Ok(())
    });
    let exit = application()
        .add_process(ping, (hz(2000), named("ping")))
        .add_head(Head::new("far").add_process(pong, (hz(2000), named("pong"))))
        .run();
    exit.assert_clean();
    assert_eq!(exit.cause(), &Cause::AllDied);
    assert_eq!(exit.report().process("ping").unwrap().mail.delivered, 100);
    assert_eq!(exit.report().process("pong").unwrap().mail.delivered, 101);
}

#[test]
fn a_process_is_spawned_onto_a_running_head_and_a_world_reached_from_outside() {
    let born = Arc::new(AtomicBool::new(false));
    let (seen, tells) = (born.clone(), born.clone());
    let probe = Script::new().birth(move |_| {
        assert_eq!(std::thread::current().name(), Some("far"));
        tells.store(true, SeqCst);
        Ok(())
    });
    let application = application().add_head(Head::new("far")).add_process(
        Sparse::new().life(move |cx| {
            if seen.load(SeqCst) {
                cx.stop_application("it is there");
            }
            Ok(())
        }),
        hz(500),
    );
    let handle = application.handle();
    let outside = std::thread::spawn(move || {
        while handle.processes().is_empty() {
            std::thread::yield_now();
        }
        let (sender, receiver) = channel();
        handle
            .do_to_head("far", move |_| sender.send(std::thread::current().name().map(str::to_owned)).unwrap())
            .unwrap();
        handle.spawn(probe, (hz(100), named("probe"), OnHead::new("far")));
        receiver.recv().unwrap()
    });
    let exit = application.run();
    exit.assert_clean();
    assert_eq!(outside.join().unwrap().as_deref(), Some("far"));
    assert!(born.load(SeqCst));
}

#[test]
fn a_head_whose_set_up_panics_is_a_fault() {
    let error = application().add_head(Head::new("far").setup(|_| panic!("no such board"))).build().unwrap_err();
    assert!(error.to_string().contains("head \"far\" can't start: its set-up panicked: no such board"), "{error}");
}

#[test]
fn many_heads_come_and_go() {
    for _ in 0..20 {
        let heads = (0..8).fold(application(), |application, number| {
            let process = Script::new().life(|cx| {
                if cx.frame() > 2 {
                    cx.die("done");
                }
                Ok(())
            });
            application.add_head(Head::new(format!("head {number}")).add_process(process, hz(1000)))
        });
        let exit = heads.shutdown_timeout(secs(20)).run();
        exit.assert_clean();
        assert_eq!((exit.cause(), exit.report().heads.len()), (&Cause::AllDied, 9));
    }
}
