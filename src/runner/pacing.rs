//! A head that ticks by the pulses of an external reference instead of the clock.

use super::{NEVER, Pass, Runner};

/// For so long at most (ns) the head listens to nothing but its reference: then it looks whether anybody wants something.
const SLICE: u64 = 5_000_000;

impl Runner {
    /// The instant on the grids of the groups: of a paced head, what its reference says; nothing is due before its first pulse.
    pub(super) fn on_grid(&self, now: u64) -> u64 {
        self.pacer.as_ref().map_or(now, |pacer| pacer.reference().unwrap_or(0))
    }

    /// When something happens to the reference of a paced head that has anything to tick.
    pub(super) fn next_event(&self) -> u64 {
        self.pacer.as_ref().filter(|_| !self.is_idle()).map_or(NEVER, |pacer| pacer.next_event())
    }

    /// Under the simulated clock: what happens to the reference now.
    pub(crate) fn simulate_pace(&mut self, now: u64) {
        if self.next_event() > now {
            return;
        }
        let reason = self.pacer.as_mut().and_then(|pacer| pacer.simulate(now));
        self.tell_pace(reason);
    }

    /// Whether nothing can be done before the next pulse.
    pub(super) fn awaits_pulse(&self) -> bool {
        self.pacer.is_some() && self.next().is_none()
    }

    /// On a clock that goes by itself: listens for a pulse, and sees to its absence.
    pub(super) fn await_pulse(&mut self, horizon: u64) -> Pass {
        let timeline = self.control.timeline();
        let now = timeline.now();
        let Some(pacer) = self.pacer.as_mut().filter(|_| now < horizon) else { return Pass::Horizon };
        let until = horizon.min(self.beat.cradle()).min(now.saturating_add(SLICE));
        self.link.set_awake(false);
        let came = if pacer.is_over() {
            timeline.sleep_until(Some(until.min(pacer.next_event())), &self.link.bell);
            false
        } else {
            pacer.wait(now, until.saturating_sub(now))
        };
        self.link.set_awake(true);
        let now = timeline.now();
        let reason = if came {
            pacer.pulse(now);
            None
        } else {
            pacer.check(now)
        };
        self.tell_pace(reason);
        Pass::Rung
    }

    /// Lets processes know how it stands, and pulls the e-brake where that is the reason.
    fn tell_pace(&self, reason: Option<String>) {
        if let Some(pacer) = &self.pacer {
            self.link.set_pace(pacer.state());
        }
        if let Some(reason) = reason {
            self.control.brake(&format!("head {}", self.link.name), reason);
        }
    }
}
