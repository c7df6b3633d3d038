//! Timers and asks that nobody has answered: which have come due, and their callbacks on their owners.

use crate::erased::RawContext;
use crate::failure::guarded;
use crate::process::{Flags, Vitals};
use crate::scope::{self, Scope};
use crate::systems::actor::{Actor, visit};
use crate::systems::mailman;
use crate::timer::{Timer, TimerId};
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;

/// Sorts the due alarms to their owners' groups, and runs those of the group that ticks.
pub(crate) fn ring(world: &mut World) {
    loop {
        let now = scope::of(world).now();
        let Some(alarm) = scope::of(world).alarms.borrow_mut().pop_due(now) else { break };
        let Some(lane) = world.get::<Vitals>(alarm.entity()).map(|vitals| vitals.lane as usize) else { continue };
        let group = scope::of(world).lanes.borrow()[lane].group as usize;
        let mut ringing = scope::of(world).ringing.borrow_mut();
        if ringing.len() <= group {
            ringing.resize_with(group + 1, Vec::new);
        }
        ringing[group].push((alarm.entity(), alarm.id, alarm.due));
    }
    let group = scope::of(world).beat.group() as usize;
    let mut rung = scope::of(world).ringing.borrow_mut().get_mut(group).map(std::mem::take).unwrap_or_default();
    for (entity, timer, due) in rung.drain(..) {
        let Some(vitals) = world.get::<Vitals>(entity) else { continue };
        if vitals.flags.has(Flags::PAUSED.and(Flags::FRESH)) {
            // Nothing runs of a process that is paused or may not yet live: its timers ring in its first tick after that.
            scope::of(world).ringing.borrow_mut()[group].push((entity, timer, due));
            continue;
        }
        ring_one(world, entity, timer, due);
    }
    keep_warm(scope::of(world), group, rung);
    scope::of(world).wind_alarm();
}

/// Gives an emptied list back to its group, so that the next tick need not make one.
fn keep_warm(scope: &Scope, group: usize, empty: Vec<(Entity, TimerId, u64)>) {
    if let Some(waiting) = scope.ringing.borrow_mut().get_mut(group)
        && waiting.is_empty()
    {
        *waiting = empty;
    }
}

/// A process has changed groups: timers that wait for a tick of the old one now wait for the new one's.
pub(crate) fn follow(scope: &Scope, entity: Entity, from: u32, to: u32) {
    let mut ringing = scope.ringing.borrow_mut();
    let Some(waiting) = ringing.get_mut(from as usize) else { return };
    let moved: Vec<_> = waiting.extract_if(.., |(owner, ..)| *owner == entity).collect();
    if moved.is_empty() {
        return;
    }
    if ringing.len() <= to as usize {
        ringing.resize_with(to as usize + 1, Vec::new);
    }
    ringing[to as usize].extend(moved);
    drop(ringing);
    scope.wind_alarm();
}

/// Runs one timer of one process and sets it anew if it repeats; or ends the question whose time it keeps.
fn ring_one(world: &mut World, entity: Entity, id: TimerId, due: u64) {
    visit(world, entity, |mut actor| {
        let scope = actor.cx.scope;
        if actor.cx.vitals.flags.has(Flags::DYING) || scope.control.is_braked() {
            return;
        }
        let Some(timer) = find(&mut actor.cx, id) else {
            return mailman::time_out(&mut actor.process, &mut actor.cx, id);
        };
        let Some(mut call) = timer.call.take() else { return };
        let Actor { mut process, mut cx, .. } = actor;
        guarded("timer", &mut cx, |cx| call(&mut process, cx));
        let Some(timer) = find(&mut cx, id) else { return };
        match timer.period {
            Some(period) => {
                timer.call = Some(call);
                scope.alarms.borrow_mut().set(next_due(due, period, scope), cx.vitals.address.clone(), id);
            }
            None => cx.known_mut().into_iter().for_each(|known| known.timers.retain(|timer| timer.id != id)),
        }
    });
}

/// The first instant of the rhythm after now.
fn next_due(due: u64, period: u64, scope: &Scope) -> u64 {
    let passed = scope.now().saturating_sub(due) / period;
    due.saturating_add(period.saturating_mul(passed + 1))
}

fn find<'a>(cx: &'a mut RawContext<'_>, id: TimerId) -> Option<&'a mut Timer> {
    cx.known_mut()?.timers.iter_mut().find(|timer| timer.id == id)
}
