//! The mailman's round: takes mail out of the mailboxes of one lane, and has it read. It visits only those that have mail,
//! and no callback runs while a mailbox is locked.

use crate::context::Context;
use crate::mail::Mail;
use crate::mailbox::{Mailbox, Slots};
use crate::process::{Flags, Process, Row, Vitals};
use crate::scope::Scope;
use crate::systems::mailman::{read_all, sort};
use crate::systems::rows::Rows;
use bevy_ecs::entity::{Entities, Entity};
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use std::cell::Cell;

/// How much mail a process may read in one tick; the rest waits for the next.
const BUDGET: usize = 1000;

/// What the mailman of one lane works with, kept warm from tick to tick.
///
/// First all mailboxes are emptied, then all is read. What callbacks send to their own lane meanwhile waits for the next
/// tick, wherever in the round its recipient stands: a mail makes one hop a tick among processes of one type. If it went on
/// within the round, a mail handed from each to the next would heap up at the last.
#[derive(Default)]
pub(crate) struct Desk {
    /// Who has mail.
    whom: Vec<Entity>,
    /// The visits of this round, and behind them spare ones.
    visits: Vec<Visit>,
    /// How many visits.
    begun: usize,
}

/// What was in one mailbox when the round began.
struct Visit {
    entity: Entity,
    /// Which of the tables of its lane it is in, and where in that.
    table: usize,
    row: usize,
    batch: Slots<Mail>,
}

impl Desk {
    /// Takes over the list of those of a lane who have mail.
    #[inline(always)]
    pub(crate) fn open(&mut self, lane: u32, scope: &Scope) {
        let ready = &mut scope.ready.borrow_mut()[lane as usize];
        if !ready.is_empty() {
            // The last of a lane may have died while it was listed, and nobody been there since to pass it over.
            self.whom.clear();
            std::mem::swap(ready, &mut self.whom);
        }
    }

    /// Whether nobody has mail.
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.whom.is_empty()
    }

    /// Looks up where those who have mail stand. The dead are passed over.
    pub(crate) fn locate(&mut self, entities: &Entities) {
        self.begun = 0;
        for entity in self.whom.drain(..) {
            if let Ok(place) = entities.get_spawned(entity) {
                visit(&mut self.visits, self.begun, entity).row = place.table_row.index();
                self.begun += 1;
            }
        }
    }

    /// The whole round in a lane of one process.
    #[inline(always)]
    pub(crate) fn deliver_to<P: Process>(&mut self, only: &mut Rows<'_, P>, scope: &Scope) {
        if self.take(&only.vitals[0], scope) {
            read(&mut self.visits[0].batch, only, 0, scope);
        }
    }

    /// Empties the mailbox of the one process of a lane, if it is that which has mail. Not inlined: lanes of one process
    /// are many, and run one after another.
    #[inline(never)]
    fn take(&mut self, vitals: &Vitals, scope: &Scope) -> bool {
        let entity = vitals.address.entity();
        let takes = self.whom.contains(&entity) && may_read_now(vitals, scope);
        self.whom.clear();
        if takes {
            empty(&mut visit(&mut self.visits, 0, entity).batch, vitals, scope);
        }
        takes
    }

    /// The whole round in a lane of which these are all tables.
    pub(crate) fn deliver<P: Process>(&mut self, tables: &mut [Rows<'_, P>], scope: &Scope) {
        let visits = &mut self.visits[..self.begun];
        for Visit { entity, table, row, batch } in &mut *visits {
            let found = tables.iter().position(|table| table.holds(*entity, *row));
            let found = found.filter(|&table| may_read_now(&tables[table].vitals[*row], scope));
            // Nowhere: it waits, or it has moved to another lane, where it has been listed anew.
            *table = found.unwrap_or(tables.len());
            if let Some(table) = found {
                empty(batch, &tables[table].vitals[*row], scope);
            }
        }
        for Visit { table, row, batch, .. } in visits {
            if let Some(table) = tables.get_mut(*table) {
                read(batch, table, *row, scope);
            }
        }
    }

    /// The whole round in a lane without tables.
    pub(crate) fn deliver_each<P: Process>(&mut self, rows: &mut QueryState<Row<P>>, world: &mut World, scope: &Scope) {
        let mut begun = 0;
        for entity in self.whom.drain(..) {
            let Ok(row) = rows.get_mut(world, entity) else { continue };
            Rows::with(row, |row| {
                if may_read_now(&row.vitals[0], scope) {
                    empty(&mut visit(&mut self.visits, begun, entity).batch, &row.vitals[0], scope);
                    begun += 1;
                }
            });
        }
        for Visit { entity, batch, .. } in &mut self.visits[..begun] {
            if let Ok(row) = rows.get_mut(world, *entity) {
                Rows::with(row, |row| read(batch, row, 0, scope));
            }
        }
    }
}

/// A visit to be made, after so many.
#[inline(always)]
fn visit(visits: &mut Vec<Visit>, begun: usize, entity: Entity) -> &mut Visit {
    if visits.len() == begun {
        visits.push(Visit { entity, table: 0, row: 0, batch: Slots::new() });
    }
    let visit = &mut visits[begun];
    visit.entity = entity;
    if !visit.batch.is_empty() {
        // The drop of a body has panicked in the round before.
        visit.batch.clear(|_| false);
    }
    visit
}

/// Whether it may read its mail in this round. If not now, it is looked at again.
#[inline(always)]
fn may_read_now(vitals: &Vitals, scope: &Scope) -> bool {
    let may = vitals.flags.is_clear() || may_read(vitals, scope);
    if !may && !vitals.flags.has(Flags::DYING) {
        scope.list_ready(vitals.lane, vitals.address.entity());
    }
    may
}

/// Empties the mailbox of one process.
#[inline(always)]
fn empty(batch: &mut Slots<Mail>, vitals: &Vitals, scope: &Scope) {
    let mailbox = &vitals.address.0.mailbox;
    let more =
        if scope.next_tick { take_due(mailbox, batch, scope) } else { mailbox.take(batch, BUDGET, scope.owner()) };
    if more {
        scope.list_ready(vitals.lane, vitals.address.entity());
    }
}

/// Has it read what was there; unless it may not any more, for somebody before it in this round has seen to that.
#[inline(always)]
fn read<P: Process>(batch: &mut Slots<Mail>, rows: &mut Rows<'_, P>, row: usize, scope: &Scope) {
    let vitals = &mut rows.vitals[row];
    if !vitals.flags.is_clear() && !may_read(vitals, scope) || scope.control.is_braked() {
        if vitals.address.0.mailbox.give_back(batch, scope.owner()) {
            scope.list_ready(vitals.lane, vitals.address.entity());
        }
        return;
    }
    read_all(batch, &mut rows.processes[row], &mut Context::new(vitals, scope, &Cell::new(false)));
}

/// The second look at a process with a flag. Nothing runs of one that is paused or may not yet live: its mail waits.
#[cold]
fn may_read(vitals: &Vitals, scope: &Scope) -> bool {
    let too_early = || vitals.flags.has(Flags::FRESH) && scope.joined_too_late(vitals.address.entity());
    !vitals.flags.has(Flags::DYING.and(Flags::PAUSED)) && !too_early()
}

/// Takes what was sent before this tick. Whether more waits.
fn take_due(mailbox: &Mailbox<Mail>, batch: &mut Slots<Mail>, scope: &Scope) -> bool {
    let start = scope.now();
    let more = mailbox.take_due(batch, |mail| mail.time < start, scope.owner());
    sort(batch.filled_mut());
    more
}
