//! The mailman: takes mail out of the mailboxes of one lane and runs the callbacks that it matches. It visits only those
//! that have mail, and no callback runs while a mailbox is locked.

use crate::ask::Ask;
use crate::context::Context;
use crate::control::DeadLetter;
use crate::event::Inbox;
use crate::failure::guarded;
use crate::mail::{Delivery, Mail};
use crate::mailbox::Mailbox;
use crate::mailing::Handler;
use crate::post::Address;
use crate::process::{Flags, Private, Process, Row, Vitals};
use crate::scope::Scope;
use crate::systems::{events, threads};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::system::Query;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

/// How much mail a process may read in one tick; the rest waits for the next.
const BUDGET: usize = 1000;
/// How many subjects without a filter are told apart in the log.
const LOGGED: usize = 256;

/// Delivers what the mailboxes of a lane hold now. What callbacks send to their own lane meanwhile waits for the next tick,
/// wherever in the round its recipient stands: a mail makes one hop a tick among processes of one type. If it went on
/// within the round, a mail handed from each to the next would heap up at the last.
#[inline]
pub(crate) fn deliver<P: Process>(lane: u32, rows: &mut Query<Row<P>>, scope: &Scope) {
    if scope.ready.borrow()[lane as usize].is_empty() {
        return;
    }
    let mut round = scope.rounds.take();
    std::mem::swap(&mut scope.ready.borrow_mut()[lane as usize], &mut round);
    deliver_all(&round, rows, scope);
    round.clear();
    scope.rounds.replace(round);
}

fn deliver_all<P: Process>(round: &[Entity], rows: &mut Query<Row<P>>, scope: &Scope) {
    let mut batch = scope.batch.take();
    let next_tick = scope.control.delivery.get() == Some(&Delivery::NextTick);
    let mark = scope.ids.peek();
    // Whoever is not here any more is passed over: dead, or moved to another lane, where it has been listed anew.
    let mut ready = rows.iter_many_mut(round);
    while let Some(row) = ready.fetch_next() {
        let Ok((mut process, mut flags, mut vitals, mut private)) = row else { continue };
        let flags = flags.bypass_change_detection();
        let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
        if !flags.is_clear() && !may_read(vitals, *flags, scope) || scope.control.is_braked() {
            continue;
        }
        let mailbox = &vitals.address.0.mailbox;
        let more = if next_tick {
            take_due(mailbox, &mut batch, scope)
        } else if scope.ids.peek() == mark {
            mailbox.take(&mut batch, BUDGET)
        } else {
            mailbox.take_early(&mut batch, BUDGET, |mail| scope.ids.is_since(mark, mail.id))
        };
        if more {
            scope.list_ready(vitals.lane, vitals.address.entity());
        }
        let pulled = Cell::new(false);
        read_all(&mut batch, &mut *process, &mut Context { vitals, flags, private, scope, pulled: &pulled });
    }
    scope.batch.replace(batch);
}

/// The second look at a process with a flag.
#[cold]
fn may_read(vitals: &Vitals, flags: Flags, scope: &Scope) -> bool {
    let entity = vitals.address.entity();
    if flags.has(Flags::PAUSED) || flags.has(Flags::FRESH) && scope.joined_too_late(entity) {
        // Nothing runs of a process that is paused or may not yet live: its mail waits.
        scope.list_ready(vitals.lane, entity);
        return false;
    }
    !flags.has(Flags::DYING)
}

/// Takes what was sent before this tick. Whether more waits.
fn take_due(mailbox: &Mailbox<Mail>, batch: &mut VecDeque<Mail>, scope: &Scope) -> bool {
    let start = scope.now();
    let more = mailbox.take_due(batch, |mail| mail.time < start);
    // In an order that no placement of the senders can change.
    batch
        .make_contiguous()
        .sort_by_key(|mail| (!mail.is_urgent(), Reverse(mail.priority), mail.time, mail.sender.birth()));
    more
}

/// Has a process read its mail, and what came by its own routes.
fn read_all<P: Process>(batch: &mut VecDeque<Mail>, process: &mut P, cx: &mut Context<'_, P>) {
    while let Some(mail) = batch.pop_front() {
        if cx.pulled.get() || cx.flags.has(Flags::DYING) && is_distrusted(&cx.vitals.address) {
            unread(mail, cx.scope);
        } else {
            read(mail, None, process, cx);
        }
    }
    if cx.private.0.as_ref().is_some_and(|belongings| !belongings.routed.is_empty()) {
        read_routed(process, cx);
    }
    let ended = |belongings: &crate::process::Belongings<P>| {
        belongings.family.as_ref().is_some_and(|family| family.has_ended_threads())
    };
    if cx.private.0.as_deref().is_some_and(ended) {
        threads::reap(process, cx);
    }
    if cx.vitals.address.0.known_inbox().is_some() {
        events::hear(process, cx);
    }
}

#[cold]
fn read_routed<P: Process>(process: &mut P, cx: &mut Context<'_, P>) {
    for (route, mail) in std::mem::take(&mut cx.private.belongings().routed) {
        read(mail, Some(route), process, cx);
    }
}

/// After a panic, nothing of the process is run but its death.
fn is_distrusted(address: &Address) -> bool {
    address.0.known_incidents().is_some_and(|incidents| incidents.rebirth.lock().distrusted)
}

fn unread(mail: Mail, scope: &Scope) {
    scope.control.dead_letter(&mail, DeadLetter::Unread);
    scope.bounce(mail, "it died before reading it");
}

/// One mail: an answer, a poison pill, or something for the filters.
#[inline(always)]
fn read<P: Process>(mail: Mail, route: Option<usize>, process: &mut P, cx: &mut Context<'_, P>) {
    let mail = match mail.is_reply() {
        true => match answer(mail, process, cx) {
            Some(mail) => mail,
            None => return,
        },
        false => mail,
    };
    if cx.scope.control.pill.get().is_some_and(|pill| mail.subject_is(pill)) {
        return swallow(&mail, cx);
    }
    if mail.is_question() {
        owe(&mail, cx);
    }
    if !pass_filters(&mail, route, process, cx) {
        unmatched(&mail, cx.scope);
    }
    if !cx.scope.forwards.borrow().is_empty() {
        forward(mail, cx);
    }
}

/// Hands a reply to whoever waits for it: the process, or one of its threads. Back, when nobody does.
#[inline(never)]
fn answer<P: Process>(mail: Mail, process: &mut P, cx: &mut Context<'_, P>) -> Option<Mail> {
    let Some(ask) = take_ask(cx.private, |ask| ask.thread == mail.thread) else {
        return match cx.private.0.as_ref().and_then(|belongings| belongings.family.as_ref()) {
            Some(family) => family.answer(mail),
            None => Some(mail),
        };
    };
    let outcome = ask.outcome(mail);
    guarded("mail", process, cx, |process, cx| ask.resolve(outcome, process, cx));
    None
}

#[inline(never)]
fn owe<P: Process>(question: &Mail, cx: &mut Context<'_, P>) {
    cx.private.belongings().owed.push(question.reply());
}

/// A poison pill.
#[cold]
fn swallow<P: Process>(pill: &Mail, cx: &mut Context<'_, P>) {
    // Under a subject of its own, or the answer would be a pill as well.
    let _ = cx.send(pill.reply().subject("halting").body("halting"));
    cx.die(format!("poison pill of {}", pill.sender()));
}

/// Runs all callbacks that the mail matches; whether there was any.
#[inline(always)]
fn pass_filters<P: Process>(mail: &Mail, route: Option<usize>, process: &mut P, cx: &mut Context<'_, P>) -> bool {
    let Some(all) = filters(cx.private, route) else { return false };
    let Some((filter, handler)) = all.only() else { return go_round(mail, route, process, cx) };
    let matched = filter.matches(mail);
    if matched {
        let handler = handler.clone();
        guarded("mail", process, cx, |process, cx| handler.call(process, mail, cx));
    }
    matched
}

#[inline(never)]
fn go_round<P: Process>(mail: &Mail, route: Option<usize>, process: &mut P, cx: &mut Context<'_, P>) -> bool {
    let Some(all) = filters(cx.private, route) else { return false };
    let mut round = all.round();
    while let Some(handler) = filters(cx.private, route).and_then(|filters| filters.next(&mut round, mail).cloned()) {
        guarded("mail", process, cx, |process, cx| handler.call(process, mail, cx));
    }
    round.matched()
}

#[inline]
fn filters<P: Process>(private: &Private<P>, route: Option<usize>) -> Option<&crate::filter::Filters<Handler<P>>> {
    let belongings = private.0.as_ref()?;
    match route {
        None => Some(&belongings.filters),
        Some(route) => belongings.routes.get(route).map(|(_, filters)| filters),
    }
}

#[inline(never)]
pub(crate) fn take_ask<P: Process>(private: &mut Private<P>, which: impl Fn(&Ask<P>) -> bool) -> Option<Ask<P>> {
    let asks = &mut private.0.as_mut()?.asks;
    let index = asks.iter().position(which)?;
    Some(asks.remove(index))
}

/// Passes the mail on to whom its callbacks said.
#[cold]
fn forward<P: Process>(mail: Mail, cx: &mut Context<'_, P>) {
    let (scope, me) = (cx.scope, cx.vitals.address.clone());
    let (sender, question) = (mail.sender, mail.is_question());
    let draft = mail.relay((), me.name()).share_body();
    for to in scope.forwards.take() {
        match scope.post(draft.copy(to), sender) {
            Ok(_) if question => {
                cx.private.belongings().owed.retain(|owed| owed.answers() != draft.thread.map(|it| it.0));
            }
            Ok(_) => {}
            Err(error) => {
                let recipient = error.recipient();
                let reason = match error.kind() {
                    crate::send::SendErrorKind::Full { .. } => "its mailbox was full",
                    crate::send::SendErrorKind::Closed => "it had ended",
                    crate::send::SendErrorKind::Unknown => "nobody has this name",
                };
                let back = error.into_draft().failed(&recipient, reason).ordinary();
                if let Err(error) = me.post(back, scope.stamp(sender), scope) {
                    scope.undeliverable(error, sender);
                }
            }
        }
    }
}

#[cold]
fn unmatched(mail: &Mail, scope: &Scope) {
    scope.control.unmatched.fetch_add(1, Relaxed);
    let mut logged = scope.unmatched.borrow_mut();
    if logged.len() < LOGGED && !logged.contains(mail.subject()) {
        logged.insert(mail.subject().to_owned());
        tracing::warn!(%mail, "no filter matches; further mail of this subject is only counted");
    }
}

/// The last pass before death: what is in the box is read, unless the state of the process is not trusted, then the box is
/// closed, and who waits for an answer learns that none will come.
pub(crate) fn last_pass<P: Process>(process: &mut P, cx: &mut Context<'_, P>) {
    let address = cx.vitals.address.clone();
    let mut batch = VecDeque::new();
    if cx.flags.has(Flags::DYING) && !is_distrusted(&address) && !cx.scope.control.is_braked() {
        address.0.mailbox.take(&mut batch, usize::MAX);
        read_all(&mut batch, process, cx);
    }
    empty(&address, cx.scope);
    settle_debts("it died before answering", cx);
}

/// Before a death that a birth follows: its mail waits for that, unless it is to be lost.
pub(crate) fn break_off<P: Process>(cx: &mut Context<'_, P>) {
    let address = cx.vitals.address.clone();
    if address.0.incidents().rebirth.lock().drops_mail {
        empty(&address, cx.scope);
        address.0.mailbox.open();
    }
    settle_debts("it was born again before answering", cx);
}

/// Closes a box; what is in it are dead letters.
pub(crate) fn empty(address: &Address, scope: &Scope) {
    for mail in address.0.mailbox.close() {
        unread(mail, scope);
    }
}

/// Nobody waits for the answers to its own questions any more; who waits for answers of its learns that none will come.
fn settle_debts<P: Process>(reason: &'static str, cx: &mut Context<'_, P>) {
    let Some(belongings) = &mut cx.private.0 else { return };
    belongings.asks.clear();
    let address = &cx.vitals.address;
    for debt in std::mem::take(&mut belongings.owed) {
        let _ = cx.scope.post(debt.failed(address.name(), reason), address.0.party);
    }
}

/// Sorts what other heads and threads have filled to its lanes. One look when there is nothing.
#[inline]
pub(crate) fn sort_announced(scope: &Scope) {
    let mut announced = Vec::new();
    scope.link.take_announced(&mut announced);
    for (lane, entity) in announced {
        scope.list_ready(lane, entity);
    }
}

/// A process has changed lanes: its mail and its events are read there from now on.
pub(crate) fn follow(address: &Address, lane: u32, scope: &Scope) {
    address.0.lane.store(lane, Relaxed);
    if address.mail_count().waiting > 0 || address.0.known_inbox().is_some_and(Inbox::is_ready) {
        scope.list_ready(lane, address.entity());
    }
}
