#![doc = include_str!("../README.md")]

// Floor 0: values.
mod bell;
pub mod cause;
pub mod clock;
pub mod frequency;
pub mod key;
pub mod overrun;
pub mod run_level;
pub mod stats;

// Floor 1: what heads share.
mod control;
mod link;
pub mod post;

// Floor 2: the process.
pub mod context;
mod failure;
pub mod process;
mod scope;
pub mod time;
pub mod timer;

// Floor 3: what runs in a tick, and the outside world.
mod signals;
pub mod systems;

// Floor 4: the roof.
pub mod application;
pub mod exit;
mod group;
pub mod handle;
mod head;
pub mod report;
pub mod running;

pub use bevy_ecs;
pub use rand;

/// What most programs need: `use polycephaly::prelude::*`.
pub mod prelude {
    pub use crate::application::Application;
    pub use crate::cause::Cause;
    pub use crate::clock::Clock;
    pub use crate::context::Context;
    pub use crate::exit::Exit;
    pub use crate::frequency::{Frequency, every, hz};
    pub use crate::handle::ApplicationHandle;
    pub use crate::key::{GroupKey, InGroup, Target};
    pub use crate::overrun::Overrun;
    pub use crate::process::{LifeOf, Process};
    pub use crate::report::Report;
    pub use crate::run_level::RunLevel;
    pub use crate::running::Running;
    pub use crate::systems::birth::{SpawnProcess, SpawnProcessCommands};
    pub use crate::time::Time;
    pub use crate::timer::TimerId;
    pub use bevy_ecs;
    pub use bevy_ecs::prelude::*;
    pub use std::time::Duration;
}
