//! The word to the service manager that started this program: systemd's `sd_notify` protocol (`man 3 sd_notify`).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// The line to the service manager, where there is one.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    /// How often it wants to hear that all is well: half of what it tolerates.
    pub(crate) interval: Option<Duration>,
    told_end: AtomicBool,
}

impl ServiceManager {
    /// `None` when no service manager has started this program.
    pub(crate) fn find() -> Option<Self> {
        let interval = os::tolerance()?.map(|tolerance| tolerance / 2);
        Some(Self { interval, told_end: AtomicBool::new(false) })
    }

    /// The start is over.
    pub(crate) fn ready(&self, status: &str) {
        os::tell(os::Word::Ready, status);
    }

    /// The end has begun; said once.
    pub(crate) fn stopping(&self, status: &str) {
        if !self.told_end.swap(true, Relaxed) {
            os::tell(os::Word::Stopping, status);
        }
    }

    /// All is well.
    pub(crate) fn alive(&self) {
        os::tell(os::Word::Alive, "");
    }

    /// Something that people should know.
    pub(crate) fn status(&self, status: &str) {
        os::tell(os::Word::Status, status);
    }
}

#[cfg(target_os = "linux")]
mod os {
    use sd_notify::NotifyState;
    use std::time::Duration;

    pub(super) enum Word {
        Ready,
        Stopping,
        Alive,
        Status,
    }

    /// The outer `None`: nobody listens. The inner one: nobody wants to hear regularly.
    pub(super) fn tolerance() -> Option<Option<Duration>> {
        std::env::var_os("NOTIFY_SOCKET")?;
        Some(sd_notify::watchdog_enabled())
    }

    pub(super) fn tell(word: Word, status: &str) {
        let status = NotifyState::Status(status);
        let told = match word {
            Word::Ready => sd_notify::notify(&[NotifyState::Ready, status]),
            Word::Stopping => sd_notify::notify(&[NotifyState::Stopping, status]),
            Word::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            Word::Status => sd_notify::notify(&[status]),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the service manager can't be told");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use std::time::Duration;

    pub(super) enum Word {
        Ready,
        Stopping,
        Alive,
        Status,
    }

    pub(super) fn tolerance() -> Option<Option<Duration>> {
        None
    }

    pub(super) fn tell(_: Word, _: &str) {}
}
