//! What becomes of rounds: one line for each way, and what is asked of them.

use super::ours::{BESIDE, BESIDE_FIFO, HEAD, HEAD_FIFO};
use super::{END, LOOP, LOOP_FIFO, Round, WARM};
use std::collections::HashSet;
use std::fmt;

/// By how much two medians of lateness may differ before that is called drift, in µs a round.
const STEADY: f64 = 50.0;

/// Figures of one round.
struct Part {
    /// Nanoseconds, in order.
    late: Vec<u64>,
    lost: u64,
    drift: i64,
}

/// All rounds of one way.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    parts: Vec<Part>,
    cpu: f64,
    refused: HashSet<String>,
}

impl Line {
    pub(crate) const HEAD: &str =
        "name                   p50_us   p99_us  p999_us    max_us   lost   drift_us  cpu_percent";

    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, parts: Vec::new(), cpu: 0.0, refused: HashSet::new() }
    }

    pub(crate) fn add(&mut self, round: Round, cpu: f64) {
        let measured: Vec<_> = round.samples.iter().filter(|sample| (WARM..END).contains(&sample.tick)).collect();
        let seen: HashSet<u64> = measured.iter().map(|sample| sample.tick).collect();
        let mut late: Vec<u64> = measured.iter().map(|sample| sample.late).collect();
        let drift = round.drift.unwrap_or_else(|| {
            let tenth = (late.len() / 10).max(1);
            let (first, last) = (&late[..tenth.min(late.len())], &late[late.len().saturating_sub(tenth)..]);
            median(last) as i64 - median(first) as i64
        });
        late.sort_unstable();
        self.parts.push(Part { late, lost: (END - WARM) - seen.len() as u64, drift });
        self.cpu += cpu;
        self.refused.extend(round.refused);
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = &String> {
        self.refused.iter()
    }

    fn lost(&self) -> u64 {
        self.parts.iter().map(|part| part.lost).sum()
    }

    /// µs, of the worst round.
    fn drift(&self) -> f64 {
        let worst = self.parts.iter().map(|part| part.drift).max_by_key(|drift| drift.abs());
        worst.unwrap_or(0) as f64 / 1000.0
    }

    /// How many times later than another way, round by round: the median of all rounds.
    fn ratio(&self, other: &Self, share: f64) -> f64 {
        let pairs = self.parts.iter().zip(&other.parts);
        let mut ratios: Vec<f64> =
            pairs.map(|(a, b)| at(&a.late, share) as f64 / (at(&b.late, share) as f64).max(1.0)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        // Of an even number the upper one: not the kinder.
        ratios[ratios.len() / 2]
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<u64> = self.parts.iter().flat_map(|part| part.late.iter().copied()).collect();
        all.sort_unstable();
        let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|share| at(&all, share) as f64 / 1000.0);
        let (lost, drift, cpu) = (self.lost(), self.drift(), self.cpu / self.parts.len() as f64 * 100.0);
        let name = self.name;
        write!(f, "{name:20} {p50:8.1} {p99:8.1} {p999:8.1} {max:9.1} {lost:6} {drift:10.1} {cpu:12.1}")
    }
}

/// The value that this share of all is not above; they are in order.
fn at(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    at(&values, 0.5)
}

/// What is asked of a head, and whether it is so.
pub(crate) fn verdicts(lines: &[Line]) -> Vec<String> {
    let line = |name| lines.iter().find(|line| line.name == name).expect("it is always measured");
    let kept = |kept: bool| if kept { "kept" } else { "MISSED" };
    let ratio = |a: &Line, b: &Line, what: &str, share: f64, limit: f64| {
        let ratio = a.ratio(b, share);
        let kept = kept(ratio <= limit);
        format!("{} / {}: {what} {ratio:.2}, budget {limit:.2}: {kept}", a.name, b.name)
    };
    let lost = |a: &Line, b: &Line| {
        let (lost, limit) = (a.lost(), b.lost() + 1);
        format!("{}: lost {lost}, budget {limit}: {}", a.name, kept(lost <= limit))
    };
    let mut told = Vec::new();
    for [bare, head, beside] in [[LOOP, HEAD, BESIDE], [LOOP_FIFO, HEAD_FIFO, BESIDE_FIFO]] {
        let (bare, head, beside) = (line(bare), line(head), line(beside));
        told.extend([
            ratio(head, bare, "p50", 0.5, 1.1),
            ratio(head, bare, "p99", 0.99, 1.25),
            lost(head, bare),
            ratio(beside, head, "p99", 0.99, 1.25),
            lost(beside, head),
        ]);
        for line in [head, beside] {
            let (drift, kept) = (line.drift(), kept(line.drift().abs() < STEADY));
            told.push(format!("{}: drift {drift:.1} us a round, budget none (under {STEADY}): {kept}", line.name));
        }
    }
    told
}
