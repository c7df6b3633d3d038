//! The cost of a tick, beside a plain `Vec` and beside bare bevy_ecs, doing the same work in the same run.

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::SingleThreadedExecutor;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polycephaly::prelude::{Application, Clock, Context, Name, Process, Running, hz};
use std::hint::black_box;
use std::time::Instant;

/// The work of one life: a multiplication, an addition, a counter.
#[derive(Component, Clone, Default)]
struct Wheel {
    angle: f64,
    steps: u64,
}

impl Wheel {
    #[inline]
    fn turn(&mut self) {
        self.angle = self.angle * 1.0001 + 1.0;
        self.steps += 1;
    }
}

impl Process for Wheel {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.turn();
        Ok(())
    }
}

fn group(size: usize) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for _ in 0..size {
        application = application.add_process(Wheel::default(), hz(1000));
    }
    application.build().expect("a sound application")
}

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
    let mut one = Application::new()
        .clock(Clock::simulated())
        .add_process(Wheel::default(), (hz(1000), Name::new("wheel")))
        .build()
        .expect("a sound application");
    bench.bench_function("one_process", |bencher| {
        bencher.iter(|| {
            black_box(Instant::now());
            one.step()
        });
    });
}

criterion_group!(benches, ticks);
criterion_main!(benches);
