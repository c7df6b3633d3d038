//! Mail: what has been sent. [`Draft`](crate::draft::Draft) is what is being written.
//!
//! Mail goes to a process by name or [`Address`](crate::post::Address), into its bounded [`mailbox`](crate::mailbox), and is read by its
//! [`filter`](crate::filter)s before its next life. [`tell`](crate::context::Context::tell) is the common line;
//! [`send`](crate::context::Context::send) hands a refused draft back; a [question](crate::ask) never blocks. Mail that nobody reads is
//! counted, and shown to [`on_dead_letter`](crate::application::Application::on_dead_letter).

use crate::body::Body;
use crate::id;
use crate::mailbox::{Item, Rank};
use crate::party::Party;
use crate::subject::{Entry, Subject};
use serde_json::Value as Json;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// When mail can be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Delivery {
    /// At the next mailman of the recipient: a chain of types at one rate passes its mail on within one tick.
    #[default]
    SameTick,
    /// At the first tick of the recipient that starts after the instant of sending, wherever both live: the same history
    /// on any number of heads.
    NextTick,
}

/// Why a mail did not reach its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// To whom it should have gone.
    pub recipient: String,
    /// What kept it from there, for people to read.
    pub reason: Cow<'static, str>,
}

/// A mail, as its recipient finds it. It was written as a [`Draft`](crate::draft::Draft).
///
/// The order of the fields is that of their size; 96 bytes in all.
pub struct Mail {
    pub(crate) body: Body,
    pub(crate) id: u64,
    pub(crate) thread: u64,
    /// Nanoseconds of the application's clock.
    pub(crate) time: u64,
    /// Nanoseconds since 1970.
    pub(crate) utc: u64,
    pub(crate) sender: Party,
    pub(crate) recipient: Party,
    pub(crate) subject: &'static Entry,
    pub(crate) extras: Option<Box<Extras>>,
    pub(crate) index: u32,
    pub(crate) priority: i8,
    pub(crate) flags: Flags,
}

/// What few mails have.
#[derive(Clone, Default, Debug)]
pub(crate) struct Extras {
    pub(crate) headers: Vec<(Cow<'static, str>, Json)>,
    /// A subject that is not interned.
    pub(crate) subject: Option<Arc<str>>,
    /// Names from outside the application, or from before a relay.
    pub(crate) sender: Option<Box<str>>,
    pub(crate) recipient: Option<Box<str>>,
    pub(crate) relayed_by: Vec<Box<str>>,
    pub(crate) failed: Option<Failure>,
    /// Ids that were not given by this library.
    pub(crate) foreign_id: Option<Uuid>,
    pub(crate) foreign_thread: Option<Uuid>,
}

/// What a mail is, in bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const URGENT: Self = Self(1);
    /// Somebody waits for the reply.
    pub(crate) const QUESTION: Self = Self(2);
    pub(crate) const REPLY: Self = Self(4);
    /// The reply to a question.
    pub(crate) const ANSWER: Self = Self(8);

    #[inline(always)]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline(always)]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    pub(crate) const fn rank(self) -> Rank {
        if self.has(Self::URGENT) {
            Rank::Urgent
        } else if self.has(Self::ANSWER) {
            Rank::Answer
        } else {
            Rank::Ordinary
        }
    }
}

/// A name in a mail: of its sender, or of its recipient. It prints as the name.
#[derive(Clone)]
pub struct Name<'a> {
    pub(crate) party: Party,
    written: Option<&'a str>,
}

impl Name<'_> {
    /// What is printed where no name is known.
    const UNKNOWN: &'static str = "(unknown)";

    /// Whether there is a name at all.
    pub(crate) fn is_known(&self) -> bool {
        self.written.is_some() || self.party.resident().is_some()
    }

    /// Looks at the name, under a lock: `look` must be short.
    pub(crate) fn with<R>(&self, look: impl Fn(&str) -> R) -> R {
        match self.written {
            Some(name) => look(name),
            None => self.party.with_name(&look).unwrap_or_else(|| look(Self::UNKNOWN)),
        }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.written, self.party.resident()) {
            (Some(name), _) => f.pad(name),
            (None, Some(resident)) => f.pad(resident.name()),
            (None, None) => f.pad(Self::UNKNOWN),
        }
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl PartialEq<str> for Name<'_> {
    /// Without regard to ASCII case.
    fn eq(&self, other: &str) -> bool {
        self.with(|name| name.eq_ignore_ascii_case(other))
    }
}

impl PartialEq<&str> for Name<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl Mail {
    /// The id of this mail.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.extras.as_ref().and_then(|extras| extras.foreign_id).unwrap_or_else(|| id::to_uuid(self.id))
    }

    /// The id of the conversation: that of its first mail.
    #[must_use]
    pub fn thread(&self) -> Uuid {
        self.extras.as_ref().and_then(|extras| extras.foreign_thread).unwrap_or_else(|| id::to_uuid(self.thread))
    }

    /// Its place in the conversation: 0 for the first mail, one more in each reply.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// When it was sent, by the application's clock: the start of the sender's tick, counted from `run()`.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.time)
    }

    /// When it was sent, in UTC: the start of the sender's tick.
    #[must_use]
    pub fn utc(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.utc)
    }

    /// Who sent it.
    #[must_use]
    pub fn sender(&self) -> Name<'_> {
        let written = self.extras.as_ref().and_then(|extras| extras.sender.as_deref());
        Name { party: self.sender, written }
    }

    /// To whom it was written: who reads it, unless it was relayed or came back.
    #[must_use]
    pub fn recipient(&self) -> Name<'_> {
        let written = self.extras.as_ref().and_then(|extras| extras.recipient.as_deref());
        Name { party: self.recipient, written }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self.owned_subject() {
            Some(text) => text,
            None => self.subject.text(),
        }
    }

    /// The subject, to write another mail about the same.
    #[must_use]
    pub fn subject_handle(&self) -> Subject {
        Subject::from_parts(self.subject, self.owned_subject().cloned())
    }

    /// Whether it is about `subject`, in any case.
    #[inline]
    #[must_use]
    pub fn subject_is(&self, subject: &Subject) -> bool {
        subject.is_same(self.subject, self.owned_subject())
    }

    /// Whether it is about this interned subject, in any case.
    #[inline(always)]
    pub(crate) fn subject_is_entry(&self, subject: &Entry) -> bool {
        subject.is_same(self.subject, self.owned_subject())
    }

    /// The number of the subject, if it is interned.
    #[inline]
    pub(crate) fn interned_subject(&self) -> Option<usize> {
        self.owned_subject().is_none().then(|| self.subject.id())
    }

    #[inline]
    pub(crate) fn owned_subject(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.subject.as_ref()
    }

    /// What it carries.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// What it carries, if that is a `T`.
    #[inline]
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.body.get()
    }

    /// A header, by its name in any case; the first if there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Json> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers, as they were added.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.extras.iter().flat_map(|extras| &extras.headers).map(|(key, value)| (&**key, value))
    }

    /// 0 unless set; higher goes first in a mailbox that minds it.
    #[must_use]
    pub fn priority(&self) -> i8 {
        self.priority
    }

    /// Whether it went before all that was not urgent.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.flags.has(Flags::URGENT)
    }

    /// Whether it is a reply.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.flags.has(Flags::REPLY)
    }

    /// Whether the sender waits for a reply.
    #[must_use]
    pub fn is_question(&self) -> bool {
        self.flags.has(Flags::QUESTION)
    }

    /// Whether it holds nothing that has to be given back: most mail is so.
    #[inline(always)]
    pub(crate) fn needs_no_drop(&self) -> bool {
        self.extras.is_none() && self.body.needs_no_drop()
    }

    /// Whether nobody waits for it or for its reply.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        !self.flags.has(Flags::REPLY.with(Flags::QUESTION))
    }

    /// Why it came back, if it is one's own mail that could not be delivered.
    #[must_use]
    pub fn failed(&self) -> Option<&Failure> {
        self.extras.as_ref()?.failed.as_ref()
    }

    /// Who passed it on, first to last.
    pub fn relayed_by(&self) -> impl Iterator<Item = &str> {
        self.extras.iter().flat_map(|extras| &extras.relayed_by).map(|name| &**name)
    }
}

impl Item for Mail {
    #[inline(always)]
    fn rank(&self) -> Rank {
        self.flags.rank()
    }

    #[inline(always)]
    fn priority(&self) -> i8 {
        self.priority
    }
}

impl fmt::Display for Mail {
    /// One line for a log: `imu -> control "pose" #0 at 1.25s: (Pose)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sender, recipient, subject) = (self.sender(), self.recipient(), self.subject());
        write!(f, "{sender} -> {recipient} {subject:?} #{} at {:?}: {}", self.index, self.time(), self.body)?;
        for (name, value) in self.headers() {
            write!(f, " {name}={value}")?;
        }
        match self.failed() {
            Some(failure) => write!(f, " (failed: {})", failure.reason),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({self})")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::draft::{Content, Draft, Letter, Nothing, Stamp};
    use crate::mailbox::Parcel;

    /// A draft to nobody, for tests.
    pub(crate) fn mail() -> Draft<(), Nothing> {
        Draft::new(())
    }

    impl<B: Content> Draft<(), B> {
        /// The mail, sent by nobody one second after the start and in 1970.
        pub(crate) fn get(self) -> Mail {
            let stamp = Stamp { id: 5, time: 1_000_000_000, utc: 1_000_000_000, sender: Party::NOBODY };
            Letter { draft: self, stamp, recipient: Party::NOBODY }.land()
        }
    }

    #[test]
    fn a_reply_goes_on_with_the_thread() {
        let question = mail().subject("how far?").question().get();
        let reply = question.reply().body(3).map(|_| (), |body| body).get();
        assert_eq!((reply.thread(), reply.index(), reply.subject()), (question.thread(), 1, "how far?"));
        assert!(reply.is_reply() && !reply.is_question());
        assert_eq!(reply.rank(), Rank::Answer);
        assert_eq!(mail().get().reply().body(1).map(|_| (), |body| body).get().rank(), Rank::Ordinary);
    }

    #[test]
    fn a_relayed_mail_says_so_and_stays_what_it_was() {
        let first = mail().subject(String::from("owned subject")).body("hello").header("a", 1).priority(3).get();
        let thread = first.thread();
        let second = first.relay((), "relay").get();
        assert_eq!((second.thread(), second.index(), second.priority()), (thread, 0, 3));
        assert_eq!((second.subject(), second.get::<&str>()), ("owned subject", Some(&"hello")));
        assert_eq!(second.header("A"), Some(&Json::from(1)));
        assert_eq!(second.relayed_by().collect::<Vec<_>>(), ["relay"]);
    }

    #[test]
    fn a_bounce_says_why_and_carries_what_it_carried() {
        let bounce =
            mail().subject("s").body(7_u64).header("h", true).question().get().bounce("full").map(|_| (), |b| b).get();
        assert_eq!(bounce.failed().map(|failure| &*failure.reason), Some("full"));
        assert_eq!((bounce.get::<u64>(), bounce.subject(), bounce.index()), (Some(&7), "s", 1));
        assert_eq!((bounce.header("h"), bounce.rank()), (Some(&Json::from(true)), Rank::Answer));
    }

    #[test]
    fn a_log_can_show_it() {
        let mail = mail().subject("pose").body("north").header("crew", "red").get();
        assert_eq!(mail.to_string(), r#"(unknown) -> (unknown) "pose" #0 at 1s: north crew="red""#);
        assert_eq!(mail.utc(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    }

    #[test]
    fn a_mail_is_small() {
        assert!(size_of::<Option<Mail>>() <= 96, "{}", size_of::<Option<Mail>>());
    }
}
