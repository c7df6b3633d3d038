//! Contestants in one run, and the verdict by the fastest sample of each: whatever else runs on the machine only adds to a sample.

use criterion::{BenchmarkId, Criterion, Throughput};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The same work, done by somebody.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// The group of benches that it belongs to.
    pub(crate) group: &'static str,
    /// The part of the name of a bench behind that of the contestant.
    pub(crate) size: usize,
    /// How many of what a figure is by are done in one round.
    pub(crate) elements: usize,
}

impl Work {
    /// Nanoseconds an element in the fastest sample; `None` when a filter on the command line left this one out. `rounds` does so
    /// many rounds, and says how long they took.
    pub(crate) fn fastest(
        self,
        criterion: &mut Criterion,
        name: &str,
        mut rounds: impl FnMut(u64) -> Duration,
    ) -> Option<f64> {
        let mut fastest: Option<f64> = None;
        let mut bench = criterion.benchmark_group(self.group);
        bench.throughput(Throughput::Elements(self.elements as u64));
        bench.bench_function(BenchmarkId::new(name, self.size), |bencher| {
            bencher.iter_custom(|count| {
                let time = rounds(count);
                let each = time.as_nanos() as f64 / (count * self.elements as u64) as f64;
                fastest = Some(fastest.map_or(each, |known| known.min(each)));
                time
            });
        });
        fastest
    }
}

/// How long so many calls take.
pub(crate) fn timed(count: u64, mut round: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..count).for_each(|_| round());
    start.elapsed()
}

/// Who is measured against ours, and how the two have to stand.
pub(crate) struct Duel {
    pub(crate) name: String,
    /// How many times as dear as ours the peer must at least be.
    pub(crate) wanted: f64,
    /// Nanoseconds an element.
    pub(crate) own: Option<f64>,
    pub(crate) peer: Option<f64>,
}

/// One line a peer; fails if one of them is too cheap beside ours.
pub(crate) fn verdict(duels: &[Duel]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for Duel { name, wanted, own, peer } in duels {
        let Some((own, peer)) = own.zip(*peer) else { continue };
        let times = peer / own;
        println!("{name}: {peer:.2} ns, ours {own:.2} ns: {times:.2} times as dear, at least {wanted:.2} wanted");
        if times < *wanted {
            code = ExitCode::FAILURE;
        }
    }
    code
}
