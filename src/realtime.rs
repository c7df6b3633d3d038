//! Real-time settings of a head's thread: what it asks of the operating system.
//!
//! They are asked for by head: a SCHED_FIFO or SCHED_RR priority, CPUs to run on, locked memory, a stack touched beforehand, spinning for the
//! last microseconds before each deadline. What the system refuses is logged, and `refused` in the report; under
//! [`strict`](RealTime::strict) the application does not start, and the fault says which right is missing and how to give it. Child threads
//! do not inherit it, and the thread that runs the application gets its own settings back.
//!
//! All of it is there on Linux; on macOS (not tested) priorities, a touched stack and spinning; elsewhere the last two. A priority needs
//! CAP_SYS_NICE or RLIMIT_RTPRIO, locked memory CAP_IPC_LOCK or RLIMIT_MEMLOCK. Linux keeps 50 ms of each second for ordinary threads
//! (`kernel.sched_rt_runtime_us`): spin for less than a period, or ticks are late then. `cargo bench --bench jitter` measures how late such
//! heads wake up, beside a bare loop on the same machine.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component)]
//! struct Motor;
//! impl Process for Motor {}
//!
//! let sharp = RealTime::new().fifo(80).cpus([0]).lock_memory().spin(Duration::from_micros(50));
//! let app = Application::new().add_head(Head::new("control").realtime(sharp).add_process(Motor, hz(1000)));
//! let exit = app.run_for(Duration::from_millis(20));
//! let control = &exit.report().heads[1];
//! println!("got {:?}, and not {:?}", control.realtime, control.refused);
//! ```

mod grant;
mod os;

use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) use grant::{Civil, Grant, Room};

/// More would not be a wait for a deadline, but a thread that never sleeps.
const LONGEST: Duration = Duration::from_secs(1);
/// What of a stack can be touched beforehand.
const LARGEST_STACK: usize = 64 << 20;

/// What a head's thread asks of the operating system: sharp timers alone, unless set. Give it to
/// [`Head::realtime`](crate::head::Head::realtime), or for the main head to
/// [`Application::realtime`](crate::application::Application::realtime).
///
/// The head's thread gets it before its processes are born. What can't be had is logged and shown in the report, or under
/// [`strict`](Self::strict) a fault of the builder. Child threads do not inherit it. Under the simulated clock nothing of
/// this is done, as heads have no threads there.
///
/// ```
/// use polycephaly::prelude::*;
///
/// let control = Head::new("control").realtime(
///     RealTime::new().fifo(80).cpus([0]).lock_memory().prefault_stack(256 << 10).spin(Duration::from_micros(30)),
/// );
/// assert!(RealTime::new().fifo(100).check().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct RealTime {
    policy: Option<(Policy, u8)>,
    cpus: Option<BTreeSet<usize>>,
    locks_memory: bool,
    stack: Option<usize>,
    spin: Duration,
    slack: Option<Duration>,
    strict: bool,
}

/// How the system chooses among threads that could run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Policy {
    Fifo,
    RoundRobin,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Self::Fifo => "SCHED_FIFO",
            Self::RoundRobin => "SCHED_RR",
        }
    }
}

/// What no head can run with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RealTimeError {
    /// A priority out of range.
    #[error("a real-time priority must be from 1 to 99, not {given}: 80 leaves room for the system's own threads")]
    Priority {
        /// The one asked for.
        given: u8,
    },
    /// A set without a CPU.
    #[error("a head can't run on no CPU at all: name some, or leave it to the system by not asking")]
    NoCpu,
    /// A CPU that this machine has not.
    #[error("there is no CPU {given} to run on; online are {online}")]
    UnknownCpu {
        /// The one asked for.
        given: usize,
        /// Those that there are, such as `0-3`.
        online: String,
    },
    /// A spin that is too long.
    #[error("a head can't spin for {given:?} before each deadline: 1 s is the limit, 20 to 100 µs are usual")]
    Spin {
        /// The one asked for.
        given: Duration,
    },
    /// A timer slack out of range.
    #[error("a timer slack must be from 1 ns to 1 s, not {given:?}")]
    TimerSlack {
        /// The one asked for.
        given: Duration,
    },
    /// A stack out of range.
    #[error("of a stack 1 byte to {limit} can be touched beforehand, not {given}")]
    Stack {
        /// Bytes asked for.
        given: usize,
        /// The most that there may be.
        limit: usize,
    },
    /// What the system does not give a [`strict`](RealTime::strict) head.
    #[error("{}", .refusals.join("; "))]
    Refused {
        /// Each with the reason, and the way out.
        refusals: Vec<String>,
    },
}

impl RealTime {
    /// Asks for nothing but sharp timers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Real-time priority, 1 to 99, under SCHED_FIFO: runs before all threads of a lower priority and all ordinary ones,
    /// until it sleeps. Needs a right.
    pub fn fifo(mut self, priority: u8) -> Self {
        self.policy = Some((Policy::Fifo, priority));
        self
    }

    /// The same under SCHED_RR: takes turns with threads of equal priority.
    pub fn round_robin(mut self, priority: u8) -> Self {
        self.policy = Some((Policy::RoundRobin, priority));
        self
    }

    /// The CPUs that it may run on, counted from 0.
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// Locks all memory of the OS process, present and future, so that no access to it waits for a disk. It stays locked
    /// until the OS process ends, and every later thread gets the whole of its stack at once. Needs a right.
    pub fn lock_memory(mut self) -> Self {
        self.locks_memory = true;
        self
    }

    /// Touches so many bytes of the stack before the start, at most 64 MiB, so that no page of it is missing later. The
    /// thread of a head gets a stack that is large enough; the one that runs the application has the stack it has.
    pub fn prefault_stack(mut self, bytes: usize) -> Self {
        self.stack = Some(bytes);
        self
    }

    /// Sleeps until so long before each deadline, then looks at the clock without sleeping: costs that much of a CPU per
    /// tick, and leaves out the system's time for waking up. At most 1 s, 20 to 100 µs are usual.
    pub fn spin(mut self, time: Duration) -> Self {
        self.spin = time;
        self
    }

    /// By how much the system may delay wake-ups to save power: 1 ns unless set, as for every head. Threads with a
    /// real-time priority are never delayed.
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.slack = Some(slack);
        self
    }

    /// What can't be had is a fault: the application is not started, and says what right is missing and how to give it.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Whether this could be asked of this machine; not whether it would give it. The builder does the same.
    ///
    /// # Errors
    /// [`RealTimeError`] for values out of range, and for a CPU that is not there.
    pub fn check(&self) -> Result<(), RealTimeError> {
        self.check_values()?;
        match (os::online_cpus(), &self.cpus) {
            (Some(online), Some(cpus)) => match cpus.iter().find(|cpu| !online.contains(**cpu)) {
                Some(&given) => Err(RealTimeError::UnknownCpu { given, online: online.to_string() }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What can be told without a look at the machine.
    pub(crate) fn check_values(&self) -> Result<(), RealTimeError> {
        match (self.policy, self.slack, self.stack) {
            (Some((_, given)), ..) if !(1..=99).contains(&given) => Err(RealTimeError::Priority { given }),
            (_, Some(given), _) if given.is_zero() || given > LONGEST => Err(RealTimeError::TimerSlack { given }),
            (.., Some(given)) if given == 0 || given > LARGEST_STACK => {
                Err(RealTimeError::Stack { given, limit: LARGEST_STACK })
            }
            _ if self.spin > LONGEST => Err(RealTimeError::Spin { given: self.spin }),
            _ if self.cpus.as_ref().is_some_and(BTreeSet::is_empty) => Err(RealTimeError::NoCpu),
            _ => Ok(()),
        }
    }

    /// How much stack its thread must have beside what it needs anyway.
    pub(crate) fn stack(&self) -> usize {
        self.stack.unwrap_or(0)
    }
}

/// Numbers as the system writes them: `0-3,6`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    #[cfg(any(test, target_os = "linux"))]
    fn read(text: &str) -> Option<Self> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        text.trim().split(',').map(range).collect::<Option<_>>().map(Self)
    }

    fn of(numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        Self(ranges)
    }

    fn contains(&self, number: usize) -> bool {
        self.0.iter().any(|&(first, last)| (first..=last).contains(&number))
    }
}

impl std::fmt::Display for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_told() {
        let told = |realtime: RealTime| realtime.check_values().unwrap_err().to_string();
        assert!(told(RealTime::new().fifo(0)).contains("from 1 to 99, not 0"));
        assert!(told(RealTime::new().round_robin(100)).contains("from 1 to 99, not 100"));
        assert!(told(RealTime::new().cpus([])).contains("no CPU at all"));
        assert!(told(RealTime::new().spin(Duration::from_nanos(1_000_000_001))).contains("1 s is the limit"));
        assert!(told(RealTime::new().timer_slack(Duration::ZERO)).contains("from 1 ns to 1 s, not 0ns"));
        assert!(told(RealTime::new().timer_slack(Duration::from_secs(2))).contains("not 2s"));
        assert!(told(RealTime::new().prefault_stack(0)).contains("not 0"));
        assert!(told(RealTime::new().prefault_stack((64 << 20) + 1)).contains("67108864 can be touched"));
        for priority in [1, 99] {
            let most = RealTime::new().fifo(priority).cpus([0]).spin(LONGEST).timer_slack(LONGEST);
            assert_eq!(most.prefault_stack(64 << 20).check_values(), Ok(()));
        }
    }

    #[test]
    fn ranges_are_read_and_written() {
        for text in ["0", "0-3", "0-3,6", "0,2-3,5-7"] {
            let ranges = Ranges::read(&format!("{text}\n")).unwrap();
            assert_eq!(ranges.to_string(), text);
            assert_eq!(Ranges::of((0..20).filter(|&number| ranges.contains(number))), ranges);
        }
        assert_eq!(Ranges::read(""), None);
        assert_eq!(Ranges::read("0-x"), None);
    }
}
