//! Lives of a `Parallel` type: what is other than with an ordinary type.

mod common;

use common::{Log, Script, alone, ms, named, secs, simulated};
use polycephaly::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Hands itself an event and a foreign message in its first life.
#[derive(Component, Default)]
struct Echo {
    lives: u64,
    heard: Vec<u64>,
}

impl Process for Echo {
    const PARALLEL: Parallel = Parallel::from(2);

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on_event("self", |echo, _, cx| {
            echo.heard.push(cx.now().as_millis() as u64);
            Ok(())
        });
        cx.add_filter_on("route", Filter::new(), |echo, _, cx| {
            echo.heard.push(1000 + cx.now().as_millis() as u64);
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.lives += 1;
        if self.lives == 1 {
            cx.emit(Event::new("self"))?;
            cx.deliver("route", Mail::to("").subject("foreign"));
        }
        Ok(())
    }
}

#[test]
fn what_a_life_hands_itself_comes_in_the_next_tick() {
    let mut running = (0..3)
        .fold(simulated(), |all, number| all.add_process(Echo::default(), (hz(10), named(&format!("e-{number}")))))
        .build()
        .unwrap();
    assert!(running.run_for(ms(300)));
    for number in 0..3 {
        let mut heard = running.get::<Echo>(&format!("e-{number}")).unwrap().heard.clone();
        heard.sort_unstable();
        assert_eq!(heard, [100, 1100], "e-{number}");
    }
}

/// A parallel type whose life is a closure, which gets its number.
type Life<P> = Arc<dyn Fn(u64, &mut Context<P>) -> Result + Send + Sync>;

macro_rules! many {
    ($(#[$meta:meta])* $name:ident) => {
        #[derive(Component)]
        $(#[$meta])*
        struct $name(u64, Life<Self>);

        impl Process for $name {
            const PARALLEL: Parallel = Parallel::from(16);

            fn life(&mut self, cx: &mut Context<Self>) -> Result {
                let life = self.1.clone();
                life(self.0, cx)
            }
        }

        impl $name {
            fn add(
                mut application: Application,
                count: u64,
                life: impl Fn(u64, &mut Context<Self>) -> Result + Send + Sync + 'static,
            ) -> Application {
                let life: Life<Self> = Arc::new(life);
                for number in 0..count {
                    application = application.add_process(Self(number, life.clone()), (hz(100), named(&format!("one-{number}"))));
                }
                application
            }
        }
    };
}

many!(Many);
many!(
    #[component(storage = "SparseSet")]
    Loose
);

/// The first row waits for the last.
#[cfg(feature = "parallel")]
#[test]
fn lives_run_beside_each_other() {
    let (reached, bell) = (Arc::new(Mutex::new(false)), Arc::new(std::sync::Condvar::new()));
    let application = Many::add(simulated().workers(2), 64, move |number, _| {
        if number == 63 {
            *reached.lock().unwrap() = true;
            bell.notify_all();
        } else if number == 0 {
            let waited = bell.wait_timeout_while(reached.lock().unwrap(), secs(30), |reached| !*reached).unwrap();
            assert!(!waited.1.timed_out(), "the last row lives after the first has");
        }
        Ok(())
    });
    let exit = application.run_for(ms(1));
    exit.assert_clean();
}

/// How many lives began after the e-brake was pulled in the life number 100.
fn after_the_brake(clock: Clock, workers: usize, count: u64) -> (usize, Exit) {
    let run = move || {
        let (pulled, after) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let counts = after.clone();
        let application = Many::add(Application::new().clock(clock).workers(workers), count, move |number, cx| {
            if pulled.load(SeqCst) {
                counts.fetch_add(1, SeqCst);
            }
            if number == 100 {
                cx.ebrake("enough");
                pulled.store(true, SeqCst);
            }
            Ok(())
        });
        let exit = application.run();
        (after.load(SeqCst), exit)
    };
    let _alone = alone();
    std::thread::spawn(run).join().unwrap()
}

#[test]
fn the_e_brake_is_seen_on_every_thread() {
    for workers in [1, 2, 3] {
        let (after, exit) = after_the_brake(Clock::real(), workers, 20_000);
        // Each thread may have looked just before, and looks every eight lives.
        assert!(after <= 8 * workers, "{after} lives after the brake");
        assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "one-100"));
    }
}

/// Simulated time stands still meanwhile: so the brake can wait, and does, or chance would say who has lived.
#[test]
fn under_the_simulated_clock_the_e_brake_waits_for_its_turn() {
    let pulls = |workers| {
        let run = move || {
            let lives = Arc::new(AtomicUsize::new(0));
            let counts = lives.clone();
            let application = Many::add(simulated().workers(workers), 200, move |number, cx| {
                counts.fetch_add(1, SeqCst);
                match number % 3 {
                    0 => cx.ebrake(format!("brake {number}")),
                    1 => cx.stop_application(format!("stop {number}")),
                    _ => {}
                }
                Ok(())
            });
            let exit = application.run();
            (lives.load(SeqCst), exit.cause().clone(), exit.further().to_vec(), exit.more())
        };
        std::thread::spawn(run).join().unwrap()
    };
    let serial = pulls(1);
    assert_eq!(serial.0, 200, "each lives once");
    assert!(matches!(&serial.1, Cause::Ebrake { culprit, .. } if culprit == "one-0"));
    assert_eq!(serial, pulls(2));
    assert_eq!(serial, pulls(5));
}

#[test]
fn what_is_refused_when_all_have_lived_is_a_dead_letter() {
    for workers in [1, 2] {
        let (letters, question) = (Log::default(), Arc::new(Mutex::new(None)));
        let (writes, asks) = (letters.clone(), question.clone());
        let application = simulated()
            .workers(workers)
            .on_dead_letter(move |mail, why| writes.say(format!("{} {} {why:?}", mail.sender(), mail.recipient())))
            .add_process(Script::new(), (hz(1), named("box"), MailboxSize(30)));
        let application = Many::add(application, 32, move |number, cx| {
            assert!(cx.send(Mail::to("box").body(number)).is_ok(), "it is on its way");
            if number == 3 {
                let error = cx.send(Mail::to("nobody").body(number)).unwrap_err();
                assert_eq!(error.kind(), SendErrorKind::Unknown, "a name that nobody has is refused at once");
                cx.tell("nowhere", "hello", ());
            } else if number == 31 {
                asks.lock().unwrap().get_or_insert_with(|| cx.ask(Mail::to("box").body("?"), secs(9)));
            }
            Ok(())
        });
        let mut running = application.build().unwrap();
        running.run_for(ms(5));
        assert_eq!(letters.take(), ["one-3 nowhere Unknown", "one-30 box Full", "one-31 box Full", "one-31 box Full"]);
        assert_eq!(running.report().process("box").unwrap().mail.received, 30);
        running.run_for(ms(10));
        let answer = question.lock().unwrap().take().unwrap().take();
        assert!(matches!(answer, Some(Err(AskError::Failed { reason, .. })) if reason == "its mailbox was full"));
    }
}

/// Whether in slices or one by one: a component out of tables has none, and lives on one thread.
#[test]
fn what_others_publish_is_seen_in_the_next_tick() {
    let see = |application: Application, seen: &Log| {
        application.build().unwrap().run_for(ms(25));
        let seen = seen.take();
        assert_eq!(seen.iter().filter(|seen| *seen == "0 None").count(), 32);
        assert_eq!(seen.iter().filter(|seen| *seen == "10 Some(31)").count(), 32);
        assert_eq!(seen.len(), 96);
    };
    let seen = Log::default();
    let says = seen.clone();
    let look = move |now: Duration, latest: Option<u64>| says.say(format!("{} {latest:?}", now.as_millis()));
    let also = look.clone();
    let many = Many::add(simulated().workers(2), 32, move |number, cx| {
        look(cx.now(), cx.latest().map(|latest| *latest));
        cx.publish(number);
        Ok(())
    });
    see(many, &seen);
    let loose = Loose::add(simulated().workers(2), 32, move |number, cx| {
        also(cx.now(), cx.latest().map(|latest| *latest));
        cx.publish(number);
        Ok(())
    });
    see(loose, &seen);
}

#[test]
fn a_hook_that_panics_loses_no_mail_of_others() {
    let mut application = simulated().workers(2).on_dead_letter(|_, _| panic!("the hook"));
    application = application.add_process(Script::new(), (hz(1), named("box"), MailboxSize::UNBOUNDED));
    let application = Many::add(application, 64, |number, cx| {
        if cx.now() == Duration::ZERO {
            cx.tell(if number == 9 { "nobody" } else { "box" }, "", number);
        }
        Ok(())
    });
    let mut running = application.build().unwrap();
    running.run_for(ms(15));
    assert_eq!(running.report().process("box").unwrap().mail.received, 63);
}

#[test]
fn no_worker_is_a_fault() {
    let faults = simulated().workers(0).build().unwrap_err().faults;
    assert_eq!(faults, ["0 workers can run nothing: give 1 or more"]);
}
