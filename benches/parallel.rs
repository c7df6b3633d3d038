//! From what size on the lives of a `Parallel` type are worth a second thread: a tick on every core beside the same tick of an
//! ordinary type, by turns in one run. Its table stands in the documentation of `Parallel`.
//!
//! `cargo bench --features parallel --bench parallel`

use polycephaly::prelude::*;
use std::hint::black_box;
use std::thread::{available_parallelism, sleep};
use std::time::Instant;

/// How long the ticks of one row of the table are measured.
const TIME: Duration = Duration::from_secs(1);
/// Between two ticks.
const GAP: Duration = Duration::from_millis(1);
/// The fewest ticks that say anything.
const TICKS: usize = 20;

/// A life of so many rounds of arithmetic, each waiting for the last. Then it may write to its neighbour.
#[derive(Component)]
struct Wheel<const PARALLEL: bool> {
    angle: f64,
    rounds: u32,
    reads: bool,
    next: Option<Address>,
}

impl<const PARALLEL: bool> Process for Wheel<PARALLEL> {
    const PARALLEL: Parallel = if PARALLEL { Parallel::from(1) } else { Parallel::NEVER };

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        if self.reads {
            cx.on::<f64>(|wheel, angle, _| {
                wheel.angle += angle;
                Ok(())
            });
        }
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        for _ in 0..self.rounds {
            self.angle = (self.angle * 1.0001 + 1.0).sqrt();
        }
        if let Some(next) = &self.next {
            cx.send(Mail::to(next).subject("angle").body(self.angle))?;
        }
        Ok(())
    }
}

/// What is measured: its name, the rounds of a life, and whether it sends mail.
const KINDS: [(&str, u32, bool); 5] = [
    ("cheap", 1, false),
    ("middling", 8, false),
    ("dear", 60, false),
    ("cheap, and a mail", 1, true),
    ("dear, and a mail", 60, true),
];

const SIZES: [usize; 7] = [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
/// More mailboxes would need much memory.
const MAILBOXES: usize = 100_000;

fn application<const PARALLEL: bool>(size: usize, rounds: u32, mail: bool) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for index in 0..size {
        let wheel = Wheel::<PARALLEL> { angle: index as f64, rounds, reads: mail, next: None };
        application = application.add_process(wheel, (hz(1000), Name::new(format!("wheel-{index}"))));
    }
    let mut running = application.build().expect("a sound application");
    if mail {
        let all: Vec<Address> = (0..size).map(|index| address(&running, index)).collect();
        let world = running.world_mut();
        let mut wheels = world.query::<&mut Wheel<PARALLEL>>();
        wheels.iter_mut(world).enumerate().for_each(|(index, mut wheel)| {
            wheel.next = Some(all[(index + 1) % size].clone());
        });
    }
    for _ in 0..3 {
        running.step();
    }
    running
}

fn address(running: &Running, index: usize) -> Address {
    running.handle().address_of(&format!("wheel-{index}")).expect("it lives")
}

/// Nanoseconds of one tick. Before it there is time to fall asleep, as there is between the ticks of a loop.
fn tick(running: &mut Running) -> u64 {
    sleep(GAP);
    let from = Instant::now();
    black_box(running.step());
    from.elapsed().as_nanos() as u64
}

/// The fastest and the median tick, one by one and on every core.
fn compare(size: usize, rounds: u32, mail: bool) -> [[u64; 2]; 2] {
    let (mut serial, mut parallel) =
        (application::<false>(size, rounds, mail), application::<true>(size, rounds, mail));
    let (mut ticks, from) = ([Vec::new(), Vec::new()], Instant::now());
    while from.elapsed() < TIME || ticks[0].len() < TICKS {
        ticks[0].push(tick(&mut serial));
        ticks[1].push(tick(&mut parallel));
    }
    ticks.map(|mut ticks| {
        ticks.sort_unstable();
        [ticks[0], ticks[ticks.len() / 2]]
    })
}

fn main() {
    let cores = available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; the fastest tick of each, and the median of all");
    println!("| life | ns | processes | parallel over serial | by the medians |");
    println!("|---|---|---|---|---|");
    for (kind, rounds, mail) in KINDS {
        for size in SIZES.into_iter().filter(|&size| !mail || size <= MAILBOXES) {
            let [serial, parallel] = compare(size, rounds, mail);
            let ratio = |which: usize| parallel[which] as f64 / serial[which] as f64;
            let nanos = serial[0] as f64 / size as f64;
            println!("| {kind} | {nanos:.1} | {size} | {:.2} | {:.2} |", ratio(0), ratio(1));
        }
    }
}
