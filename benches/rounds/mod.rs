//! Rounds of one length in which something is to happen a thousand times a second, and how late it is: measured by one clock,
//! from instants that are exact. Shared with `benches/peers`, so that the peers' rounds stand beside these very ones.

mod figures;
mod ours;

use figures::{Line, verdicts};
use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{Timespec, clock_gettime};
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::time::Duration;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// The names of the yardsticks.
const LOOP: &str = "loop";
const LOOP_FIFO: &str = "loop_fifo";
/// The priority of whatever has one.
const PRIORITY: u8 = 80;

/// Nanoseconds between two ticks.
pub(crate) const PERIOD: u64 = 1_000_000;
/// How long a round takes: two of the hog's ticks.
pub(crate) const ROUND: Duration = Duration::from_secs(2);
/// Ticks of a round.
const TICKS: u64 = 2_000_000_000 / PERIOD;
/// The first ticks are not measured: what they touch is touched for the first time.
const WARM: u64 = 50;
/// Nor are the last ones, as not each way ends at the same instant.
const END: u64 = TICKS - 10;

/// The tick in which a known delay is injected, and the delay.
const INJECTED: (u64, Duration) = (700, Duration::from_micros(5500));

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds that all threads of this program have run.
fn cpu() -> u64 {
    nanos(clock_gettime(ClockId::ProcessCPUTime))
}

fn nanos(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Something happened.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// The number of the tick that it was to happen at.
    pub(crate) tick: u64,
    /// Nanoseconds after the instant at which that was due.
    pub(crate) late: u64,
}

/// What was seen in one round.
pub(crate) struct Round {
    pub(crate) samples: Vec<Sample>,
    /// Nanoseconds by which it fell behind exact beats, if that is known otherwise than by growing lateness.
    pub(crate) drift: Option<i64>,
    /// What it could not get, if anything.
    pub(crate) refused: Option<String>,
}

impl Round {
    pub(crate) fn of(samples: Vec<Sample>) -> Self {
        Self { samples, drift: None, refused: None }
    }

    /// Room for all samples of a round, so that taking one does not allocate.
    pub(crate) fn room() -> Vec<Sample> {
        Vec::with_capacity(TICKS as usize + 100)
    }
}

/// A way to make something happen, for one round.
pub(crate) type Way = fn() -> Round;

/// The yardstick: sleeps until absolute instants, and does nothing else.
fn bare_loop() -> Round {
    sleep_and_do(|_| ())
}

/// The same with real-time priority.
fn bare_loop_fifo() -> Round {
    let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    // On a thread of its own, so that it need not be taken back.
    let thread = std::thread::spawn(move || {
        let priority = ThreadPriority::try_from(PRIORITY).expect("within its range");
        let set = set_thread_priority_and_policy(thread_native_id(), priority, fifo);
        Round { refused: set.err().map(|error| error.to_string()), ..bare_loop() }
    });
    thread.join().expect("nothing there panics")
}

/// What is measured here.
pub(crate) const WAYS: [(&str, Way); 8] = [
    (LOOP, bare_loop),
    (LOOP_FIFO, bare_loop_fifo),
    ours::WAYS[0],
    ours::WAYS[1],
    ours::WAYS[2],
    ours::WAYS[3],
    ours::WAYS[4],
    ours::WAYS[5],
];

/// The same, and something at each tick.
fn sleep_and_do(act: impl Fn(u64)) -> Round {
    set_current_timer_slack(NonZeroU64::new(1)).expect("a slack that anybody may set");
    let (mut samples, epoch, mut tick) = (Round::room(), now() + PERIOD, 0);
    while tick < TICKS {
        let due = epoch + tick * PERIOD;
        let until = Timespec { tv_sec: (due / 1_000_000_000) as i64, tv_nsec: (due % 1_000_000_000) as i64 };
        while clock_nanosleep_absolute(ClockId::Monotonic, &until).is_err() {}
        let woken = now();
        samples.push(Sample { tick, late: woken - due });
        act(tick);
        // What was due by then is left out, as the library does unless told otherwise.
        tick = (tick + 1).max((woken - epoch) / PERIOD + 1);
    }
    set_current_timer_slack(None).expect("a slack that anybody may set");
    Round::of(samples)
}

/// Does all of it, and prints one line for each way, and what is asked of them.
pub(crate) fn run(about: &str, ways: &[(&'static str, Way)]) -> ExitCode {
    let rounds = match rounds() {
        Ok(Some(rounds)) => rounds,
        Ok(None) => {
            println!("{about}\n\n{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mut lines: Vec<Line> = ways.iter().map(|(name, _)| Line::new(name)).collect();
    for round in 0..rounds {
        // There and back, so that what changes meanwhile meets all ways alike.
        let mut order: Vec<usize> = (0..ways.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for way in order {
            let (wall, used) = (now(), cpu());
            let seen = ways[way].1();
            let used = (cpu() - used) as f64 / (now() - wall) as f64;
            lines[way].add(seen, used);
        }
    }
    println!("{}", Line::HEAD);
    lines.iter().for_each(|line| println!("{line}"));
    for line in &lines {
        line.refused().for_each(|refusal| println!("{} was refused: {refusal}", line.name));
    }
    let alive = is_alive(LOOP, &sleep_and_do(delay)) & is_alive(ours::HEAD, &ours::injected());
    verdicts(&lines).iter().for_each(|verdict| println!("{verdict}"));
    if alive { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The known delay.
fn delay(tick: u64) {
    if tick == INJECTED.0 {
        let until = now() + INJECTED.1.as_nanos() as u64;
        while now() < until {}
    }
}

/// Whether a known delay is in the figures: the next tick late by what is left of it, those that were due meanwhile lost.
fn is_alive(name: &'static str, round: &Round) -> bool {
    let (tick, delay) = (INJECTED.0 + 1, INJECTED.1.as_nanos() as u64);
    let wanted = delay - PERIOD;
    let late = round.samples.iter().find(|sample| sample.tick == tick).map_or(0, |sample| sample.late);
    let between = tick + 1..=INJECTED.0 + delay / PERIOD;
    let lost = between.clone().filter(|tick| round.samples.iter().all(|sample| sample.tick != *tick)).count();
    let alive = late >= wanted && lost == between.count();
    let seen = if alive { "seen" } else { "NOT SEEN: the figures are worth nothing" };
    println!(
        "a delay of {:?} injected into {name}: the next tick {} µs late (at least {} wanted), {lost} lost after it: {seen}",
        INJECTED.1,
        late / 1000,
        wanted / 1000
    );
    alive
}

const HELP: &str = "\
Options:
  --seconds N    how long each way is measured in all, in rounds of 2 s, alternating with the others (10)
  -h, --help     print this

Columns: lateness from exact due instants; ticks of which nothing was seen; by how much it fell behind in its worst round; CPU
time of the whole program. Exit code: 0, or 1 when a delay injected on purpose is not in the figures, 2 for bad options.";

/// How many rounds the command line asks for; `None` is for help.
fn rounds() -> Result<Option<u64>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut seconds, mut parser) = (10_u64, lexopt::Parser::from_env());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => seconds = parser.value()?.parse()?,
            Long("bench") => {} // cargo's own
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    match seconds.div_ceil(ROUND.as_secs()) {
        0 => Err("--seconds must be at least 1".into()),
        rounds => Ok(Some(rounds)),
    }
}
