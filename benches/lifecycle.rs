//! What births and deaths cost: 10,000 together by name, flat and in ranks of dependency, and one by one while it runs.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polycephaly::prelude::*;

/// A process that has its name, its mailbox and eight bytes.
#[derive(Component, Default)]
struct Cell(u64);

impl Process for Cell {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.0 += 1;
        Ok(())
    }
}

const SIZE: usize = 10_000;
/// How many ranks there are, where there are any.
const RANKS: usize = 10;

/// Names, and on whom each depends: what a program has before any birth.
fn settings(ranks: usize) -> Vec<(Name, Depends)> {
    let name = |index: usize| format!("cell-{index}");
    let rank = SIZE / ranks;
    (0..SIZE).map(|index| (Name::new(name(index)), Depends::on(index.checked_sub(rank).map(name)))).collect()
}

/// Adds them all, those without dependencies without the component, and bears them.
fn bear(settings: Vec<(Name, Depends)>) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for (name, depends) in settings {
        application = if depends == Depends::default() {
            application.add_process(Cell::default(), (hz(100), name))
        } else {
            application.add_process(Cell::default(), (hz(100), name, depends))
        };
    }
    application.build().expect("a sound application")
}

fn many(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("lifecycle");
    bench.throughput(Throughput::Elements(SIZE as u64)).sample_size(50);
    for (birth, death, ranks) in [("birth", "death", 1), ("birth_ranked", "death_ranked", RANKS)] {
        bench.bench_function(BenchmarkId::new(birth, SIZE), |bencher| {
            bencher.iter_batched(|| settings(ranks), bear, BatchSize::PerIteration);
        });
        bench.bench_function(BenchmarkId::new(death, SIZE), |bencher| {
            let lived = || {
                let mut running = bear(settings(ranks));
                running.step();
                running
            };
            // The report of all of them is part of it.
            bencher.iter_batched(lived, Running::finish, BatchSize::PerIteration);
        });
    }
}

fn single(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("lifecycle");
    let mut running = bear(settings(1));
    let handle = running.handle();
    bench.bench_function("restart", |bencher| {
        bencher.iter(|| {
            handle.restart("cell-5000", "").expect("it is there");
            running.step()
        });
    });
    // The same without a restart: all others live in each step.
    bench.bench_function("step", |bencher| bencher.iter(|| running.step()));
    bench.bench_function("spawn_running", |bencher| {
        bencher.iter_batched(
            || Name::new("late"),
            |name| {
                let late = running.world_mut().spawn_process(Cell::default(), (hz(100), name)).expect("a free name");
                running.world_mut().despawn(late)
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, many, single);
criterion_main!(benches);
