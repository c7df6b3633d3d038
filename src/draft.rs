//! A mail that is being written.

use crate::body::Body;
use crate::mail::{Extras, Failure, Flags, Mail};
use crate::mailbox::{Parcel, Rank};
use crate::party::Party;
use crate::subject::{EMPTY, Entry, Subject};
use serde_json::Value as Json;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A mail that is being written: begun by `Mail::to`, `Mail::to_all`, `Mail::broadcast` or [`Mail::reply`], and sent by the
/// context of a process, or by a thread.
///
/// It is addressed to a `T`: one recipient, or many. Its body keeps its own type `B` until it lands in a mailbox, so that
/// nothing large is moved on the way.
#[must_use = "a draft does nothing until it is sent"]
pub struct Draft<T, B = Body> {
    pub(crate) to: T,
    /// The subject, if it is interned; an owned one is in the extras. So a common draft has nothing to drop, and stays in
    /// registers.
    pub(crate) subject: &'static Entry,
    pub(crate) body: B,
    pub(crate) extras: Option<Box<Extras>>,
    /// The thread it goes on with, and its place there; `None` begins one.
    pub(crate) thread: Option<(u64, u32)>,
    pub(crate) priority: i8,
    pub(crate) flags: Flags,
}

/// What can become a body, at the last moment. Made by [`Draft::body`].
pub trait Content: sealed::Content {}

impl<C: sealed::Content> Content for C {}

/// No body yet.
#[derive(Clone, Copy, Default, Debug)]
pub struct Nothing;

/// A body to be.
#[derive(Debug)]
pub struct Value<V>(pub(crate) V);

mod sealed {
    pub trait Content {
        fn into_body(self) -> super::Body;
    }

    impl Content for super::Nothing {
        #[inline(always)]
        fn into_body(self) -> super::Body {
            super::Body::default()
        }
    }

    impl Content for super::Body {
        #[inline(always)]
        fn into_body(self) -> super::Body {
            self
        }
    }

    impl<V: std::any::Any + Send + Sync> Content for super::Value<V> {
        #[inline(always)]
        fn into_body(self) -> super::Body {
            super::Body::new(self.0)
        }
    }
}

impl<T> Draft<T, Nothing> {
    #[inline(always)]
    pub(crate) fn new(to: T) -> Self {
        Self { to, subject: &EMPTY, body: Nothing, extras: None, thread: None, priority: 0, flags: Flags::default() }
    }
}

impl<T, B> Draft<T, B> {
    /// What it is about. A literal is interned, a `String` is not: see [`Subject`].
    #[inline(always)]
    pub fn subject(mut self, subject: impl Into<Subject>) -> Self {
        let (entry, owned) = subject.into().into_parts();
        self.subject = entry;
        if owned.is_some() || self.extras.is_some() {
            // By the field: a reference to the whole would put the whole into memory.
            own_subject(&mut self.extras, owned);
        }
        self
    }

    /// What it is about.
    pub(crate) fn subject_handle(&self) -> Subject {
        Subject::from_parts(self.subject, self.owned_subject().cloned())
    }

    fn owned_subject(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.subject.as_ref()
    }

    /// What it carries: any value; [`Body::new`] tells which are text, JSON and bytes.
    #[inline(always)]
    pub fn body<V: Any + Send + Sync>(self, value: V) -> Draft<T, Value<V>> {
        self.map(|to| to, |_| Value(value))
    }

    /// Adds a header. Names are compared without case.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Json>) -> Self {
        self.extras().headers.push((name.into(), value.into()));
        self
    }

    /// Higher goes first in a mailbox that minds it; 0 unless set.
    #[inline(always)]
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Goes before all that is not urgent, and is never refused but by a closed mailbox.
    #[inline(always)]
    pub fn urgent(self) -> Self {
        self.with(Flags::URGENT)
    }

    /// Marks it as one whose sender waits for a reply.
    #[inline(always)]
    pub(crate) fn question(self) -> Self {
        self.with(Flags::QUESTION)
    }

    #[inline(always)]
    fn with(mut self, flag: Flags) -> Self {
        self.flags = self.flags.with(flag);
        self
    }

    /// Writes down for whom it is, where that is no process.
    pub(crate) fn named(mut self, recipient: &str) -> Self {
        self.extras().recipient = Some(recipient.into());
        self
    }

    /// Marks it as the bounce of a mail that `recipient` did not get, or did not answer.
    pub(crate) fn failed(mut self, recipient: &str, reason: &'static str) -> Self {
        self.extras().failed = Some(Failure { recipient: recipient.to_owned(), reason: reason.into() });
        self
    }

    /// The thread that this is an answer in, if it is one.
    #[inline(always)]
    pub(crate) fn answers(&self) -> Option<u64> {
        if self.flags.has(Flags::ANSWER) { self.thread.map(|(thread, _)| thread) } else { None }
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// The same, with another address and another body.
    #[inline(always)]
    pub(crate) fn map<U, C>(self, address: impl FnOnce(T) -> U, body: impl FnOnce(B) -> C) -> Draft<U, C> {
        Draft {
            to: address(self.to),
            subject: self.subject,
            body: body(self.body),
            extras: self.extras,
            thread: self.thread,
            priority: self.priority,
            flags: self.flags,
        }
    }
}

#[cold]
fn own_subject(extras: &mut Option<Box<Extras>>, owned: Option<Arc<str>>) {
    extras.get_or_insert_default().subject = owned;
}

impl<T> Draft<T, Body> {
    /// With its body behind an `Arc`, so that it can be [`copy`](Self::copy)ed.
    pub(crate) fn share_body(self) -> Self {
        self.map(|to| to, Body::share)
    }

    /// Neither question nor answer nor urgent.
    pub(crate) fn ordinary(mut self) -> Self {
        self.flags = Flags::default();
        self
    }

    /// The same for another recipient; the body must be shared.
    pub(crate) fn copy<U>(&self, to: U) -> Draft<U, Body> {
        Draft {
            to,
            subject: self.subject,
            body: self.body.copy().unwrap_or_default(),
            extras: self.extras.clone(),
            thread: self.thread,
            priority: self.priority,
            flags: self.flags,
        }
    }
}

impl<T, B: Content> Draft<T, B> {
    /// With a body of no particular type.
    pub(crate) fn erase(self) -> Draft<T, Body> {
        self.map(|to| to, sealed::Content::into_body)
    }
}

impl<T: fmt::Debug, B> fmt::Debug for Draft<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft({:?} {:?})", self.to, self.subject_handle())
    }
}

/// What the sending of a mail adds to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) id: u64,
    /// Nanoseconds of the application's clock.
    pub(crate) time: u64,
    /// Nanoseconds since 1970.
    pub(crate) utc: u64,
    pub(crate) sender: Party,
}

/// A draft on its way into a mailbox.
pub(crate) struct Letter<T, B> {
    pub(crate) draft: Draft<T, B>,
    pub(crate) stamp: Stamp,
    pub(crate) recipient: Party,
}

impl<T, B: Content> Parcel for Letter<T, B> {
    type Item = Mail;

    #[inline(always)]
    fn rank(&self) -> Rank {
        self.draft.flags.rank()
    }

    #[inline(always)]
    fn priority(&self) -> i8 {
        self.draft.priority
    }

    fn supersedes(&self, waiting: &Mail) -> bool {
        waiting.subject_is(&self.draft.subject_handle())
    }

    #[inline(always)]
    fn land(self) -> Mail {
        let Self { draft, stamp, recipient } = self;
        let (thread, index) = draft.thread.unwrap_or((stamp.id, 0));
        Mail {
            body: draft.body.into_body(),
            id: stamp.id,
            thread,
            time: stamp.time,
            utc: stamp.utc,
            sender: stamp.sender,
            recipient,
            subject: draft.subject,
            extras: draft.extras,
            index,
            priority: draft.priority,
            flags: draft.flags,
        }
    }
}

impl<T, B: Content> Draft<T, B> {
    /// The mail that it becomes, without a mailbox to go through.
    pub(crate) fn land(self, stamp: Stamp, recipient: Party) -> Mail {
        Letter { draft: self, stamp, recipient }.land()
    }
}

/// Whom a reply goes to: who sent the mail.
#[derive(Clone, Debug)]
pub struct Back(pub(crate) Party);

impl Mail {
    /// Begins a reply to this mail: to its sender, in its thread, about the same. It may be kept and sent later.
    pub fn reply(&self) -> Draft<Back, Nothing> {
        let mut draft = Draft::new(Back(self.sender)).subject(self.subject_handle()).with(Flags::REPLY);
        draft.thread = Some((self.thread, self.index.saturating_add(1)));
        if self.is_question() {
            draft = draft.with(Flags::ANSWER);
        }
        if let Some(thread) = self.extras.as_ref().and_then(|extras| extras.foreign_thread) {
            draft.extras().foreign_thread = Some(thread);
        }
        draft
    }

    /// This mail, passed on by `relay`: same thread, body, headers and sender. The body becomes shared.
    pub(crate) fn relay<T>(self, to: T, relay: &str) -> Draft<T, Body> {
        let mut draft = Draft::new(to).subject(self.subject_handle()).priority(self.priority);
        draft.thread = Some((self.thread, self.index));
        draft.flags = self.flags;
        let recipient = self.recipient().to_string().into();
        draft.extras = self.extras;
        let extras = draft.extras();
        extras.recipient.get_or_insert(recipient);
        extras.relayed_by.push(relay.into());
        draft.map(|to| to, |_| self.body)
    }

    /// This mail, on its way back to its sender: it could not be delivered.
    pub(crate) fn bounce(self, reason: impl Into<Cow<'static, str>>) -> Draft<Back, Body> {
        let recipient = self.recipient().to_string();
        let mut draft = self.reply();
        let headers = self.extras.map(|extras| extras.headers);
        let extras = draft.extras();
        extras.headers = headers.unwrap_or_default();
        extras.failed = Some(Failure { recipient, reason: reason.into() });
        draft.map(|to| to, |_| self.body)
    }
}
