//! Shows why one would want two heads: a control loop at 1 kHz beside a hog that blocks, first on one head, then on two.
//! Ends by itself.
//!
//! ```text
//! cargo run --release --example two_heads -- --seconds 5
//! ```

use polycephaly::prelude::*;
use std::process::ExitCode;

const HELP: &str = "\
Runs a control loop at 1000 Hz beside a process that blocks its head for 50 ms each second: on one head, then on two.

Usage: two_heads [--seconds N]

  --seconds N    how long each of the two runs takes (3)
  -h, --help     print this";

/// Lives in no time.
#[derive(Component, Default)]
struct Control {
    position: f64,
}

impl Process for Control {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.position += cx.dt().as_secs_f64();
        Ok(())
    }
}

/// Talks to something slow, and waits for it.
#[derive(Component)]
struct Hog;

impl Process for Hog {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    }
}

fn options() -> Result<Option<Duration>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut time = Duration::from_secs(3);
    let mut parser = lexopt::Parser::from_env();
    while let Some(option) = parser.next()? {
        match option {
            Long("seconds") => time = parser.value()?.parse_with(positive_seconds)?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(time))
}

fn positive_seconds(text: &str) -> Result<Duration, &'static str> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or("--seconds takes a number above zero, such as 2.5")
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let time = match options() {
        Ok(Some(time)) => time,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("two_heads: {error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    let application = || Application::new().add_process(Control::default(), (hz(1000), Name::new("control")));

    println!("On one head:");
    let shared = application().add_process(Hog, (hz(1), Name::new("hog"))).run_for(time);
    println!("{}", shared.report());

    println!("On two heads:");
    let apart = application().add_head(Head::new("slow").add_process(Hog, (hz(1), Name::new("hog")))).run_for(time);
    println!("{}", apart.report());

    let lost = |exit: &Exit| exit.report().group("1000 Hz").map_or(0, |group| group.dropped);
    println!("Ticks of the control loop that were lost: {} on one head, {} on two.", lost(&shared), lost(&apart));
    if shared.is_success() && apart.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
