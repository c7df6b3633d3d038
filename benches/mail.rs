//! The cost of mail, beside its floors in the same run: a channel of crossbeam on one thread, and one uncontended lock.
//!
//! Each figure is by mail (by hop, by question), the tick around it and the lives of all who take part included.

#[path = "work/ask.rs"]
mod ask;
#[path = "work/chain.rs"]
mod chain;
#[path = "work/ring.rs"]
mod ring;

use ask::askers;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polycephaly::prelude::*;
use ring::{Way, ring};
use std::hint::black_box;

/// As many mails as a mailbox holds unless told otherwise.
const BOUND: usize = 50;
/// Processes that ask, each one question a tick.
const ASKERS: usize = 1000;
/// Recipients of a broadcast.
const AUDIENCE: usize = 1000;
/// Values published and read in one life.
const VALUES: usize = 100;
/// Types in the chain, so one hop less.
const TYPES: usize = 50;

fn floors(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("mail");
    bench.throughput(Throughput::Elements(1));
    let (sender, receiver) = crossbeam_channel::bounded(BOUND);
    bench.bench_function("floor_crossbeam", |bencher| {
        bencher.iter(|| {
            sender.try_send(black_box(7_u64)).expect("it has room");
            receiver.try_recv().expect("it has one")
        });
    });
    let lock = parking_lot::Mutex::new(0_u64);
    bench.bench_function("floor_lock", |bencher| bencher.iter(|| *black_box(&lock).lock() += 1));
}

fn rings(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("mail");
    for (name, size, way) in
        [("ring", 2, Way::Address), ("ring", 10_000, Way::Address), ("ring_by_name", 10_000, Way::Name)]
    {
        bench.throughput(Throughput::Elements(size as u64));
        let mut running = ring(size, way);
        bench.bench_function(BenchmarkId::new(name, size), |bencher| bencher.iter(|| running.step()));
        ring::check(running);
    }
}

fn chains(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("mail");
    bench.throughput(Throughput::Elements(TYPES as u64 - 1));
    let mut chain = chain::of_50();
    bench.bench_function(BenchmarkId::new("chain", TYPES), |bencher| bencher.iter(|| chain.running.step()));
    chain::check(chain);
}

fn asks(criterion: &mut Criterion) {
    let mut running = askers(ASKERS);
    let mut bench = criterion.benchmark_group("mail");
    bench.throughput(Throughput::Elements(ASKERS as u64));
    bench.bench_function("ask", |bencher| bencher.iter(|| running.step()));
    ask::check(&mut running);
}

/// Writes to all others in each life.
#[derive(Component)]
struct Caller;

impl Process for Caller {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let results = cx.send_all(Mail::broadcast().subject("all").body(7_u64));
        if results.iter().any(Result::is_err) { Err("refused".into()) } else { Ok(()) }
    }
}

#[derive(Component, Default)]
struct Listener(u64);

impl Process for Listener {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|listener, number, _| {
            listener.0 += number;
            Ok(())
        });
        Ok(())
    }
}

fn broadcast(criterion: &mut Criterion) {
    let mut application =
        Application::new().clock(Clock::simulated()).add_process(Caller, (hz(1000), Name::new("caller")));
    for _ in 0..AUDIENCE {
        application = application.add_process(Listener::default(), hz(1000));
    }
    let mut running = application.build().expect("a sound application");
    let mut bench = criterion.benchmark_group("mail");
    bench.throughput(Throughput::Elements(AUDIENCE as u64));
    bench.bench_function(BenchmarkId::new("broadcast", AUDIENCE), |bencher| bencher.iter(|| running.step()));
    let calls = running.report().process("caller").map_or(0, |caller| caller.lives);
    assert_eq!(running.get::<Listener>("Listener").map(|listener| listener.0), Some(7 * calls));
}

/// Publishes, and reads what it has published.
#[derive(Component, Default)]
struct Publisher {
    sum: f64,
}

struct Pose([f64; 3]);

impl Process for Publisher {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        for number in 0..VALUES {
            cx.publish(Pose([number as f64; 3]));
            let latest = cx.latest_within::<Pose>(Duration::from_millis(50)).ok_or("nothing published")?;
            self.sum += latest.0[2];
        }
        Ok(())
    }
}

fn topic(criterion: &mut Criterion) {
    let mut running = Application::new()
        .clock(Clock::simulated())
        .add_process(Publisher::default(), (hz(1000), Name::new("publisher")))
        .build()
        .expect("a sound application");
    let mut bench = criterion.benchmark_group("topic");
    bench.throughput(Throughput::Elements(VALUES as u64));
    bench.bench_function("publish_latest", |bencher| bencher.iter(|| running.step()));
    running.step();
    assert!(running.get::<Publisher>("publisher").is_some_and(|publisher| publisher.sum > 0.0));
}

criterion_group!(benches, floors, rings, chains, asks, broadcast, topic);
criterion_main!(benches);
