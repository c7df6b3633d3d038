//! The mailman's round: takes mail out of the mailboxes of one lane, and has it read. It visits only those that have mail,
//! and no callback runs while a mailbox is locked.

use crate::erased::{AnyProcess, RawContext};
use crate::mail::Mail;
use crate::mailbox::{Attic, BATCH, Front, Home, Sack, Visit};
use crate::prefetch::prefetch;
use crate::process::{Flags, Vitals};
use crate::scope::Scope;
use crate::subject::Subject;
use crate::systems::mailman::{read_all, sort};
use crate::systems::rows::{AnyRows, recycle};
use bevy_ecs::entity::{Entities, Entity};
use std::cell::Cell;

/// So many visits ahead, memory is asked for.
const AHEAD: usize = 16;

/// What the mailman of one lane works with, kept warm from tick to tick.
///
/// First all mailboxes are emptied, at once or each by itself, then all is read. What callbacks send to their own lane meanwhile
/// waits for the next tick, wherever in the round its recipient stands: a mail makes one hop a tick among processes of one
/// type. If it went on within the round, a mail handed from each to the next would heap up at the last.
#[derive(Default)]
pub(crate) struct Desk {
    /// Those who have mail, and how many of them were visited in this round.
    visits: Vec<Visit>,
    made: usize,
    /// What was in the bag of the lane when the round began. Empty between rounds, but for its memory.
    sack: Sack<Mail>,
    /// Whether what was in the box is known of each.
    all_taken: bool,
    /// Whether the rows of the visits are looked up: else they are those of the last visits before.
    is_sure: bool,
    /// The tables of a round. Empty between rounds, but for its memory.
    tables: Vec<AnyRows<'static>>,
}

impl Desk {
    /// Takes over the bag of a lane.
    #[inline(always)]
    pub(crate) fn open(&mut self, lane: u32, scope: &Scope) {
        let mut depot = scope.depot.borrow_mut();
        let bag = &mut depot.bags[lane as usize];
        // The last of a lane may have died while it was listed, and nobody been there since to pass it over.
        self.visits.clear();
        if !bag.visits.is_empty() {
            std::mem::swap(&mut bag.visits, &mut self.visits);
            self.sack.recover();
            std::mem::swap(&mut bag.sack, &mut self.sack);
            (self.made, self.is_sure) = (0, false);
            self.all_taken = self.sack.is_as_listed() && !scope.next_tick;
            if self.all_taken && !bag.begin_next() {
                depot.forget_rounds(lane);
            }
        } else {
            // After a flood of mail, what it has taken is given back.
            bag.sack.reset();
            self.sack.reset();
        }
    }

    /// Whether nobody has mail.
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.visits.is_empty()
    }

    /// Whether nobody else has mail than this one, or nobody at all.
    #[inline(always)]
    pub(crate) fn is_for(&self, vitals: Option<&Vitals>) -> bool {
        match &*self.visits {
            [] => true,
            [visit] => vitals.is_some_and(|vitals| vitals.address.party().slot() == visit.slot),
            _ => false,
        }
    }

    /// The whole round in a lane of one process, which has mail. Not inlined: lanes of one process are many, and run one after
    /// another.
    #[inline(never)]
    pub(crate) fn deliver_to(&mut self, mut process: AnyProcess<'_>, vitals: &mut Vitals, scope: &Scope) {
        let listed = self.visits.first().filter(|_| self.all_taken).and_then(|visit| visit.taken);
        let taken = listed.or_else(|| take_one(vitals, scope)).or_else(|| take_more(&mut self.sack, vitals, scope));
        Round::after_taking(&mut self.sack, scope).read(taken, &mut process, vitals);
        self.sack.reset();
    }

    /// Empties the boxes of those who have mail, where that is more than to take what they are listed with: as far as that can be
    /// done by a look at their homes; if that was not enough for all, looks up where they stand. Whether anybody has mail.
    #[inline(always)]
    pub(crate) fn collect(&mut self, entities: &Entities, lane: u32, scope: &Scope) -> bool {
        if !self.all_taken && !self.is_idle() {
            self.collect_all(lane, scope);
            if !self.all_taken {
                self.locate(entities, scope);
            }
        }
        !self.is_idle()
    }

    #[inline(never)]
    fn collect_all(&mut self, lane: u32, scope: &Scope) {
        let (depot, visits, mut kept) = (scope.depot.borrow(), &mut *self.visits, 0);
        let (homes, round) = (depot.homes(), depot.bags[lane as usize].round());
        self.all_taken = true;
        for at in 0..visits.len() {
            if let Some(home) = visits.get(at + AHEAD).and_then(|next| homes.get(next.slot)) {
                prefetch(home);
            }
            let slot = visits[at].slot;
            // Who has moved to another lane has been listed anew there.
            let Some(home) = homes.get(slot).filter(|home| home.lane() == lane) else { continue };
            let taken = take(home, lane, round, scope);
            visits[kept] = Visit { slot, row: home.row(), taken };
            kept += 1;
            self.all_taken &= taken.is_some();
        }
        self.visits.truncate(kept);
    }

    /// Looks up where those stand who are yet to be visited. Not for each round: who has not moved is found without, and the
    /// tables of a million entities are memory that nothing else of a tick touches.
    #[inline(never)]
    pub(crate) fn locate(&mut self, entities: &Entities, scope: &Scope) {
        let depot = scope.depot.borrow();
        let homes = depot.homes();
        for visit in &mut self.visits[self.made..] {
            let (Some(home), Some(attic)) = (homes.get(visit.slot), homes.attic(visit.slot)) else { continue };
            if let Ok(place) = entities.get_spawned(attic.entity()) {
                visit.row = place.table_row.index_u32();
                home.set_row(visit.row);
            }
        }
        self.is_sure = true;
    }

    /// Goes on with the round in a lane of which these are all tables. Whether it is over: else somebody is not where he was at
    /// the last visit, and they must be [located](Self::locate).
    #[inline(always)]
    pub(crate) fn deliver<'a>(&mut self, tables: impl Iterator<Item = AnyRows<'a>>, scope: &Scope) -> bool {
        let mut all = recycle(std::mem::take(&mut self.tables));
        all.extend(tables);
        let is_over = self.deliver_all(&mut all, scope);
        self.tables = recycle(all);
        is_over
    }

    #[inline(never)]
    fn deliver_all(&mut self, tables: &mut [AnyRows<'_>], scope: &Scope) -> bool {
        if !self.all_taken {
            self.take_rest(tables, scope);
        }
        let (mut round, visits) = (Round::after_taking(&mut self.sack, scope), &*self.visits);
        for (at, Visit { slot, row, taken }) in visits.iter().enumerate().skip(self.made) {
            if let Some(Visit { row, taken: Some(front), .. }) = visits.get(at + AHEAD) {
                if let [only] = tables {
                    only.prefetch(*row);
                }
                round.sack.prefetch(*front);
            }
            match tables.iter_mut().find_map(|rows| rows.get_mut(*slot, *row)) {
                Some((mut process, vitals)) => round.read(*taken, &mut process, vitals),
                None if !self.is_sure => {
                    self.made = at;
                    return false;
                }
                None if taken.is_some() => put_back(round.sack, *slot, *taken, scope),
                None => {}
            }
        }
        self.sack.reset();
        true
    }

    /// Empties the boxes for which it takes more than a look at their homes. Who is not there gets his mail back before
    /// anybody reads: what is written then must not be hung behind what is in the sack of this round.
    #[inline(never)]
    fn take_rest(&mut self, tables: &mut [AnyRows<'_>], scope: &Scope) {
        for Visit { slot, row, taken } in self.visits.iter_mut().filter(|visit| visit.taken.is_none()) {
            match tables.iter_mut().find_map(|rows| rows.get_mut(*slot, *row)) {
                Some((_, vitals)) => *taken = take_more(&mut self.sack, vitals, scope),
                None => put_back(&mut self.sack, *slot, None, scope),
            }
        }
    }

    /// The whole round in a lane without tables, once the boxes are emptied: `find` lends a process, and says whether
    /// it is there.
    pub(crate) fn deliver_each(
        &mut self,
        mut find: impl FnMut(Entity, &mut dyn FnMut(&mut AnyProcess<'_>, &mut Vitals)) -> bool,
        scope: &Scope,
    ) {
        let entity = |slot| scope.at_homes(|homes| homes.attic(slot).map_or(Entity::PLACEHOLDER, Attic::entity));
        for Visit { slot, taken, .. } in self.visits.iter_mut().filter(|visit| visit.taken.is_none()) {
            let found = find(entity(*slot), &mut |_, vitals| *taken = take_more(&mut self.sack, vitals, scope));
            if !found {
                put_back(&mut self.sack, *slot, None, scope);
            }
        }
        let mut round = Round::after_taking(&mut self.sack, scope);
        for Visit { slot, taken, .. } in self.visits.iter().filter(|visit| visit.taken.is_some()) {
            let found = find(entity(*slot), &mut |process, vitals| round.read(*taken, process, vitals));
            if !found {
                put_back(round.sack, *slot, *taken, scope);
            }
        }
        self.sack.reset();
    }
}

/// Of one who is in the lane, but not to be seen there, as long as its entity is disabled: its mail waits.
#[cold]
fn put_back(sack: &mut Sack<Mail>, slot: u32, taken: Option<Front>, scope: &Scope) {
    scope.depot.borrow_mut().put_back(slot, taken, sack);
}

/// Empties a mailbox by a look at its home, if that can be done.
#[inline(always)]
fn take(home: &Home, lane: u32, round: u32, scope: &Scope) -> Option<Front> {
    if scope.next_tick { None } else { home.take(lane, round, BATCH.into()) }
}

/// The same of one alone.
fn take_one(vitals: &Vitals, scope: &Scope) -> Option<Front> {
    let (depot, lane) = (scope.depot.borrow(), vitals.lane);
    let home = depot.homes().get(vitals.address.party().slot())?;
    take(home, lane, depot.bags[lane as usize].round(), scope)
}

/// Empties a mailbox for which that is not enough; unless its process may not read now: then it is looked at again.
#[inline(never)]
fn take_more(sack: &mut Sack<Mail>, vitals: &Vitals, scope: &Scope) -> Option<Front> {
    let mailbox = &vitals.address.0.mailbox;
    if !vitals.flags.is_clear() && !may_read(vitals, scope) {
        mailbox.shelve(Vec::new(), sack);
        if !vitals.flags.has(Flags::DYING) {
            scope.list_ready(vitals.lane, vitals.address.party());
        }
        return None;
    }
    let (front, more) = if scope.next_tick {
        let start = scope.now();
        let (mut front, more) = mailbox.take_due(sack, u32::MAX, |mail| mail.time < start);
        sort(&mut front, sack);
        (front, more)
    } else {
        mailbox.take_due(sack, BATCH.into(), |_| true)
    };
    if more {
        scope.list_ready(vitals.lane, vitals.address.party());
    }
    Some(front)
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

    /// Has a process read what was there, if it may; somebody before it in this round may have seen to that.
    #[inline(always)]
    fn read(&mut self, taken: Option<Front>, process: &mut AnyProcess<'_>, vitals: &mut Vitals) {
        let (Some(front), scope) = (taken, self.scope) else { return };
        if !vitals.flags.is_clear() && !may_read(vitals, scope) || scope.control.is_braked() {
            return give_back(front, self.sack, vitals, scope);
        }
        let pulled = Cell::new(false);
        let mut cx = RawContext::new(vitals, scope, &pulled);
        read_all(front, self.sack, self.pill, process, &mut cx);
    }
}

#[cold]
fn give_back(front: Front, sack: &mut Sack<Mail>, vitals: &Vitals, scope: &Scope) {
    let party = vitals.address.party();
    // It was listed for that, too.
    let has_errands = scope.has_errands(party);
    let mut bag = scope.bag(vitals.lane);
    if vitals.address.0.mailbox.give_back(sack.take_all(front).collect(), &mut bag.sack) || has_errands {
        bag.list(party.slot());
    }
}

/// The second look at a process with a flag. Nothing runs of one that is paused or may not yet live: its mail waits.
#[cold]
fn may_read(vitals: &Vitals, scope: &Scope) -> bool {
    let too_early = || vitals.flags.has(Flags::FRESH) && scope.joined_too_late(vitals.address.entity());
    !vitals.flags.has(Flags::DYING.and(Flags::PAUSED)) && !too_early()
}
