//! How threads are scheduled, and what this program may do about it.

use super::Script;
use polycephaly::prelude::*;
use rustix::process::getpriority_process;
use std::fs;
use std::sync::mpsc::{Receiver, channel};

/// How the present thread is scheduled, as the system tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rank {
    pub(crate) cpus: String,
    /// 0 is the ordinary one, 1 SCHED_FIFO, 2 SCHED_RR.
    pub(crate) policy: u64,
    pub(crate) priority: u64,
    pub(crate) nice: i32,
}

pub(crate) fn status(of: &str, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{of}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

/// A field of `/proc/thread-self/stat`, numbered as in its manual.
pub(crate) fn stat(field: usize) -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(field - 3).unwrap().parse().unwrap()
}

impl Rank {
    pub(crate) fn now() -> Self {
        let nice = getpriority_process(None).unwrap();
        Self { cpus: status("thread-self", "Cpus_allowed_list"), policy: stat(41), priority: stat(40), nice }
    }
}

/// Whether this program may do that; else says that a part is left out.
pub(crate) fn has_capability(number: u32, name: &str) -> bool {
    let held = u64::from_str_radix(&status("thread-self", "CapEff"), 16).unwrap();
    let has = held >> number & 1 == 1;
    if !has {
        println!("left out: this program has not the capability {name}");
    }
    has
}

pub(crate) fn may_set_priority() -> bool {
    has_capability(23, "CAP_SYS_NICE")
}

/// What the present thread is like at its first life, and then the application ends.
pub(crate) fn look<T: Send + 'static>(of: impl Fn() -> T + Send + Sync + 'static) -> (Script, Receiver<T>) {
    let (tell, told) = channel();
    let script = Script::new().life(move |cx| {
        let _ = tell.send(of()); // It may live once more before the end.
        cx.stop_application("seen");
        Ok(())
    });
    (script, told)
}

pub(crate) fn real() -> Application {
    Application::new().signals(false)
}
