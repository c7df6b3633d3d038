//! The mailman's round: takes mail out of the mailboxes of one lane, and has it read. It visits only those that have mail,
//! and no callback runs while a mailbox is locked.

use crate::context::Context;
use crate::mail::Mail;
use crate::mailbox::Mailbox;
use crate::process::{Flags, Private, Process, Row, Vitals};
use crate::scope::Scope;
use crate::systems::mailman::read_all;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::{Entities, Entity};
use bevy_ecs::storage::TableId;
use bevy_ecs::system::Query;
use std::cell::Cell;
use std::cmp::Reverse;

/// How much mail a process may read in one tick; the rest waits for the next.
const BUDGET: usize = 1000;

/// In how many tables the mailman of a lane looks for whom it visits; for the rest of them it asks one by one.
const TABLES: usize = 4;
/// So few are asked one by one as well: to look through the tables costs more.
const FEW: usize = 2;

/// What the mailman of one lane works with, kept warm from tick to tick.
#[derive(Default)]
pub(crate) struct Desk {
    /// Whom to visit.
    round: Vec<Entity>,
    /// The visits of this round, and behind them spare ones.
    visits: Vec<Visit>,
}

/// What was in one mailbox when the round began.
struct Visit {
    entity: Entity,
    /// Where the process stands in its table.
    row: usize,
    batch: Vec<Option<Mail>>,
}

/// Delivers what the mailboxes of a lane hold now: first they are all emptied, then all is read. What callbacks send to
/// their own lane meanwhile waits for the next tick, wherever in the round its recipient stands: a mail makes one hop a
/// tick among processes of one type. If it went on within the round, a mail handed from each to the next would heap up at
/// the last.
#[inline(always)]
pub(crate) fn deliver<P: Process>(
    lane: u32,
    desk: &mut Desk,
    rows: &mut Query<Row<P>>,
    entities: &Entities,
    scope: &Scope,
) {
    let mut ready = scope.ready.borrow_mut();
    let ready_here = &mut ready[lane as usize];
    if !ready_here.is_empty() {
        std::mem::swap(ready_here, &mut desk.round);
        drop(ready);
        deliver_all(desk, rows, entities, scope);
    }
}

fn deliver_all<P: Process>(desk: &mut Desk, rows: &mut Query<Row<P>>, entities: &Entities, scope: &Scope) {
    let mut round = Round { scope, next_tick: scope.next_tick, begun: 0 };
    let Desk { round: whom, visits } = desk;
    let mut ends = [0; TABLES];
    if whom.len() > FEW
        && let Ok(tables) = rows.contiguous_iter_mut()
    {
        for ((_, flags, vitals, _), end) in tables.zip(&mut ends) {
            let table = vitals.first().and_then(|own| table_of(own.address.entity(), entities));
            whom.retain(|&entity| {
                // Dead, or moved to another lane, where it has been listed anew: it is passed over.
                let Ok(place) = entities.get_spawned(entity) else { return false };
                let row = place.table_row.index();
                if Some(place.table_id) != table || row >= vitals.len() {
                    return true;
                }
                round.empty(visits, entity, row, flags[row], &vitals[row]);
                false
            });
            *end = round.begun;
        }
    }
    for entity in whom.drain(..) {
        if let Ok((_, flags, vitals, _)) = rows.get(entity) {
            round.empty(visits, entity, 0, *flags, vitals);
        }
    }

    let (mut visits, mut done) = (&mut visits[..round.begun], 0);
    if ends != [0; TABLES]
        && let Ok(tables) = rows.contiguous_iter_mut()
    {
        for ((mut processes, mut flags, mut vitals, mut privates), end) in tables.zip(ends) {
            // That the processes change is marked by the lives to come.
            let (processes, flags) = (processes.bypass_change_detection(), flags.bypass_change_detection());
            let (vitals, privates) = (vitals.bypass_change_detection(), privates.bypass_change_detection());
            for visit in visits.split_off_mut(..end - done).into_iter().flatten() {
                let row = visit.row;
                round.read(visit, &mut processes[row], &mut flags[row], &mut vitals[row], &mut privates[row]);
            }
            done = end;
        }
    }
    for visit in visits {
        let Ok((mut process, mut flags, mut vitals, mut private)) = rows.get_mut(visit.entity) else { continue };
        let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
        round.read(visit, &mut *process, flags.bypass_change_detection(), vitals, private);
    }
}

fn table_of(entity: Entity, entities: &Entities) -> Option<TableId> {
    entities.get_spawned(entity).ok().map(|place| place.table_id)
}

/// One round of the mailman.
struct Round<'a> {
    scope: &'a Scope,
    next_tick: bool,
    /// How many visits.
    begun: usize,
}

impl Round<'_> {
    /// Empties the mailbox of one process.
    #[inline(always)]
    fn empty(&mut self, visits: &mut Vec<Visit>, entity: Entity, row: usize, flags: Flags, vitals: &Vitals) {
        let scope = self.scope;
        if !flags.is_clear() && !may_read(vitals, flags, scope) {
            if !flags.has(Flags::DYING) {
                scope.list_ready(vitals.lane, entity);
            }
            return;
        }
        if visits.len() == self.begun {
            visits.push(Visit { entity, row, batch: Vec::new() });
        }
        let visit = &mut visits[self.begun];
        (visit.entity, visit.row) = (entity, row);
        // Empty, unless the drop of a body has panicked in the round before.
        visit.batch.clear();
        self.begun += 1;
        let mailbox = &vitals.address.0.mailbox;
        let more = match self.next_tick {
            true => take_due(mailbox, &mut visit.batch, scope),
            false => mailbox.take(&mut visit.batch, BUDGET),
        };
        if more {
            scope.list_ready(vitals.lane, entity);
        }
    }

    /// Has it read what was there; unless it may not any more, for somebody before it in this round has seen to that.
    #[inline(always)]
    fn read<P: Process>(
        &self,
        visit: &mut Visit,
        process: &mut P,
        flags: &mut Flags,
        vitals: &mut Vitals,
        private: &mut Private<P>,
    ) {
        let scope = self.scope;
        if !flags.is_clear() && !may_read(vitals, *flags, scope) || scope.control.is_braked() {
            if vitals.address.0.mailbox.give_back(&mut visit.batch) {
                scope.list_ready(vitals.lane, vitals.address.entity());
            }
            return;
        }
        let pulled = Cell::new(false);
        read_all(&mut visit.batch, process, &mut Context { vitals, flags, private, scope, pulled: &pulled });
    }
}

/// The second look at a process with a flag. Nothing runs of one that is paused or may not yet live: its mail waits.
#[cold]
fn may_read(vitals: &Vitals, flags: Flags, scope: &Scope) -> bool {
    let too_early = || flags.has(Flags::FRESH) && scope.joined_too_late(vitals.address.entity());
    !flags.has(Flags::DYING.and(Flags::PAUSED)) && !too_early()
}

/// Takes what was sent before this tick. Whether more waits.
fn take_due(mailbox: &Mailbox<Mail>, batch: &mut Vec<Option<Mail>>, scope: &Scope) -> bool {
    let start = scope.now();
    let more = mailbox.take_due(batch, |mail| mail.time < start);
    // In an order that no placement of the senders can change.
    batch.sort_by_key(|mail| {
        mail.as_ref().map(|mail| (!mail.is_urgent(), Reverse(mail.priority), mail.time, mail.sender.birth()))
    });
    more
}
