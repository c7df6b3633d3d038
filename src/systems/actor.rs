//! One process, borrowed to do something to it from outside of a tick's lanes, whatever its type.

use crate::erased::{Act, AnyProcess, RawContext};
use crate::failure::guarded;
use crate::scope::{self, Kind, Scope, row};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use std::cell::Cell;

/// A process in the World, its context, and what runs its hooks.
pub(crate) struct Actor<'a> {
    pub(crate) process: AnyProcess<'a>,
    pub(crate) cx: RawContext<'a>,
    pub(crate) kind: Kind,
}

impl Actor<'_> {
    /// Runs a hook, whose failure is the process's own.
    pub(crate) fn guarded(&mut self, hook: &'static str, act: Act) {
        let (process, ways) = (&mut self.process, self.kind.ways);
        guarded(hook, &mut self.cx, |cx| (ways.act)(process, act, cx));
    }
}

/// Lends one process and its context to `f`, if it is there.
pub(crate) fn visit(world: &mut World, entity: Entity, f: impl FnOnce(Actor<'_>)) {
    scope::with(world, entity, |mut entity, scope| {
        if let Some(row) = row::of(&mut entity, scope) {
            lend(row, scope, f);
        }
    });
}

/// The same, of one that is borrowed.
#[inline]
pub(crate) fn lend(mut row: row::Row<'_>, scope: &Scope, f: impl FnOnce(Actor<'_>)) {
    let (vitals, pulled) = (row.vitals.bypass_change_detection(), Cell::new(false));
    let cx = RawContext { vitals, scope, pulled: &pulled };
    f(Actor { process: row.process, cx, kind: row.kind });
}
