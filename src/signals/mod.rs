//! What the operating system tells a program: so far, that it is to end.

use crate::cause::Cause;
use crate::control::Control;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock, Weak};

/// The exit code of a program that a second request has ended at once: 128 + SIGINT, as shells count.
const FORCED: i32 = 130;

/// The applications of this OS process that end on Ctrl-C. The handler is one for all, and stays.
static LISTENING: Mutex<Vec<Weak<Control>>> = Mutex::new(Vec::new());

/// While it lives, its application ends in order on Ctrl-C, on SIGTERM and on SIGHUP; at the second request, the OS
/// process ends at once.
pub(crate) struct Interrupts(Weak<Control>);

impl Interrupts {
    pub(crate) fn listen(control: &Arc<Control>) -> Self {
        static HANDLER: OnceLock<()> = OnceLock::new();
        HANDLER.get_or_init(|| {
            if let Err(error) = ctrlc::set_handler(interrupt) {
                tracing::warn!(%error, "Ctrl-C is handled by somebody else; it does not end this application");
            }
        });
        let control = Arc::downgrade(control);
        LISTENING.lock().push(control.clone());
        Self(control)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        LISTENING.lock().retain(|known| !known.ptr_eq(&self.0));
    }
}

fn interrupt() {
    let listening: Vec<_> = LISTENING.lock().iter().filter_map(Weak::upgrade).collect();
    if listening.iter().all(|control| control.is_stopping()) {
        eprintln!("ended by force");
        std::process::exit(FORCED);
    }
    for control in listening {
        control.stop(Cause::Interrupted);
    }
}
