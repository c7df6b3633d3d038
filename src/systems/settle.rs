//! The last system of every tick: the janitor's timers, then deaths and births, where there are any.

use crate::scope;
use crate::systems::{death, fallback, janitor, rebirth};
use crate::time::Beat;
use bevy_ecs::system::Commands;
use bevy_ecs::world::World;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Plain systems that tick at least so often see each `RemovedComponents` once; without a sweep, they would heap up for ever.
const SWEEP: u64 = 1_000_000_000;

/// The system: a few words read when there is nothing to do.
pub(crate) fn system(beat: Arc<Beat>) -> impl FnMut(Commands<'_, '_>) {
    move |mut commands: Commands<'_, '_>| {
        let rings = beat.alarm() <= beat.now();
        let settles = beat.is_unsettled();
        let sweeps = beat.sweep() <= beat.now();
        if rings || settles || sweeps {
            commands.queue(move |world: &mut World| {
                if rings {
                    janitor::ring(world);
                }
                if settles {
                    now(world);
                }
                if sweeps {
                    sweep(world);
                }
            });
        }
    }
}

fn sweep(world: &mut World) {
    let beat = &scope::of(world).beat;
    beat.set_sweep(beat.now().saturating_add(SWEEP));
    world.clear_trackers();
    scope::of(world).joined.borrow_mut().shrink_to_fit();
}

fn bury(world: &mut World) {
    let dying = std::mem::take(&mut *scope::of(world).leaving.borrow_mut());
    rebirth::bury(world, dying);
}

/// One round: deaths first, so that their names are free, then all else in order. What this round itself asks for waits
/// for the next, so that a process that spawns for ever can't hold its head.
pub(crate) fn now(world: &mut World) {
    let scope = scope::of(world);
    if scope.control.is_braked() {
        // Motors off before any death: what is left is the shut-down's.
        return;
    }
    scope.beat.settle();
    scope.settles.set(true);
    scope.control.pending.fetch_add(1, Relaxed);
    let calls = scope.take_deferred();
    bury(world);
    for call in calls {
        fallback::contained(world, call);
    }
    world.flush();
    // Those whose end was asked for by others.
    bury(world);
    let starting = std::mem::take(&mut *scope::of(world).starting.borrow_mut());
    for name in starting {
        rebirth::start_named(world, &name);
    }
    rebirth::bear_due(world);
    let scope = scope::of(world);
    scope.settles.set(false);
    scope.control.pending.fetch_sub(1, Relaxed);
    death::end_if_all_died(scope);
    if !scope.changes.borrow().is_empty() {
        // The head looks at them after this: those that lives asked for, and those that this round has made.
        scope.beat.unsettle();
    }
}
