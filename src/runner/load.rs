//! How loaded a head is, and what it sheds when it is too much for long.
//!
//! Judged by what ticks cost on average, not by how busy the head was: so it is known at once what would fit, and
//! nothing has to be tried.

use crate::group::Group;
use crate::importance::{self, Demand, PerMille};

/// Costs are averaged, and the load looked at, so often (ns).
const WINDOW: u64 = 100_000_000;
/// More than this is too much.
const TOO_MUCH: PerMille = 950;
/// What is kept fits into this: less than too much, so that small changes of cost change nothing.
const FITS: PerMille = 850;
/// So many windows in a row make "for long".
const LONG: u32 = 5;

/// What one group has cost.
#[derive(Clone, Copy, Default, Debug)]
struct Cost {
    ticks: u64,
    nanos: u64,
    /// The average of the last window in which it ticked.
    mean: u64,
}

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Load {
    /// Whether any group has declared how much it matters.
    pub(crate) sheds: bool,
    costs: Vec<Cost>,
    /// Scratch, kept warm.
    demands: Vec<Demand>,
    window_ends: u64,
    /// Windows in a row in which it was too much, and in which more would have fitted.
    over: u32,
    under: u32,
    /// How often it was changed what is shed.
    pub(crate) changes: u64,
}

impl Load {
    /// A tick of a group has taken so long, and ended now.
    #[inline]
    pub(crate) fn note(&mut self, group: usize, took: u64, now: u64, groups: &mut [Group], head: &str) {
        if !self.sheds {
            return;
        }
        if self.costs.len() < groups.len() {
            // Once a group: not in the steady tick.
            self.costs.resize(groups.len(), Cost::default());
        }
        self.costs[group].ticks += 1;
        self.costs[group].nanos += took;
        if now >= self.window_ends {
            self.window_ends = now.saturating_add(WINDOW);
            self.judge(groups, head);
        }
    }

    fn judge(&mut self, groups: &mut [Group], head: &str) {
        for cost in &mut self.costs {
            if let Some(mean) = cost.nanos.checked_div(cost.ticks) {
                *cost = Cost { mean, ..Cost::default() };
            }
        }
        let ticks = |group: &Group| group.active && !group.paused;
        let demand = |(group, cost): (&Group, &Cost)| Demand {
            importance: group.importance,
            frequency: group.key.frequency,
            cost: if ticks(group) { cost.mean } else { 0 },
            keeps_one_in: group.keeps_one_in,
        };
        self.demands.clear();
        self.demands.extend(groups.iter().zip(&self.costs).map(demand));
        let load = importance::load(&self.demands);
        if load <= TOO_MUCH && groups.iter().all(|group| group.keeps_one_in == 1) {
            (self.over, self.under) = (0, 0);
            return;
        }
        let wanted = importance::divisors(&self.demands, FITS);
        let pairs = || wanted.iter().zip(groups.iter().map(|group| group.keeps_one_in));
        let differs = pairs().any(|(&wanted, kept)| wanted != kept);
        let relaxes = differs && pairs().all(|(&wanted, kept)| wanted <= kept);
        self.over = if differs && load > TOO_MUCH { self.over + 1 } else { 0 };
        self.under = if relaxes && load <= TOO_MUCH { self.under + 1 } else { 0 };
        if self.over.max(self.under) < LONG {
            return;
        }
        (self.over, self.under) = (0, 0);
        self.changes += 1;
        let share = load / 10;
        tracing::warn!(head, load = %format_args!("{share} %"), keeps_one_in = ?wanted, "changes which ticks it sheds");
        for (group, wanted) in groups.iter_mut().zip(wanted) {
            group.keeps_one_in = wanted;
        }
    }
}
