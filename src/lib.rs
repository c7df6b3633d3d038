// The README's pictures by value, as its relative links lead nowhere on the page made of it: the first definition of a link counts.
#![doc = include_str!("../assets/figures.md")]
#![doc = include_str!("../README.md")]

// Floor 0: values.
mod bell;
pub mod budget;
pub mod cause;
pub mod clock;
mod fold;
pub mod frequency;
mod huge_pages;
pub mod importance;
pub mod key;
pub mod lifecycle;
pub mod overrun;
pub mod pace;
pub mod parallel;
pub mod phase;
mod prefetch;
pub mod realtime;
pub mod renewal;
pub mod run_level;
mod service;
pub mod settings;
pub mod signal;
pub mod stats;
pub mod supervision;
mod suspension;
mod sync;

// Floor 1: mail, and what heads share.
mod answer;
pub mod body;
pub mod control;
mod crowd;
pub mod draft;
pub mod emitter;
mod ending;
pub mod event;
pub mod filter;
mod id;
mod incidents;
pub mod link;
pub mod mail;
pub mod mailbox;
pub mod outside;
mod party;
pub mod post;
pub mod recipient;
pub mod send;
mod slots;
pub mod subject;
pub mod switchboard;
pub mod topic;
pub mod wire;

// Floor 2: the process.
pub mod ask;
mod belongings;
pub mod context;
mod erased;
mod failure;
pub mod lock;
pub mod mailing;
mod posting;
pub mod process;
mod scope;
pub mod thread;
pub mod time;
pub mod timer;

// Floor 3: what runs in a tick, and the outside world.
pub mod signals;
pub mod systems;
#[cfg(feature = "usb")]
pub mod usb;
pub mod watchdog;

// Floor 4: the roof.
pub mod application;
mod crew;
pub mod exit;
mod group;
pub mod handle;
pub mod head;
pub mod porting;
pub mod report;
mod runner;
pub mod running;

pub use bevy_ecs;
pub use rand;

/// What most programs need: `use polycephaly::prelude::*`.
pub mod prelude {
    pub use crate::application::Application;
    pub use crate::ask::{AskError, Pending};
    pub use crate::budget::Budget;
    pub use crate::cause::Cause;
    pub use crate::clock::Clock;
    pub use crate::context::Context;
    pub use crate::emitter::Emitter;
    pub use crate::event::{EmitError, Event};
    pub use crate::exit::Exit;
    pub use crate::filter::{Filter, Pattern, regex};
    pub use crate::frequency::{Frequency, every, hz};
    pub use crate::handle::ApplicationHandle;
    pub use crate::head::Head;
    pub use crate::importance::Importance;
    pub use crate::key::{GroupKey, InGroup, OnHead, Target};
    pub use crate::lifecycle::{Autostart, BoundShutdown, Depends, ParallelBirth};
    pub use crate::lock::LockGuard;
    pub use crate::mail::{Delivery, Mail};
    pub use crate::mailbox::{MailboxSize, Order, Overflow};
    pub use crate::overrun::Overrun;
    pub use crate::pace::{Loss, Pace, PaceState};
    pub use crate::parallel::Parallel;
    pub use crate::phase::Phase;
    pub use crate::post::Address;
    pub use crate::process::{Identity, LifeOf, Process};
    pub use crate::realtime::RealTime;
    pub use crate::renewal::Renewal;
    pub use crate::report::Report;
    pub use crate::run_level::RunLevel;
    pub use crate::running::Running;
    pub use crate::send::{SendError, SendErrorKind, Sent};
    pub use crate::signal::{Signal, SignalError, signal_name, signal_number};
    pub use crate::subject::Subject;
    pub use crate::supervision::{Backoff, Response, Restart, Supervision};
    pub use crate::systems::birth::{SpawnProcess, SpawnProcessCommands};
    pub use crate::thread::{ChildThread, Slept, Thread};
    pub use crate::time::Time;
    pub use crate::timer::TimerId;
    pub use crate::topic::{Latest, Topic};
    #[cfg(feature = "usb")]
    pub use crate::usb::{
        FakeAnswer, FakeUsb, UsbBackend, UsbDevice, UsbEvent, UsbFault, UsbMatch, UsbPing, UsbPong, UsbRequest,
        UsbRequired, UsbTrouble,
    };
    pub use crate::watchdog::Watchdog;
    pub use bevy_ecs;
    pub use bevy_ecs::prelude::*;
    pub use std::time::Duration;
}
