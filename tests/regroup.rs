//! Changing frequency while running: the next life is strictly later, and there are never two at one instant.

mod common;

use common::{Log, SECOND, Script, diary, due, ms, named};
use polycephaly::prelude::*;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn rates() -> Vec<Frequency> {
    vec![hz(1000), hz(100), hz(50), hz(20), hz(30), hz(29.97), hz(7), hz(300)]
}

/// The first instant of the grid that is later than `now`, by looking at each.
fn next_due(frequency: Frequency, now: u64) -> u64 {
    (0..).map(|k| due(frequency, k)).find(|&at| at > now).unwrap()
}

/// Each life moves to the next of these frequencies, or stays where there is none.
fn nomad(moves: Vec<Option<usize>>, lives: &Arc<Mutex<Vec<(u64, u64)>>>) -> Script {
    let (lives, mut turn, moves) = (lives.clone(), 0, moves);
    Script::new().life(move |cx| {
        lives.lock().unwrap().push((cx.now().as_nanos() as u64, cx.dt().as_nanos() as u64));
        if let Some(Some(rate)) = moves.get(turn) {
            cx.set_frequency(rates()[*rate]);
        }
        turn += 1;
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: from each life, the next due instant of the frequency that it has then.
    #[test]
    fn each_life_is_the_next_one_due(
        start in 0usize..8,
        moves in prop::collection::vec(prop::option::of(0usize..8), 0..60),
        crowd in prop::collection::vec(0usize..8, 0..4),
        outside in prop::collection::vec((1u64..300_000_000, 0usize..8), 0..6),
    ) {
        let lives = Arc::default();
        let mut application = common::simulated();
        for index in crowd {
            application = application.add_process(Script::new(), rates()[index]);
        }
        let nomad = nomad(moves.clone(), &lives);
        let mut running = application.add_process(nomad, (rates()[start], named("nomad"))).build().unwrap();
        let (mut rate, mut next, mut last, mut limit, mut turn) = (rates()[start], 0, 0, 0, 0);
        let mut expected = Vec::new();
        for (length, outer) in outside.into_iter().chain([(SECOND, 8)]) {
            limit += length;
            while next < limit {
                expected.push((next, next - last));
                last = next;
                rate = moves.get(turn).copied().flatten().map_or(rate, |index| rates()[index]);
                turn += 1;
                next = next_due(rate, last);
            }
            prop_assert!(running.run_for(Duration::from_nanos(length)));
            if let Some(&other) = rates().get(outer) {
                running.handle().set_frequency("nomad", other).unwrap();
                // The same one again is no change; another one counts from now.
                next = if other == rate { next } else { next_due(other, limit) };
                rate = other;
            }
        }
        prop_assert_eq!(&*lives.lock().unwrap(), &expected);
        let report = running.report();
        let process = report.process("nomad").unwrap();
        prop_assert_eq!((process.lives, &process.group), (expected.len() as u64, &rate.to_string()));
    }
}

#[test]
fn to_and_fro_at_each_life_never_lives_twice_at_one_instant() {
    for (a, b) in [(hz(100), hz(50)), (hz(50), hz(100)), (hz(1000), hz(1)), (hz(30), hz(29.97))] {
        let log = Log::default();
        let writes = log.clone();
        let process = Script::new().life(move |cx| {
            writes.say(cx.now().as_nanos().to_string());
            cx.set_frequency(if cx.frequency() == a { b } else { a });
            Ok(())
        });
        let mut running = common::simulated()
            .add_process(process, a)
            .add_process(Script::new(), a)
            .add_process(Script::new(), b)
            .build()
            .unwrap();
        assert!(running.run_for(common::secs(20)));
        let instants: Vec<u64> = log.take().iter().map(|line| line.parse().unwrap()).collect();
        assert!(instants.len() > 19);
        assert!(instants.windows(2).all(|pair| pair[0] < pair[1]), "{a} and {b}");
    }
}

#[test]
fn several_changes_in_one_life_end_with_the_last() {
    let log = Log::default();
    let mut process = diary(&log);
    let mut life = process.take_life();
    let process = process.life(move |cx| {
        life(cx)?;
        if cx.now() == ms(100) {
            for rate in [hz(1), hz(1000), hz(10), hz(4)] {
                cx.set_frequency(rate);
            }
            assert_eq!(cx.frequency(), hz(10), "holds from the end of the tick");
        }
        Ok(())
    });
    let mut running = common::simulated().add_process(process, (hz(10), named("p"))).build().unwrap();
    assert!(running.run_for(ms(800)));
    assert_eq!(log.take(), ["p born", "p 0", "p 100", "p 250", "p 500", "p 750"]);
    let report = running.report();
    let populations: Vec<_> = report.groups.iter().map(|g| (g.group.as_str(), g.population)).collect();
    assert_eq!(populations, [("10 Hz", 0), ("1 Hz", 0), ("1000 Hz", 0), ("4 Hz", 1)]);
}

/// By a system that inserts the component, and by another label of the same frequency.
#[test]
fn inserting_the_component_moves_the_process() {
    let log = Log::default();
    let mut turn = 0;
    let mover = move |all: Query<(Entity, Identity), With<Script>>, mut commands: Commands| {
        turn += 1;
        let Some((entity, _)) = all.iter().find(|(_, who)| who.address().name() == "p") else { return };
        match turn {
            2 => drop(commands.entity(entity).insert(hz(5))),
            3 => drop(commands.entity(entity).insert(InGroup::new("own"))),
            _ => {}
        }
    };
    let mut running =
        common::simulated().add_process(diary(&log), (hz(10), named("p"))).add_systems(hz(2), mover).build().unwrap();
    assert!(running.run_for(ms(1500)));
    assert_eq!(
        log.take(),
        ["p born", "p 0", "p 100", "p 200", "p 300", "p 400", "p 500", "p 600", "p 800", "p 1000", "p 1200", "p 1400"]
    );
    assert_eq!(running.report().process("p").unwrap().group, "5 Hz own");
}

/// The head is busy until 130: the slow group's tick of 100 then starts late, but was due before the move.
#[test]
fn a_move_while_late_counts_from_the_instant_of_the_move() {
    let log = Log::default();
    let writes = log.clone();
    let mut turn = 0;
    let process = Script::new().life(move |cx| {
        writes.say(format!("{} {}", cx.due().as_millis(), cx.now().as_millis()));
        turn += 1;
        match turn {
            2 => cx.consume(ms(130)),
            3 => cx.set_frequency(hz(50)),
            _ => {}
        }
        Ok(())
    });
    let mut running =
        common::simulated().add_process(process, hz(20)).add_process(Script::new(), hz(50)).build().unwrap();
    assert!(running.run_for(ms(240)));
    // Late at 180 in the tick of 100; the grid of 50 Hz has 180 itself, which is not strictly later.
    assert_eq!(log.take(), ["0 0", "50 50", "100 180", "200 200", "220 220"]);
}
