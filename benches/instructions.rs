//! What each kind of work costs in instructions and allocations, held against limits: for these figures, unlike nanoseconds, it does
//! not matter what else the machine does. Ends with an error when a limit is passed.
//!
//! Instructions are counted by valgrind's callgrind, under which this program runs itself once for each line of the table, and only
//! while the work is done: not while it is prepared or checked. Allocations are counted by an allocator, without valgrind. Both are
//! those of the thread that does the work.
//!
//! A limit is the figure of the day on which it was set, and some 5 % more, as the compiler, the seeds of hash tables and addresses
//! have their say. Who makes something cheaper lowers its limit.

#[path = "work/ask.rs"]
mod ask;
#[path = "work/cell.rs"]
mod cell;
#[path = "work/chain.rs"]
mod chain;
#[path = "../tests/common/counting.rs"]
mod counting;
#[path = "work/ring.rs"]
mod ring;
#[path = "work/wheel.rs"]
mod wheel;

use counting::Counting;
use ring::Way;
use std::cell::Cell;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The limits, of instructions and of allocations: each by unit.
const LIMITS: [Line; 9] = [
    Line { what: "tick of one process", instructions: 2290.0, allocations: 0.0, work: one },
    Line { what: "process of 10,000", instructions: 7.9, allocations: 0.0, work: many },
    Line { what: "mail by address", instructions: 449.0, allocations: 0.0, work: by_address },
    Line { what: "mail by name", instructions: 867.0, allocations: 0.0, work: by_name },
    Line { what: "hop of a chain of 10", instructions: 1025.0, allocations: 0.0, work: hop },
    Line { what: "ask and answer", instructions: 2630.0, allocations: 1.05, work: question },
    Line { what: "birth", instructions: 8170.0, allocations: 3.3, work: birth },
    Line { what: "death", instructions: 4320.0, allocations: 2.85, work: death },
    Line { what: "birth and removal as it runs", instructions: 10010.0, allocations: 4.4, work: late },
];

struct Line {
    what: &'static str,
    instructions: f64,
    allocations: f64,
    work: fn(&mut Meter),
}

fn one(meter: &mut Meter) {
    let mut running = wheel::group(1);
    running.step();
    meter.count(10_000, || steps(&mut running, 10_000));
}

fn many(meter: &mut Meter) {
    let mut running = wheel::group(10_000);
    running.step();
    meter.count(100 * 10_000, || steps(&mut running, 100));
}

fn by_address(meter: &mut Meter) {
    go_round(meter, Way::Address);
}

fn by_name(meter: &mut Meter) {
    go_round(meter, Way::Name);
}

fn go_round(meter: &mut Meter, way: Way) {
    let mut running = ring::ring(1000, way);
    meter.count(100 * 1000, || steps(&mut running, 100));
    ring::check(running);
}

fn hop(meter: &mut Meter) {
    let mut chain = chain::of_10();
    meter.count(200 * 9, || steps(&mut chain.running, 200));
    chain::check(chain);
}

fn question(meter: &mut Meter) {
    let mut running = ask::askers(100);
    meter.count(100 * 100, || steps(&mut running, 100));
    ask::check(&mut running);
}

fn birth(meter: &mut Meter) {
    let (settings, mut running) = (cell::settings(10_000, 1), None);
    meter.count(10_000, || running = Some(cell::bear(settings)));
    assert!(running.is_some_and(|mut running| running.report().processes.len() == 10_000));
}

fn death(meter: &mut Meter) {
    let (mut running, mut exit) = (cell::bear(cell::settings(10_000, 1)), None);
    running.step();
    meter.count(10_000, || exit = Some(running.finish()));
    let dead = exit.map(|exit| exit.report().processes.len() as u64 + exit.report().forgotten.processes);
    assert_eq!(dead, Some(10_000));
}

/// Each while nobody else is there, as all would live in each step.
fn late(meter: &mut Meter) {
    use polycephaly::prelude::*;
    let mut running = Application::new().clock(Clock::simulated()).add_systems(hz(100), || {}).build().expect("sound");
    running.step();
    let mut cells = cell::settings(1000, 1).into_iter();
    meter.count(1000, || {
        for (name, _) in &mut cells {
            let cell = running.world_mut().spawn_process(cell::Cell::default(), (hz(100), name)).expect("a free name");
            running.world_mut().despawn(cell);
        }
    });
}

fn steps(running: &mut polycephaly::prelude::Running, count: usize) {
    (0..count).for_each(|_| assert!(running.step()));
}

/// What one piece of work has cost.
#[derive(Default)]
struct Meter {
    units: f64,
    allocations: f64,
}

impl Meter {
    /// Does the work, so many units of it.
    fn count(&mut self, units: usize, work: impl FnOnce()) {
        let (mut work, before) = (Some(work), ALLOCATIONS.get());
        measured(&mut || work.take().into_iter().for_each(|work| work()));
        self.units = units as f64;
        self.allocations = (ALLOCATIONS.get() - before) as f64;
    }
}

/// The name of [`measured`], for callgrind, which counts while it is on the stack.
const MEASURED: &str = "*instructions::measured*";

#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(|_, allocates| {
    // A thread that is ending has no counter any more, and none is asked for.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + u64::from(allocates)));
});

/// The instructions of one piece of work, counted in an OS process of its own.
fn instructions(line: &Line) -> Result<f64, String> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}", std::process::id()));
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--toggle-collect={MEASURED}")])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(own)
        .args(["--do", line.what])
        .output()
        .map_err(|error| {
            format!("valgrind does not start ({error}): install it, or run other benches by --bench NAME")
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} fails under valgrind: {said}", line.what));
    }
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let _ = std::fs::remove_file(&file);
    let total = text.lines().find_map(|text| text.strip_prefix("totals: ")?.trim().parse().ok());
    match total {
        Some(total) if total > 0.0 => Ok(total),
        _ => Err(format!("{}: callgrind has counted nothing; does {MEASURED} still name the function?", line.what)),
    }
}

/// Prints one line of the table; whether it is within its limits.
fn judge(line: &Line) -> Result<bool, String> {
    let mut meter = Meter::default();
    (line.work)(&mut meter);
    let instructions = instructions(line)? / meter.units;
    let allocations = meter.allocations / meter.units;
    let within = instructions <= line.instructions && allocations <= line.allocations;
    println!(
        "{:<30} {instructions:>10.1} {:>10.1} {allocations:>10.2} {:>10.2}  {}",
        line.what,
        line.instructions,
        line.allocations,
        if within { "" } else { "OVER ITS LIMIT" }
    );
    Ok(within)
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--do", what] => {
            let line = LIMITS.iter().find(|line| line.what == what).expect("a line of the table");
            (line.work)(&mut Meter::default());
            ExitCode::SUCCESS
        }
        [] | [_] => {
            println!("{:<30} {:>10} {:>10} {:>10} {:>10}", "each", "instr.", "limit", "alloc.", "limit");
            let chosen = |line: &&Line| arguments.iter().all(|word| line.what.contains(word));
            let judged = LIMITS.iter().filter(chosen).map(judge).collect::<Result<Vec<bool>, String>>();
            match judged {
                Ok(within) if within.iter().all(|within| *within) => ExitCode::SUCCESS,
                Ok(_) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("give no argument, or a word that is in the names of the lines to be counted");
            ExitCode::from(2)
        }
    }
}
