//! What the operating system tells a program: one dispatcher for all applications of an OS process.
//!
//! `desk` knows who listens and what is done about each signal; `unix` and `portable` are where signals come from; `bind` is
//! what a process may do about them.

#[cfg(unix)]
mod action;
pub mod bind;
mod desk;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

pub(crate) use desk::{Interrupts, inject};
