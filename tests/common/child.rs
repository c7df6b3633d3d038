//! Runs a part of a test in an OS process of its own, with a kill timer: for what ends or hangs the whole program.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
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
        .stdin(Stdio::piped())
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

/// A child that is talked with: it says lines, and gets lines and signals.
pub(crate) struct Talk {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    /// What it has said and nobody has expected yet.
    open: Vec<String>,
}

impl Talk {
    /// Takes over a child that [`start`] or a shell has started, with all pipes open.
    pub(crate) fn with(mut child: Child) -> Self {
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take());
        let (send, lines) = channel();
        let read = |pipe: Box<dyn Read + Send>, send: Sender<String>| {
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
            })
        };
        if let Some(err) = err {
            read(Box::new(err), send.clone());
        }
        read(Box::new(out), send);
        Self { child, lines, said: Vec::new(), open: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that says so, unless there is one that nobody has expected yet: lines of the two pipes come in any
    /// order. The end of the output is a failure, and so is silence.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.open.iter().position(|line| line.contains(text)) {
                return self.open.remove(at);
            }
            let Ok(line) = self.lines.recv_timeout(KILL) else { panic!("never said {text:?}: {:#?}", self.said) };
            self.said.push(line.clone());
            self.open.push(line);
        }
    }

    /// Writes a line to it.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends it a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`: there is not everywhere a program of that name.
        let kill = format!("kill -{name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until something of it in `/proc` is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, file: &str, so: impl Fn(&str) -> bool) {
        let (path, started) = (format!("/proc/{}/{file}", self.pid()), Instant::now());
        while !so(&std::fs::read_to_string(&path).unwrap()) {
            assert!(started.elapsed() < KILL, "{path} never was as it should: {:#?}", self.said);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its end, and all that it has said, in any order of the two pipes.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        while let Ok(line) = self.lines.recv_timeout(KILL) {
            self.said.push(line);
        }
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, std::mem::take(&mut self.said));
            }
            assert!(started.elapsed() < KILL, "it never ended: {:#?}", self.said);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // A test that has failed leaves nobody behind; of one that has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
