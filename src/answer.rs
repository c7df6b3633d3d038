//! What may become of a question.

use crate::send::SendErrorKind;
use std::time::Duration;

/// Why there is no reply.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// None came in time.
    #[error("{recipient:?} did not answer within {timeout:?}; give it more time, or do without")]
    TimedOut {
        /// Who was asked.
        recipient: String,
        /// How long it had.
        timeout: Duration,
    },
    /// None will come: the one asked has died, or the question was lost.
    #[error("{recipient:?} will not answer: {reason}")]
    Failed {
        /// Who was asked.
        recipient: String,
        /// What happened.
        reason: String,
    },
    /// The question could not be sent.
    #[error("the question to {recipient:?} was not sent: {kind}")]
    NotSent {
        /// Who was to be asked.
        recipient: String,
        /// Why not.
        kind: SendErrorKind,
    },
    /// The one who asked has died or the reply has been taken already.
    #[error("nobody waits for this reply any more: it was taken already, or whoever asked has died")]
    Gone,
}
