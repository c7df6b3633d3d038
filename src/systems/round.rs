//! The mailman's round: takes mail out of the mailboxes of one lane, and has it read. It visits only those that have mail,
//! and no callback runs while a mailbox is locked.

use crate::context::Context;
use crate::mail::Mail;
use crate::mailbox::{Chain, Home, Sack};
use crate::process::{Flags, Process, Row, Vitals};
use crate::scope::Scope;
use crate::subject::Subject;
use crate::systems::mailman::{read_all, sort};
use crate::systems::rows::Rows;
use bevy_ecs::entity::Entities;
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use std::cell::Cell;

/// How much mail a process may read in one tick; the rest waits for the next.
const BUDGET: u32 = 1000;

/// What the mailman of one lane works with, kept warm from tick to tick.
///
/// First all mailboxes are emptied, then all is read. What callbacks send to their own lane meanwhile waits for the next
/// tick, wherever in the round its recipient stands: a mail makes one hop a tick among processes of one type. If it went on
/// within the round, a mail handed from each to the next would heap up at the last.
#[derive(Default)]
pub(crate) struct Desk {
    /// The slots of those who have mail.
    whom: Vec<u32>,
    /// What was in the bag of the lane when the round began. Empty between rounds, but for its memory.
    sack: Sack<Mail>,
    visits: Vec<Visit>,
}

/// What was in one mailbox when the round began.
struct Visit {
    slot: u32,
    /// Which of the tables of its lane it is in, and where in that.
    table: usize,
    row: usize,
    /// What was in its box, once that is known.
    taken: Option<Chain>,
}

impl Desk {
    /// Takes over the bag of a lane.
    #[inline(always)]
    pub(crate) fn open(&mut self, lane: u32, scope: &Scope) {
        let mut bag = scope.bag(lane);
        if !bag.ready.is_empty() {
            // The last of a lane may have died while it was listed, and nobody been there since to pass it over.
            self.whom.clear();
            std::mem::swap(&mut bag.ready, &mut self.whom);
            self.sack.recover();
            std::mem::swap(&mut bag.sack, &mut self.sack);
        } else {
            // After a flood of mail, what it has taken is given back.
            bag.sack.reset();
            self.sack.reset();
        }
    }

    /// Whether nobody has mail.
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.whom.is_empty()
    }

    /// Empties the boxes of those who have mail, as far as that can be done by a look at their homes, and looks up where they
    /// stand. One who has moved to another lane has been listed anew there.
    pub(crate) fn locate(&mut self, entities: &Entities, lane: u32, scope: &Scope) {
        let depot = scope.depot.borrow();
        self.visits.clear();
        for slot in self.whom.drain(..) {
            if let Some(home) = depot.home(slot).filter(|home| home.lane() == lane)
                && let Ok(place) = entities.get_spawned(home.entity())
            {
                let taken = take(home, scope);
                self.visits.push(Visit { slot, table: 0, row: place.table_row.index(), taken });
            }
        }
    }

    /// The whole round in a lane of one process.
    #[inline(always)]
    pub(crate) fn deliver_to<P: Process>(&mut self, only: &mut Rows<'_, P>, scope: &Scope) {
        if let Some(chain) = self.take(&only.vitals[0], scope) {
            Round::after_taking(&mut self.sack, scope).read(chain, only, 0);
        }
        self.sack.reset();
    }

    /// Empties the mailbox of the one process of a lane, if it is that which has mail. Not inlined: lanes of one process
    /// are many, and run one after another.
    #[inline(never)]
    fn take(&mut self, vitals: &Vitals, scope: &Scope) -> Option<Chain> {
        let has_mail = self.whom.contains(&vitals.address.party().slot());
        self.whom.clear();
        if !has_mail {
            return None;
        }
        let taken = scope.at_home(vitals.address.party().slot(), |home| take(home, scope))?;
        empty(&mut self.sack, taken, vitals, scope)
    }

    /// The whole round in a lane of which these are all tables.
    pub(crate) fn deliver<P: Process>(&mut self, tables: &mut [Rows<'_, P>], scope: &Scope) {
        for Visit { slot, table, row, taken } in &mut self.visits {
            let found = tables.iter().position(|table| table.holds(*slot, *row));
            *taken = found.and_then(|table| empty(&mut self.sack, *taken, &tables[table].vitals[*row], scope));
            *table = found.unwrap_or_default();
        }
        let mut round = Round::after_taking(&mut self.sack, scope);
        for Visit { table, row, taken, .. } in &self.visits {
            if let Some(chain) = *taken {
                round.read(chain, &mut tables[*table], *row);
            }
        }
        self.sack.reset();
    }

    /// The whole round in a lane without tables.
    pub(crate) fn deliver_each<P: Process>(
        &mut self,
        rows: &mut QueryState<Row<P>>,
        world: &mut World,
        lane: u32,
        scope: &Scope,
    ) {
        self.locate(world.entities(), lane, scope);
        let entity = |slot| scope.at_home(slot, Home::entity);
        for Visit { slot, taken, .. } in &mut self.visits {
            let row = entity(*slot).and_then(|entity| rows.get_mut(world, entity).ok());
            let before = taken.take();
            row.into_iter().for_each(|row| {
                Rows::with(row, |row| *taken = empty(&mut self.sack, before, &row.vitals[0], scope));
            });
        }
        let mut round = Round::after_taking(&mut self.sack, scope);
        for Visit { slot, taken, .. } in &self.visits {
            let row = entity(*slot).and_then(|entity| rows.get_mut(world, entity).ok());
            if let (Some(row), Some(chain)) = (row, *taken) {
                Rows::with(row, |row| round.read(chain, row, 0));
            }
        }
        self.sack.reset();
    }
}

/// Empties a mailbox by a look at its home, if that can be done.
#[inline(always)]
fn take(home: &Home, scope: &Scope) -> Option<Chain> {
    if scope.next_tick { None } else { home.take(BUDGET) }
}

/// What a process reads, of which `taken` is all, if it has been taken; unless it may not read now: then its mail is laid
/// aside, and it is looked at again.
#[inline(always)]
fn empty(sack: &mut Sack<Mail>, taken: Option<Chain>, vitals: &Vitals, scope: &Scope) -> Option<Chain> {
    if !vitals.flags.is_clear() && !may_read(vitals, scope) {
        lay_aside(sack, taken, vitals, scope);
        return None;
    }
    taken.or_else(|| Some(take_due(sack, vitals, scope)))
}

#[inline(never)]
fn take_due(sack: &mut Sack<Mail>, vitals: &Vitals, scope: &Scope) -> Chain {
    let mailbox = &vitals.address.0.mailbox;
    let (chain, more) = if scope.next_tick {
        let start = scope.now();
        let (mut chain, more) = mailbox.take_due(sack, u32::MAX, |mail| mail.time < start);
        sort(&mut chain, sack);
        (chain, more)
    } else {
        mailbox.take_due(sack, BUDGET, |_| true)
    };
    if more {
        scope.list_ready(vitals.lane, vitals.address.party());
    }
    chain
}

#[cold]
fn lay_aside(sack: &mut Sack<Mail>, taken: Option<Chain>, vitals: &Vitals, scope: &Scope) {
    let (mailbox, taken) = (&vitals.address.0.mailbox, taken.unwrap_or(Chain::EMPTY));
    mailbox.give_back(sack.take_all(taken).collect(), sack);
    mailbox.shelve(Vec::new(), sack);
    if !vitals.flags.has(Flags::DYING) {
        scope.list_ready(vitals.lane, vitals.address.party());
    }
}

/// What all that read in one round have in common.
struct Round<'a> {
    sack: &'a mut Sack<Mail>,
    /// The subject that is a poison pill, if anybody has ever asked for it.
    pill: Option<&'a Subject>,
    scope: &'a Scope,
}

impl<'a> Round<'a> {
    /// Of mail that has been taken out of its boxes: who put a pill among it had asked for its subject before.
    #[inline(always)]
    fn after_taking(sack: &'a mut Sack<Mail>, scope: &'a Scope) -> Self {
        Self { sack, pill: scope.control.pill.get(), scope }
    }

    /// Has a process read what was there; unless it may not any more, for somebody before it in this round has seen to that.
    #[inline(always)]
    fn read<P: Process>(&mut self, chain: Chain, rows: &mut Rows<'_, P>, row: usize) {
        let (vitals, scope) = (&mut rows.vitals[row], self.scope);
        if !vitals.flags.is_clear() && !may_read(vitals, scope) || scope.control.is_braked() {
            return give_back(chain, self.sack, vitals, scope);
        }
        let pulled = Cell::new(false);
        let mut cx = Context::new(vitals, scope, &pulled);
        read_all(chain, self.sack, self.pill, &mut rows.processes[row], &mut cx);
    }
}

#[cold]
fn give_back(chain: Chain, sack: &mut Sack<Mail>, vitals: &Vitals, scope: &Scope) {
    let mut bag = scope.bag(vitals.lane);
    if vitals.address.0.mailbox.give_back(sack.take_all(chain).collect(), &mut bag.sack) {
        bag.ready.push(vitals.address.party().slot());
    }
}

/// The second look at a process with a flag. Nothing runs of one that is paused or may not yet live: its mail waits.
#[cold]
fn may_read(vitals: &Vitals, scope: &Scope) -> bool {
    let too_early = || vitals.flags.has(Flags::FRESH) && scope.joined_too_late(vitals.address.entity());
    !vitals.flags.has(Flags::DYING.and(Flags::PAUSED)) && !too_early()
}
