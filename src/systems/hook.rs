//! The hooks of one process, run from outside of a tick's lanes: what a [`Kind`](crate::scope::Kind) is made of.

use crate::context::Context;
use crate::failure::guarded;
use crate::frequency::Frequency;
use crate::process::{Flags, Process, Row};
use crate::renewal::Renewal;
use crate::run_level::RunLevel;
use crate::scope::{self, Lent, Outcome};
use crate::systems::death;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::{EntityMut, World};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Lends one process and its context to `f`, if it is there.
pub(crate) fn visit<P: Process>(world: &mut World, entity: Entity, f: impl FnOnce(&mut P, Context<'_, P>)) {
    let Some(lender) = scope::entity(world) else { return };
    let Ok([mut process, mut lender]) = world.get_entity_mut([entity, lender]) else { return };
    let Some(mut lent) = lender.get_mut::<Lent>() else { return };
    let Ok((mut process, mut flags, mut vitals, mut private)) = process.get_components_mut::<Row<P>>() else { return };
    let flags = flags.bypass_change_detection();
    let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
    let scope = lent.bypass_change_detection().scope();
    f(&mut process, Context { vitals, flags, private, scope, pulled: &Cell::new(false) });
}

/// Runs `prepare` and `birth` of a process that has taken its place in its group. `prepared` is what `prepare` has come to,
/// where it ran beforehand.
pub(crate) fn birth<P: Process>(world: &mut World, entity: Entity, prepared: Option<Outcome>) {
    visit::<P>(world, entity, |process, mut cx| {
        let mut ready = true;
        guarded("prepare", process, &mut cx, |process, _| {
            ready = false;
            match prepared {
                Some(Ok(result)) => result?,
                Some(Err(panic)) => resume_unwind(panic),
                None => process.prepare()?,
            }
            ready = true;
            Ok(())
        });
        if ready {
            guarded("birth", process, &mut cx, P::birth);
        }
        if !cx.flags.has(Flags::DYING) {
            cx.vitals.address.set_run_level(RunLevel::Run);
        }
    });
}

/// Runs `prepare` alone, on any thread.
pub(crate) fn prepare<P: Process>(entity: &mut EntityMut<'_>) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| match entity.get_mut::<P>() {
        Some(mut process) => process.prepare(),
        None => Ok(()),
    }))
}

/// Gives a process the state that its settings say it has after a restart.
pub(crate) fn renew<P: Process>(world: &mut World, entity: Entity) {
    let Some(mut renewal) = world.get_mut::<Renewal<P>>(entity) else { return };
    let state = catch_unwind(AssertUnwindSafe(|| renewal.renew()));
    visit::<P>(world, entity, |process, mut cx| {
        guarded("renewal", process, &mut cx, |process, _| {
            match state {
                Ok(Some(state)) => *process = state,
                Ok(None) => {}
                Err(panic) => resume_unwind(panic),
            }
            Ok(())
        });
    });
}

/// Runs the death of a process that stays where it is.
pub(crate) fn retire<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |process, mut cx| {
        death::die(process, &mut cx);
        cx.private.clear();
    });
}

/// Runs `safe_stop` of one process.
pub(crate) fn safe_stop<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |process, mut cx| guarded("safe_stop", process, &mut cx, P::safe_stop));
}

/// Tells the threads of one process to end.
pub(crate) fn halt<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |_, cx| {
        cx.private.0.iter().flat_map(|belongings| &belongings.children).for_each(|child| child.shared.stop());
    });
}

/// Tells the threads of one process how often it lives from now on.
pub(crate) fn regrouped<P: Process>(world: &mut World, entity: Entity, frequency: Frequency) {
    visit::<P>(world, entity, |_, cx| {
        if let Some(family) = cx.private.0.as_ref().and_then(|belongings| belongings.family.as_ref()) {
            *family.frequency.lock() = frequency;
            if family.has_ended_threads() {
                // It was listed where it was before.
                cx.scope.list_ready(cx.vitals.lane, cx.vitals.address.entity());
            }
        }
    });
}
