//! An external reference that paces a head: a sensor's sample, a field bus's cycle, a channel. Each of its pulses is a tick.
//!
//! Here is the bookkeeping: how many pulses there were, how regular they are, and what follows when none comes. A head that
//! is paced counts its ticks by pulses and not by the clock, so that it follows its reference however that drifts.

use crate::clock::nanos;
use crate::frequency::Frequency;
use crate::stats::{Spread, Summary};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What came of waiting for a pulse.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pulse {
    /// One has come.
    Came,
    /// None has come in time.
    None,
    /// None will ever come again, for this reason.
    Over(String),
}

/// Where pulses come from.
pub trait PaceSource: Send + 'static {
    /// Blocks until the next pulse comes, but not longer than `timeout`. One that has come while nobody waited counts.
    fn wait(&mut self, timeout: Duration) -> Pulse;

    /// Under the simulated clock nobody waits: says how long after `now`, when the last one came, the next pulse comes, of
    /// which there should be one each `period`. `None`: never.
    fn simulate(&mut self, now: Duration, period: Duration) -> Option<Duration> {
        let _ = now;
        Some(period)
    }
}

impl<F: FnMut(Duration) -> Pulse + Send + 'static> PaceSource for F {
    fn wait(&mut self, timeout: Duration) -> Pulse {
        self(timeout)
    }
}

/// Each message is a pulse.
impl<T: Send + 'static> PaceSource for Receiver<T> {
    fn wait(&mut self, timeout: Duration) -> Pulse {
        match self.recv_timeout(timeout) {
            Ok(_) => Pulse::Came,
            Err(RecvTimeoutError::Timeout) => Pulse::None,
            Err(RecvTimeoutError::Disconnected) => Pulse::Over("the other end of the channel is gone".into()),
        }
    }
}

/// What a head does when its reference falls silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Loss {
    /// Goes on by its own clock, at the reference's nominal rate, until the next pulse.
    #[default]
    FreeRun,
    /// Stands still until the next pulse.
    Hold,
    /// Pulls the e-brake.
    Ebrake,
}

/// How a head stands to its reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaceState {
    /// Pulses come, but not yet so many regular ones in a row as [`Pace::lock_after`] asks for.
    #[default]
    Locking,
    /// Pulses come as they should.
    Locked,
    /// None has come for longer than the time-out.
    Lost,
}

impl fmt::Display for PaceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Locking => "locking",
            Self::Locked => "locked",
            Self::Lost => "lost",
        })
    }
}

/// What paces a head, for [`Head::paced_by`](crate::head::Head::paced_by).
///
/// ```
/// use polycephaly::prelude::*;
/// use std::sync::mpsc::channel;
/// # #[derive(Component)] struct Servo;
/// # impl Process for Servo {}
/// let (cycle, cycles) = channel::<()>(); // the field bus's driver sends into it at each cycle
/// let pace = Pace::new(cycles, hz(1000)).timeout(Duration::from_millis(5)).on_loss(Loss::Hold);
/// let head = Head::new("bus").paced_by(pace).add_process(Servo, hz(1000));
/// ```
#[must_use = "a pace does nothing until it is given to a head"]
pub struct Pace {
    source: Box<dyn PaceSource>,
    frequency: Frequency,
    timeout: u64,
    loss: Loss,
    lock_after: u32,
    tolerance: f64,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("frequency", &self.frequency).field("loss", &self.loss).finish_non_exhaustive()
    }
}

impl Pace {
    /// Pulses from this source, so many times a second. They may come faster or slower: groups tick by the number of pulses,
    /// one of a tenth of this frequency at every tenth.
    pub fn new(source: impl PaceSource, frequency: Frequency) -> Self {
        Self {
            source: Box::new(source),
            frequency,
            timeout: frequency.due(10),
            loss: Loss::default(),
            lock_after: 10,
            tolerance: 0.2,
        }
    }

    /// Without a pulse for so long, the reference is lost: ten periods unless set, one microsecond at the least.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = nanos(timeout).max(1000);
        self
    }

    /// What follows then: [`Loss::FreeRun`] unless set.
    pub fn on_loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// So many regular pulses in a row make it locked: 10 unless set.
    pub fn lock_after(mut self, pulses: u32) -> Self {
        self.lock_after = pulses;
        self
    }

    /// A pulse is regular when it comes after one period, give or take this share of it: 0.2 unless set. What is not a number
    /// from 0 to 1 counts as the nearer of them.
    pub fn tolerance(mut self, share: f64) -> Self {
        self.tolerance = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self
    }
}

/// How a paced head's reference behaved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaceReport {
    /// How the head stands to it now.
    pub state: PaceState,
    /// Pulses that came.
    pub pulses: u64,
    /// Of those, the ones that came too early or too late.
    pub irregular: u64,
    /// How often it was lost.
    pub losses: u64,
    /// Ticks that the head made by its own clock meanwhile.
    pub free_ticks: u64,
    /// Time between pulses, those around a loss left out.
    pub interval: Summary,
    /// Why no pulse will come any more, if the source has said so.
    pub over: Option<String>,
}

const NEVER: u64 = u64::MAX;

/// A pace at work. Time is what its caller says.
pub(crate) struct Pacer {
    pace: Pace,
    period: u64,
    origin: u64,
    /// Ticks of the reference so far, free ones included.
    ticks: u64,
    /// When the present one came.
    pub(crate) arrived: u64,
    last_pulse: Option<u64>,
    regular: u32,
    /// When the reference is lost; of a lost one, when the next free tick is due.
    deadline: u64,
    /// Under the simulated clock: when the next pulse comes.
    simulated: u64,
    interval: Spread,
    report: PaceReport,
}

impl Pacer {
    pub(crate) fn new(pace: Pace) -> Self {
        let period = pace.frequency.due(1).max(1);
        let report = PaceReport {
            state: PaceState::Locking,
            pulses: 0,
            irregular: 0,
            losses: 0,
            free_ticks: 0,
            interval: Summary::default(),
            over: None,
        };
        Self {
            pace,
            period,
            origin: 0,
            ticks: 0,
            arrived: 0,
            last_pulse: None,
            regular: 0,
            deadline: NEVER,
            simulated: NEVER,
            interval: Spread::default(),
            report,
        }
    }

    /// The epoch; where simulated, the first pulse comes then.
    pub(crate) fn start(&mut self, epoch: u64, simulated: bool) {
        self.origin = epoch;
        self.deadline = epoch.saturating_add(self.pace.timeout);
        self.simulated = if simulated { epoch } else { NEVER };
    }

    pub(crate) fn state(&self) -> PaceState {
        self.report.state
    }

    pub(crate) fn report(&self) -> PaceReport {
        PaceReport { interval: self.interval.summary(), ..self.report.clone() }
    }

    /// What the clock would show if every pulse came when it should: groups are due by that. `None` before the first.
    pub(crate) fn reference(&self) -> Option<u64> {
        let last = self.ticks.checked_sub(1)?;
        Some(self.origin.saturating_add(self.pace.frequency.due(last)))
    }

    /// Blocks for a pulse, for so long at most, and not beyond the next instant at which its absence has a consequence.
    /// Whether the reference goes on by itself, without anybody waiting.
    pub(crate) fn wait(&mut self, now: u64, at_most: u64) -> bool {
        if self.is_over() {
            return false;
        }
        let time = self.deadline.saturating_sub(now).min(at_most);
        match self.pace.source.wait(Duration::from_nanos(time)) {
            Pulse::Came => return true,
            Pulse::None => {}
            Pulse::Over(why) => {
                tracing::warn!(why, "no more pulses will come");
                self.report.over = Some(why);
                self.deadline = now;
            }
        }
        false
    }

    /// Whether nobody need wait for its pulses any more.
    pub(crate) fn is_over(&self) -> bool {
        self.report.over.is_some()
    }

    /// When something happens next, pulses on a clock that goes by itself left out.
    pub(crate) fn next_event(&self) -> u64 {
        self.deadline.min(self.simulated)
    }

    /// Under the simulated clock: what happens at `now`.
    pub(crate) fn simulate(&mut self, now: u64) -> Option<String> {
        if now >= self.simulated {
            let (at, period) = (Duration::from_nanos(now), Duration::from_nanos(self.period));
            let wait = self.pace.source.simulate(at, period);
            self.simulated = wait.map_or(NEVER, |wait| now.saturating_add(nanos(wait).max(1)));
            self.pulse(now);
            return None;
        }
        self.check(now)
    }

    /// A pulse has come.
    pub(crate) fn pulse(&mut self, now: u64) {
        self.report.pulses += 1;
        let interval = self.last_pulse.filter(|_| self.state() != PaceState::Lost).map(|last| now.saturating_sub(last));
        if let Some(interval) = interval {
            self.interval.record(interval);
            let off = interval.abs_diff(self.period) as f64 > self.pace.tolerance * self.period as f64;
            self.report.irregular += u64::from(off);
            self.regular = if off { 0 } else { self.regular.saturating_add(1) };
        }
        if self.state() == PaceState::Lost {
            tracing::info!("the reference is back");
            self.report.state = PaceState::Locking;
        }
        if self.regular >= self.pace.lock_after {
            self.report.state = PaceState::Locked;
        }
        self.last_pulse = Some(now);
        self.deadline = now.saturating_add(self.pace.timeout);
        self.tick(now);
    }

    fn tick(&mut self, now: u64) {
        self.ticks += 1;
        self.arrived = now;
    }

    /// Looks whether the absence of a pulse has a consequence by now. Why the e-brake is to be pulled, if it is.
    pub(crate) fn check(&mut self, now: u64) -> Option<String> {
        if now < self.deadline {
            return None;
        }
        let lost_before = self.state() == PaceState::Lost;
        if !lost_before {
            tracing::warn!(pulses = self.report.pulses, "the reference is lost");
            self.report.losses += 1;
            self.report.state = PaceState::Lost;
            self.regular = 0;
        }
        match self.pace.loss {
            Loss::FreeRun => {
                self.report.free_ticks += 1;
                // Without a burst: what the head was too late for is not made up.
                let next = self.deadline.saturating_add(self.period);
                self.deadline = if next > now { next } else { now.saturating_add(self.period) };
                self.tick(now);
                None
            }
            Loss::Hold => {
                self.deadline = NEVER;
                None
            }
            Loss::Ebrake => {
                self.deadline = NEVER;
                let timeout = Duration::from_nanos(self.pace.timeout);
                Some(format!("its reference is lost: no pulse for {timeout:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency::hz;

    const MS: u64 = 1_000_000;

    fn pacer(loss: Loss) -> Pacer {
        let silent = |_: Duration| Pulse::None;
        let pace = Pace::new(silent, hz(1000)).timeout(Duration::from_millis(3)).lock_after(3).on_loss(loss);
        let mut pacer = Pacer::new(pace);
        pacer.start(5 * MS, false);
        pacer
    }

    #[test]
    fn it_locks_after_regular_pulses_and_counts_the_others() {
        let mut pacer = pacer(Loss::Hold);
        assert_eq!(pacer.reference(), None);
        for (at, state) in [(5_000, "locking"), (6_100, "locking"), (7_100, "locking"), (8_400, "locking")] {
            pacer.pulse(at * 1000);
            assert_eq!(pacer.state().to_string(), state, "at {at}");
        }
        for at in [9_400, 10_400] {
            pacer.pulse(at * 1000);
            assert_eq!(pacer.state(), PaceState::Locking);
        }
        pacer.pulse(11_300 * 1000);
        assert_eq!(pacer.state(), PaceState::Locked);
        pacer.pulse(13_000 * 1000);
        assert_eq!(pacer.state(), PaceState::Locked, "one that is late does not unlock it");
        let report = pacer.report();
        assert_eq!((report.pulses, report.irregular, report.interval.count), (8, 2, 7));
        assert_eq!(report.interval.max, Duration::from_micros(1700));
        // By pulses, whatever the clock says.
        assert_eq!(pacer.reference(), Some(12 * MS));
        assert_eq!(pacer.arrived, 13 * MS);
    }

    #[test]
    fn each_way_to_go_on_without_it() {
        for (loss, ticks) in [(Loss::FreeRun, 4), (Loss::Hold, 1), (Loss::Ebrake, 1)] {
            let mut pacer = pacer(loss);
            pacer.pulse(5 * MS);
            assert_eq!(pacer.check(8 * MS - 1), None);
            assert_eq!(pacer.state(), PaceState::Locking);
            let braked = [8, 9, 10].map(|at| pacer.check(at * MS));
            assert_eq!(braked.iter().flatten().count(), usize::from(loss == Loss::Ebrake), "{loss:?}");
            assert_eq!((pacer.state(), pacer.ticks, pacer.report().losses), (PaceState::Lost, ticks, 1), "{loss:?}");
            pacer.pulse(20 * MS);
            assert_eq!((pacer.state(), pacer.ticks), (PaceState::Locking, ticks + 1));
            assert_eq!(pacer.report().interval.count, 0, "the gap is no interval");
        }
    }

    #[test]
    fn a_free_run_makes_nothing_up() {
        let mut pacer = pacer(Loss::FreeRun);
        assert_eq!(pacer.check(8 * MS), None);
        pacer.check(50 * MS);
        assert_eq!((pacer.ticks, pacer.next_event()), (2, 51 * MS));
    }

    #[test]
    fn a_channel_is_a_source_until_its_other_end_is_gone() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut pacer = Pacer::new(Pace::new(receiver, hz(1000)));
        pacer.start(0, false);
        sender.send(()).unwrap();
        assert!(pacer.wait(0, MS));
        assert!(!pacer.wait(0, 1));
        drop(sender);
        assert!(!pacer.wait(7, MS) && pacer.is_over());
        assert_eq!(pacer.next_event(), 7, "at once");
        pacer.check(7);
        assert_eq!(pacer.state(), PaceState::Lost);
        assert!(pacer.report().over.unwrap().contains("gone"));
    }
}
