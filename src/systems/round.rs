//! The mailman's round: takes mail out of the mailboxes of one lane, and has it read. It visits only those that have mail,
//! and no callback runs while a mailbox is locked.

use crate::erased::{AnyProcess, RawContext};
use crate::mail::Mail;
use crate::mailbox::{Chain, Home, Sack};
use crate::process::{Flags, Vitals};
use crate::scope::Scope;
use crate::subject::Subject;
use crate::systems::mailman::{read_all, sort};
use crate::systems::rows::{AnyRows, recycle};
use bevy_ecs::entity::{Entities, Entity};
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
    /// The tables of a round. Empty between rounds, but for its memory.
    tables: Vec<AnyRows<'static>>,
}

/// What was in one mailbox when the round began.
struct Visit {
    slot: u32,
    /// Which of the tables of its lane it is in, and where in that.
    table: u32,
    row: u32,
    /// What was in its box, once that is known.
    taken: Option<Chain>,
}

/// No such table or row.
const NONE: u32 = u32::MAX;

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

    /// Whether nobody else has mail than this one, or nobody at all.
    #[inline(always)]
    pub(crate) fn is_for(&self, vitals: Option<&Vitals>) -> bool {
        match &*self.whom {
            [] => true,
            [slot] => vitals.is_some_and(|vitals| vitals.address.party().slot() == *slot),
            _ => false,
        }
    }

    /// The whole round in a lane of one process, which has mail. Not inlined: lanes of one process are many, and run one after
    /// another.
    #[inline(never)]
    pub(crate) fn deliver_to(&mut self, mut process: AnyProcess<'_>, vitals: &mut Vitals, scope: &Scope) {
        self.whom.clear();
        let taken = scope.at_home(vitals.address.party().slot(), |home| take(home, scope));
        if let Some(chain) = empty(&mut self.sack, taken.flatten(), vitals, scope) {
            Round::after_taking(&mut self.sack, scope).read(chain, &mut process, vitals);
        }
        self.sack.reset();
    }

    /// Empties the boxes of those who have mail, as far as that can be done by a look at their homes, and looks up where they
    /// stand. One who has moved to another lane has been listed anew there. Whether anybody has mail.
    #[inline(always)]
    pub(crate) fn locate(&mut self, entities: &Entities, lane: u32, scope: &Scope) -> bool {
        !self.is_idle() && {
            self.locate_all(entities, lane, scope);
            true
        }
    }

    fn locate_all(&mut self, entities: &Entities, lane: u32, scope: &Scope) {
        let depot = scope.depot.borrow();
        self.visits.clear();
        self.visits.extend(self.whom.drain(..).filter_map(|slot| {
            let home = depot.home(slot).filter(|home| home.lane() == lane)?;
            let row = entities.get_spawned(home.entity()).ok()?.table_row.index_u32();
            Some(Visit { slot, table: NONE, row, taken: take(home, scope) })
        }));
    }

    /// The whole round in a lane of which these are all tables, once those who have mail are located.
    #[inline(always)]
    pub(crate) fn deliver<'a>(&mut self, tables: impl Iterator<Item = AnyRows<'a>>, scope: &Scope) {
        let mut all = recycle(std::mem::take(&mut self.tables));
        all.extend(tables);
        self.deliver_all(&mut all, scope);
        self.tables = recycle(all);
    }

    #[inline(never)]
    fn deliver_all(&mut self, tables: &mut [AnyRows<'_>], scope: &Scope) {
        for Visit { slot, table, row, taken } in &mut self.visits {
            let mut all = tables.iter().zip(0..);
            match all.find_map(|(rows, at)| Some((rows.vitals_of(*slot, *row)?, at))) {
                Some((vitals, at)) => (*table, *taken) = (at, empty(&mut self.sack, *taken, vitals, scope)),
                None => put_back(&mut self.sack, *slot, taken.take(), scope),
            }
        }
        let mut round = Round::after_taking(&mut self.sack, scope);
        for Visit { table, row, taken, .. } in &self.visits {
            if let Some(chain) = *taken
                && let Some((mut process, vitals)) = tables.get_mut(*table as usize).and_then(|rows| rows.get_mut(*row))
            {
                round.read(chain, &mut process, vitals);
            }
        }
        self.sack.reset();
    }

    /// The whole round in a lane without tables, once those who have mail are located: `find` lends a process, if it is there.
    pub(crate) fn deliver_each(
        &mut self,
        mut find: impl FnMut(Entity, &mut dyn FnMut(&mut AnyProcess<'_>, &mut Vitals)),
        scope: &Scope,
    ) {
        let entity = |slot| scope.at_home(slot, Home::entity).unwrap_or(Entity::PLACEHOLDER);
        for Visit { slot, taken, .. } in &mut self.visits {
            let mut before = Some(taken.take());
            find(entity(*slot), &mut |_, vitals| {
                *taken = before.take().and_then(|before| empty(&mut self.sack, before, vitals, scope));
            });
            if let Some(before) = before {
                put_back(&mut self.sack, *slot, before, scope);
            }
        }
        let mut round = Round::after_taking(&mut self.sack, scope);
        for Visit { slot, taken, .. } in &self.visits {
            if let Some(chain) = *taken {
                find(entity(*slot), &mut |process, vitals| round.read(chain, process, vitals));
            }
        }
        self.sack.reset();
    }
}

/// Of one who is in the lane, but not to be seen there, as long as its entity is disabled: its mail waits.
#[cold]
fn put_back(sack: &mut Sack<Mail>, slot: u32, taken: Option<Chain>, scope: &Scope) {
    let items = sack.take_all(taken.unwrap_or(Chain::EMPTY));
    scope.depot.borrow_mut().put_back(slot, items);
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
        scope.forwards.clear();
        Self { sack, pill: scope.control.pill.get(), scope }
    }

    /// Has a process read what was there; unless it may not any more, for somebody before it in this round has seen to that.
    #[inline(always)]
    fn read(&mut self, chain: Chain, process: &mut AnyProcess<'_>, vitals: &mut Vitals) {
        let scope = self.scope;
        if !vitals.flags.is_clear() && !may_read(vitals, scope) || scope.control.is_braked() {
            return give_back(chain, self.sack, vitals, scope);
        }
        let pulled = Cell::new(false);
        let mut cx = RawContext::new(vitals, scope, &pulled);
        read_all(chain, self.sack, self.pill, process, &mut cx);
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
