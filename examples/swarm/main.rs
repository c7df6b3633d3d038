//! Shows how far it scales: a million processes on one head, and what they take of it.
//!
//! ```text
//! cargo run --release --example swarm -- --processes 1000000 --hz 100 --seconds 10 --mail
//! ```

mod mote;

use mote::{Writing, swarm};
use polycephaly::prelude::*;
use std::process::ExitCode;

const HELP: &str = "\
Runs many processes of one type on one head, and tells what they take of the machine.

Usage: swarm [options]

  --processes N   how many, from 1 to 10000000 (100000)
  --hz F          how often each lives, in hertz (100)
  --seconds N     for how long (5)
  --mail          each writes to its neighbour every tenth tick, and so do those beside it
  --scattered     the same, but of each ten neighbours, one writes in a tick
  --anywhere      the same, but each writes to one anywhere, not to its neighbour
  -h, --help      print this";

struct Options {
    processes: u32,
    frequency: Frequency,
    time: Duration,
    writing: Writing,
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options =
        Options { processes: 100_000, frequency: hz(100), time: Duration::from_secs(5), writing: Writing::Nothing };
    let mut parser = lexopt::Parser::from_env();
    while let Some(option) = parser.next()? {
        match option {
            Long("processes") => options.processes = parser.value()?.parse_with(population)?,
            Long("hz") => options.frequency = parser.value()?.parse()?,
            Long("seconds") => options.time = parser.value()?.parse_with(positive_seconds)?,
            // Beside one of the next two, it says no more than they do.
            Long("mail") if options.writing != Writing::Nothing => {}
            Long("mail") => options.writing = Writing::SideBySide,
            Long("scattered") => options.writing = Writing::Scattered,
            Long("anywhere") => options.writing = Writing::Anywhere,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn population(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=10_000_000).contains(number));
    number.ok_or("--processes takes a whole number from 1 to 10000000")
}

fn positive_seconds(text: &str) -> Result<Duration, &'static str> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or("--seconds takes a number above zero, such as 2.5")
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::WARN).init();
    match options() {
        Ok(Some(options)) => fly(&options),
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("swarm: {error}; --help lists the options");
            ExitCode::from(2)
        }
    }
}

fn fly(options: &Options) -> ExitCode {
    let before = used();
    let application = swarm(Application::new(), options.processes, options.frequency, options.writing);
    let mut running = application.build().expect("a sound application");
    let born = used();
    running.run_for(options.time);
    let after = used();
    let exit = running.finish();

    let (report, seconds) = (exit.report(), options.time.as_secs_f64());
    let lives = report.forgotten.lives + report.processes.iter().map(|process| process.lives).sum::<u64>();
    let asked = f64::from(options.processes) * options.frequency.as_f64();
    println!("lives:         {:.0} a second, of {asked:.0} asked", lives as f64 / seconds);
    println!("dropped ticks: {}", report.groups.iter().map(|group| group.dropped).sum::<u64>());
    if let [Some(before), Some(born), Some(after)] = [before, born, after] {
        println!("CPU:           {:.3} of a core", (after.cpu - born.cpu) / seconds);
        let grown = after.resident.saturating_sub(before.resident) / u64::from(options.processes);
        println!("memory:        {grown} bytes a process, by what became resident");
    }
    if exit.is_success() && report.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What this program has taken so far.
struct Used {
    /// Seconds of all its threads.
    cpu: f64,
    /// Bytes.
    resident: u64,
}

#[cfg(target_os = "linux")]
fn used() -> Option<Used> {
    use procfs::WithCurrentSystemInfo;
    let stat = procfs::process::Process::myself().and_then(|myself| myself.stat()).ok()?;
    let cpu = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
    Some(Used { cpu, resident: stat.rss_bytes().get() })
}

/// Other systems tell it in other ways.
#[cfg(not(target_os = "linux"))]
fn used() -> Option<Used> {
    None
}
