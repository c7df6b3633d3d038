//! Contestants in one run, and the verdict by the fastest sample of each: whatever else runs on the machine only adds to a sample.
//!
//! What counts is the CPU time of all threads of the program: a contestant that keeps several cores busy does not cost less for it.
//! The figures that criterion prints are of the clock on the wall; with one thread the two are the same.

use criterion::{BenchmarkId, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
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

/// Nanoseconds an element, in the fastest sample.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    cpu: f64,
    wall: f64,
}

impl Work {
    /// Has so many rounds done by `rounds`, again and again; `None` when a filter on the command line left this one out.
    pub(crate) fn measure(self, criterion: &mut Criterion, name: &str, mut rounds: impl FnMut(u64)) -> Option<Cost> {
        let mut fastest: Option<Cost> = None;
        let mut bench = criterion.benchmark_group(self.group);
        bench.throughput(Throughput::Elements(self.elements as u64));
        bench.bench_function(BenchmarkId::new(name, self.size), |bencher| {
            bencher.iter_custom(|count| {
                let (start, used) = (Instant::now(), cpu());
                rounds(count);
                let (used, time) = (cpu() - used, start.elapsed());
                let each = |time: Duration| time.as_nanos() as f64 / (count * self.elements as u64) as f64;
                let (cpu, wall) = (each(used), each(time));
                fastest =
                    Some(fastest.map_or(Cost { cpu, wall }, |known| Cost {
                        cpu: known.cpu.min(cpu),
                        wall: known.wall.min(wall),
                    }));
                time
            });
        });
        fastest
    }
}

/// What all threads of this program have used.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// Who is measured against ours, and how the two have to stand.
pub(crate) struct Duel {
    pub(crate) name: &'static str,
    /// How many times as dear as ours the peer must at least be; `None` is for figures to be looked at only.
    pub(crate) wanted: Option<f64>,
    pub(crate) own: Option<Cost>,
    pub(crate) peer: Option<Cost>,
}

/// One line a peer; fails if one of them is too cheap beside ours.
pub(crate) fn verdict(duels: &[Duel]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for Duel { name, wanted, own, peer } in duels {
        let Some((own, peer)) = own.zip(*peer) else { continue };
        let times = peer.cpu / own.cpu;
        let asked = wanted.map(|wanted| format!(", at least {wanted:.2} wanted")).unwrap_or_default();
        println!(
            "{name}: {:.2} ns of CPU ({:.2} on the wall), ours {:.2} ({:.2}): {times:.2} times as dear{asked}",
            peer.cpu, peer.wall, own.cpu, own.wall
        );
        if wanted.is_some_and(|wanted| times < wanted) {
            code = ExitCode::FAILURE;
        }
    }
    code
}
