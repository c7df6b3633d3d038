//! The cost of mail, beside its floors in the same run: a channel of crossbeam on one thread, and one uncontended lock.
//!
//! Each figure is by mail (by hop, by question), the tick around it and the lives of all who take part included.

mod ring;

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

/// One type of the chain. The first writes in its life; every other hands on what it reads.
#[derive(Component, Default)]
struct Hop<const N: usize> {
    next: Option<Address>,
    /// The tick of the last token seen.
    seen: u64,
}

#[derive(Clone, Copy)]
struct Token(u64);

impl<const N: usize> Hop<N> {
    fn pass(&mut self, token: &Token, cx: &mut Context<Self>) -> Result {
        self.seen = token.0;
        if let Some(next) = &self.next {
            cx.send(Mail::to(next).subject("token").body(*token))?;
        }
        Ok(())
    }
}

impl<const N: usize> Process for Hop<N> {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<Token>(Self::pass);
        // In the first tick everybody is born, and can be found. The last has nobody to write to.
        cx.after(Duration::ZERO, |hop, cx| {
            hop.next = cx.address_of(&format!("hop-{}", N + 1)).ok();
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if N == 0 {
            let token = Token(self.seen + 1);
            self.pass(&token, cx)?;
        }
        Ok(())
    }
}

/// `Hop<0>`, `Hop<1>` … in this order at one rate.
macro_rules! chain {
    ($($number:literal)*) => {
        Application::new().clock(Clock::simulated())
            $(.add_process(Hop::<$number>::default(), (hz(1000), Name::new(concat!("hop-", $number)))))*
    };
}

fn chain(criterion: &mut Criterion) {
    #[rustfmt::skip]
    let application = chain!(
         0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
        25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49
    );
    let mut running = application.build().expect("a sound application");
    let mut bench = criterion.benchmark_group("mail");
    bench.throughput(Throughput::Elements(TYPES as u64 - 1));
    bench.bench_function(BenchmarkId::new("chain", TYPES), |bencher| bencher.iter(|| running.step()));
    let (first, last) = (running.get::<Hop<0>>("hop-0"), running.get::<Hop<49>>("hop-49"));
    let (first, last) = first.zip(last).map(|(first, last)| (first.seen, last.seen)).expect("both live");
    assert!(last > 100 && first == last, "handed down within one tick: {first} {last}");
}

/// Asks the one behind it in each life.
#[derive(Component)]
struct Asker {
    whom: Option<Address>,
    answers: u64,
}

impl Process for Asker {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.after(Duration::ZERO, |asker, cx| {
            let number = cx.name().trim_start_matches("asker-").to_owned();
            asker.whom = Some(cx.address_of(&format!("answerer-{number}"))?);
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let Some(whom) = &self.whom {
            // Ten ticks: an answered question still waits for its time-out among the alarms.
            cx.ask_then(
                Mail::to(whom).subject("double").body(self.answers),
                Duration::from_millis(10),
                |asker, reply, _| {
                    let double = *reply?.get::<u64>().ok_or("no number")?;
                    asker.answers += u64::from(double == 2 * asker.answers);
                    Ok(())
                },
            )?;
        }
        Ok(())
    }
}

#[derive(Component)]
struct Answerer;

impl Process for Answerer {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("double"), |_, mail, cx| {
            let number = *mail.get::<u64>().ok_or("no number")?;
            cx.reply(mail, 2 * number)?;
            Ok(())
        })?;
        Ok(())
    }
}

fn ask(criterion: &mut Criterion) {
    let mut application = Application::new().clock(Clock::simulated());
    for index in 0..ASKERS {
        let (asker, answerer) = (Name::new(format!("asker-{index}")), Name::new(format!("answerer-{index}")));
        application = application
            .add_process(Asker { whom: None, answers: 0 }, (hz(1000), asker))
            .add_process(Answerer, (hz(1000), answerer));
    }
    let mut running = application.build().expect("a sound application");
    let mut bench = criterion.benchmark_group("mail");
    bench.throughput(Throughput::Elements(ASKERS as u64));
    bench.bench_function("ask", |bencher| bencher.iter(|| running.step()));
    let lives = running.report().process("asker-0").map_or(0, |asker| asker.lives);
    let answers = running.get::<Asker>("asker-0").map_or(0, |asker| asker.answers);
    assert!(lives > 100 && answers + 2 >= lives, "{answers} answers in {lives} lives");
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
    assert!(running.get::<Publisher>("publisher").is_some_and(|publisher| publisher.sum > 0.0));
}

criterion_group!(benches, floors, rings, chain, ask, broadcast, topic);
criterion_main!(benches);
