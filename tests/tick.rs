//! Which ticks run, and when: exact counts, instants, frames and order.

mod common;

use common::{Log, SECOND, Script, due, ms, named, secs, simulated, ticks_before};
use polycephaly::overrun::Grid;
use polycephaly::prelude::*;
use std::time::Duration;

fn rates() -> [Frequency; 13] {
    [hz(1), hz(3), hz(7), hz(29.97), hz(30), hz(37), hz(50), hz(60), hz(63), hz(71), hz(90), hz(100), hz(1000)]
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The time in which both rates come full circle, as a fraction of seconds: one over their common divisor.
fn hyperperiod(a: Frequency, b: Frequency) -> (u128, u128) {
    let [an, ad, bn, bd] = [a.numer(), a.denom(), b.numer(), b.denom()].map(u128::from);
    (ad * bd, gcd(an * bd, bn * ad))
}

/// Errs when its life is not exactly the next one that is due.
fn strict(frequency: Frequency) -> Script {
    let mut k = 0;
    Script::new().life(move |cx| {
        let expected = Duration::from_nanos(due(frequency, k));
        k += 1;
        if (cx.now(), cx.due()) == (expected, expected) { Ok(()) } else { Err("not due now".into()) }
    })
}

/// Runs for exactly this long, in pieces of uneven length.
fn run_in_pieces(running: &mut Running, mut nanos: u64) {
    let mut piece = 1;
    while nanos > 0 {
        piece = (piece * 7 + 13) % 900_000_007;
        let now = piece.min(nanos);
        assert!(running.run_for(Duration::from_nanos(now)));
        nanos -= now;
    }
}

fn check_pair(a: Frequency, b: Frequency) {
    const TIMES: u128 = 10;
    let (numer, denom) = hyperperiod(a, b);
    let mut running = simulated()
        .add_process(strict(a), (a, named("a")))
        .add_process(strict(b), (b, InGroup::new("second"), named("b")))
        .build()
        .unwrap();
    run_in_pieces(&mut running, (TIMES * numer * u128::from(SECOND) / denom) as u64);
    let exit = running.finish();
    let report = exit.report();
    for (index, (name, f)) in [("a", a), ("b", b)].into_iter().enumerate() {
        let scaled = TIMES * numer * u128::from(f.numer());
        let exact = scaled / (denom * u128::from(f.denom()));
        assert_eq!(scaled % (denom * u128::from(f.denom())), 0, "a hyperperiod holds whole periods");
        let (group, process) = (&report.groups[index], report.process(name).unwrap());
        assert_eq!((u128::from(group.ticks), u128::from(process.lives)), (exact, exact), "{f} in {a} and {b}");
        assert_eq!((group.dropped, group.overruns, group.late, process.errors), (0, 0, 0, 0), "{f} in {a} and {b}");
    }
}

#[test]
fn every_pair_of_rates_is_exact_over_ten_hyperperiods() {
    let rates = rates();
    for (i, &a) in rates.iter().enumerate() {
        for &b in &rates[i..] {
            // Ten hyperperiods of 1000 s each, together a million ticks: this one has its own test.
            if (a, b) != (hz(29.97), hz(1000)) {
                check_pair(a, b);
            }
        }
    }
}

#[test]
fn the_longest_pair_is_exact_over_ten_hyperperiods() {
    check_pair(hz(29.97), hz(1000));
}

#[test]
fn a_simulated_year_ends_on_the_exact_deadline() {
    const YEAR: u64 = 365 * 86_400;
    let slow =
        [hz((1, 3600)), hz((1, 86_400)), hz((2997, 100 * 36_000)), every(Duration::from_nanos(3_600_000_000_007))];
    let mut application = simulated();
    for (index, &frequency) in slow.iter().enumerate() {
        application = application.add_process(strict(frequency), (frequency, named(&format!("p{index}"))));
    }
    let mut running = application.build().unwrap();
    assert!(running.run_for(secs(YEAR)));
    let report = running.report();
    for (index, &frequency) in slow.iter().enumerate() {
        let process = report.process(&format!("p{index}")).unwrap();
        assert_eq!((process.lives, process.errors), (ticks_before(frequency, YEAR * SECOND), 0), "{frequency}");
    }
}

/// One life takes a year; the next one of a fast group must be on the grid, and what was dropped exactly counted.
#[test]
fn after_a_year_in_one_life_the_next_deadline_is_exact() {
    const YEAR: u64 = 365 * 86_400 * SECOND;
    for frequency in rates() {
        let log = Log::default();
        let (writes, mut first) = (log.clone(), true);
        let process = Script::new().life(move |cx| {
            if std::mem::take(&mut first) {
                cx.consume(Duration::from_nanos(YEAR + 1));
            } else {
                writes.say(cx.due().as_nanos().to_string());
            }
            Ok(())
        });
        let mut running = simulated().add_process(process, frequency).build().unwrap();
        (0..3).for_each(|_| assert!(running.step()));
        // All the year's ticks, and the one due on its last instant, are over: k ticks, 1 .. k - 1 of them missed.
        let k =
            u128::from(YEAR + 1) * u128::from(frequency.numer()) / u128::from(frequency.denom()) / u128::from(SECOND);
        let k = (k as u64 - 2..).find(|&k| due(frequency, k) > YEAR + 1).unwrap();
        // The second life is tick 1, a year late; the third is the first that is not yet due.
        assert_eq!(log.take(), [due(frequency, 1).to_string(), due(frequency, k).to_string()], "{frequency}");
        let grid = Grid { frequency, origin: 0 };
        assert_eq!((grid.last_due(YEAR + 1), grid.first_after(YEAR + 1)), (Some(k - 1), k));
        let report = running.report();
        let group = &report.groups[0];
        assert_eq!((group.ticks, group.dropped, group.overruns), (3, k - 2, 1), "{frequency}");
    }
}

#[test]
fn groups_due_at_one_instant_run_shortest_period_first_then_in_order_of_creation() {
    let keys = [
        (hz(1), ""),
        (hz(100), "late"),
        (hz(2), ""),
        (hz(100), ""),
        (hz(29.97), ""),
        (hz(50), ""),
        (hz(100), "third"),
        (hz(1000), ""),
    ];
    let log = Log::default();
    let mut application = simulated();
    for (index, (frequency, label)) in keys.into_iter().enumerate() {
        let log = log.clone();
        let process = Script::new().life(move |cx| {
            log.say(format!("{} {index}", cx.now().as_nanos()));
            Ok(())
        });
        application = application.add_process(process, (frequency, InGroup::new(label)));
    }
    assert!(application.build().unwrap().run_for(secs(2)));
    let mut expected = Vec::new();
    for (index, (frequency, _)) in keys.into_iter().enumerate() {
        for k in 0..ticks_before(frequency, 2 * SECOND) {
            expected.push((due(frequency, k), due(frequency, 1), index));
        }
    }
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(due, _, index)| format!("{due} {index}")).collect();
    assert_eq!(log.take(), expected);
}

/// What each life sees: frame, frame by the clock, and `now`, `due` and `dt` in milliseconds.
fn seen(frequency: Frequency, consumed: &'static [u64], ticks: usize) -> Vec<(u32, u32, u128, u128, u128)> {
    let log = Log::default();
    let (writes, mut takes) = (log.clone(), consumed.iter());
    let process = Script::new().life(move |cx| {
        let times = [cx.now(), cx.due(), cx.dt()].map(|time| time.as_millis());
        writes.say(format!("{} {} {} {} {}", cx.frame(), cx.time_frame(), times[0], times[1], times[2]));
        cx.consume(ms(takes.next().copied().unwrap_or(0)));
        Ok(())
    });
    let mut running = simulated().add_process(process, frequency).build().unwrap();
    while running.report().groups[0].ticks < ticks as u64 {
        assert!(running.step());
    }
    let numbers = |line: String| line.split(' ').map(|word| word.parse::<u128>().unwrap()).collect::<Vec<_>>();
    log.take().into_iter().map(numbers).map(|n| (n[0] as u32, n[1] as u32, n[2], n[3], n[4])).collect()
}

#[test]
fn frames_and_times_on_time() {
    assert_eq!(
        seen(hz(3), &[], 5),
        [
            (1, 1, 0, 0, 0),
            // A third of a second rounds down to just before its slot of the clock begins.
            (2, 1, 333, 333, 333),
            (3, 2, 666, 666, 333),
            (1, 1, 1000, 1000, 333),
            (2, 1, 1333, 1333, 333),
        ]
    );
    assert_eq!(
        seen(hz(4), &[], 6),
        [
            (1, 1, 0, 0, 0),
            (2, 2, 250, 250, 250),
            (3, 3, 500, 500, 250),
            (4, 4, 750, 750, 250),
            (1, 1, 1000, 1000, 250),
            (2, 2, 1250, 1250, 250),
        ]
    );
    assert_eq!(seen(hz(2.5), &[], 6).iter().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 1]);
    assert_eq!(seen(hz(0.4), &[], 3), [(1, 1, 0, 0, 0), (1, 1, 2500, 2500, 2500), (1, 1, 5000, 5000, 2500)]);
}

#[test]
fn frames_show_what_was_skipped_and_the_clock_shows_lateness() {
    assert_eq!(
        seen(hz(10), &[0, 250, 0, 30], 6),
        [
            (1, 1, 0, 0, 0),
            (2, 2, 100, 100, 100),
            // Starts late; the clock is in frame 4, and the tick due at 300 is dropped.
            (3, 4, 350, 200, 250),
            (5, 5, 400, 400, 50),
            (6, 6, 500, 500, 100),
            (7, 7, 600, 600, 100),
        ]
    );
}

#[test]
fn uneven_pieces_make_the_same_run() {
    let run = |pieces: bool| {
        let log = Log::default();
        let mut application = simulated().seed(7);
        for frequency in rates() {
            let log = log.clone();
            let process = Script::new().life(move |cx| {
                use polycephaly::rand::Rng;
                let micros = cx.rng().next_u64() % 9_000;
                cx.consume(Duration::from_micros(micros));
                log.say(format!("{} {:?} {:?} {}", cx.name(), cx.now(), cx.due(), cx.frame()));
                Ok(())
            });
            application = application.add_process(process, frequency);
        }
        let mut running = application.build().unwrap();
        if pieces {
            run_in_pieces(&mut running, 5 * SECOND);
        } else {
            assert!(running.run_for(secs(5)));
        }
        (log.take(), running.report())
    };
    let (pieces, whole) = (run(true), run(false));
    assert!(whole.1.groups.iter().any(|group| group.dropped > 0), "the run has overruns, too");
    assert_eq!(pieces, whole);
}

#[test]
fn a_phase_moves_the_whole_grid() {
    let log = Log::default();
    let mut running = simulated()
        .group(hz(10), |g| g.phase(ms(30)))
        .group(hz(4), |g| g.phase(ms(1100)))
        .add_process(common::diary(&log), (hz(10), named("ten")))
        .add_process(common::diary(&log), (hz(4), named("four")))
        .build()
        .unwrap();
    assert!(running.run_for(secs(2)));
    let lines = log.take();
    let of = |name: &str| -> Vec<u64> {
        let lives = lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        lives.collect()
    };
    assert_eq!(of("ten"), (0..20).map(|k| 30 + 100 * k).collect::<Vec<_>>());
    assert_eq!(of("four"), [1100, 1350, 1600, 1850]);
    let report = running.report();
    assert!(report.groups.iter().all(|group| group.dropped == 0 && group.late == 0), "a phase is not lateness");
}

#[test]
fn the_epoch_is_when_all_are_born_so_that_a_slow_start_is_not_late() {
    let log = Log::default();
    let slow = common::diary(&log).birth(|cx| {
        cx.consume(ms(250));
        Ok(())
    });
    let mut running = simulated()
        .add_process(common::diary(&log), (hz(10), named("a")))
        .add_process(slow, (hz(10), named("b")))
        .build()
        .unwrap();
    assert!(running.run_for(ms(150)));
    assert_eq!(log.take(), ["a born", "a 250", "b 250", "a 350", "b 350"]);
    let report = running.report();
    assert_eq!((report.groups[0].late, report.groups[0].lateness.max), (0, Duration::ZERO));
    assert_eq!(report.elapsed, ms(150));
}

#[test]
fn dt_of_the_first_life_counts_from_the_epoch_where_that_is_later_than_birth() {
    let log = Log::default();
    let writes = log.clone();
    let first = Script::new().life(move |cx| {
        writes.say(cx.dt().as_millis().to_string());
        Ok(())
    });
    let slow = Script::new().birth(|cx| {
        cx.consume(ms(250));
        Ok(())
    });
    let mut running = simulated().add_process(first, hz(10)).add_process(slow, hz(10)).build().unwrap();
    assert!(running.run_for(ms(150)));
    assert_eq!(log.take(), ["0", "100"]);
}
