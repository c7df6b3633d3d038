//! Emitting events to a process, from any thread.

use crate::control::Control;
use crate::event::{EmitError, Event};
use crate::post::{Address, Record};
use crate::run_level::RunLevel;
use std::fmt;
use std::sync::Arc;

impl Address {
    /// Gives the process an event. `wake` lists it as one to visit.
    pub(crate) fn emit(&self, mut event: Event, time: u64, wake: impl FnOnce(&Record)) -> Result<(), EmitError> {
        let (inbox, owner) = (self.0.inbox(), || self.name().to_owned());
        if !self.run_level().is_alive() || self.run_level() == RunLevel::Halt {
            inbox.refuse();
            return Err(EmitError::Closed { owner: owner(), event });
        }
        event.time = time;
        match inbox.push(event) {
            Ok(true) => wake(&self.0),
            Ok(false) => {}
            Err(event) => return Err(EmitError::Full { owner: owner(), event }),
        }
        Ok(())
    }
}

/// Emits events to one process, from any thread. Cheap to clone; it may outlive the process, and then every use says so.
#[derive(Clone)]
pub struct Emitter {
    address: Address,
    control: Arc<Control>,
}

impl Emitter {
    pub(crate) fn new(address: Address, control: Arc<Control>) -> Self {
        Self { address, control }
    }

    /// The process that the events are for.
    #[must_use]
    pub fn owner(&self) -> &Address {
        &self.address
    }

    /// Emits an event. Its callback runs before the owner's next life.
    ///
    /// # Errors
    /// [`EmitError`] with the event, when too many wait or the process does not live.
    pub fn emit(&self, event: impl Into<Event>) -> Result<(), EmitError> {
        let time = self.control.timeline().now();
        self.address.emit(event.into(), time, Record::announce)
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Emitter({:?})", self.address.name())
    }
}
