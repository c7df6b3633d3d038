//! How processes start and end beside each other: settings for their bundles.
//!
//! Births go by rank: who [`Depends`] on nobody comes first. Deaths go the other way, all of one rank together, each with a
//! [deadline](crate::application::Application::death_timeout) and all with [one](crate::application::Application::shutdown_timeout). Who has
//! [`Autostart(false)`](Autostart) rests under its name until it is started.

use crate::fold::folded_hash;
use bevy_ecs::component::Component;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::sync::Arc;

/// Whether a process is born when the application is built, or when it is spawned: yes, unless it has `Autostart(false)`.
/// Then it has its name and waits until somebody starts it by that.
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug)]
#[component(immutable)]
pub struct Autostart(pub bool);

/// Whether a process ends with the application: yes, unless it has `BoundShutdown(false)`. Then an orderly end of the
/// application waits for it, without a time-out, and so do those that it depends on. The e-brake and a forced end do not
/// wait.
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug)]
#[component(immutable)]
pub struct BoundShutdown(pub bool);

/// Its [`prepare`](crate::process::Process::prepare) may run beside those of others, each on a thread of its own.
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug)]
#[component(immutable)]
pub struct ParallelBirth;

/// The processes that a process needs: it is born after them, and dies before them when the application ends. To
/// [`start`](crate::context::Context::start) it starts those of them that do not run.
///
/// ```
/// use polycephaly::prelude::*;
/// let settings = (hz(1000), Name::new("motor"), Depends::on(["imu", "power"]));
/// ```
#[derive(Component, Clone, PartialEq, Eq, Debug, Default)]
#[component(immutable)]
pub struct Depends(pub(crate) Arc<[Cow<'static, str>]>);

impl Depends {
    /// On these, by name in any case.
    pub fn on<N: Into<Cow<'static, str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

/// Processes that can't be put in order.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DependsError {
    /// Nobody has the name that one depends on.
    #[error("{process:?} depends on {name:?}, and there is no such process ({chain}): add it, or mend the name")]
    Unknown {
        /// Who depends.
        process: String,
        /// On whom.
        name: String,
        /// How one came to it, from the first.
        chain: String,
    },
    /// They depend on each other in a circle, so none could be born first.
    #[error("these depend on each other in a circle, so none can be born first: {chain}")]
    Circle {
        /// All of them, the first again at the end.
        chain: String,
    },
}

/// One in a list of processes that depend on each other.
pub(crate) struct Node<'a> {
    pub(crate) name: &'a str,
    pub(crate) needs: &'a [Cow<'static, str>],
}

/// The rank of each: 0 for those that need nobody, and one more than the highest of those that it needs. Births go by
/// rising rank, deaths by falling.
pub(crate) fn ranks(nodes: &[Node<'_>], outside: impl Fn(&str) -> Option<u32>) -> Result<Vec<u32>, Vec<DependsError>> {
    if nodes.iter().all(|node| node.needs.is_empty()) {
        return Ok(vec![0; nodes.len()]);
    }
    let count = nodes.len();
    let mut search = Search {
        nodes,
        places: Places::of(nodes),
        ranks: vec![None; count],
        open: vec![false; count],
        path: Vec::new(),
        faults: Vec::new(),
    };
    for start in 0..nodes.len() {
        search.visit(start, &outside);
    }
    if search.faults.is_empty() {
        Ok(search.ranks.into_iter().map(Option::unwrap_or_default).collect())
    } else {
        Err(search.faults)
    }
}

/// Where in the list each name stands, without regard to case.
struct Places {
    hasher: DefaultHashBuilder,
    table: HashTable<usize>,
}

impl Places {
    fn of(nodes: &[Node<'_>]) -> Self {
        let (hasher, mut table) = (DefaultHashBuilder::default(), HashTable::with_capacity(nodes.len()));
        for place in 0..nodes.len() {
            let hash = |&place: &usize| folded_hash(&hasher, nodes[place].name);
            table.insert_unique(hash(&place), place, hash);
        }
        Self { hasher, table }
    }

    fn find(&self, nodes: &[Node<'_>], name: &str) -> Option<usize> {
        let is_it = |&place: &usize| nodes[place].name.eq_ignore_ascii_case(name);
        self.table.find(folded_hash(&self.hasher, name), is_it).copied()
    }
}

/// A search in depth, with a path of its own instead of recursion: chains may be long.
struct Search<'a> {
    nodes: &'a [Node<'a>],
    places: Places,
    ranks: Vec<Option<u32>>,
    /// Which are on the path.
    open: Vec<bool>,
    /// From the start to here: the place, how many of its needs have been seen, and its rank so far.
    path: Vec<(usize, usize, u32)>,
    faults: Vec<DependsError>,
}

impl Search<'_> {
    fn visit(&mut self, start: usize, outside: &impl Fn(&str) -> Option<u32>) {
        if self.ranks[start].is_none() {
            self.enter(start);
        }
        while let Some(&mut (place, ref mut seen, ref mut rank)) = self.path.last_mut() {
            let Some(need) = self.nodes[place].needs.get(*seen) else {
                let done = *rank;
                self.ranks[place] = Some(done);
                self.open[place] = false;
                self.path.pop();
                if let Some((_, _, above)) = self.path.last_mut() {
                    *above = (*above).max(done + 1);
                }
                continue;
            };
            *seen += 1;
            match self.places.find(self.nodes, need) {
                Some(next) if self.open[next] => self.circle(next),
                Some(next) => match self.ranks[next] {
                    Some(known) => *rank = (*rank).max(known + 1),
                    None => self.enter(next),
                },
                None => match outside(need) {
                    Some(known) => *rank = (*rank).max(known + 1),
                    None => self.unknown(place, need),
                },
            }
        }
    }

    fn enter(&mut self, place: usize) {
        self.open[place] = true;
        self.path.push((place, 0, 0));
    }

    fn circle(&mut self, back_to: usize) {
        let from = self.path.iter().position(|&(place, ..)| place == back_to).unwrap_or(0);
        let chain = self.chain(from) + " -> " + self.nodes[back_to].name;
        self.faults.push(DependsError::Circle { chain });
    }

    fn unknown(&mut self, place: usize, need: &str) {
        let chain = self.chain(0) + " -> " + need;
        let process = self.nodes[place].name.to_owned();
        self.faults.push(DependsError::Unknown { process, name: need.to_owned(), chain });
    }

    fn chain(&self, from: usize) -> String {
        self.path[from..].iter().map(|&(place, ..)| self.nodes[place].name).collect::<Vec<_>>().join(" -> ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(nodes: &[(&'static str, &[&'static str])]) -> Result<Vec<u32>, Vec<String>> {
        let all: Vec<_> = nodes.iter().map(|&(name, needs)| (name, Depends::on(needs.iter().copied()))).collect();
        let nodes: Vec<_> = all.iter().map(|(name, needs)| Node { name, needs: &needs.0 }).collect();
        let outside = |name: &str| (name == "running").then_some(7);
        ranks(&nodes, outside).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn ranks_are_the_longest_way_down() {
        let nodes: [(&str, &[&str]); 5] = [
            ("top", &["left", "base"]),
            ("LEFT", &["Middle"]),
            ("middle", &["base"]),
            ("base", &[]),
            ("x", &["running"]),
        ];
        assert_eq!(rank(&nodes).unwrap(), [3, 2, 1, 0, 8]);
    }

    #[test]
    fn a_circle_prints_its_chain_and_nothing_else() {
        let faults = rank(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"])]).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].ends_with("b -> c -> d -> b"), "{}", faults[0]);
        assert!(rank(&[("self", &["SELF"])]).unwrap_err()[0].ends_with("self -> self"));
    }

    #[test]
    fn an_unknown_name_prints_how_one_came_to_it() {
        let faults = rank(&[("a", &["b"]), ("b", &["c"])]).unwrap_err();
        assert!(
            faults[0].starts_with(r#""b" depends on "c", and there is no such process (a -> b -> c)"#),
            "{faults:?}"
        );
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let names: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let needs: Vec<_> = (0..names.len()).map(|n| Depends::on(names.get(n + 1).cloned())).collect();
        let nodes: Vec<_> = names.iter().zip(&needs).map(|(name, needs)| Node { name, needs: &needs.0 }).collect();
        assert_eq!(ranks(&nodes, |_| None).unwrap()[0], 99_999);
    }
}
