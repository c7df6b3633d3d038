//! What a mail is about: a short text, looked at by every filter, so comparing two costs a few loads.
//!
//! Texts of the program itself (`&'static str`, or by [`Subject::intern`]) are kept for ever, each spelling once, in one
//! table of the OS process. Texts from outside (`String`) are never added to it: what a network sends cannot make it
//! grow. The table is bounded by [`Subject::MAX_INTERNED`] as well; past that a subject owns its text, which costs an
//! allocation and a comparison of texts, and changes nothing else.

use crate::fold::folded_hash;
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The subject of a mail. Two are equal when their texts are, without regard to ASCII case.
#[derive(Clone)]
pub struct Subject(Repr);

#[derive(Clone)]
enum Repr {
    Interned(&'static Entry),
    Owned(Arc<str>),
}

/// One spelling in the table.
pub(crate) struct Entry {
    text: &'static str,
    /// Its number: 0, 1, 2 … below [`Subject::MAX_INTERNED`].
    id: u32,
    /// The number of the first spelling that differs from it in case only.
    folded: u32,
}

impl Entry {
    pub(crate) fn text(&self) -> &'static str {
        self.text
    }

    #[inline]
    pub(crate) fn id(&self) -> usize {
        self.id as usize
    }
}

impl Entry {
    /// Whether it is the subject of these parts, in any case.
    #[inline(always)]
    pub(crate) fn is_same(&self, entry: &'static Self, owned: Option<&Arc<str>>) -> bool {
        match owned {
            None => self.folded == entry.folded,
            Some(text) => self.reads_like(text),
        }
    }

    /// An owned text may have been interned later: only the texts tell.
    #[cold]
    fn reads_like(&self, text: &str) -> bool {
        self.text.eq_ignore_ascii_case(text)
    }
}

/// The empty subject; also what stands in a mail whose subject is owned and kept elsewhere.
pub(crate) static EMPTY: Entry = Entry { text: "", id: 0, folded: 0 };

impl Subject {
    /// How many spellings are kept for ever, at most: some hundred kilobytes.
    pub const MAX_INTERNED: usize = 8192;

    /// No text.
    pub const EMPTY: Self = Self(Repr::Interned(&EMPTY));

    /// A subject whose text is kept for as long as the program runs: for texts that are made at start-up and used often.
    #[must_use]
    pub fn intern(text: &str) -> Self {
        let found = TABLE.read().find(text);
        match found.or_else(|| TABLE.write().add(text, || Box::leak(text.into()))) {
            Some(entry) => Self(Repr::Interned(entry)),
            None => Self(Repr::Owned(text.into())),
        }
    }

    /// The text, as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Interned(entry) => entry.text,
            Repr::Owned(text) => text,
        }
    }

    /// Whether the text is kept in the table, so that comparing and sending it costs no allocation.
    #[must_use]
    pub fn is_interned(&self) -> bool {
        self.id().is_some()
    }

    /// The number of an interned spelling.
    #[inline]
    pub(crate) fn id(&self) -> Option<usize> {
        match self.0 {
            Repr::Interned(entry) => Some(entry.id()),
            Repr::Owned(_) => None,
        }
    }

    /// The parts that a mail keeps: the entry in place, an owned text apart.
    #[inline(always)]
    pub(crate) fn into_parts(self) -> (&'static Entry, Option<Arc<str>>) {
        match self.0 {
            Repr::Interned(entry) => (entry, None),
            Repr::Owned(text) => (&EMPTY, Some(text)),
        }
    }

    /// Whether it is the subject of these parts, in any case.
    #[inline(always)]
    pub(crate) fn is_same(&self, entry: &'static Entry, owned: Option<&Arc<str>>) -> bool {
        match &self.0 {
            Repr::Interned(this) => this.is_same(entry, owned),
            Repr::Owned(text) => text.eq_ignore_ascii_case(owned.map_or(entry.text, |text| text)),
        }
    }

    pub(crate) fn from_parts(entry: &'static Entry, owned: Option<Arc<str>>) -> Self {
        Self(owned.map_or(Repr::Interned(entry), Repr::Owned))
    }

    /// A literal is remembered per thread by its address: no hashing, no lock.
    #[inline(always)]
    fn literal(text: &'static str) -> Self {
        let key = (text.as_ptr() as usize, text.len());
        RECENT.with(|recent| {
            let slot = &recent[(key.0 ^ (key.0 >> 6)) % RECENT_LITERALS];
            match slot.get() {
                (seen, Some(entry)) if seen == key => Self(Repr::Interned(entry)),
                _ => Self::look_up_literal(text, slot, key),
            }
        })
    }

    #[cold]
    #[inline(never)]
    fn look_up_literal(text: &'static str, slot: &Recent, key: (usize, usize)) -> Self {
        let found = TABLE.read().find(text);
        match found.or_else(|| TABLE.write().add(text, || text)) {
            Some(entry) => {
                slot.set((key, Some(entry)));
                Self(Repr::Interned(entry))
            }
            None => Self(Repr::Owned(text.into())),
        }
    }
}

impl Default for Subject {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Subject {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Interned(a), Repr::Interned(b)) => a.folded == b.folded,
            // An owned text may have been interned later: only the texts tell.
            _ => self.as_str().eq_ignore_ascii_case(other.as_str()),
        }
    }
}

impl Eq for Subject {}

impl PartialEq<str> for Subject {
    fn eq(&self, other: &str) -> bool {
        self.as_str().eq_ignore_ascii_case(other)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&'static str> for Subject {
    /// Interns a text of the program.
    #[inline(always)]
    fn from(text: &'static str) -> Self {
        Self::literal(text)
    }
}

impl From<String> for Subject {
    /// Finds the text in the table, or owns it: a `String` is never interned.
    fn from(text: String) -> Self {
        match TABLE.read().find(&text) {
            Some(entry) => Self(Repr::Interned(entry)),
            None => Self(Repr::Owned(text.into())),
        }
    }
}

impl From<&String> for Subject {
    /// Like `From<String>`.
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Cow<'static, str>> for Subject {
    /// Interns what is borrowed, owns what is owned.
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<&Subject> for Subject {
    #[inline]
    fn from(subject: &Subject) -> Self {
        subject.clone()
    }
}

/// How many literals a thread remembers: a program has some dozens, and a slot is 24 bytes.
const RECENT_LITERALS: usize = 64;

/// Address and length of a literal, and where it stands in the table. An address never changes its text: `'static`.
type Recent = Cell<((usize, usize), Option<&'static Entry>)>;

thread_local! {
    static RECENT: [Recent; RECENT_LITERALS] = const { [const { Cell::new(((0, 0), None)) }; RECENT_LITERALS] };
}

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(|| RwLock::new(Table::new(Subject::MAX_INTERNED)));

struct Table {
    hasher: DefaultHashBuilder,
    entries: HashTable<&'static Entry>,
    limit: usize,
}

impl Table {
    fn new(limit: usize) -> Self {
        let mut table = Self { hasher: DefaultHashBuilder::default(), entries: HashTable::new(), limit };
        table.insert(&EMPTY);
        table
    }

    fn find(&self, text: &str) -> Option<&'static Entry> {
        self.entries.find(folded_hash(&self.hasher, text), |entry| entry.text == text).copied()
    }

    /// Adds a text that may have come in since it was looked for. `None` when the table is full.
    fn add(&mut self, text: &str, kept: impl FnOnce() -> &'static str) -> Option<&'static Entry> {
        if let Some(entry) = self.find(text) {
            return Some(entry);
        }
        if self.entries.len() >= self.limit {
            return None;
        }
        let id = self.entries.len() as u32;
        let hash = folded_hash(&self.hasher, text);
        let same = self.entries.find(hash, |entry| entry.text.eq_ignore_ascii_case(text));
        let folded = same.map_or(id, |entry| entry.folded);
        let entry = Box::leak(Box::new(Entry { text: kept(), id, folded }));
        self.insert(entry);
        Some(entry)
    }

    fn insert(&mut self, entry: &'static Entry) {
        let Self { hasher, entries, .. } = self;
        let hash = folded_hash(hasher, entry.text);
        entries.insert_unique(hash, entry, |entry| folded_hash(hasher, entry.text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_without_case_and_kept_as_written() {
        let (ball, loud, other) = (Subject::from("ball"), Subject::from("BaLL"), Subject::from("bell"));
        assert_eq!(ball, loud);
        assert_ne!(ball, other);
        assert_eq!(loud.as_str(), "BaLL");
        assert_eq!(ball, *"BALL");
        assert_eq!(Subject::from(""), Subject::EMPTY);
    }

    #[test]
    fn what_comes_as_a_string_is_found_but_never_added() {
        let stranger = Subject::from(String::from("only-ever-a-string"));
        assert!(!stranger.is_interned());
        assert_eq!(stranger, Subject::from(String::from("ONLY-ever-a-string")));
        let known = Subject::intern("known-later");
        assert!(Subject::from(String::from("known-later")).is_interned());
        // Owned before it was interned: still equal.
        let early = Subject::from(String::from("interned-after"));
        assert_eq!(early, Subject::intern("Interned-After"));
        assert!(known.is_interned());
    }

    #[test]
    fn literals_are_the_same_on_every_thread() {
        let here = Subject::from("on-every-thread");
        let there = std::thread::spawn(|| Subject::from("on-every-thread")).join().unwrap();
        assert_eq!(here.id(), there.id());
        assert_eq!(Subject::from("on-every-thread").id(), here.id());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = Table::new(3);
        assert!(table.add("a", || "a").is_some());
        assert_eq!(table.add("A", || "A").unwrap().folded, table.find("a").unwrap().id);
        assert!(table.add("b", || "b").is_none(), "empty, a and A are three");
        assert!(table.add("a", || unreachable!()).is_some(), "what is there is found");
    }

    #[test]
    fn owned_subjects_go_in_parts_and_come_back() {
        for subject in [Subject::from("literal"), Subject::from(String::from("very much owned"))] {
            let (entry, owned) = subject.clone().into_parts();
            assert_eq!(Subject::from_parts(entry, owned), subject);
        }
    }
}
