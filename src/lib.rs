//! Many small processes, each living so many times a second.

pub mod frequency;
pub mod run_level;
