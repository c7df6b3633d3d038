//! Which mail a callback gets.
//!
//! A [`Filter`] is a list of conditions, added with its callback by [`add_filter`](crate::context::Context::add_filter). All that match a mail
//! run, in order of adding; one that fails does not stop the next. One without conditions is a fall-through. A text matches exactly,
//! without regard to ASCII case; a [`regex()`] matches from the start of the text on. A mail that nothing matches is counted, and logged
//! once for its subject.

mod pattern;
mod rules;

use crate::body::Body;
use crate::mail::Mail;
use crate::subject::Subject;
use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

pub use pattern::{Pattern, RegexError, regex};
pub(crate) use rules::{Filters, Longer, Only};

/// Conditions that a mail meets, all of them. One without any condition is a *fall-through*: it gets the mail that no filter
/// with conditions matched.
///
/// ```
/// # use polycephaly::filter::{Filter, regex};
/// # fn main() -> Result<(), polycephaly::filter::RegexError> {
/// let pings = Filter::new().subject("ping").sender("main").describe("health checks");
/// let motors = Filter::new().sender(regex("motor-[0-9]+$")?);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Filter {
    /// Looked at first and most often, so it has a place of its own.
    subject: Option<Pattern>,
    /// What few filters have.
    more: Option<Box<More>>,
}

#[derive(Clone, PartialEq, Default, Debug)]
struct More {
    id: Option<Cow<'static, str>>,
    description: Cow<'static, str>,
    conditions: Vec<Condition>,
}

#[derive(Clone, PartialEq, Debug)]
enum Condition {
    Sender(Pattern),
    Recipient(Pattern),
    Header(Cow<'static, str>, Pattern),
    Text(Pattern),
    Typed(Kind),
    Failed(bool),
    SentWithin(Range),
}

/// A type of body.
#[derive(Clone, Copy)]
struct Kind {
    of: TypeId,
    name: fn() -> &'static str,
    is: fn(&Body) -> bool,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.name)())
    }
}

/// Bounds on the time of sending.
type Range = (Bound<Duration>, Bound<Duration>);

impl Filter {
    /// No condition yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The subject matches.
    #[must_use]
    pub fn subject(self, pattern: impl Into<Pattern>) -> Self {
        Self { subject: Some(pattern.into()), ..self }
    }

    /// The name of the sender matches.
    #[must_use]
    pub fn sender(self, pattern: impl Into<Pattern>) -> Self {
        self.and(Condition::Sender(pattern.into()))
    }

    /// The name of the recipient that the sender wrote to matches: of another, if the mail was relayed.
    #[must_use]
    pub fn recipient(self, pattern: impl Into<Pattern>) -> Self {
        self.and(Condition::Recipient(pattern.into()))
    }

    /// The body is a text that matches, or a JSON string that does.
    #[must_use]
    pub fn body(self, pattern: impl Into<Pattern>) -> Self {
        self.and(Condition::Text(pattern.into()))
    }

    /// The body is a `T`.
    #[must_use]
    pub fn typed<T: 'static>(self) -> Self {
        let kind = Kind { of: TypeId::of::<T>(), name: std::any::type_name::<T>, is: Body::is::<T> };
        self.and(Condition::Typed(kind))
    }

    /// There is a header of this name (in any case) whose value matches: a string by its text, anything else by its JSON.
    #[must_use]
    pub fn header(self, name: impl Into<Cow<'static, str>>, pattern: impl Into<Pattern>) -> Self {
        self.and(Condition::Header(name.into(), pattern.into()))
    }

    /// It is (or is not) one's own mail that came back undelivered.
    #[must_use]
    pub fn failed(self, failed: bool) -> Self {
        self.and(Condition::Failed(failed))
    }

    /// It was sent within this span of the application's clock.
    #[must_use]
    pub fn sent(self, span: impl RangeBounds<Duration>) -> Self {
        self.and(Condition::SentWithin((span.start_bound().cloned(), span.end_bound().cloned())))
    }

    /// Names the filter, so that it can be listed and removed. One holder can't have two of one name.
    #[must_use]
    pub fn id(self, id: impl Into<Cow<'static, str>>) -> Self {
        self.with(|more| more.id = Some(id.into()))
    }

    /// Says what it is for, in lists and logs.
    #[must_use]
    pub fn describe(self, description: impl Into<Cow<'static, str>>) -> Self {
        self.with(|more| more.description = description.into())
    }

    fn and(self, condition: Condition) -> Self {
        self.with(|more| more.conditions.push(condition))
    }

    fn with(mut self, change: impl FnOnce(&mut More)) -> Self {
        change(self.more.get_or_insert_default());
        self
    }

    fn conditions(&self) -> &[Condition] {
        self.more.as_ref().map_or(&[], |more| &more.conditions)
    }

    /// What it is for, as [`describe`](Self::describe)d.
    #[must_use]
    pub fn description(&self) -> &str {
        self.more.as_ref().map_or("", |more| &more.description)
    }

    fn id_given(&self) -> Option<&Cow<'static, str>> {
        self.more.as_ref()?.id.as_ref()
    }

    /// Whether it has no condition.
    #[must_use]
    pub fn is_fall_through(&self) -> bool {
        self.subject.is_none() && self.conditions().is_empty()
    }

    /// Whether a mail meets all conditions; true if there is none.
    #[inline]
    #[must_use]
    pub fn matches(&self, mail: &Mail) -> bool {
        self.subject.as_ref().is_none_or(|pattern| pattern.matches_subject_of(mail))
            && self.more.as_ref().is_none_or(|more| more.conditions.iter().all(|condition| condition.holds(mail)))
    }
}

impl From<&'static str> for Filter {
    /// By subject.
    fn from(subject: &'static str) -> Self {
        Self::new().subject(subject)
    }
}

impl From<Subject> for Filter {
    /// By subject.
    fn from(subject: Subject) -> Self {
        Self::new().subject(subject)
    }
}

impl Condition {
    fn holds(&self, mail: &Mail) -> bool {
        match self {
            Self::Sender(pattern) => mail.sender().with(|name| pattern.matches(name)),
            Self::Recipient(pattern) => mail.recipient().with(|name| pattern.matches(name)),
            Self::Header(name, pattern) => {
                mail.headers().filter(|(key, _)| key.eq_ignore_ascii_case(name)).any(|(_, value)| {
                    value.as_str().map_or_else(|| pattern.matches(&value.to_string()), |text| pattern.matches(text))
                })
            }
            Self::Text(pattern) => {
                let text = mail.body().as_text().or_else(|| mail.body().as_json()?.as_str());
                text.is_some_and(|text| pattern.matches(text))
            }
            Self::Typed(kind) => (kind.is)(mail.body()),
            Self::Failed(failed) => mail.failed().is_some() == *failed,
            Self::SentWithin(span) => span.contains(&mail.time()),
        }
    }
}

/// Names a filter within its holder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterId(Cow<'static, str>);

impl FilterId {
    /// The name: as given, or a number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A holder has a filter of this id already.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a filter {id:?} is there already: remove it first, or give this one another id")]
#[non_exhaustive]
pub struct DuplicateFilter {
    /// The id.
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail;
    use serde_json::json;

    #[test]
    fn every_condition_must_hold() {
        let mail = mail().subject("pose").body("north").header("Robot", 7).header("crew", "red").get();
        let fits = |filter: Filter| filter.matches(&mail);
        assert!(fits(Filter::new()));
        assert!(fits(
            Filter::new().subject("POSE").body("North").header("robot", "7").header("CREW", regex("r.d").unwrap())
        ));
        assert!(fits(Filter::new().sender("(unknown)").recipient(Pattern::ANY).failed(false).typed::<&'static str>()));
        assert!(fits(Filter::new().sent(..=Duration::from_secs(1)).sent(Duration::from_secs(1)..)));
        let misfits = [
            Filter::new().subject("pos"),
            Filter::new().subject("pose").body("south"),
            Filter::new().sender("imu"),
            Filter::new().recipient("imu"),
            Filter::new().header("robot", "8"),
            Filter::new().header("none", Pattern::ANY),
            Filter::new().typed::<String>(),
            Filter::new().failed(true),
            Filter::new().sent(..Duration::from_secs(1)),
        ];
        for misfit in misfits {
            assert!(!misfit.matches(&mail), "{misfit:?}");
        }
        assert!(Filter::new().body("x").matches(&super::tests::mail().body(json!("x")).get()));
    }
}
