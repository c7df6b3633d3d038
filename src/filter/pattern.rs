//! What a text must be like.

use crate::mail::Mail;
use crate::subject::{Entry, Subject};
use regex::Regex;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// What a text must be like: `"exactly this"` in any case (ASCII), a [`regex()`], or anything ([`Pattern::ANY`]).
///
/// Clones share a regular expression and what it remembers: make one, and give it to all processes of a kind.
#[derive(Clone)]
pub struct Pattern(Kind);

/// Two words, however it is.
#[derive(Clone)]
enum Kind {
    Any,
    /// A text that is interned.
    Known(&'static Entry),
    Rare(Arc<Rare>),
}

enum Rare {
    Exact(Subject),
    Regex(Expression),
}

/// A regular expression that remembers what it said to interned subjects: 1 ns instead of some twenty.
struct Expression {
    regex: Regex,
    /// As it was given.
    written: Box<str>,
    memory: OnceLock<Box<[AtomicU64; WORDS]>>,
}

/// Two bits a subject, known and matched: two kilobytes, whatever happens.
const WORDS: usize = Subject::MAX_INTERNED / 32;

/// A text that is no regular expression.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{written:?} is no regular expression: {source}")]
#[non_exhaustive]
pub struct RegexError {
    /// What was given.
    pub written: String,
    /// Where it went wrong.
    pub source: regex::Error,
}

/// A pattern by regular expression, which must match from the start of the text (not necessarily to its end: add `$`). It
/// minds case, unless it begins with `(?i)`.
///
/// # Errors
///
/// If it is no regular expression, or would grow too large. The error shows the place.
pub fn regex(written: &str) -> Result<Pattern, RegexError> {
    let regex = Regex::new(written).map_err(|source| RegexError { written: written.to_owned(), source })?;
    let expression = Expression { regex, written: written.into(), memory: OnceLock::new() };
    Ok(Pattern(Kind::Rare(Arc::new(Rare::Regex(expression)))))
}

impl PartialEq for Pattern {
    /// Whether both are written alike; a text without regard to case, as it matches.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Any, Kind::Any) => true,
            (Kind::Known(one), Kind::Known(other)) => std::ptr::eq(*one, *other),
            (Kind::Rare(one), Kind::Rare(other)) => match (&**one, &**other) {
                (Rare::Exact(one), Rare::Exact(other)) => one == other,
                (Rare::Regex(one), Rare::Regex(other)) => one.written == other.written,
                _ => false,
            },
            _ => false,
        }
    }
}

impl Pattern {
    /// Anything.
    pub const ANY: Self = Self(Kind::Any);

    fn exact(subject: Subject) -> Self {
        Self(match subject.into_parts() {
            (entry, None) => Kind::Known(entry),
            (entry, owned) => Kind::Rare(Arc::new(Rare::Exact(Subject::from_parts(entry, owned)))),
        })
    }

    /// Whether a text is like this.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Known(entry) => entry.text().eq_ignore_ascii_case(text),
            Kind::Rare(rare) => match &**rare {
                Rare::Exact(exact) => *exact == *text,
                Rare::Regex(expression) => expression.matches(text),
            },
        }
    }

    #[inline(always)]
    pub(super) fn matches_subject_of(&self, mail: &Mail) -> bool {
        match &self.0 {
            Kind::Known(entry) => mail.subject_is_entry(entry),
            kind => kind.matches_subject_of(mail),
        }
    }
}

impl Kind {
    fn matches_subject_of(&self, mail: &Mail) -> bool {
        match self {
            Self::Any => true,
            Self::Known(entry) => mail.subject_is_entry(entry),
            Self::Rare(rare) => match &**rare {
                Rare::Exact(exact) => mail.subject_is(exact),
                Rare::Regex(expression) => expression.matches_subject_of(mail),
            },
        }
    }
}

impl Expression {
    /// The leftmost match begins where the text does, if any does. (To write an anchor around what was given would change
    /// the meaning of `a|b` and of comments.)
    fn matches(&self, text: &str) -> bool {
        self.regex.find(text).is_some_and(|found| found.start() == 0)
    }

    fn matches_subject_of(&self, mail: &Mail) -> bool {
        let Some(id) = mail.interned_subject() else { return self.matches(mail.subject()) };
        let memory = self.memory.get_or_init(|| Box::new([const { AtomicU64::new(0) }; WORDS]));
        let (word, known) = (&memory[id / 32], 1 << (id % 32 * 2));
        let matched = known << 1;
        let bits = word.load(Relaxed);
        if bits & known == 0 {
            return self.remember(mail.subject(), word, known, matched);
        }
        bits & matched != 0
    }

    #[cold]
    fn remember(&self, subject: &str, word: &AtomicU64, known: u64, matched: u64) -> bool {
        let outcome = self.matches(subject);
        // Both bits at once: who sees the one sees the other.
        word.fetch_or(if outcome { known | matched } else { known }, Relaxed);
        outcome
    }
}

impl From<&'static str> for Pattern {
    /// Exactly this text, in any case.
    fn from(text: &'static str) -> Self {
        Self::exact(text.into())
    }
}

impl From<String> for Pattern {
    /// Exactly this text, in any case.
    fn from(text: String) -> Self {
        Self::exact(text.into())
    }
}

impl From<&String> for Pattern {
    /// Exactly this text, in any case.
    fn from(text: &String) -> Self {
        Self::exact(text.into())
    }
}

impl From<Subject> for Pattern {
    /// Exactly this subject, in any case.
    fn from(subject: Subject) -> Self {
        Self::exact(subject)
    }
}

impl From<&Pattern> for Pattern {
    fn from(pattern: &Pattern) -> Self {
        pattern.clone()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Any => f.write_str("anything"),
            Kind::Known(entry) => write!(f, "{:?}", entry.text()),
            Kind::Rare(rare) => match &**rare {
                Rare::Exact(text) => write!(f, "{text:?}"),
                Rare::Regex(expression) => write!(f, "regex({:?})", expression.written),
            },
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail;

    #[test]
    fn exact_is_in_any_case_and_whole() {
        let pattern = Pattern::from("Ping");
        assert!(pattern.matches("pING"));
        assert!(!pattern.matches("ping!") && !pattern.matches(""));
        assert!(Pattern::ANY.matches(""));
    }

    #[test]
    fn regex_is_anchored_at_the_start_only() {
        let cases = [("in", "ping", false), ("pi", "ping", true), ("x|ng|ping", "ping", true), ("x|ng", "ping", false)];
        for (written, text, expected) in cases {
            assert_eq!(regex(written).unwrap().matches(text), expected, "{written} {text}");
        }
        assert!(regex("(?x) p # a comment").unwrap().matches("ping"));
        assert!(!regex("P").unwrap().matches("ping"));
        assert!(regex("").unwrap().matches("anything"));
    }

    #[test]
    fn a_bad_regex_is_shown() {
        for written in ["a(", "a)|(b", "[z-a]"] {
            assert!(regex(written).unwrap_err().to_string().contains(written));
        }
    }

    #[test]
    fn the_memory_says_what_the_expression_says() {
        let pattern = regex("mem-.*7$").unwrap();
        let copy = pattern.clone();
        for round in 0..2 {
            for i in 0..200 {
                let subject = Subject::intern(&format!("mem-{i}"));
                let mail = mail().subject(subject);
                let pattern = if round == 0 { &pattern } else { &copy };
                assert_eq!(pattern.matches_subject_of(&mail.get()), i % 10 == 7, "{i}");
            }
        }
        let owned = mail().subject(String::from("mem-never-interned-7"));
        assert!(pattern.matches_subject_of(&owned.get()));
    }
}
