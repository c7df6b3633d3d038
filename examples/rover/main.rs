//! Shows a whole robot: motors at 1000 Hz, pose at 200 Hz, route at 20 Hz, telemetry at 2 Hz, in a real physics engine.
//!
//! ```text
//! cargo run --release --example rover                  # ten seconds in real time
//! cargo run --release --example rover -- --simulated   # ten minutes, as fast as the machine can
//! cargo run --release --example rover -- --heads 4     # control, sensing, planning and camera on a thread each
//! ```

mod robot;

use polycephaly::prelude::*;
use robot::plant::Truth;
use robot::referee::Score;
use robot::trace::Fingerprint;
use robot::{Layout, rover, with_telemetry};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
A rover with two driven wheels that visits its way points, once or again and again.

Usage: rover [options]

  --simulated    run on the simulated clock, as fast as it goes, and print the trace's hash
  --seconds N    how long, in seconds of the rover's time (10; simulated, 600)
  --seed N       seed of all noise (1)
  --heads 1|4    all on one head, or motors, sensors, planner and camera on a head each (1)
  --next-tick    mail and topics are seen only after the instant they were sent at: then any heads give the same hash
  -h, --help     print this

Exit code: 0 when every way point that was due has been visited and no process failed, 1 if not, 2 for bad options.";

/// On the simulated clock telemetry prints in one of so many lives, so once a minute.
const SIMULATED_TELEMETRY: u32 = 120;

struct Options {
    simulated: bool,
    time: Duration,
    seed: u64,
    layout: Layout,
    delivery: Delivery,
}

/// What the command line asks for; `None` is for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut simulated, mut seconds, mut seed) = (false, None, 1);
    let (mut layout, mut delivery) = (Layout::OneHead, Delivery::SameTick);
    let mut parser = lexopt::Parser::from_env();
    while let Some(option) = parser.next()? {
        match option {
            Long("simulated") => simulated = true,
            Long("seconds") => seconds = Some(parser.value()?.parse_with(positive_seconds)?),
            Long("seed") => seed = parser.value()?.parse_with(whole_number)?,
            Long("heads") => layout = parser.value()?.parse_with(one_or_four)?,
            Long("next-tick") => delivery = Delivery::NextTick,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let usual = Duration::from_secs(if simulated { 600 } else { 10 });
    Ok(Some(Options { simulated, time: seconds.unwrap_or(usual), seed, layout, delivery }))
}

fn positive_seconds(text: &str) -> Result<Duration, &'static str> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or("--seconds takes a number above zero, such as 2.5")
}

fn whole_number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "--seed takes a whole number, such as 7")
}

fn one_or_four(text: &str) -> Result<Layout, &'static str> {
    match text {
        "1" => Ok(Layout::OneHead),
        "4" => Ok(Layout::FourHeads),
        _ => Err("--heads takes 1 or 4"),
    }
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
    let rover = rover(options.layout).clock(clock).seed(options.seed).delivery(options.delivery);
    let application = with_telemetry(rover, one_in);
    let mut running = match application.build() {
        Ok(running) => running,
        Err(error) => {
            eprintln!("rover: {error}");
            return ExitCode::from(2);
        }
    };
    running.run_for(options.time);

    let handle = running.handle();
    let score = handle.latest::<Score>().map(|score| *score).unwrap_or_default();
    let (pushes, bumps) = handle.latest::<Truth>().map_or((0, 0), |truth| (truth.pushes, truth.bumps));
    let hash = handle.latest::<Fingerprint>().map_or(0, |fingerprint| fingerprint.0);
    let exit = running.finish();
    println!("\n{}", exit.report());
    println!("{score}; pushed the gate {pushes} times, bumped {bumps} times");
    if options.simulated {
        println!("trace hash {hash:016x}");
    }
    verdict(&exit, score)
}

fn verdict(exit: &Exit, score: Score) -> ExitCode {
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
    if score.missed() > 0 {
        faults.push(format!("{} way points missed", score.missed()));
    }
    if faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("rover: {}", faults.join("; "));
    ExitCode::FAILURE
}
