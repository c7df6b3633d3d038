//! What runs in a tick, one file a system.
//!
//! Each group's schedule holds, in this order: news of USB devices where somebody wants them, per process type the mailman and its
//! `life` (types that follow each other share one system: see `stretch`), then the user's systems where
//! they ordered them, then `settle`, which calls the janitor and carries out deaths and births.

pub(crate) mod actor;
pub mod birth;
pub(crate) mod death;
pub(crate) mod debut;
pub mod events;
pub(crate) mod fallback;
pub(crate) mod hook;
pub(crate) mod janitor;
pub(crate) mod life;
pub(crate) mod mailman;
pub(crate) mod marker;
pub(crate) mod order;
pub(crate) mod parallel;
pub(crate) mod placement;
pub(crate) mod population;
pub(crate) mod rebirth;
pub(crate) mod round;
pub(crate) mod rows;
pub(crate) mod settle;
pub(crate) mod shutdown;
pub(crate) mod stretch;
pub mod threads;
#[cfg(feature = "usb")]
pub(crate) mod usb_poll;

use bevy_ecs::schedule::SystemSet;

/// The parts of a tick, in order.
#[derive(SystemSet, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// News of USB devices, where somebody watches them.
    Poll,
    /// Lives and user systems.
    Live,
    /// Place-holders of lives, inside of that, while their order is being found.
    Lives,
    /// What runs lives, inside of that.
    Stretches,
    /// Timers, deaths and births.
    Settle,
}
