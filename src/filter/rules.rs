//! The filters of one process, and a mail on its way past them.

use super::{DuplicateFilter, Filter, FilterId};
use crate::mail::Mail;
use smallvec::SmallVec;
use std::borrow::Cow;

/// The filters of one process, each with its callback `C`.
///
/// A mail is handed round by [`round`](Self::round) and [`next`](Self::next), so that callbacks may add and remove filters
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
    callback: C,
}

/// What becomes of a mail where there is one filter at most.
#[derive(Debug)]
pub(crate) enum Only<C> {
    /// It goes to this callback.
    Takes(C),
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

impl<C: Copy> Filters<C> {
    /// Adds a filter behind all others.
    pub(crate) fn add(&mut self, filter: Filter, callback: C) -> Result<FilterId, DuplicateFilter> {
        let number = self.added;
        let id = FilterId(filter.id_given().cloned().unwrap_or_else(|| number.to_string().into()));
        if self.position(id.as_str()).is_some() {
            return Err(DuplicateFilter { id: id.0.into_owned() });
        }
        self.added += 1;
        self.rules.push(Rule { number, filter, callback });
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

    /// Whether the only filter takes a mail: that needs no round.
    #[inline(always)]
    pub(crate) fn only(&self, mail: &Mail) -> Only<C> {
        match &*self.rules {
            [] => Only::Leaves,
            [rule] if rule.filter.matches(mail) => Only::Takes(rule.callback),
            [_] => Only::Leaves,
            _ => Only::OneOfMany,
        }
    }

    /// Begins to hand a mail round.
    #[inline]
    pub(crate) fn round(&self) -> Round {
        Round { end: self.added, next: 0, matched: false, falling_through: false }
    }

    /// The next callback that gets this mail; after the last, `None`. Then [`Round::matched`] tells whether there was any.
    pub(crate) fn next(&self, round: &mut Round, mail: &Mail) -> Option<C> {
        loop {
            for rule in &self.rules {
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
                    return Some(rule.callback);
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
    use crate::filter::{Pattern, regex};
    use crate::mail::tests::mail;

    fn matching(filters: &Filters<u32>, mail: &Mail) -> Vec<u32> {
        let mut round = filters.round();
        std::iter::from_fn(|| filters.next(&mut round, mail)).collect()
    }

    #[test]
    fn all_that_match_run_in_order_and_fall_through_only_after_none() {
        let mut filters = Filters::default();
        let list = [Filter::new(), "a".into(), "b".into(), Filter::new().subject(regex(".").unwrap()), Filter::new()];
        for (number, filter) in list.into_iter().enumerate() {
            filters.add(filter, number as u32).unwrap();
        }
        assert_eq!(matching(&filters, &mail().subject("a").get()), [1, 3]);
        assert_eq!(matching(&filters, &mail().subject("b").get()), [2, 3]);
        assert_eq!(matching(&filters, &mail().subject("").get()), [0, 4], "two of them, and both run");
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
        assert_eq!(filters.next(&mut round, &mail), Some(0));
        filters.remove("filter 0").unwrap();
        filters.remove("filter 1").unwrap();
        filters.add(all(), 3).unwrap();
        assert_eq!(filters.next(&mut round, &mail), Some(2));
        assert_eq!(filters.next(&mut round, &mail), None);
        assert!(round.matched());
        assert_eq!(matching(&filters, &mail), [2, 3]);
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
        assert!(matching(&filters, &mail().get()).is_empty());
    }
}
