//! Many small processes, each living so many times a second.

mod bell;
pub mod body;
pub mod clock;
pub mod draft;
pub mod filter;
pub mod frequency;
mod id;
mod link;
pub mod mail;
pub mod mailbox;
mod party;
pub mod post;
pub mod run_level;
pub mod send;
pub mod subject;
pub mod topic;
pub mod wire;
