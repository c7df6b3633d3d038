//! How a run ended: for people, for tests, and for the shell.
//!
//! | exit code | when |
//! |---|---|
//! | 0 | an orderly end |
//! | 1 | the e-brake, a panic of the main process, or something that did not end in time |
//! | 2 | the builder found faults: all of them are listed |
//! | 3 | the end hung for longer than [`shutdown_timeout`](crate::application::Application::shutdown_timeout) |
//! | 130, 131 | a SIGINT or SIGQUIT during the end has forced it |

use crate::cause::Cause;
use crate::control::End;
use crate::report::Report;
use std::fmt;
use std::process::{ExitCode, Termination};

/// The result of a run: why it ended, and how it went. Returned from `main`, it becomes the exit code: 0 for an orderly
/// end, 1 for a failure (the e-brake, a panic of the main process, something that did not end in time), 2 when the
/// application could not be started. A failure is also told on standard error. (3 is the code of a program that its
/// watchdog had to end: see [`shutdown_timeout`](crate::application::Application::shutdown_timeout).)
#[derive(Clone, Debug)]
#[must_use]
pub struct Exit {
    cause: Cause,
    further: Vec<Cause>,
    more: u64,
    report: Report,
}

impl Exit {
    pub(crate) fn new(end: End, report: Report) -> Self {
        Self { cause: end.cause.unwrap_or(Cause::Idle), further: end.further, more: end.more, report }
    }

    pub(crate) fn not_started(faults: Vec<String>) -> Self {
        Self { cause: Cause::NotStarted { faults }, further: Vec::new(), more: 0, report: Report::default() }
    }

    /// What ended the run: the first cause, or the e-brake if it was pulled.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What else asked for the end after that: at most 16; [`more`](Self::more) counts the rest.
    #[must_use]
    pub fn further(&self) -> &[Cause] {
        &self.further
    }

    /// How many causes are not listed.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Whether it ended as it should, and in time.
    #[must_use]
    pub fn is_success(&self) -> bool {
        !self.cause.is_failure() && self.report.overdue.is_empty()
    }

    /// How it went.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// For tests: panics, with the report, unless it ended as it should and nothing failed on the way.
    ///
    /// # Panics
    /// When the end was a failure, or [`Report::failures`] is not 0.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_success() && self.report.failures() == 0, "not a clean run: {self}\n{}", self.report);
    }

    /// The number that the shell gets to see.
    #[must_use]
    pub fn code(&self) -> u8 {
        match &self.cause {
            Cause::NotStarted { .. } => 2,
            _ if self.is_success() => 0,
            _ => 1,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        for cause in &self.further {
            write!(f, "\n  then {cause}")?;
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        for name in &self.report.overdue {
            write!(f, "\n  {name} took longer than it may")?;
        }
        Ok(())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        if !self.is_success() {
            eprintln!("{self}");
        }
        ExitCode::from(self.code())
    }
}
