//! Signals by name and by number: what the operating system tells a program.
//!
//! SIGINT (Ctrl-C), SIGTERM, SIGHUP and SIGQUIT end a run in order. A process may [bind](crate::context::Context::on_signal) them, or any
//! other, to a callback that gets the number; the others keep their defaults. After Ctrl-Z or SIGSTOP, groups go on with ticks that are
//! still to come: what they missed is counted as `suspended`, and blames nobody. When the application ends, handlers that were there before
//! are back. Under the simulated clock it listens only if [`signals(true)`](crate::application::Application::signals) says so, and
//! [`ApplicationHandle::signal`](crate::handle::ApplicationHandle::signal) stands in for the system.
//!
//! A SIGINT or SIGQUIT during the end forces it, with the exit code 130 or 131; SIGTERM and SIGHUP don't, as service managers and terminals
//! send them twice. What the program was started to ignore (`nohup`) has no default. Off Unix there is nothing but Ctrl-C.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component)]
//! struct Daemon;
//!
//! impl Process for Daemon {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         Ok(cx.on_signal(["SIGINT"], Self::interrupted)?)
//!     }
//! }
//!
//! impl Daemon {
//!     fn interrupted(&mut self, signal: Signal, cx: &mut Context<Self>) -> Result {
//!         cx.die(format!("{signal}, number {}", signal.number()));
//!         Ok(())
//!     }
//! }
//!
//! let mut running = Application::new().clock(Clock::simulated()).add_main(Daemon, hz(10)).build().unwrap();
//! running.handle().signal(signal_number("int").unwrap().try_into().unwrap());
//! running.run_for(Duration::from_secs(1));
//! assert!(running.finish().cause().to_string().contains("SIGINT, number 2"));
//! ```

use serde::{Serialize, Serializer};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A signal that this system knows.
///
/// ```
/// use polycephaly::signal::{Signal, signal_name, signal_number};
///
/// assert_eq!(signal_name(2), Some("SIGINT"));
/// assert_eq!([signal_number("SIGINT"), signal_number("int"), signal_number("SIGFOO")], [Some(2), Some(2), None]);
/// assert_eq!("Sigterm".parse(), Ok(Signal::TERM));
/// assert_eq!(Signal::try_from(15), Ok(Signal::TERM));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

/// Why a signal can't be named or bound.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// This system has none of this name or number.
    #[error("there is no signal {given:?}; there are {}", names())]
    Unknown {
        /// What was asked for.
        given: String,
    },
    /// No program may bind it, or none can.
    #[error("{signal} can't be bound: {why}")]
    NotBindable {
        /// The signal.
        signal: Signal,
        /// Why not.
        why: &'static str,
    },
    /// The operating system refuses.
    #[error("{signal} can't be bound: the system says {message}")]
    Refused {
        /// The signal.
        signal: Signal,
        /// What the system says.
        message: String,
    },
}

impl From<Infallible> for SignalError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The name of a signal, such as `SIGINT` for 2; `None` when this system has none of this number.
#[must_use]
pub fn signal_name(number: i32) -> Option<&'static str> {
    Some(Signal::try_from(number).ok()?.name())
}

/// The number of a signal, by its name in any case, with or without `SIG`.
#[must_use]
pub fn signal_number(name: &str) -> Option<i32> {
    Some(name.parse::<Signal>().ok()?.0)
}

impl Signal {
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// The polite request to end: what `kill` sends unless told otherwise.
    pub const TERM: Self = Self(15);

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its name, such as `SIGINT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(number, _)| *number == self.0).map_or("SIG?", |(_, name)| name)
    }

    /// All that this system has, each once, by number.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = TABLE.iter().map(|(number, _)| Self(*number)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a program can bind it.
    ///
    /// # Errors
    /// [`SignalError::NotBindable`], with the reason.
    pub fn bindable(self) -> Result<Self, SignalError> {
        match os::obstacle(self.0) {
            Some(why) => Err(SignalError::NotBindable { signal: self, why }),
            None => Ok(self),
        }
    }
}

/// Those with a default of the library's, and those for users.
#[cfg(unix)]
impl Signal {
    /// The terminal has gone.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// Ctrl-\\.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// Ctrl-Z.
    pub const TSTP: Self = Self(libc::SIGTSTP);
    /// Go on after a stop.
    pub const CONT: Self = Self(libc::SIGCONT);
    /// Means what the program likes.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// Means what the program likes.
    pub const USR2: Self = Self(libc::SIGUSR2);
}

impl TryFrom<i32> for Signal {
    type Error = SignalError;

    fn try_from(number: i32) -> Result<Self, SignalError> {
        let known = TABLE.iter().any(|(known, _)| *known == number);
        if known { Ok(Self(number)) } else { Err(SignalError::Unknown { given: number.to_string() }) }
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let wanted = text.trim();
        let found =
            TABLE.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted) || name[3..].eq_ignore_ascii_case(wanted));
        found.map(|(number, _)| Self(*number)).ok_or_else(|| SignalError::Unknown { given: text.to_owned() })
    }
}

impl TryFrom<&str> for Signal {
    type Error = SignalError;

    fn try_from(text: &str) -> Result<Self, SignalError> {
        text.parse()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// As its name.
impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Numbers and names; of one number with two names, the usual one first.
static TABLE: LazyLock<Vec<(i32, String)>> = LazyLock::new(os::table);

fn names() -> String {
    Signal::all().into_iter().map(Signal::name).collect::<Vec<_>>().join(", ")
}

#[cfg(unix)]
mod os {
    /// `(number, name)` of constants of the system's library.
    macro_rules! signals {
        ($($name:ident)+) => { vec![$((libc::$name, stringify!($name).to_owned())),+] };
    }

    pub(super) fn table() -> Vec<(i32, String)> {
        let mut table = signals!(
            SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM
            SIGTERM SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH
            SIGIO SIGSYS
        );
        table.push((libc::SIGABRT, "SIGIOT".into()));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            table.extend(signals!(SIGSTKFLT SIGPWR));
            table.extend([(libc::SIGIO, "SIGPOLL".into()), (libc::SIGCHLD, "SIGCLD".into())]);
            let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
            table.push((first, "SIGRTMIN".into()));
            table.extend((first + 1..last).map(|number| (number, format!("SIGRTMIN+{}", number - first))));
            table.push((last, "SIGRTMAX".into()));
        }
        #[cfg(target_vendor = "apple")]
        table.extend(signals!(SIGEMT SIGINFO));
        table
    }

    /// Why a signal can't be bound.
    pub(super) fn obstacle(number: i32) -> Option<&'static str> {
        match number {
            libc::SIGKILL | libc::SIGSTOP => Some("the system lets no program have it"),
            libc::SIGSEGV
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGILL
            | libc::SIGTRAP
            | libc::SIGABRT
            | libc::SIGSYS => Some("it tells of a fault, after which the program can't go on"),
            _ => None,
        }
    }
}

#[cfg(not(unix))]
mod os {
    /// Those of the C standard, by the numbers that Windows gives them.
    pub(super) fn table() -> Vec<(i32, String)> {
        [
            (2, "SIGINT"),
            (4, "SIGILL"),
            (8, "SIGFPE"),
            (11, "SIGSEGV"),
            (15, "SIGTERM"),
            (21, "SIGBREAK"),
            (22, "SIGABRT"),
        ]
        .map(|(number, name)| (number, name.to_owned()))
        .into()
    }

    pub(super) fn obstacle(number: i32) -> Option<&'static str> {
        (number != super::Signal::INT.0).then_some("this system tells programs of nothing but SIGINT (Ctrl-C)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_there_and_back() {
        for signal in Signal::all() {
            assert_eq!(signal.name().parse(), Ok(signal));
            assert_eq!(signal.name()[3..].to_lowercase().parse(), Ok(signal));
            assert_eq!(Signal::try_from(signal.number()), Ok(signal));
        }
        let error = "SIGFOO".parse::<Signal>().unwrap_err().to_string();
        assert!(error.starts_with("there is no signal \"SIGFOO\"; there are "), "{error}");
        assert!(error.contains("SIGINT") && Signal::try_from(0).is_err() && "".parse::<Signal>().is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_table_is_that_of_the_manual() {
        let numbers: Vec<i32> = Signal::all().into_iter().map(Signal::number).collect();
        assert_eq!(numbers, (1..32).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()).collect::<Vec<_>>());
        let some = [1, 2, 3, 9, 10, 12, 15, 18, 19, 20].map(|number| signal_name(number).unwrap());
        assert_eq!(
            some,
            ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "TSTP"]
                .map(|it| signal_name(signal_number(it).unwrap()).unwrap())
        );
        assert_eq!(some.concat(), "SIGHUPSIGINTSIGQUITSIGKILLSIGUSR1SIGUSR2SIGTERMSIGCONTSIGSTOPSIGTSTP");
        assert_eq!((signal_number("poll"), signal_name(29)), (Some(29), Some("SIGIO")));
        assert_eq!(signal_number("rtmin+3"), Some(libc::SIGRTMIN() + 3));
    }

    #[test]
    #[cfg(unix)]
    fn what_can_not_be_bound_says_why() {
        let why = |name: &str| name.parse::<Signal>().unwrap().bindable().unwrap_err().to_string();
        assert_eq!(why("KILL"), "SIGKILL can't be bound: the system lets no program have it");
        assert!(why("SEGV").contains("a fault"));
        assert_eq!(Signal::USR1.bindable(), Ok(Signal::USR1));
    }
}
