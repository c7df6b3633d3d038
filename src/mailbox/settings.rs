//! What a process may ask of its mailbox.

use bevy_ecs::component::Component;
use std::num::NonZeroU32;
use std::time::Duration;

/// How many mails may wait for a process: 50 unless said otherwise. Urgent mail is never counted, answers are counted but
/// never refused.
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug)]
#[component(immutable)]
pub struct MailboxSize(pub u32);

/// A mailbox must have room for a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a mailbox of size 0 could hold no mail: give 1 or more, or MailboxSize::UNBOUNDED")]
#[non_exhaustive]
pub struct MailboxSizeError;

impl MailboxSize {
    /// No bound: only memory is. (It is the largest number, which no memory can hold.)
    pub const UNBOUNDED: Self = Self(u32::MAX);

    pub(crate) fn checked(self) -> Result<NonZeroU32, MailboxSizeError> {
        NonZeroU32::new(self.0).ok_or(MailboxSizeError)
    }
}

impl Default for MailboxSize {
    fn default() -> Self {
        Self(50)
    }
}

/// What happens to a mail that finds its box full.
#[derive(Component, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[component(immutable)]
pub enum Overflow {
    /// It is refused; the sender gets it back.
    #[default]
    Reject,
    /// It is taken, and the oldest (of the lowest priority) that waits is dropped.
    DropOldest,
    /// It is dropped, and the sender told so.
    DropNewest,
    /// It takes the place of the one that waits under the same subject, full or not. A new subject in a full box is
    /// refused.
    KeepLatest,
    /// A thread that sends it waits for room, this long at most, and then it is refused. From a tick it is refused at
    /// once: a tick never waits.
    Block(Duration),
}

/// The order in which mail is taken out of a box.
#[derive(Component, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[component(immutable)]
pub enum Order {
    /// As it came in.
    #[default]
    Fifo,
    /// The highest priority first; as it came in within one.
    Priority,
}
