//! A head of polycephaly as it is measured: three processes at 1000 Hz.

use super::{PERIOD, PRIORITY, ROUND, Round, Sample, Way, delay, now};
use polycephaly::prelude::*;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};

pub(crate) const HEAD: &str = "head";
pub(crate) const HEAD_FIFO: &str = "head_fifo";
pub(crate) const BESIDE: &str = "beside_blocking";
pub(crate) const BESIDE_FIFO: &str = "beside_blocking_fifo";

/// All rounds of ours.
pub(crate) const WAYS: [(&str, Way); 6] = [
    (HEAD, || round(Application::new())),
    (HEAD_FIFO, || round(Application::new().realtime(RealTime::new().fifo(PRIORITY)))),
    ("head_fifo_spin", || {
        round(Application::new().realtime(RealTime::new().fifo(PRIORITY).spin(Duration::from_micros(50))))
    }),
    (BESIDE, || round(Application::new().add_head(Head::new("hog").add_process(Hog, hz(1))))),
    (BESIDE_FIFO, || {
        let hog = Head::new("hog").add_process(Hog, hz(1));
        round(Application::new().realtime(RealTime::new().fifo(PRIORITY)).add_head(hog))
    }),
    ("shared_with_blocking", || round(Application::new().add_process(Hog, hz(1)))),
];

/// Sees when it lives.
#[derive(Component)]
struct Probe {
    samples: Vec<Sample>,
    /// The monotonic instant from which the application counts.
    origin: u64,
    /// When the first tick was due.
    epoch: Option<u64>,
    handle: ApplicationHandle,
    tell: Sender<Vec<Sample>>,
    inject: bool,
}

impl Process for Probe {
    fn birth(&mut self, _: &mut Context<Self>) -> Result {
        // The nearest pair of readings of both clocks.
        let pair = || {
            let (before, application) = (now(), self.handle.now().as_nanos() as u64);
            (now() - before, before - application)
        };
        self.origin = (0..1000).map(|_| pair()).min().map_or(0, |(_, origin)| origin);
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let (now, due) = (now(), self.origin + cx.due().as_nanos() as u64);
        let tick = (due - *self.epoch.get_or_insert(due)) / PERIOD;
        self.samples.push(Sample { tick, late: now.saturating_sub(due) });
        if self.inject {
            delay(tick);
        }
        Ok(())
    }

    fn death(&mut self, _: &mut Context<Self>) -> Result {
        self.tell.send(std::mem::take(&mut self.samples))?;
        Ok(())
    }
}

/// Does a little.
#[derive(Component, Default)]
struct Wheel {
    angle: f64,
}

impl Process for Wheel {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.angle = black_box(self.angle * 1.0001 + 1.0);
        Ok(())
    }
}

/// Blocks its head.
#[derive(Component)]
struct Hog;

impl Process for Hog {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    }
}

fn with_probe(application: Application, inject: bool) -> (Application, Receiver<Vec<Sample>>) {
    let (tell, told) = channel();
    let handle = application.handle();
    let probe = Probe { samples: Round::room(), origin: 0, epoch: None, handle, tell, inject };
    let application = application
        .add_process(probe, hz(1000))
        .add_process(Wheel::default(), hz(1000))
        .add_process(Wheel::default(), hz(1000));
    (application, told)
}

fn round(application: Application) -> Round {
    let (application, told) = with_probe(application, false);
    finish(application, &told)
}

/// A round into which a known delay is injected once.
pub(crate) fn injected() -> Round {
    let (application, told) = with_probe(Application::new(), true);
    finish(application, &told)
}

fn finish(application: Application, told: &Receiver<Vec<Sample>>) -> Round {
    let exit = application.run_for(ROUND);
    assert!(exit.is_success() && exit.report().failures() == 0, "{exit}\n{}", exit.report());
    let refused = exit.report().heads.iter().flat_map(|head| &head.refused).next().cloned();
    Round { refused, ..Round::of(told.recv().expect("the probe has died in order")) }
}
