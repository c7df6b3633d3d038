//! Why a process or the whole application ended.

use crate::signal::Signal;
use serde::Serialize;
use std::any::Any;
use std::fmt;

/// Why a process died, or why the application ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The process said so itself, by [`die`](crate::context::Context::die).
    Died {
        /// Who.
        process: String,
        /// Its reason.
        reason: String,
    },
    /// Somebody asked for an orderly end, of one process or of the application.
    Stopped {
        /// Who asked: a process, or `application` for a handle.
        by: String,
        /// The reason given.
        reason: String,
    },
    /// The e-brake was pulled.
    Ebrake {
        /// Who pulled it first: a process, a frequency group, or `application` for a handle.
        culprit: String,
        /// The reason given.
        reason: String,
    },
    /// A birth, life or callback panicked; what it had half changed is not trusted.
    Panicked {
        /// Who.
        process: String,
        /// The panic's message.
        message: String,
    },
    /// A birth, life or callback returned an error, and the process's supervision does not let it live on.
    Failed {
        /// Who.
        process: String,
        /// Which of its hooks.
        hook: String,
        /// The error.
        message: String,
    },
    /// It failed again and again, and restarting it did not help.
    GivenUp {
        /// Who.
        process: String,
        /// How often it was born again before.
        restarts: u64,
        /// What it failed of last.
        last: Box<Cause>,
    },
    /// It depends on a process that is born again, and goes along.
    WithDependency {
        /// On whom.
        dependency: String,
    },
    /// The main process has died, so the application ends.
    MainDied {
        /// Why main died.
        because: Box<Cause>,
    },
    /// The last process has died and there is no main.
    AllDied,
    /// The time given to [`run_for`](crate::application::Application::run_for) is over.
    TimeUp,
    /// Nothing is left that could ever be due.
    Idle,
    /// Ctrl-C, or another signal that tells a program to end.
    Interrupted {
        /// Which. In JSON, its name.
        signal: Signal,
    },
    /// The entity was despawned, or lost its process component.
    Despawned,
    /// The [`Running`](crate::running::Running) application was dropped.
    Dropped,
    /// The application never ran: its builder had these faults.
    NotStarted {
        /// All of them.
        faults: Vec<String>,
    },
}

impl Cause {
    /// The signal that was at the bottom of it, where one was.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        match self {
            Self::Interrupted { signal } => Some(*signal),
            Self::MainDied { because } => because.signal(),
            _ => None,
        }
    }

    /// Whether this is an end that a user would call a failure: the e-brake, an error or a panic that ended main, or faults
    /// of the builder.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Ebrake { .. } | Self::NotStarted { .. } => true,
            Self::Panicked { .. } | Self::Failed { .. } | Self::GivenUp { .. } => true,
            Self::MainDied { because } => because.is_failure(),
            _ => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { process, reason } => write!(f, "{process:?} died: {reason}"),
            Self::Stopped { by, reason } => write!(f, "stopped by {by:?}: {reason}"),
            Self::Ebrake { culprit, reason } => write!(f, "e-brake pulled by {culprit:?}: {reason}"),
            Self::Panicked { process, message } => write!(f, "{process:?} panicked: {message}"),
            Self::Failed { process, hook, message } => write!(f, "{process:?} failed in its {hook}: {message}"),
            Self::GivenUp { process, restarts, last } => {
                write!(f, "{process:?} was given up after {restarts} restart(s), last because {last}")
            }
            Self::WithDependency { dependency } => write!(f, "{dependency:?}, which it depends on, is born again"),
            Self::MainDied { because } => write!(f, "the main process ended ({because})"),
            Self::AllDied => f.write_str("the last process has died"),
            Self::TimeUp => f.write_str("the time to run is over"),
            Self::Idle => f.write_str("nothing is left to run"),
            Self::Interrupted { signal } => write!(f, "interrupted by {signal}"),
            Self::Despawned => f.write_str("its entity was despawned or lost its process component"),
            Self::Dropped => f.write_str("the running application was dropped"),
            Self::NotStarted { faults } => {
                write!(f, "not started, {} fault(s):", faults.len())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
            }
        }
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}
