//! Where a process stands in the tables of its World changes: others die and the last takes their place, or the user adds a
//! component. Its mail finds it all the same, in the tick that it would have been read in anyway.

mod common;

use common::{ms, named, simulated};
use polycephaly::prelude::*;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// One mail: who wrote it, when, and to whom.
type Letter = (&'static str, Duration, &'static str);

#[derive(Default)]
struct Log {
    sent: Vec<Letter>,
    /// With when it was read.
    read: Vec<(Letter, Duration)>,
}

/// Writes to all others in each life.
#[derive(Component)]
struct Gossip {
    name: &'static str,
    log: Arc<Mutex<Log>>,
}

impl Process for Gossip {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<Letter>(|gossip, letter, cx| {
            assert_eq!(letter.2, gossip.name);
            gossip.log.lock().unwrap().read.push((*letter, cx.now()));
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        for to in NAMES.into_iter().filter(|to| *to != self.name) {
            let letter: Letter = (self.name, cx.now(), to);
            // Who has died is unknown.
            if cx.send(Mail::to(to).subject("letter").body(letter)).is_ok() {
                self.log.lock().unwrap().sent.push(letter);
            }
        }
        Ok(())
    }
}

/// With it, a process stands in another table.
#[derive(Component)]
struct Hat;

#[derive(Clone, Copy, Debug)]
enum Turn {
    DieOrBeBorn(usize),
    Hat(usize),
}

fn turns() -> impl Strategy<Value = Vec<Vec<Turn>>> {
    // The first stays: without anybody, the application would end.
    let turn = prop_oneof![(1..NAMES.len()).prop_map(Turn::DieOrBeBorn), (0..NAMES.len()).prop_map(Turn::Hat)];
    prop::collection::vec(prop::collection::vec(turn, 0..4), 1..12)
}

fn take(turn: Turn, running: &mut Running, log: &Arc<Mutex<Log>>) {
    let handle = running.handle();
    match turn {
        Turn::DieOrBeBorn(who) if handle.stop(NAMES[who], "enough").is_err() => {
            handle.spawn(Gossip { name: NAMES[who], log: log.clone() }, (hz(10), named(NAMES[who])));
        }
        Turn::DieOrBeBorn(_) => {}
        Turn::Hat(who) => {
            let Ok(address) = handle.address_of(NAMES[who]) else { return };
            let mut process = running.world_mut().entity_mut(address.entity());
            if process.take::<Hat>().is_none() {
                process.insert(Hat);
            }
        }
    }
}

proptest! {
    #[test]
    fn mail_is_read_in_the_next_tick_wherever_its_process_stands(turns in turns()) {
        let log = Arc::<Mutex<Log>>::default();
        let mut application = simulated();
        for name in NAMES {
            application = application.add_process(Gossip { name, log: log.clone() }, (hz(10), named(name)));
        }
        let mut running = application.build().unwrap();
        for turns in turns {
            prop_assert!(running.run_for(ms(100)));
            turns.into_iter().for_each(|turn| take(turn, &mut running, &log));
        }
        running.run_for(ms(100));
        let last = running.now() - ms(100);
        let log = log.lock().unwrap();
        for letter in log.sent.iter().filter(|letter| letter.1 < last) {
            let read: Vec<_> = log.read.iter().filter(|(read, _)| read == letter).map(|(_, at)| *at).collect();
            // Whose death comes first reads what is left before.
            prop_assert!(read.len() == 1 && read[0] <= letter.1 + ms(100), "{letter:?} was read at {read:?}");
        }
    }
}
