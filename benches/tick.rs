//! The cost of a tick, beside a plain `Vec` and beside bare bevy_ecs, doing the same work in the same run.

#[path = "work/wheel.rs"]
mod wheel;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::SingleThreadedExecutor;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Instant;
use wheel::{Wheel, group};

fn bevy(size: usize) -> (World, Schedule) {
    let mut world = World::new();
    world.spawn_batch(vec![Wheel::default(); size]);
    let mut schedule = Schedule::default();
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.add_systems(|mut wheels: Query<&mut Wheel>| wheels.iter_mut().for_each(|mut wheel| wheel.turn()));
    (world, schedule)
}

fn ticks(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("tick");
    for size in [10, 1000, 10_000] {
        bench.throughput(Throughput::Elements(size as u64));
        let mut wheels = vec![Wheel::default(); size];
        bench.bench_function(BenchmarkId::new("floor_vec", size), |bencher| {
            bencher.iter(|| black_box(&mut wheels).iter_mut().for_each(Wheel::turn));
        });
        let (mut world, mut schedule) = bevy(size);
        bench.bench_function(BenchmarkId::new("bevy_system", size), |bencher| {
            bencher.iter(|| schedule.run(&mut world));
        });
        let mut running = group(size);
        bench.bench_function(BenchmarkId::new("group", size), |bencher| bencher.iter(|| running.step()));
    }
    bench.throughput(Throughput::Elements(1));
    bench.bench_function("instant_now", |bencher| bencher.iter(|| black_box(Instant::now())));
    let mut one = group(1);
    bench.bench_function("one_process", |bencher| {
        bencher.iter(|| {
            black_box(Instant::now());
            one.step()
        });
    });
}

criterion_group!(benches, ticks);
criterion_main!(benches);
