//! Calls a hook of a process so that its error or panic stays its own.

use crate::cause::Cause;
use crate::context::Context;
use crate::post::Address;
use crate::process::{Flags, Process, Vitals};
use crate::scope::Scope;
use bevy_ecs::error::{BevyError, Result};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A process that fails at each tick is logged once in this time; its count in the report stays exact.
const LOG_EVERY: u64 = 1_000_000_000;

/// Runs one hook of one process. Its failure is counted and logged; a panic condemns it.
pub(crate) fn guarded<P: Process>(
    hook: &'static str,
    process: &mut P,
    cx: &mut Context<'_, P>,
    call: impl FnOnce(&mut P, &mut Context<'_, P>) -> Result,
) {
    // Sound to go on after a panic: the process alone has seen the half-changed state, and it dies.
    match catch_unwind(AssertUnwindSafe(|| call(process, cx))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => failed(hook, cx.scope, &cx.vitals.address, &error),
        Err(panic) => panicked(hook, cx.scope, cx.vitals, cx.flags, &*panic),
    }
}

/// Counts and logs an error.
#[cold]
#[inline(never)]
pub(crate) fn failed(hook: &'static str, scope: &Scope, address: &Address, error: &BevyError) {
    let errors = address.0.errors.fetch_add(1, Relaxed) + 1;
    if may_log(scope, address) {
        tracing::error!(process = address.name(), hook, errors, "{}", error.to_string().trim_end());
    }
}

/// Counts and logs a panic, and condemns the process.
#[cold]
#[inline(never)]
pub(crate) fn panicked(
    hook: &'static str,
    scope: &Scope,
    vitals: &Vitals,
    flags: &mut Flags,
    panic: &(dyn Any + Send),
) {
    let record = &vitals.address.0;
    record.panics.fetch_add(1, Relaxed);
    let message = message_of(panic);
    tracing::error!(process = vitals.address.name(), hook, message, "panicked");
    let cause = Cause::Panicked { process: vitals.address.name().to_owned(), message: message.to_owned() };
    scope.condemn(vitals, flags, Arc::new(cause));
}

fn may_log(scope: &Scope, address: &Address) -> bool {
    let now = scope.now() + 1;
    let last = address.0.logged.load(Relaxed);
    let may = last == 0 || now.saturating_sub(last) >= LOG_EVERY;
    if may {
        address.0.logged.store(now, Relaxed);
    }
    may
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}
