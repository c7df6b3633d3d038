//! What one unit costs when there are many: lives, process types, groups, mails. On the simulated clock, beside a yardstick in
//! the same run.
//!
//! Why the lines bend:
//! - Processes: a tick costs about 130 ns however few live in it, which they share; from some hundred on it is lost in the lives. Up
//!   to 100,000 a life costs the same. Beyond that, what a tick reads of each process no longer stays in the caches: its state, and
//!   the mark that it has changed. The plain loop reads the state alone.
//! - Types: the first bears the fixed cost of the tick; each further one is a lane of its own. Flat up to 100. Beyond, it is the
//!   caches again: in each table, Bevy keeps a place for every component type up to its highest, to find a column by its number,
//!   and each lane has a table. With a thousand types these lists alone are more than the caches hold, and a lane waits for two
//!   places in one of them. To plot more than a hundred types, the compiler takes a quarter of an hour:
//!   `RUSTFLAGS="--cfg thousand_types" cargo bench --bench scale`.
//! - Groups: a head looks through the due instants of all its groups to find the next tick, and does so several times for each
//!   instant. Groups of one rate are due at one instant, and share all looks but one; those of different rates do not.
//! - Mail: a mailbox is visited once a tick, whatever is in it, so that the first mail bears what the others share. From the sixth
//!   on, what is written and what is read is more than the caches hold: 10,000 processes with ten mails each are 20 megabytes.

mod plot;

use bevy_ecs::schedule::{Schedule, SingleThreadedExecutor};
use plot::{Line, Panel};
use polycephaly::prelude::*;
use std::collections::VecDeque;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
What one unit costs when there are many: lives, process types, groups, mails.

Options:
  --svg FOLDER   write the plots to FOLDER/scale.svg as well
  --test         only try whether all runs: few units, one sample each
  -h, --help     print this

Each figure is the fastest of several samples, in nanoseconds, with its share of all else that a tick does.";

/// Sizes, more or less evenly spaced by factors.
const SIZES: [usize; 19] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
];
const GROUPS: usize = 100;
/// Writers, and how many mails each may write in a tick.
const WRITERS: usize = 10_000;
const MAILS: usize = 10;

/// How thoroughly one measures.
#[derive(Clone, Copy)]
struct Effort {
    samples: u32,
    /// How long one takes at least.
    sample: Duration,
    /// Sizes above this are left out.
    most: usize,
}

impl Effort {
    const FULL: Self = Self { samples: 30, sample: Duration::from_millis(5), most: usize::MAX };
    const TRY: Self = Self { samples: 1, sample: Duration::ZERO, most: 100 };

    fn sizes(self, most: usize) -> impl Iterator<Item = usize> {
        SIZES.into_iter().filter(move |size| *size <= most.min(self.most))
    }

    /// Nanoseconds that each of these takes at best, sampled in turns, so that what else the machine does meets them alike.
    fn fastest<const N: usize>(self, mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
        let rounds = works.each_mut().map(|work| {
            work(); // what it touches is touched for the first time
            let (started, mut rounds) = (Instant::now(), 0);
            while rounds == 0 || started.elapsed() < self.sample {
                work();
                rounds += 1;
            }
            rounds
        });
        let mut best = [f64::INFINITY; N];
        for _ in 0..self.samples {
            for (work, (best, rounds)) in works.iter_mut().zip(best.iter_mut().zip(rounds)) {
                let started = Instant::now();
                (0..rounds).for_each(|_| work());
                *best = best.min(started.elapsed().as_nanos() as f64 / f64::from(rounds));
            }
        }
        best
    }
}

fn simulated() -> Application {
    Application::new().clock(Clock::simulated())
}

fn build(application: Application) -> Running {
    application.build().expect("a sound application")
}

/// The work of one life: a multiplication, an addition, a counter. `N` makes many types of it, each with code of its own.
#[derive(Component, Clone, Copy, Default)]
struct Wheel<const N: usize = 0> {
    angle: f64,
    steps: u64,
}

impl<const N: usize> Wheel<N> {
    #[inline]
    fn turn(&mut self) {
        self.angle = self.angle * 1.0001 + (N + 1) as f64;
        self.steps += 1;
    }
}

impl<const N: usize> Process for Wheel<N> {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.turn();
        Ok(())
    }
}

/// Runs what is due at the next instant.
fn step(running: &mut Running) {
    assert!(running.step(), "it goes on");
}

/// Empty systems of bare bevy_ecs, all in one schedule or each in its own.
fn bare(schedules: usize, systems: usize) -> impl FnMut() {
    let mut world = World::new();
    let mut all: Vec<Schedule> = (0..schedules)
        .map(|_| {
            let mut schedule = Schedule::default();
            schedule.set_executor(SingleThreadedExecutor::new());
            for _ in 0..systems {
                schedule.add_systems(|| {});
            }
            schedule
        })
        .collect();
    move || all.iter_mut().for_each(|schedule| schedule.run(&mut world))
}

/// One step in which a count must grow by so much: what is measured does take place.
fn check(running: &mut Running, expected: u64, count: impl Fn(&Running) -> u64) {
    let before = count(running);
    running.step();
    assert_eq!(count(running) - before, expected, "what is measured takes place");
}

fn lives(effort: Effort) -> Panel {
    let (mut ours, mut floor) = (Line::new("a life"), Line::new("in a loop over a Vec"));
    for size in effort.sizes(usize::MAX) {
        let mut running = build((0..size).fold(simulated(), |all, _| all.add_process(<Wheel>::default(), hz(1000))));
        check(&mut running, 1, |running| running.get::<Wheel>("wheel").map_or(0, |wheel| wheel.steps));
        let mut wheels = vec![<Wheel>::default(); size];
        let mut bare = || black_box(&mut wheels).iter_mut().for_each(Wheel::turn);
        let [tick, bare] = effort.fastest([&mut || step(&mut running), &mut bare]);
        ours.add(size, tick / size as f64);
        floor.add(size, bare / size as f64);
    }
    Panel {
        title: "Processes",
        x: "processes of one type in one group",
        y: "ns a life",
        log: [true, true],
        lines: vec![ours, floor],
    }
}

type Add = fn(Application) -> Application;

fn add<const N: usize>(application: Application) -> Application {
    application.add_process(Wheel::<N>::default(), hz(1000))
}

macro_rules! adders {
    ($($hundred:literal)*) => { [$(adders!(@ $hundred 0 1 2 3 4 5 6 7 8 9)),*] };
    (@ $hundred:literal $($ten:literal)*) => { [$(adders!(@ $hundred $ten; 0 1 2 3 4 5 6 7 8 9)),*] };
    (@ $hundred:literal $ten:literal; $($one:literal)*) => { [$(add::<{ 100 * $hundred + 10 * $ten + $one }>),*] };
}

/// What adds a process of each type: a hundred types, or a thousand if so configured, for the compiler takes long over them.
#[cfg(not(thousand_types))]
const TYPES: [[[Add; 10]; 10]; 1] = adders!(0);
#[cfg(thousand_types)]
const TYPES: [[[Add; 10]; 10]; 10] = adders!(0 1 2 3 4 5 6 7 8 9);

fn types(effort: Effort) -> Panel {
    let (mut ours, mut floor) = (Line::new("a type of one process"), Line::new("an empty bevy_ecs system"));
    let types = TYPES.as_flattened().as_flattened();
    for size in effort.sizes(types.len()) {
        let mut running = build(types[..size].iter().fold(simulated(), |application, add| add(application)));
        check(&mut running, 1, |running| running.get::<Wheel>("wheel").map_or(0, |wheel| wheel.steps));
        let [tick, bare] = effort.fastest([&mut || step(&mut running), &mut bare(1, size)]);
        ours.add(size, tick / size as f64);
        floor.add(size, bare / size as f64);
    }
    Panel {
        title: "Types",
        x: "process types in one group",
        y: "ns a type and tick",
        log: [true, false],
        lines: vec![ours, floor],
    }
}

fn groups(effort: Effort) -> Panel {
    let mut same = Line::new("at one rate");
    let mut other = Line::new("at different rates");
    let mut floor = Line::new("an empty schedule");
    for size in effort.sizes(GROUPS) {
        let wheel = |all: Application, number: usize, rate: usize| {
            all.add_process(<Wheel>::default(), (hz(rate as u32), InGroup::new(format!("group {number}"))))
        };
        let mut together = build((0..size).fold(simulated(), |all, number| wheel(all, number, 1000)));
        check(&mut together, 1, |running| running.get::<Wheel>("wheel").map_or(0, |wheel| wheel.steps));
        let mut apart = build((0..size).fold(simulated(), |all, number| wheel(all, number, 1000 + number)));
        let ticks: usize = (0..size).map(|number| 1000 + number).sum();
        let mut second = || assert!(apart.run_for(Duration::from_secs(1)));
        let mut bare = bare(size, 1);
        let [instant, second, bare] = effort.fastest([&mut || step(&mut together), &mut second, &mut bare]);
        same.add(size, instant / size as f64);
        other.add(size, second / ticks as f64);
        floor.add(size, bare / size as f64);
    }
    Panel {
        title: "Groups",
        x: "groups of one process each",
        y: "ns a tick",
        log: [true, false],
        lines: vec![same, other, floor],
    }
}

/// Writes so many mails to its neighbour in each life.
#[derive(Component, Default)]
struct Writer {
    neighbour: Option<Address>,
    mails: usize,
    read: u64,
}

impl Process for Writer {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("number"), |writer, mail, _| {
            writer.read += mail.get::<u64>().ok_or("no number")?;
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let Some(neighbour) = &self.neighbour else { return Ok(()) };
        for _ in 0..self.mails {
            cx.send(Mail::to(neighbour).subject("number").body(1_u64))?;
        }
        Ok(())
    }
}

fn writers(size: usize, mails: usize) -> Running {
    let name = |number: usize| format!("writer-{}", number % size);
    let mut running = build((0..size).fold(simulated(), |all, number| {
        all.add_process(Writer { mails, ..Writer::default() }, (hz(1000), Name::new(name(number))))
    }));
    let address = |running: &Running, number| running.handle().address_of(&name(number)).expect("it is born");
    for number in 0..size {
        let (own, next) = (address(&running, number), address(&running, number + 1));
        running.world_mut().get_mut::<Writer>(own.entity()).expect("it is a writer").neighbour = Some(next);
    }
    // The first mail of a mailbox makes room for others.
    running.step();
    running
}

fn mails(effort: Effort) -> Panel {
    let (mut ours, mut floor) = (Line::new("a mail"), Line::new("by a VecDeque for each"));
    let size = WRITERS.min(effort.most);
    let mut silent = writers(size, 0);
    for mails in 1..=MAILS {
        let mut running = writers(size, mails);
        check(&mut running, mails as u64, |running| running.get::<Writer>("writer-0").map_or(0, |writer| writer.read));
        let mut boxes = vec![VecDeque::<u64>::with_capacity(MAILS); size];
        let mut read = vec![0; size];
        let mut plain = || {
            for number in 0..size {
                let next = &mut boxes[(number + 1) % size];
                (0..mails).for_each(|_| next.push_back(black_box(1)));
            }
            for (read, mailbox) in read.iter_mut().zip(&mut boxes) {
                mailbox.drain(..).for_each(|number| *read += number);
            }
        };
        let (mut tick, mut idle) = (|| step(&mut running), || step(&mut silent));
        let [tick, idle, plain] = effort.fastest([&mut tick, &mut idle, &mut plain]);
        let all = (size * mails) as f64;
        ours.add(mails, (tick - idle) / all);
        floor.add(mails, plain / all);
    }
    Panel {
        title: "Mail",
        x: "mails a process writes in a tick",
        y: "ns a mail",
        log: [false, false],
        lines: vec![ours, floor],
    }
}

/// What the command line asks for: the folder for plots, and how thoroughly to measure. `None` is for help.
fn options() -> Result<Option<(Option<PathBuf>, Effort)>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut folder, mut effort, mut parser) = (None, Effort::FULL, lexopt::Parser::from_env());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("svg") => folder = Some(PathBuf::from(parser.value()?)),
            Long("test") => effort = Effort::TRY,
            Long("bench") => {} // cargo's own
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some((folder, effort)))
}

fn main() -> ExitCode {
    let (folder, effort) = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("scale: {error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    let panels = [lives, types, groups, mails].map(|measure| {
        let panel = measure(effort);
        println!("{panel}");
        panel
    });
    let Some(folder) = folder else { return ExitCode::SUCCESS };
    let path = folder.join("scale.svg");
    if let Err(error) = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, plot::picture(&panels))) {
        eprintln!("scale: {} can't be written: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
