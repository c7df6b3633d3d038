//! The fallback handler: an error or panic of a plain system is counted and logged, and never ends the run.

use crate::cause::message_of;
use crate::link::Call;
use bevy_ecs::error::{BevyError, ErrorContext, FallbackErrorHandler};
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// How many systems are told apart in the report.
const LISTED: usize = 256;

/// The failures of one system, run condition, observer or command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SystemFailures {
    /// Its name. Without the feature `debug`, Bevy withholds it.
    pub name: String,
    /// How often it failed, panics among them.
    pub failures: u64,
    /// What it said last.
    pub last: String,
}

struct Failing {
    failures: SystemFailures,
    logged: Instant,
}

thread_local! {
    // Bevy's handler is a plain function: it can reach its World by no other way than the thread.
    static FAILING: RefCell<Vec<Failing>> = const { RefCell::new(Vec::new()) };
    static BEYOND: Cell<u64> = const { Cell::new(0) };
}

/// Puts the handler into a World.
pub(crate) fn install(world: &mut World) {
    world.insert_resource(FallbackErrorHandler(handle));
}

/// Does to the World what somebody asked for; its panic is counted and logged like a system's.
pub(crate) fn contained(world: &mut World, call: Call) {
    // Sound to go on after a panic: Bevy itself does so with its commands.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(world))) {
        note("a call to the World".into(), message_of(&*panic).to_owned());
    }
}

fn handle(error: BevyError, context: ErrorContext) {
    note(context.name().to_string(), error.to_string().trim_end().to_owned());
}

fn note(name: String, text: String) {
    FAILING.with_borrow_mut(|failing| {
        if let Some(known) = failing.iter_mut().find(|known| known.failures.name == name) {
            known.failures.failures += 1;
            if known.logged.elapsed().as_secs() >= 1 {
                known.logged = Instant::now();
                tracing::error!(system = name, failures = known.failures.failures, "{text}");
            }
            known.failures.last = text;
        } else {
            tracing::error!(system = name, failures = 1, "{text}");
            if failing.len() == LISTED {
                BEYOND.set(BEYOND.get() + 1);
                return;
            }
            let failures = SystemFailures { name, failures: 1, last: text };
            failing.push(Failing { failures, logged: Instant::now() });
        }
    });
}

/// What has failed on this thread since [`forget`].
pub(crate) fn failures() -> Vec<SystemFailures> {
    let mut all: Vec<_> = FAILING.with_borrow(|failing| failing.iter().map(|known| known.failures.clone()).collect());
    if BEYOND.get() > 0 {
        all.push(SystemFailures { name: "others".into(), failures: BEYOND.get(), last: String::new() });
    }
    all
}

/// Starts counting anew, for a new head on this thread.
pub(crate) fn forget() {
    FAILING.with_borrow_mut(Vec::clear);
    BEYOND.set(0);
}
