//! Signals at their application, on the simulated clock and as a handle says they came: who is called, when and how often.
//! Real ones are in `tests/interrupt`.
#![cfg(unix)]

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::event::EVENT_LIMIT;
use polycephaly::prelude::*;
use polycephaly::switchboard::SignalDefault;

/// Binds these signals at birth, and writes down which come.
#[derive(Component)]
struct Listener {
    log: Log,
    signals: &'static [&'static str],
}

impl Process for Listener {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        Ok(cx.on_signal(self.signals.iter().copied(), Self::heard)?)
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.log.say(format!("{} lives {}", cx.name(), cx.now().as_millis()));
        Ok(())
    }
}

impl Listener {
    fn heard(&mut self, signal: Signal, cx: &mut Context<Self>) -> Result {
        self.log.say(format!("{} {} at {}", cx.name(), signal.number(), cx.now().as_millis()));
        Ok(())
    }
}

fn listener(log: &Log, signals: &'static [&'static str]) -> Listener {
    Listener { log: log.clone(), signals }
}

#[test]
fn callbacks_run_before_the_next_life_in_order_with_their_number() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(listener(&log, &["SIGINT", "usr1"]), (hz(10), named("a")))
        .add_process(listener(&log, &["SigInt"]), (hz(5), named("b")))
        .build()
        .unwrap();
    running.run_for(ms(50));
    log.take();
    for signal in [Signal::INT, Signal::USR1, Signal::INT] {
        running.handle().signal(signal);
    }
    running.run_for(ms(200));
    assert_eq!(
        log.take(),
        [
            "a 2 at 100",
            "a 10 at 100",
            "a 2 at 100",
            "a lives 100",
            "a lives 200",
            "b 2 at 200",
            "b 2 at 200",
            "b lives 200"
        ]
        .map(|line| line.replace(" 10 ", &format!(" {} ", Signal::USR1.number())))
    );
    let report = running.report();
    let count = |name: &str| report.signals.iter().find(|count| count.signal == name).cloned().unwrap();
    assert_eq!((count("SIGINT").received, count("SIGINT").bound, count("SIGINT").refused), (2, 4, 0));
    assert_eq!((count("SIGUSR1").received, count("SIGUSR1").bound), (1, 1));
    assert!(report.to_string().contains("SIGINT came 2 time(s): 4 handed to processes, 0 refused"));
    running.finish().assert_clean();
}

#[test]
fn unbound_four_of_them_end_the_application_and_the_cause_knows_which() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let log = Log::default();
        let deaths = log.clone();
        let main = Script::new().death(move |cx| {
            let cause = cx.cause().ok_or("no cause")?;
            deaths.say(format!("{cause}: {:?}", cause.signal().map(Signal::number)));
            Ok(())
        });
        let mut running = simulated().add_main(main, hz(10)).build().unwrap();
        // What has no default does nothing when nobody has bound it, and so do those that stop the OS process.
        for harmless in [Signal::USR1, Signal::USR2, Signal::TSTP, Signal::CONT] {
            running.handle().signal(harmless);
        }
        assert!(running.run_for(ms(10)));
        running.handle().signal(signal);
        assert!(!running.run_for(ms(10)));
        let exit = running.finish();
        exit.assert_clean();
        assert_eq!(exit.cause().signal(), Some(signal));
        assert_eq!(log.take(), [format!("interrupted by {}: {:?}", signal.name(), Some(signal.number()))]);
    }
}

#[test]
fn one_binding_leaves_the_defaults_of_the_others_in_place() {
    let log = Log::default();
    let mut running = simulated().add_process(listener(&log, &["INT"]), (hz(10), named("a"))).build().unwrap();
    let bindings = running.handle().signals();
    let one = |signal| bindings.iter().find(|binding| binding.signal == signal).cloned().unwrap();
    assert_eq!((one(Signal::INT).owners, one(Signal::INT).default), (vec!["a".to_owned()], Some(SignalDefault::Stop)));
    assert_eq!((one(Signal::TERM).owners, one(Signal::TERM).default), (vec![], Some(SignalDefault::Stop)));
    assert_eq!(one(Signal::TSTP).default, Some(SignalDefault::Suspend));
    assert_eq!(one(Signal::CONT).default, Some(SignalDefault::Continue));
    assert_eq!(bindings.len(), 6);
    running.handle().signal(Signal::INT);
    assert!(running.run_for(ms(200)));
    assert!(log.contains("a 2 at 0"));
    running.handle().signal(Signal::TERM);
    assert!(!running.run_for(ms(200)));
    assert_eq!(running.finish().cause().signal(), Some(Signal::TERM));
}

/// Three rounds of binding something else and restoring what was there.
#[derive(Component)]
struct Rounds(Log);

impl Process for Rounds {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        assert!(!cx.restore_signals()?, "there is no backup");
        let owned = |cx: &Context<Self>| {
            let bindings = cx.signals().into_iter().filter(|binding| !binding.owners.is_empty());
            bindings.map(|binding| binding.signal.to_string()).collect::<Vec<_>>().join(" ")
        };
        cx.on_signal(["USR1"], |rounds, _, _| {
            rounds.0.say("first");
            Ok(())
        })?;
        cx.backup_signals();
        for _ in 0..3 {
            cx.on_signal([Signal::USR1, Signal::INT], |rounds, _, _| {
                rounds.0.say("second");
                Ok(())
            })?;
            self.0.say(owned(cx));
            assert_eq!(cx.remove_signals(["usr1", "usr2"])?, 1);
            self.0.say(owned(cx));
            assert!(cx.restore_signals()?);
            self.0.say(owned(cx));
        }
        Ok(())
    }
}

#[test]
fn three_rounds_of_backup_bind_and_restore() {
    let log = Log::default();
    let mut running = simulated().add_process(Rounds(log.clone()), (hz(10), named("a"))).build().unwrap();
    assert_eq!(log.take(), ["SIGINT SIGUSR1", "SIGINT", "SIGUSR1"].repeat(3));
    running.handle().signal(Signal::USR1);
    running.run_for(ms(250));
    assert_eq!(log.take(), ["first"], "the callback that was there before");
    running.handle().signal(Signal::INT);
    assert!(!running.run_for(ms(100)), "and the default");
}

#[test]
fn a_second_binding_takes_the_place_of_the_first_and_what_is_wrong_changes_nothing() {
    let log = Log::default();
    let lives = log.clone();
    #[derive(Component)]
    struct Fussy(Listener);
    impl Process for Fussy {
        fn birth(&mut self, cx: &mut Context<Self>) -> Result {
            cx.on_signal([Signal::USR1.number()], |fussy, signal, _| {
                fussy.0.log.say(format!("first {signal}"));
                Ok(())
            })?;
            cx.on_signal([Signal::USR1, Signal::USR2], |fussy, signal, _| {
                fussy.0.log.say(format!("second {signal}"));
                Ok(())
            })?;
            let error = cx.on_signal(["INT", "SIGFOO"], |_, _, _| Ok(())).unwrap_err();
            assert!(
                error.to_string().starts_with("there is no signal \"SIGFOO\"; there are SIGHUP, SIGINT"),
                "{error}"
            );
            let error = cx.on_signal([Signal::INT, "KILL".parse()?], |_, _, _| Ok(())).unwrap_err();
            assert_eq!(error.to_string(), "SIGKILL can't be bound: the system lets no program have it");
            assert!(cx.signals().iter().all(|binding| binding.signal != Signal::INT || binding.owners.is_empty()));
            Ok(())
        }
    }
    let fussy = Fussy(listener(&log, &[]));
    let mut running = simulated().add_process(fussy, hz(10)).build().unwrap();
    running.handle().signal(Signal::USR1);
    running.handle().signal(Signal::USR2);
    running.run_for(ms(10));
    assert_eq!(lives.take(), ["second SIGUSR1", "second SIGUSR2"]);
    running.finish().assert_clean();
}

#[test]
fn the_dead_are_not_called_and_the_reborn_bind_anew() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(listener(&log, &["TERM", "USR1"]), (hz(10), named("a")))
        .add_process(Script::new(), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(150));
    running.handle().stop("a", "rest").unwrap();
    running.run_for(ms(1));
    let owners = |running: &Running| running.handle().signals().iter().map(|it| it.owners.len()).sum::<usize>();
    assert_eq!(owners(&running), 0);
    log.take();
    running.handle().signal(Signal::USR1);
    running.handle().start("a").unwrap();
    running.run_for(ms(100));
    assert_eq!(owners(&running), 2);
    running.handle().signal(Signal::USR1);
    running.run_for(ms(100));
    assert_eq!(log.take(), ["a lives 200", format!("a {} at 300", Signal::USR1.number()).as_str(), "a lives 300"]);
    running.handle().stop("a", "for good").unwrap();
    running.run_for(ms(1));
    running.handle().signal(Signal::TERM);
    assert!(!running.run_for(ms(1)), "the default is back");
}

#[test]
fn one_who_can_take_no_more_has_them_counted_and_the_default_is_done() {
    let log = Log::default();
    let mut running = simulated().add_process(listener(&log, &["INT", "USR1"]), (hz(10), named("a"))).build().unwrap();
    let handle = running.handle();
    (0..EVENT_LIMIT + 5).for_each(|_| handle.signal(Signal::USR1));
    assert!(!handle.is_stopping());
    handle.signal(Signal::INT);
    assert!(handle.is_stopping(), "nobody could take it");
    let report = running.report();
    let usr1 = report.signals.iter().find(|count| count.signal == "SIGUSR1").unwrap();
    assert_eq!((usr1.received, usr1.bound, usr1.refused), (1005, 1000, 5));
    assert!(!running.run_for(ms(10)));
}

#[test]
fn a_callback_that_fails_stays_its_own_and_one_unbound_meanwhile_is_not_called() {
    let script = Script::new()
        .birth(|cx| {
            cx.on_signal([Signal::USR1], |_, _, _| Err("as told")?)?;
            Ok(cx.on_signal([Signal::USR2], |_, _, _| panic!("as told"))?)
        })
        .life(|cx| {
            let _ = cx.remove_signals([Signal::USR1])?;
            Ok(())
        });
    let mut running =
        simulated().add_process(script, (hz(10), named("a"))).add_process(Script::new(), hz(10)).build().unwrap();
    running.handle().signal(Signal::USR1);
    running.run_for(ms(10));
    running.handle().signal(Signal::USR1);
    running.handle().signal(Signal::USR2);
    running.run_for(ms(100));
    let report = running.report();
    let a = report.process("a").unwrap();
    assert_eq!((a.errors, a.panics, a.lives), (1, 1, 1));
}

#[test]
fn with_a_lane_changed_a_signal_is_not_lost() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(listener(&log, &["USR1"]), (hz(1), named("a")))
        .add_process(Script::new(), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(50));
    running.handle().signal(Signal::USR1);
    running.handle().set_frequency("a", hz(10)).unwrap();
    running.run_for(ms(300));
    assert!(log.contains(&format!("a {} at 100", Signal::USR1.number())), "{:?}", log.take());
}

#[test]
fn a_forced_end_by_a_handle_is_granted_or_refused_and_counted() {
    for may in [true, false] {
        let mut running = simulated().force_stop(may).add_process(Script::new(), hz(10)).build().unwrap();
        for signal in [Signal::TERM, Signal::TERM, Signal::HUP, Signal::HUP] {
            running.handle().signal(signal);
        }
        assert_eq!(running.report().refused_forces, 0, "these do not force");
        running.handle().signal(Signal::INT);
        running.handle().signal(Signal::QUIT);
        assert_eq!(running.report().refused_forces, if may { 0 } else { 2 });
        assert!(!running.run_for(secs(1)));
        let exit = running.finish();
        assert_eq!((exit.cause().signal(), exit.further().len()), (Some(Signal::TERM), 5));
    }
}
