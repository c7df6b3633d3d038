//! Many small processes, each living so many times a second.

mod bell;
pub mod clock;
pub mod frequency;
mod link;
pub mod post;
pub mod run_level;
