//! The mailman at one process: runs the callbacks that its mail matches, and sees to all else that came with it.
//! [`round`](super::round) tells whom it visits.

use crate::ask::Ask;
use crate::context::Context;
use crate::control::DeadLetter;
use crate::event::Inbox;
use crate::failure::guarded;
use crate::filter::{Filters, Only};
use crate::mail::Mail;
use crate::mailbox::{Chain, Sack};
use crate::mailing::Handler;
use crate::post::Address;
use crate::process::{Flags, Process, Vitals};
use crate::scope::{self, Scope};
use crate::subject::Subject;
use crate::systems::{events, threads};
use bevy_ecs::world::World;
use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;

/// How many subjects without a filter are told apart in the log.
const LOGGED: usize = 256;

/// Has a process read its mail, and do what else waits for its mailman. Mail is read where it lies: to move it out first
/// would cost as much as to write it did. The pill is the one known after the mail was taken out of its box.
#[inline(always)]
pub(super) fn read_all<P: Process>(
    chain: Chain,
    sack: &mut Sack<Mail>,
    pill: Option<&Subject>,
    process: &mut P,
    cx: &mut Context<'_, P>,
) {
    if cx.scope.forwards.is_some() {
        // Said outside of a mail's callback, where there was nothing to pass on.
        cx.scope.forwards.take();
    }
    let (mut left, mut all_light) = (chain, true);
    while let Some(slot) = sack.front(&mut left) {
        let Some(mail) = slot else { continue };
        let unwilling = cx.pulled.get() || cx.vitals.flags.has(Flags::DYING) && is_distrusted(&cx.vitals.address);
        if unwilling || !mail.is_plain() || pill.is_some_and(|pill| mail.subject_is(pill)) {
            read_special(slot.take(), unwilling, process, cx);
            continue;
        }
        if !pass_filters(mail, None, process, cx) {
            unmatched(mail, cx.scope);
        }
        all_light &= mail.needs_no_drop();
        if cx.scope.forwards.is_some() {
            slot.take().into_iter().for_each(|mail| forward(mail, cx));
        }
    }
    // Most mail holds nothing that has to be given back: to look takes a third of what it takes to drop it.
    if !all_light {
        sack.take_all(chain).for_each(drop);
    }
    if cx.scope.has_errands(cx.vitals.address.party()) {
        run_errands(process, cx);
    }
}

/// A mail that is more than a plain one, or is not to be read.
#[inline(never)]
fn read_special<P: Process>(mail: Option<Mail>, unwilling: bool, process: &mut P, cx: &mut Context<'_, P>) {
    match mail {
        Some(mail) if unwilling => unread(mail, cx.scope),
        Some(mail) => read(mail, None, process, cx),
        None => {}
    }
}

/// What waits for the mailman besides mail: what came by routes of the process's own, threads that have ended, events.
#[inline(never)]
fn run_errands<P: Process>(process: &mut P, cx: &mut Context<'_, P>) {
    let routed = cx.raw().known_mut().map(|common| std::mem::take(&mut common.routed));
    for (route, mail) in routed.into_iter().flatten() {
        read(mail, Some(route), process, cx);
    }
    let family = cx.common().and_then(|common| common.family.as_ref());
    if family.is_some_and(|family| family.has_ended_threads()) {
        threads::reap(process, cx);
    }
    events::hear(process, cx);
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
    if cx.scope.forwards.is_some() {
        forward(mail, cx);
    }
}

/// Hands a reply to whoever waits for it: the process, or one of its threads. Back, when nobody does.
#[inline(never)]
fn answer<P: Process>(mail: Mail, process: &mut P, cx: &mut Context<'_, P>) -> Option<Mail> {
    let Some(ask) = take_ask(cx, |ask| ask.thread == mail.thread) else {
        return match cx.common().and_then(|common| common.family.as_ref()) {
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
    cx.owning().own().owed.push(question.reply());
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
    let Some(all) = filters(cx, route) else { return false };
    match all.only(mail) {
        Only::Takes(number, handler) => {
            call(number, handler, mail, route, process, cx);
            true
        }
        Only::Leaves => false,
        Only::OneOfMany => go_round(mail, route, process, cx),
    }
}

#[inline(never)]
fn go_round<P: Process>(mail: &Mail, route: Option<usize>, process: &mut P, cx: &mut Context<'_, P>) -> bool {
    let Some(all) = filters(cx, route) else { return false };
    let mut round = all.round();
    while let Some((number, handler)) = filters(cx, route).and_then(|all| all.take_next(&mut round, mail)) {
        call(Some(number), handler, mail, route, process, cx);
    }
    round.matched()
}

/// One callback. Where it has been taken out of its filter, which it may remove, it goes back there.
#[inline(always)]
fn call<P: Process>(
    number: Option<u32>,
    handler: Handler<P>,
    mail: &Mail,
    route: Option<usize>,
    process: &mut P,
    cx: &mut Context<'_, P>,
) {
    guarded("mail", process, cx, |process, cx| handler.call(process, mail, cx));
    if let Some(number) = number
        && let Some(all) = filters(cx, route)
    {
        all.give_back(number, handler);
    }
}

#[inline]
fn filters<'a, P: Process>(cx: &'a mut Context<'_, P>, route: Option<usize>) -> Option<&'a mut Filters<Handler<P>>> {
    let belongings = cx.known_mut()?;
    match route {
        None => Some(&mut belongings.filters),
        Some(route) => belongings.routes.get_mut(route).map(|(_, filters)| filters),
    }
}

#[inline(never)]
pub(crate) fn take_ask<P: Process>(cx: &mut Context<'_, P>, which: impl Fn(&Ask<P>) -> bool) -> Option<Ask<P>> {
    let asks = &mut cx.known_mut()?.asks;
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
                cx.owning().own().owed.retain(|owed| owed.answers() != draft.thread.map(|it| it.0));
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

/// Puts mail into an order that no placement of its senders can change.
pub(super) fn sort(chain: &mut Chain, sack: &mut Sack<Mail>) {
    sack.sort(chain, |mail| (!mail.is_urgent(), Reverse(mail.priority), mail.time, mail.sender.birth()));
}

/// The last pass before death: what is in the box is read, unless the state of the process is not trusted, then the box is
/// closed, and who waits for an answer learns that none will come.
pub(crate) fn last_pass<P: Process>(process: &mut P, cx: &mut Context<'_, P>) {
    let address = cx.vitals.address.clone();
    if cx.vitals.flags.has(Flags::DYING) && !is_distrusted(&address) && !cx.scope.control.is_braked() {
        let all = address.0.mailbox.take_all(&mut cx.scope.bag(cx.vitals.lane).sack);
        let (mut sack, mut chain) = Sack::of(all);
        if cx.scope.next_tick {
            sort(&mut chain, &mut sack);
        }
        read_all(chain, &mut sack, cx.scope.control.pill.get(), process, cx);
    }
    empty(&address, cx.scope);
    settle_debts("it died before answering", cx);
}

/// Before a death that a birth follows: its mail waits for that, unless it is to be lost.
pub(crate) fn break_off<P: Process>(cx: &mut Context<'_, P>) {
    let address = cx.vitals.address.clone();
    if address.0.incidents().rebirth.lock().drops_mail {
        empty(&address, cx.scope);
    }
    address.0.mailbox.leave(&mut cx.scope.bag(cx.vitals.lane).sack);
    settle_debts("it was born again before answering", cx);
}

/// Closes a box; what is in it are dead letters.
pub(crate) fn empty(address: &Address, scope: &Scope) {
    let left = address.0.mailbox.close(&mut scope.bag(address.0.mailbox.home().lane()).sack);
    for mail in left {
        unread(mail, scope);
    }
}

/// Nobody waits for the answers to its own questions any more; who waits for answers of its learns that none will come.
fn settle_debts<P: Process>(reason: &'static str, cx: &mut Context<'_, P>) {
    let Some(belongings) = cx.known_mut() else { return };
    belongings.asks.clear();
    let owed = cx.raw().known_mut().map(|common| std::mem::take(&mut common.owed)).unwrap_or_default();
    let address = &cx.vitals.address;
    for debt in owed {
        let _ = cx.scope.post(debt.failed(address.name(), reason), address.party());
    }
}

/// Sorts what other heads and threads have filled to its lanes. One look when there is nothing.
#[inline]
pub(crate) fn sort_announced(world: &mut World) {
    let mut announced = Vec::new();
    scope::of(world).link.take_announced(&mut announced);
    for entity in announced {
        scope::with(world, entity, |process, scope| {
            if let Some(vitals) = process.get::<Vitals>()
                && vitals.address.0.mailbox.is_announced()
            {
                scope.list_ready(vitals.lane, vitals.address.party());
            }
        });
    }
}

/// A process has changed lanes: its mail and its events are read there from now on.
pub(crate) fn follow(address: &Address, lane: u32, scope: &Scope) {
    let before = address.0.mailbox.home().set_lane(lane);
    address.0.mailbox.shelve(Vec::new(), &mut scope.bag(before).sack);
    address.0.mailbox.unlist();
    let has_mail = address.mail_count().waiting > 0 && address.0.mailbox.is_announced();
    if has_mail || address.0.known_inbox().is_some_and(Inbox::is_ready) {
        scope.list_ready(lane, address.party());
    }
}
