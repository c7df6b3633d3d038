//! The filters of one process, and a mail on its way past them.

use super::{DuplicateFilter, Filter, FilterId};
use crate::mail::Mail;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The filters of one process, each with its callback `C`.
///
/// A mail is handed round by [`round`](Self::round) and [`next`](Self::next), so that callbacks may add and remove filters meanwhile: a
/// removal holds at once, an addition from the next mail on.
///
/// Processes of one type mostly have the same filters, and then share one list, which is one memory less for each to wait for.
/// So lists don't change but where one process alone has them: an addition leads from list to list, and each list knows the one
/// that the last addition to it has led to.
pub(crate) struct Filters<C>(Option<Arc<List<C>>>);

#[repr(C)]
struct List<C> {
    /// Most have one filter, which stands in place.
    rules: SmallVec<[Rule<C>; 1]>,
    /// Numbers filters without an id, and tells those that were added since a round began.
    added: u32,
    longer: Longer<C>,
}

/// What the last addition has led to from one list, or from having none.
pub(crate) struct Longer<C>(Mutex<Option<Arc<List<C>>>>);

#[derive(Clone, PartialEq, Debug)]
struct Rule<C> {
    number: u32,
    filter: Filter,
    callback: C,
}

/// From so many additions on, a process has a list of its own: else those who add many would leave as many lists behind.
const SHARED: u32 = 8;

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
        Self(None)
    }
}

impl<C> Default for List<C> {
    fn default() -> Self {
        Self { rules: SmallVec::new(), added: 0, longer: Longer::default() }
    }
}

impl<C: Clone> Clone for List<C> {
    /// Nothing has come of the copy so far.
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone(), added: self.added, longer: Longer::default() }
    }
}

impl<C> Default for Longer<C> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<C: Copy + PartialEq> List<C> {
    fn add(&mut self, filter: Filter, callback: C) {
        self.rules.push(Rule { number: self.added, filter, callback });
        self.added += 1;
    }

    /// This list and one filter more: the last that was made so, if it is the same.
    fn and(list: Option<&Self>, none: &Longer<C>, filter: Filter, callback: C) -> Arc<Self> {
        let mut longer = list.map_or(none, |list| &list.longer).0.lock();
        if let Some(known) = &*longer
            && known.rules.last().is_some_and(|rule| rule.callback == callback && rule.filter == filter)
        {
            return known.clone();
        }
        let mut made = list.cloned().unwrap_or_default();
        made.add(filter, callback);
        longer.insert(Arc::new(made)).clone()
    }
}

impl<C: Copy + PartialEq> Filters<C> {
    /// Adds a filter behind all others. `none` is common to those who share the list of their first filter.
    pub(crate) fn add(&mut self, filter: Filter, callback: C, none: &Longer<C>) -> Result<FilterId, DuplicateFilter> {
        let number = self.0.as_ref().map_or(0, |list| list.added);
        let id = FilterId(filter.id_given().cloned().unwrap_or_else(|| number.to_string().into()));
        if self.position(id.as_str()).is_some() {
            return Err(DuplicateFilter { id: id.0.into_owned() });
        }
        if number < SHARED {
            self.0 = Some(List::and(self.0.as_deref(), none, filter, callback));
        } else {
            self.own().add(filter, callback);
        }
        Ok(id)
    }

    /// Removes a filter by its id. `None` if there is none.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Filter> {
        let at = self.position(id)?;
        Some(self.own().rules.remove(at).filter)
    }

    /// The list, which nobody else has: a copy, where others had it.
    fn own(&mut self) -> &mut List<C> {
        let list = Arc::make_mut(self.0.get_or_insert_default());
        list.longer = Longer::default();
        list
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FilterId, &Filter)> {
        self.rules().iter().map(|rule| (FilterId(rule.id()), &rule.filter))
    }

    #[inline(always)]
    fn rules(&self) -> &[Rule<C>] {
        self.0.as_ref().map_or(&[], |list| &list.rules)
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.rules().iter().position(|rule| rule.id() == id)
    }

    /// Whether the only filter takes a mail: that needs no round.
    #[inline(always)]
    pub(crate) fn only(&self, mail: &Mail) -> Only<C> {
        match self.rules() {
            [] => Only::Leaves,
            [rule] if rule.filter.matches(mail) => Only::Takes(rule.callback),
            [_] => Only::Leaves,
            _ => Only::OneOfMany,
        }
    }

    /// Begins to hand a mail round.
    #[inline]
    pub(crate) fn round(&self) -> Round {
        Round { end: self.0.as_ref().map_or(0, |list| list.added), next: 0, matched: false, falling_through: false }
    }

    /// The next callback that gets this mail; after the last, `None`. Then [`Round::matched`] tells whether there was any.
    pub(crate) fn next(&self, round: &mut Round, mail: &Mail) -> Option<C> {
        loop {
            for rule in self.rules() {
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

impl<C: Copy + PartialEq + fmt::Debug> fmt::Debug for Filters<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules()).finish()
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

    fn add(filters: &mut Filters<u32>, filter: Filter, callback: u32) -> FilterId {
        filters.add(filter, callback, &Longer::default()).unwrap()
    }

    #[test]
    fn all_that_match_run_in_order_and_fall_through_only_after_none() {
        let mut filters = Filters::default();
        let list = [Filter::new(), "a".into(), "b".into(), Filter::new().subject(regex(".").unwrap()), Filter::new()];
        for (number, filter) in list.into_iter().enumerate() {
            add(&mut filters, filter, number as u32);
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
            add(&mut filters, all().id(format!("filter {number}")), number);
        }
        let mail = mail().get();
        let mut round = filters.round();
        assert_eq!(filters.next(&mut round, &mail), Some(0));
        filters.remove("filter 0").unwrap();
        filters.remove("filter 1").unwrap();
        add(&mut filters, all(), 3);
        assert_eq!(filters.next(&mut round, &mail), Some(2));
        assert_eq!(filters.next(&mut round, &mail), None);
        assert!(round.matched());
        assert_eq!(matching(&filters, &mail), [2, 3]);
    }

    #[test]
    fn ids_are_kept_apart() {
        let mut filters = Filters::default();
        let id = add(&mut filters, "a".into(), 0);
        add(&mut filters, Filter::new().id("pings").describe("health"), 1);
        let error = filters.add(Filter::new().id("pings"), 2, &Longer::default()).unwrap_err();
        assert!(error.to_string().contains("\"pings\""), "{error}");
        assert_eq!(filters.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>(), ["0", "pings"]);
        assert!(filters.remove(id.as_str()).is_some());
        assert!(filters.remove(id.as_str()).is_none());
        assert!(filters.remove("pings").is_some());
        assert!(matching(&filters, &mail().get()).is_empty());
    }

    /// The subjects of all filters, as of a list that nobody shares.
    type Model = Vec<(u32, u32)>;

    #[test]
    fn who_adds_the_same_shares_a_list_until_one_changes_it() {
        let none = Longer::default();
        let mut all: Vec<Filters<u32>> = (0..3).map(|_| Filters::default()).collect();
        for filters in &mut all {
            for (number, subject) in ["a", "b"].into_iter().enumerate() {
                filters.add(subject.into(), number as u32, &none).unwrap();
            }
        }
        let is_shared =
            |one: &Filters<u32>, other: &Filters<u32>| Arc::ptr_eq(one.0.as_ref().unwrap(), other.0.as_ref().unwrap());
        assert!(is_shared(&all[0], &all[1]) && is_shared(&all[1], &all[2]));
        all[0].remove("0").unwrap();
        all[1].add("c".into(), 2, &none).unwrap();
        let mail = |subject| mail().subject(subject).get();
        let matches: Vec<_> =
            all.iter().map(|it| ["a", "b", "c"].map(|subject| matching(it, &mail(subject)))).collect();
        assert_eq!(matches[0], [vec![], vec![1], vec![]]);
        assert_eq!(matches[1], [vec![0], vec![1], vec![2]]);
        assert_eq!(matches[2], [vec![0], vec![1], vec![]]);
    }

    #[test]
    fn sharing_makes_no_difference() {
        use proptest::prelude::*;
        // To whom, whether to add, which subject, and which callback; or whom to remove.
        let step = (0..3_usize, any::<bool>(), 0..2_u32, 0..2_u32);
        proptest!(ProptestConfig::with_cases(2000), |(steps in proptest::collection::vec(step, 0..30))| {
            let none = Longer::default();
            let mut all: [(Filters<u32>, Model, u32); 3] = Default::default();
            for (whom, adds, subject, callback) in steps {
                let (filters, model, added) = &mut all[whom];
                if adds {
                    filters.add(Filter::new().subject(subject.to_string()), callback, &none).unwrap();
                    model.push((*added, subject * 2 + callback));
                    *added += 1;
                } else if !model.is_empty() {
                    let (number, _) = model.remove(subject as usize % model.len());
                    prop_assert!(filters.remove(&number.to_string()).is_some());
                }
                for (filters, model, _) in &all {
                    for subject in 0..2 {
                        let expected: Vec<u32> =
                            model.iter().filter(|(_, it)| it / 2 == subject).map(|(_, it)| it % 2).collect();
                        prop_assert_eq!(matching(filters, &mail().subject(subject.to_string()).get()), expected);
                    }
                    let ids: Vec<_> = filters.iter().map(|(id, _)| id.as_str().to_owned()).collect();
                    prop_assert_eq!(ids, model.iter().map(|(number, _)| number.to_string()).collect::<Vec<_>>());
                }
            }
        });
    }
}
