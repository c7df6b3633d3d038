//! Systems other than Unix: Ctrl-C and what else the `ctrlc` crate takes for it, without a way back.

use crate::control::Control;
use crate::signal::{Signal, SignalError};
use crate::switchboard::Receipt;
use std::sync::{Arc, OnceLock};

/// Takes the one signal there is, when somebody listens for the first time. It is not given back.
///
/// # Errors
/// When another part of the program has taken it.
pub(super) fn settle(listening: &[Arc<Control>], arrive: fn(Signal, Option<&Receipt>)) -> Result<(), SignalError> {
    static HANDLER: OnceLock<Result<(), SignalError>> = OnceLock::new();
    if listening.is_empty() {
        return Ok(());
    }
    let take = || {
        ctrlc::set_handler(move || arrive(Signal::INT, None))
            .map_err(|error| SignalError::Refused { signal: Signal::INT, message: error.to_string() })
    };
    HANDLER.get_or_init(take).clone()
}
