//! One process, borrowed to do something to it from outside of a tick's lanes, whatever its type.

use crate::erased::{Act, RawContext};
use crate::failure::guarded_raw;
use crate::scope::{self, Kind, Scope, row};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use std::any::Any;
use std::cell::Cell;

/// A process in the World, its context, and what does something to it.
pub(crate) struct Actor<'a> {
    pub(crate) process: &'a mut dyn Any,
    pub(crate) cx: RawContext<'a>,
    pub(crate) kind: Kind,
}

impl Actor<'_> {
    /// Does one thing, whose failure is the process's own.
    pub(crate) fn guarded(&mut self, hook: &'static str, act: Act) {
        let (process, ways) = (&mut *self.process, self.kind.ways);
        guarded_raw(hook, &mut self.cx, |cx| (ways.act)(process, act, cx));
    }

    /// Does one thing that sees to failures itself.
    pub(crate) fn act(&mut self, act: Act) {
        // There is no error where it is not a hook.
        let _ = (self.kind.ways.act)(self.process, act, self.cx.reborrow());
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
