//! A tick of a million processes, beside the same work on plain `Vec`s in the same run. At 100 Hz, a tick of 10 ms takes a core.

#[path = "../examples/swarm/mote.rs"]
mod mote;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mote::{Mote, Writing, swarm};
use polycephaly::prelude::*;
use std::hint::black_box;

const MILLION: u32 = 1_000_000;

/// The least that could do the work: all in one place each, nobody may be born or die, and no mail is refused or counted.
struct Floor {
    motes: Vec<Mote>,
    mail: Vec<(u32, f32)>,
    /// To whom each writes, if anybody does.
    recipients: Vec<u32>,
}

impl Floor {
    fn new(writing: Writing) -> Self {
        let motes = (0..MILLION).map(|number| Mote::new(writing.first_tick(number, MILLION))).collect();
        let writers = if writing == Writing::Nothing { 0 } else { MILLION };
        let recipients = (0..writers).map(|number| writing.recipient(number, MILLION)).collect();
        Self { motes, mail: Vec::new(), recipients }
    }

    fn step(&mut self) {
        for (to, place) in self.mail.drain(..) {
            self.motes[to as usize].meet(place);
        }
        if self.recipients.is_empty() {
            return self.motes.iter_mut().for_each(Mote::drift);
        }
        for (mote, to) in self.motes.iter_mut().zip(&self.recipients) {
            mote.drift();
            if mote.is_to_write() {
                self.mail.push((*to, mote.place()));
            }
        }
    }
}

fn million(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("million");
    bench.sample_size(50).throughput(Throughput::Elements(MILLION.into()));
    let ways = [
        ("lives", Writing::Nothing),
        ("mail", Writing::SideBySide),
        ("scattered_mail", Writing::Scattered),
        ("mail_anywhere", Writing::Anywhere),
    ];
    for (name, writing) in ways {
        let mut floor = Floor::new(writing);
        bench.bench_function(format!("floor_{name}"), |bencher| bencher.iter(|| black_box(&mut floor).step()));
        drop(floor);
        let application = swarm(Application::new().clock(Clock::simulated()), MILLION, hz(100), writing);
        let mut running = application.build().expect("a sound application");
        bench.bench_function(name, |bencher| bencher.iter(|| running.step()));
        let report = running.report();
        assert_eq!((report.failures(), report.dead_letters, report.unmatched), (0, 0, 0));
    }
}

criterion_group!(benches, million);
criterion_main!(benches);
