//! Child threads under the simulated clock: one of them runs at a time, and time moves on only when all are parked.
//!
//! They run between the instants of the head, in order of their deadlines, and by age where those are equal: so the same
//! history gives the same order, whatever the operating system does with its threads.

use crate::clock::Timeline;
use crate::sync::{Condvar, Mutex, wait};
use std::sync::Arc;

/// A deadline that never comes.
const NEVER: u64 = u64::MAX;

/// All child threads of an application.
pub(crate) struct Crowd {
    state: Mutex<State>,
    /// The head waits here while a thread has its turn.
    driver: Condvar,
    /// Who gives turns: the head, or lives that run beside others and wait for a lock.
    driving: Mutex<()>,
}

#[derive(Default)]
struct State {
    members: Vec<Member>,
    /// Whose turn it is; nobody's: the head's.
    turn: Option<u64>,
    next: u64,
}

struct Member {
    place: Arc<Place>,
    wake_at: u64,
    /// Woken while it had its turn: its next park ends at once.
    woken: bool,
}

/// The place of one thread.
pub(crate) struct Place {
    id: u64,
    called: Condvar,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { state: Mutex::new(State::default()), driver: Condvar::new(), driving: Mutex::new(()) }
    }
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crowd")
    }
}

impl Crowd {
    /// A place for a thread that is about to start, which is to have its first turn at `now`.
    pub(crate) fn enter(&self, now: u64) -> Arc<Place> {
        let mut state = self.state.lock();
        let place = Arc::new(Place { id: state.next, called: Condvar::new() });
        state.next += 1;
        state.members.push(Member { place: place.clone(), wake_at: now, woken: false });
        place
    }

    /// Waits for the first turn.
    pub(crate) fn begin(&self, place: &Place) {
        self.wait_for_turn(place, |_| {});
    }

    /// Gives the turn back until `wake_at`, or until somebody wakes this thread.
    pub(crate) fn park(&self, place: &Place, wake_at: u64, now: u64) {
        self.wait_for_turn(place, |member| {
            member.wake_at = if std::mem::take(&mut member.woken) { now } else { wake_at };
        });
    }

    fn wait_for_turn(&self, place: &Place, ready: impl FnOnce(&mut Member)) {
        let mut state = self.state.lock();
        if let Some(member) = state.member(place.id) {
            ready(member);
        }
        self.give_back(&mut state, place);
        while state.turn != Some(place.id) {
            state = wait(&place.called, state);
        }
        if let Some(member) = state.member(place.id) {
            member.wake_at = NEVER;
        }
    }

    /// It has ended, or does something that time does not wait for.
    pub(crate) fn leave(&self, place: &Place) {
        let mut state = self.state.lock();
        state.members.retain(|member| member.place.id != place.id);
        self.give_back(&mut state, place);
    }

    /// It is back from what time did not wait for, and is to have a turn: [`begin`](Self::begin) waits for that.
    pub(crate) fn come_back(&self, place: &Arc<Place>, now: u64) {
        let member = Member { place: place.clone(), wake_at: now, woken: false };
        self.state.lock().members.push(member);
    }

    fn give_back(&self, state: &mut State, place: &Place) {
        if state.turn == Some(place.id) {
            state.turn = None;
            self.driver.notify_all();
        }
    }

    /// Ends the park of a thread, or its next one.
    pub(crate) fn wake(&self, place: &Place, now: u64) {
        let mut state = self.state.lock();
        let runs = state.turn == Some(place.id);
        if let Some(member) = state.member(place.id) {
            if runs {
                member.woken = true;
            } else {
                member.wake_at = member.wake_at.min(now);
            }
        }
    }

    /// When the next thread is to wake.
    pub(crate) fn next_wake(&self) -> u64 {
        self.state.lock().members.iter().map(|member| member.wake_at).min().unwrap_or(NEVER)
    }

    /// Gives turns until no thread is to wake by `limit`, or `done` says so.
    pub(crate) fn run_due(&self, limit: u64, timeline: &Timeline, done: impl Fn() -> bool) {
        let _driving = self.driving.lock();
        while !done() {
            let mut state = self.state.lock();
            let next = state.members.iter().min_by_key(|member| (member.wake_at, member.place.id));
            let Some(next) = next.filter(|member| member.wake_at <= limit) else { return };
            timeline.jump_to(next.wake_at);
            let place = next.place.clone();
            state.turn = Some(place.id);
            place.called.notify_all();
            while state.turn.is_some() {
                state = wait(&self.driver, state);
            }
        }
    }
}

impl State {
    fn member(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.place.id == id)
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::sync::Mutex as Plain;

    #[test]
    fn threads_run_one_at_a_time_by_deadline_then_by_age() {
        let (crowd, timeline) = (Crowd::default(), Timeline::new(Clock::simulated()));
        let log = Plain::new(Vec::new());
        std::thread::scope(|threads| {
            // (period, rounds)
            for (name, period, rounds) in [("a", 30, 3), ("b", 20, 4), ("c", 60, 1)] {
                let place = crowd.enter(0);
                let (crowd, timeline, log) = (&crowd, &timeline, &log);
                threads.spawn(move || {
                    crowd.begin(&place);
                    for _ in 0..rounds {
                        let now = timeline.now();
                        log.lock().unwrap().push(format!("{name} {now}"));
                        crowd.park(&place, now + period, now);
                    }
                    crowd.leave(&place);
                });
            }
            crowd.run_due(59, &timeline, || false);
            log.lock().unwrap().push("head".into());
            assert_eq!(crowd.next_wake(), 60);
            crowd.run_due(1000, &timeline, || false);
        });
        assert_eq!(*log.lock().unwrap(), ["a 0", "b 0", "c 0", "b 20", "a 30", "b 40", "head", "a 60", "b 60"]);
        assert_eq!((crowd.next_wake(), timeline.now()), (NEVER, 90));
    }

    #[test]
    fn a_wake_ends_the_present_park_or_the_next_one() {
        let (crowd, timeline) = (Crowd::default(), Timeline::new(Clock::simulated()));
        let place = crowd.enter(0);
        std::thread::scope(|threads| {
            let (crowd, timeline, own) = (&crowd, &timeline, &place);
            threads.spawn(move || {
                crowd.begin(own);
                crowd.wake(own, timeline.now());
                crowd.park(own, 500, timeline.now());
                assert_eq!(timeline.now(), 0, "the wake was remembered");
                crowd.park(own, 500, timeline.now());
                assert_eq!(timeline.now(), 100, "woken by the head");
                crowd.leave(own);
            });
            crowd.run_due(0, timeline, || false);
            timeline.jump_to(100);
            crowd.wake(own, 100);
            crowd.run_due(100, timeline, || false);
        });
        assert_eq!(crowd.next_wake(), NEVER);
    }
}

#[cfg(all(test, loom_model))]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::sync::model;

    /// Sleep, wake and end, in every order of the threads: no turn is lost, and nobody waits for ever.
    #[test]
    fn no_order_of_threads_loses_a_turn() {
        model(|| {
            let crowd = loom::sync::Arc::new(Crowd::default());
            let timeline = Timeline::new(Clock::simulated());
            let places = [crowd.enter(0), crowd.enter(0)];
            let threads = places.clone().map(|place| {
                let crowd = crowd.clone();
                loom::thread::spawn(move || {
                    crowd.begin(&place);
                    crowd.park(&place, 10, 0);
                    crowd.leave(&place);
                })
            });
            crowd.run_due(0, &timeline, || false);
            crowd.wake(&places[1], 5);
            assert_eq!(crowd.next_wake(), 5);
            crowd.run_due(10, &timeline, || false);
            assert_eq!(crowd.next_wake(), NEVER, "both have ended");
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}
