//! The mailman at one process: runs the callbacks that its mail matches, and sees to all else that came with it.
//! [`round`](super::round) tells whom it visits.

use crate::ask::Ask;
use crate::control::DeadLetter;
use crate::erased::{AnyProcess, Callback, RawContext};
use crate::event::Inbox;
use crate::failure::guarded;
use crate::filter::{Filters, Only};
use crate::mail::Mail;
use crate::mailbox::{Front, Sack};
use crate::post::Address;
use crate::process::{Flags, Vitals};
use crate::scope::{self, Scope};
use crate::subject::Subject;
use crate::systems::{events, threads};
use crate::timer::TimerId;
use bevy_ecs::world::World;
use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;

/// How many subjects without a filter are told apart in the log.
const LOGGED: usize = 256;

/// Has a process read its mail, and do what else waits for its mailman. Mail is read where it lies: to move it out first
/// would cost as much as to write it did. The pill is the one known after the mail was taken out of its box.
#[inline(always)]
pub(super) fn read_all(
    front: Front,
    sack: &mut Sack<Mail>,
    pill: Option<&Subject>,
    process: &mut AnyProcess<'_>,
    cx: &mut RawContext<'_>,
) {
    let (mut left, mut all_light, mut unwilling) = (front, true, false);
    while let Some(slot) = sack.next(&mut left) {
        let Some(mail) = slot else { continue };
        if unwilling || !mail.is_plain() || pill.is_some_and(|pill| mail.subject_is(pill)) {
            read_special(slot.take(), unwilling, process, cx);
            unwilling = is_unwilling(cx);
            continue;
        }
        if !pass_filters(mail, None, process, cx) {
            unmatched(mail, cx.scope);
        }
        if !mail.needs_no_drop() {
            all_light = false;
        }
        if !left.is_empty() {
            unwilling = is_unwilling(cx);
        }
        if cx.scope.forwards.is_some() {
            slot.take().into_iter().for_each(|mail| forward(mail, cx));
        }
    }
    // Most mail holds nothing that has to be given back: to look takes a third of what it takes to drop it.
    if !all_light {
        sack.take_all(front).for_each(drop);
    }
    if cx.scope.has_errands(cx.vitals.address.party()) {
        run_errands(process, cx);
    }
}

/// Whether what a callback has done has made an end of reading.
#[inline(always)]
fn is_unwilling(cx: &RawContext<'_>) -> bool {
    cx.pulled.get() || cx.vitals.flags.has(Flags::DYING) && is_distrusted(&cx.vitals.address)
}

/// A mail that is more than a plain one, or is not to be read.
#[inline(never)]
fn read_special(mail: Option<Mail>, unwilling: bool, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) {
    match mail {
        Some(mail) if unwilling => unread(mail, cx.scope),
        Some(mail) => read(mail, None, process, cx),
        None => {}
    }
}

/// What waits for the mailman besides mail: what came by routes of the process's own, threads that have ended, events.
#[inline(never)]
fn run_errands(process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) {
    let routed = cx.known_mut().map(|extras| std::mem::take(&mut extras.routed));
    for (route, mail) in routed.into_iter().flatten() {
        read(mail, Some(route), process, cx);
    }
    let family = cx.known().and_then(|extras| extras.family.as_ref());
    if family.is_some_and(|family| family.has_ended_threads()) {
        threads::reap(cx);
    }
    events::hear(process, cx);
    cx.scope.forwards.clear();
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
fn read(mail: Mail, route: Option<usize>, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) {
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
fn answer(mail: Mail, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) -> Option<Mail> {
    let Some(ask) = take_ask(cx, |ask| ask.thread == mail.thread) else {
        return match cx.known().and_then(|extras| extras.family.as_ref()) {
            Some(family) => family.answer(mail),
            None => Some(mail),
        };
    };
    let outcome = ask.outcome(mail);
    guarded("mail", cx, |cx| ask.resolve(outcome, process, cx));
    cx.scope.forwards.clear();
    None
}

#[inline(never)]
fn owe(question: &Mail, cx: &mut RawContext<'_>) {
    cx.own().owed.push(question.reply());
}

/// A poison pill.
#[cold]
fn swallow(pill: &Mail, cx: &mut RawContext<'_>) {
    // Under a subject of its own, or the answer would be a pill as well.
    let _ = cx.scope.post(pill.reply().subject("halting").body("halting"), cx.vitals.address.party());
    cx.die(format!("poison pill of {}", pill.sender()));
}

/// Runs all callbacks that the mail matches; whether there was any.
#[inline(always)]
fn pass_filters(mail: &Mail, route: Option<usize>, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) -> bool {
    match filters(cx, route).map_or(Only::Leaves, |all| all.only(mail)) {
        Only::Takes(callback) => {
            guarded("mail", cx, |cx| callback.call(process, mail, cx));
            true
        }
        Only::Leaves => false,
        Only::OneOfMany => go_round(mail, route, process, cx),
    }
}

#[inline(never)]
fn go_round(mail: &Mail, route: Option<usize>, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) -> bool {
    let Some(mut round) = filters(cx, route).map(Filters::round) else { return false };
    while let Some(callback) = filters(cx, route).and_then(|all| all.next(&mut round, mail)) {
        guarded("mail", cx, |cx| callback.call(process, mail, cx));
    }
    round.matched()
}

#[inline(always)]
fn filters<'a>(cx: &'a RawContext<'_>, route: Option<usize>) -> Option<&'a Filters<Callback<Mail>>> {
    match route {
        None => Some(&cx.vitals.filters),
        Some(route) => cx.vitals.private.get()?.routes.get(route).map(|(_, filters)| filters),
    }
}

/// Ends the question whose time is up, if this is its timer.
pub(super) fn time_out(process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>, timer: TimerId) {
    if let Some(ask) = take_ask(cx, |ask| ask.timer == timer) {
        let late = Err(ask.timed_out());
        guarded("ask", cx, |cx| ask.resolve(late, process, cx));
    }
}

#[inline(never)]
fn take_ask(cx: &mut RawContext<'_>, which: impl Fn(&Ask) -> bool) -> Option<Ask> {
    let asks = &mut cx.vitals.private.get_mut()?.asks;
    let index = asks.iter().position(which)?;
    Some(asks.remove(index))
}

/// Passes the mail on to whom its callbacks said.
#[cold]
fn forward(mail: Mail, cx: &mut RawContext<'_>) {
    let (scope, me) = (cx.scope, cx.vitals.address.clone());
    let (sender, question) = (mail.sender, mail.is_question());
    let draft = mail.relay((), me.name()).share_body();
    for to in scope.forwards.take() {
        match scope.post(draft.copy(to), sender) {
            Ok(_) if question => {
                cx.own().owed.retain(|owed| owed.answers() != draft.thread.map(|it| it.0));
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
pub(super) fn sort(front: &mut Front, sack: &mut Sack<Mail>) {
    sack.sort(front, |mail| (!mail.is_urgent(), Reverse(mail.priority), mail.time, mail.sender.birth()));
}

/// The last pass before death: what is in the box is read, unless the state of the process is not trusted, then the box is
/// closed, and who waits for an answer learns that none will come.
pub(crate) fn last_pass(process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) {
    let address = cx.vitals.address.clone();
    if cx.vitals.flags.has(Flags::DYING) && !is_distrusted(&address) && !cx.scope.control.is_braked() {
        let all = address.0.mailbox.take_all(&mut cx.scope.bag(cx.vitals.lane).sack);
        let (mut sack, mut front) = Sack::of(all);
        if cx.scope.next_tick {
            sort(&mut front, &mut sack);
        }
        cx.scope.forwards.clear();
        read_all(front, &mut sack, cx.scope.control.pill.get(), process, cx);
    }
    empty(&address, cx.scope);
    settle_debts("it died before answering", cx);
}

/// Before a death that a birth follows: its mail waits for that, unless it is to be lost.
pub(crate) fn break_off(cx: &mut RawContext<'_>) {
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
fn settle_debts(reason: &'static str, cx: &mut RawContext<'_>) {
    let Some(belongings) = cx.vitals.private.get_mut() else { return };
    belongings.asks.clear();
    let owed = cx.known_mut().map(|extras| std::mem::take(&mut extras.owed)).unwrap_or_default();
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
            if let Some(vitals) = process.get::<Vitals>() {
                vitals.address.0.mailbox.announced(&mut scope.bag(vitals.lane));
            }
        });
    }
}

/// A process has changed lanes: its mail and its events are read there from now on.
pub(crate) fn follow(address: &Address, lane: u32, scope: &Scope) {
    let mailbox = &address.0.mailbox;
    mailbox.shelve(Vec::new(), &mut scope.bag(mailbox.home().lane()).sack);
    mailbox.home().set_lane(lane);
    if address.mail_count().waiting > 0 || address.0.known_inbox().is_some_and(Inbox::is_ready) {
        mailbox.announced(&mut scope.bag(lane));
    }
}
