//! Shows a whole robot: motors at 1000 Hz, pose at 200 Hz, route at 20 Hz, telemetry at 2 Hz, in a real physics engine.
//!
//! ```text
//! cargo run --release --example rover                  # ten seconds in real time
//! cargo run --release --example rover -- --simulated   # ten minutes, as fast as the machine can
//! ```

mod robot;

use polycephaly::prelude::*;
use robot::referee::Referee;
use robot::trace::Trace;
use robot::{Plant, rover, with_telemetry};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
A rover with two driven wheels that visits its way points, once or again and again.

Usage: rover [options]

  --simulated    run on the simulated clock, as fast as it goes, and print the trace's hash
  --seconds N    how long, in seconds of the rover's time (10; simulated, 600)
  --seed N       seed of all noise (1)
  -h, --help     print this

Exit code: 0 when every way point that was due has been visited and no process failed, 1 if not, 2 for bad options.";

/// On the simulated clock telemetry prints in one of so many lives, so once a minute.
const SIMULATED_TELEMETRY: u32 = 120;

struct Options {
    simulated: bool,
    time: Duration,
    seed: u64,
}

/// What the command line asks for; `None` is for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut simulated, mut seconds, mut seed) = (false, None, 1);
    let mut parser = lexopt::Parser::from_env();
    while let Some(option) = parser.next()? {
        match option {
            Long("simulated") => simulated = true,
            Long("seconds") => seconds = Some(parser.value()?.parse_with(positive_seconds)?),
            Long("seed") => seed = parser.value()?.parse_with(whole_number)?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let usual = Duration::from_secs(if simulated { 600 } else { 10 });
    Ok(Some(Options { simulated, time: seconds.unwrap_or(usual), seed }))
}

fn positive_seconds(text: &str) -> Result<Duration, &'static str> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or("--seconds takes a number above zero, such as 2.5")
}

fn whole_number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "--seed takes a whole number, such as 7")
}

fn main() -> ExitCode {
    match options() {
        Ok(Some(options)) => drive(&options),
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("rover: {error}; --help lists the options");
            ExitCode::from(2)
        }
    }
}

fn drive(options: &Options) -> ExitCode {
    // Errors that processes return are logged: onto standard error, so that the progress stays readable.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let (clock, one_in) =
        if options.simulated { (Clock::simulated(), SIMULATED_TELEMETRY) } else { (Clock::real(), 1) };
    let application = with_telemetry(rover(), one_in).clock(clock).seed(options.seed);
    let mut running = match application.build() {
        Ok(running) => running,
        Err(error) => {
            eprintln!("rover: {error}");
            return ExitCode::from(2);
        }
    };
    running.run_for(options.time);

    let referee = running.world().resource::<Referee>().clone();
    let hash = running.world().resource::<Trace>().hash();
    let plant = running.world().resource::<Plant>();
    let (pushes, bumps) = (plant.pushes(), plant.bumps());
    let exit = running.finish();
    println!("\n{}", exit.report());
    println!("{referee}; pushed the gate {pushes} times, bumped {bumps} times");
    if options.simulated {
        println!("trace hash {hash:016x}");
    }
    verdict(&exit, &referee)
}

fn verdict(exit: &Exit, referee: &Referee) -> ExitCode {
    let report = exit.report();
    let failures: u64 = report.processes.iter().map(|process| process.errors + process.panics).sum();
    let systems: u64 = report.systems.iter().map(|system| system.failures).sum();
    let mut faults = Vec::new();
    if !exit.is_success() {
        faults.push(exit.to_string());
    }
    if failures + systems > 0 {
        faults.push(format!("{failures} failures of processes and {systems} of systems"));
    }
    if referee.missed() > 0 {
        faults.push(format!("{} way points missed", referee.missed()));
    }
    if faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("rover: {}", faults.join("; "));
    ExitCode::FAILURE
}
