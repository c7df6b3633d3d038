//! Runs a part of a test in an OS process of its own, with a kill timer: for what ends or hangs the whole program.

use std::env;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Says in the child what it is to do.
const KIND: &str = "POLYCEPHALY_TEST_CHILD";
/// After this, a child is killed and its test has failed.
const KILL: Duration = Duration::from_secs(60);

/// In the child: what it is to do. The test that calls this does nothing otherwise.
pub(crate) fn kind() -> Option<String> {
    env::var(KIND).ok()
}

/// What became of a child.
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Starts the test `name` of this very test program as a child.
pub(crate) fn start(name: &str, kind: &str, more: &[(&str, &str)]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(KIND, kind)
        .envs(more.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for its end, or kills it.
pub(crate) fn wait(mut child: Child) -> Outcome {
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |pipe: &mut dyn Read| {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let err = scope.spawn(move || read(&mut err));
        let out = scope.spawn(move || read(&mut out));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > KILL {
                child.kill().unwrap();
                panic!("the child hung: {}", err.join().unwrap());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Outcome { status, out: out.join().unwrap(), err: err.join().unwrap() }
    })
}

pub(crate) fn run(name: &str, kind: &str) -> Outcome {
    wait(start(name, kind, &[]))
}
