//! The e-brake in the middle of a tick: how many lives begin after it.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

const SIZE: u32 = 40;
/// Of cheap lives, so many run between two looks at what other threads have done.
const BLOCK: u32 = 16;

/// One of many that live cheaply; one of them pulls the e-brake, itself or by another thread.
#[derive(Component)]
struct Cell {
    pulls: Option<Option<ApplicationHandle>>,
    lives: u32,
    pulled: Arc<AtomicBool>,
    after: Arc<AtomicU32>,
}

impl Process for Cell {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.lives += 1;
        self.after.fetch_add(u32::from(self.pulled.load(Relaxed)), Relaxed);
        if self.lives == 3
            && let Some(handle) = &self.pulls
        {
            match handle {
                None => cx.ebrake("smoke"),
                Some(handle) => std::thread::scope(|scope| scope.spawn(|| handle.ebrake("smoke")).join().unwrap()),
            }
            self.pulled.store(true, Relaxed);
        }
        Ok(())
    }
}

/// How many lives have begun after the e-brake was pulled by the one at a place.
fn lives_after(place: u32, from_outside: bool) -> u32 {
    let (pulled, after) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
    let log = Log::default();
    let mut application = simulated();
    for at in 0..SIZE {
        let pulls = (at == place).then(|| from_outside.then(|| application.handle()));
        let cell = Cell { pulls, lives: 0, pulled: pulled.clone(), after: after.clone() };
        application = application.add_process(cell, hz(10));
    }
    // In the same tick, and in another one that is due at the same instant.
    let application = application.add_process(diary(&log), (hz(10), named("later")));
    let exit = application.add_process(diary(&log), (hz(5), named("slower"))).run_for(secs(1));
    assert_eq!(exit.code(), 1, "{exit}");
    for name in ["later", "slower"] {
        assert!(!log.contains(&format!("{name} 200")), "{name} has begun to live");
        assert_eq!((log.count(&format!("{name} safe")), log.count(&format!("{name} dead"))), (1, 1));
    }
    after.load(Relaxed)
}

#[test]
fn no_other_life_begins_once_it_is_pulled_and_few_that_are_cheap_when_another_thread_does() {
    for place in [0, 1, 14, 15, 16, 19, 31, 32, 39] {
        assert_eq!(lives_after(place, false), 0, "pulled by the one at {place}");
        let after = lives_after(place, true);
        assert!(after < BLOCK - place % BLOCK, "pulled beside the one at {place}: {after} more");
    }
}

#[test]
fn it_is_seen_by_a_head_that_sleeps_and_by_one_that_waits_for_the_end_of_others() {
    let log = Log::default();
    let saver = (hz(10), named("saver"), BoundShutdown(false));
    let mut running = simulated().add_process(diary(&log), saver).build().unwrap();
    running.run_for(ms(150));
    running.handle().stop_application("enough");
    running.handle().ebrake("smoke");
    assert!(!running.run_for(secs(1)));
    let exit = running.finish();
    assert_eq!(log.take(), ["saver born", "saver 0", "saver 100", "saver safe", "saver dead"]);
    assert_eq!(exit.further().len(), 1);
    // Not simulated: it sleeps for an hour.
    let application = Application::new().signals(false).add_process(Script::new(), every(secs(3600)));
    let handle = application.handle();
    let first = Script::new().birth(move |_| {
        let handle = handle.clone();
        std::thread::spawn(move || handle.ebrake("smoke"));
        Ok(())
    });
    assert_eq!(application.add_process(first, every(secs(3600))).run().code(), 1);
}
