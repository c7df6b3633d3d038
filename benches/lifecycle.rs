//! What births and deaths cost: 10,000 together by name, flat and in ranks of dependency, and one by one while it runs.

#[path = "work/cell.rs"]
mod cell;

use cell::{Cell, bear, settings};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polycephaly::prelude::*;

const SIZE: usize = 10_000;
/// How many ranks there are, where there are any.
const RANKS: usize = 10;

fn many(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("lifecycle");
    bench.throughput(Throughput::Elements(SIZE as u64)).sample_size(50);
    for (birth, death, ranks) in [("birth", "death", 1), ("birth_ranked", "death_ranked", RANKS)] {
        bench.bench_function(BenchmarkId::new(birth, SIZE), |bencher| {
            bencher.iter_batched(|| settings(SIZE, ranks), bear, BatchSize::PerIteration);
        });
        bench.bench_function(BenchmarkId::new(death, SIZE), |bencher| {
            let lived = || {
                let mut running = bear(settings(SIZE, ranks));
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
    let mut running = bear(settings(SIZE, 1));
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
