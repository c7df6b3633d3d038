//! Which mail a callback gets.

mod pattern;

use crate::body::Body;
use crate::mail::Mail;
use crate::subject::Subject;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

pub use pattern::{Pattern, RegexError, regex};

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
#[derive(Clone, Default, Debug)]
pub struct Filter {
    /// Looked at first and most often, so it has a place of its own.
    subject: Option<Pattern>,
    /// What few filters have.
    more: Option<Box<More>>,
}

#[derive(Clone, Default, Debug)]
struct More {
    id: Option<Cow<'static, str>>,
    description: Cow<'static, str>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
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
    name: fn() -> &'static str,
    is: fn(&Body) -> bool,
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
        let kind = Kind { name: std::any::type_name::<T>, is: Body::is::<T> };
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

/// The filters of one process, each with its callback `C`.
///
/// A mail is handed round by [`round`](Self::round) and [`take_next`](Self::take_next), so that callbacks may add and remove filters
/// meanwhile: a removal holds at once, an addition from the next mail on.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Filters<C> {
    /// Most processes have one filter, which stands in place: a memory of its own would be one more to wait for.
    rules: SmallVec<[Rule<C>; 1]>,
    /// Numbers filters without an id, and tells those that were added since a round began.
    added: u32,
}

#[derive(Debug)]
struct Rule<C> {
    number: u32,
    filter: Filter,
    /// `None` while it runs.
    callback: Option<C>,
}

/// What becomes of a mail where there is one filter at most.
#[derive(Debug)]
pub(crate) enum Only<C> {
    /// It goes to this callback, of the filter of this number.
    Takes(u32, C),
    /// It goes to none.
    Leaves,
    /// There are more filters.
    OneOfMany,
}

/// One mail on its way past all filters.
#[derive(Debug)]
pub(crate) struct Round {
    /// Filters with this number or a higher one were added since.
    end: u32,
    /// The number of the next filter to be asked.
    next: u32,
    matched: bool,
    falling_through: bool,
}

impl<C> Default for Filters<C> {
    fn default() -> Self {
        Self { rules: SmallVec::new(), added: 0 }
    }
}

impl<C> Filters<C> {
    /// Adds a filter behind all others.
    pub(crate) fn add(&mut self, filter: Filter, callback: C) -> Result<FilterId, DuplicateFilter> {
        let number = self.added;
        let id = FilterId(filter.id_given().cloned().unwrap_or_else(|| number.to_string().into()));
        if self.position(id.as_str()).is_some() {
            return Err(DuplicateFilter { id: id.0.into_owned() });
        }
        self.added += 1;
        self.rules.push(Rule { number, filter, callback: Some(callback) });
        Ok(id)
    }

    /// Removes a filter by its id. `None` if there is none.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Filter> {
        let at = self.position(id)?;
        Some(self.rules.remove(at).filter)
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FilterId, &Filter)> {
        self.rules.iter().map(|rule| (FilterId(rule.id()), &rule.filter))
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.id() == id)
    }

    /// Whether the only filter takes a mail: that needs no round. Its callback goes back by [`give_back`](Self::give_back).
    #[inline(always)]
    pub(crate) fn only(&mut self, mail: &Mail) -> Only<C> {
        match &mut *self.rules {
            [] => Only::Leaves,
            [rule] if !rule.filter.matches(mail) => Only::Leaves,
            [rule] => rule.callback.take().map_or(Only::Leaves, |callback| Only::Takes(rule.number, callback)),
            _ => Only::OneOfMany,
        }
    }

    /// Puts a callback that has run back into its filter, if that is still there.
    #[inline(always)]
    pub(crate) fn give_back(&mut self, number: u32, callback: C) {
        let back = match &mut *self.rules {
            [rule] if rule.number == number => Some(rule),
            rules => rules.iter_mut().find(|rule| rule.number == number),
        };
        if let Some(rule) = back {
            rule.callback = Some(callback);
        }
    }

    /// Begins to hand a mail round.
    #[inline]
    pub(crate) fn round(&self) -> Round {
        Round { end: self.added, next: 0, matched: false, falling_through: false }
    }

    /// The next callback that gets this mail, and the number of its filter, to [`give_back`](Self::give_back); after the last,
    /// `None`. Then [`Round::matched`] tells whether there was any.
    pub(crate) fn take_next(&mut self, round: &mut Round, mail: &Mail) -> Option<(u32, C)> {
        loop {
            for rule in &mut self.rules {
                // Numbers rise, so what was asked before is passed over, removed or not.
                if rule.number < round.next {
                    continue;
                }
                if rule.number >= round.end {
                    break;
                }
                round.next = rule.number + 1;
                if rule.filter.is_fall_through() == round.falling_through && rule.filter.matches(mail) {
                    round.matched = true;
                    return rule.callback.take().map(|callback| (rule.number, callback));
                }
            }
            if round.falling_through || round.matched {
                return None;
            }
            round.falling_through = true;
            round.next = 0;
        }
    }
}

impl<C> Rule<C> {
    fn id(&self) -> Cow<'static, str> {
        self.filter.id_given().cloned().unwrap_or_else(|| self.number.to_string().into())
    }
}

impl Round {
    /// Whether any callback got the mail.
    #[inline]
    pub(crate) fn matched(&self) -> bool {
        self.matched
    }
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

    fn next(filters: &mut Filters<u32>, round: &mut Round, mail: &Mail) -> Option<u32> {
        let (number, callback) = filters.take_next(round, mail)?;
        filters.give_back(number, callback);
        Some(callback)
    }

    fn matching(filters: &mut Filters<u32>, mail: &Mail) -> Vec<u32> {
        let mut round = filters.round();
        std::iter::from_fn(|| next(filters, &mut round, mail)).collect()
    }

    #[test]
    fn all_that_match_run_in_order_and_fall_through_only_after_none() {
        let mut filters = Filters::default();
        let list = [Filter::new(), "a".into(), "b".into(), Filter::new().subject(regex(".").unwrap()), Filter::new()];
        for (number, filter) in list.into_iter().enumerate() {
            filters.add(filter, number as u32).unwrap();
        }
        assert_eq!(matching(&mut filters, &mail().subject("a").get()), [1, 3]);
        assert_eq!(matching(&mut filters, &mail().subject("b").get()), [2, 3]);
        assert_eq!(matching(&mut filters, &mail().subject("").get()), [0, 4], "two of them, and both run");
    }

    #[test]
    fn a_removal_holds_at_once_and_an_addition_later() {
        let mut filters = Filters::default();
        let all = || Filter::new().subject(Pattern::ANY);
        for number in 0..3 {
            filters.add(all().id(format!("filter {number}")), number).unwrap();
        }
        let mail = mail().get();
        let mut round = filters.round();
        assert_eq!(next(&mut filters, &mut round, &mail), Some(0));
        filters.remove("filter 0").unwrap();
        filters.remove("filter 1").unwrap();
        filters.add(all(), 3).unwrap();
        assert_eq!(next(&mut filters, &mut round, &mail), Some(2));
        assert_eq!(next(&mut filters, &mut round, &mail), None);
        assert!(round.matched());
        assert_eq!(matching(&mut filters, &mail), [2, 3]);
    }

    #[test]
    fn ids_are_kept_apart() {
        let mut filters = Filters::default();
        let id = filters.add("a".into(), 0).unwrap();
        filters.add(Filter::new().id("pings").describe("health"), 1).unwrap();
        let error = filters.add(Filter::new().id("pings"), 2).unwrap_err();
        assert!(error.to_string().contains("\"pings\""), "{error}");
        assert_eq!(filters.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>(), ["0", "pings"]);
        assert!(filters.remove(id.as_str()).is_some());
        assert!(filters.remove(id.as_str()).is_none());
        assert!(filters.remove("pings").is_some());
        assert!(matching(&mut filters, &mail().get()).is_empty());
    }
}
