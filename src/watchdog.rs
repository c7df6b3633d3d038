//! A thread that watches the heads: whether they go on, and whether the application ends in time.
//!
//! A hook that hangs can't be interrupted from within its head. This thread reads each head's pulse, which its ticks, births
//! and deaths count up, says who holds a head that stands still, and ends the OS process when the application's end takes
//! longer than it may. It does not run under the simulated clock, where time itself waits for a hook.

use crate::bell::{Bell, monotonic};
use crate::clock::nanos;
use crate::control::Control;
use crate::link::Link;
use crate::mailing::ProcessInfo;
use crate::suspension;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// What becomes of a head that stands still: one whose tick, birth or death takes longer than a limit. It is always logged,
/// with the process that holds it, and counted in the report.
///
/// ```
/// use polycephaly::prelude::*;
/// use std::time::Duration;
///
/// Application::new().watchdog(Watchdog::after(Duration::from_millis(500)).then_ebrake());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watchdog {
    limit: Duration,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Log,
    Ebrake,
    Abort,
}

impl Watchdog {
    /// A head stands still when it does not go on for `limit`, at least 1 ms.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self { limit: limit.max(Duration::from_millis(1)), action: Action::Log }
    }

    /// Then the e-brake is pulled for all heads that still go on.
    #[must_use]
    pub fn then_ebrake(mut self) -> Self {
        self.action = Action::Ebrake;
        self
    }

    /// Then the OS process is aborted at once, without any death: for a supervisor outside to start it anew.
    #[must_use]
    pub fn then_abort(mut self) -> Self {
        self.action = Action::Abort;
        self
    }
}

impl Default for Watchdog {
    /// After 5 s, and no more than to say so.
    fn default() -> Self {
        Self::after(Duration::from_secs(5))
    }
}

/// The exit code of a program that was ended because something hung.
pub(crate) const HUNG: i32 = 3;
/// How long a forced end may take.
const FORCED: Duration = Duration::from_secs(1);
/// A pulse is felt at least so often.
const SLOWEST: Duration = Duration::from_secs(1);

/// The thread, while it runs.
pub(crate) struct Guard {
    duty: Arc<Duty>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Duty {
    over: AtomicBool,
    bell: Bell,
}

impl Guard {
    /// Begins to watch the heads of an application.
    pub(crate) fn post(control: &Arc<Control>, watchdog: Watchdog) -> Self {
        let duty = Arc::<Duty>::default();
        let (round, control) = (duty.clone(), control.clone());
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            Round { watchdog, heads: Vec::new(), ends_by: None, looked_at: monotonic(), told_at: monotonic(), control }
                .walk(&round);
        });
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread could be started to watch the heads");
        }
        Self { duty, thread: thread.ok() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.duty.over.store(true, Relaxed);
        self.duty.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic, and has nothing to say.
            let _ = thread.join();
        }
    }
}

/// What was seen of one head.
struct Seen {
    link: Arc<Link>,
    pulse: u64,
    since: u64,
    stalled: bool,
}

struct Round {
    watchdog: Watchdog,
    control: Arc<Control>,
    heads: Vec<Seen>,
    /// When the application must have ended.
    ends_by: Option<u64>,
    /// When it last looked.
    looked_at: u64,
    /// When the service manager last heard that all is well.
    told_at: u64,
}

impl Round {
    fn walk(mut self, duty: &Duty) {
        while !duty.over.load(Relaxed) {
            let now = monotonic();
            self.forgive(now);
            let healthy = self.feel_pulses(now);
            self.tell_manager(now, healthy);
            self.mind_end(now);
            duty.bell.wait_until(Some(now.saturating_add(self.interval())));
        }
    }

    /// Time in which the whole program was stopped counts for nothing. The watchdog was stopped with it, so its own long
    /// absence tells as well.
    fn forgive(&mut self, now: u64) {
        let away = now.saturating_sub(self.looked_at);
        if away > 2 * self.interval() + nanos(self.watchdog.limit) / 2 || suspension::noted_since(self.looked_at) {
            self.heads.iter_mut().for_each(|head| head.since += away);
            self.ends_by = self.ends_by.map(|at| at.saturating_add(away));
        }
        self.looked_at = now;
    }

    /// How long to wait until the next look, in nanoseconds.
    fn interval(&self) -> u64 {
        let manager = self.control.manager().and_then(|manager| manager.interval);
        let pause = (self.watchdog.limit / 4).min(SLOWEST).min(manager.unwrap_or(SLOWEST) / 4);
        let end = if self.ends() { Duration::from_millis(20) } else { SLOWEST };
        nanos(pause.min(end).max(Duration::from_micros(250)))
    }

    /// Whether the end has begun, or hangs on a death.
    fn ends(&self) -> bool {
        self.control.is_stopping() || self.control.ending.dawns.load(Relaxed)
    }

    /// Whether all heads go on.
    fn feel_pulses(&mut self, now: u64) -> bool {
        let mut healthy = true;
        let links = self.control.links();
        for link in links.into_iter().skip(self.heads.len()) {
            self.heads.push(Seen { pulse: link.pulse(), since: now, stalled: false, link });
        }
        let sick_after = self.control.manager().and_then(|manager| manager.interval).map_or(u64::MAX, nanos);
        for head in &mut self.heads {
            let pulse = head.link.pulse();
            if pulse != head.pulse || !head.link.is_awake() {
                if std::mem::take(&mut head.stalled) {
                    tracing::warn!(head = &*head.link.name, "goes on");
                }
                (head.pulse, head.since) = (pulse, now);
                continue;
            }
            let still = now - head.since;
            healthy &= still < sick_after.min(nanos(self.watchdog.limit));
            if still >= nanos(self.watchdog.limit) && !std::mem::replace(&mut head.stalled, true) {
                stalled(&self.control, &head.link, still, self.watchdog.action);
            }
        }
        healthy
    }

    fn tell_manager(&mut self, now: u64, healthy: bool) {
        let Some((manager, interval)) = self.control.manager().and_then(|manager| Some((manager, manager.interval?)))
        else {
            return;
        };
        // One look early rather than late: the manager tolerates twice the interval.
        let due = now + self.interval() > self.told_at + nanos(interval);
        if healthy && due && self.control.is_started() {
            manager.alive();
            self.told_at = now;
        }
    }

    /// Ends the OS process when the application does not end by itself.
    fn mind_end(&mut self, now: u64) {
        let ending = &self.control.ending;
        if !self.ends() || ending.waits.load(Relaxed) {
            self.ends_by = None;
            return;
        }
        let ends_by = self.ends_by.get_or_insert_with(|| now.saturating_add(ending.total()));
        if ending.is_forced() {
            *ends_by = (*ends_by).min(now.saturating_add(nanos(FORCED)));
        }
        if now >= *ends_by {
            give_up(&self.control);
        }
    }
}

fn stalled(control: &Control, link: &Link, still: u64, action: Action) {
    let (head, holder, still) = (&*link.name, link.holder(), Duration::from_nanos(still));
    tracing::error!(head, holder, ?still, "a head stands still");
    control.ending.stalls.fetch_add(1, Relaxed);
    let reason = format!("head {head:?} stands still for {still:?}, held by {holder}");
    if let Some(manager) = control.manager() {
        manager.status(&reason);
    }
    match action {
        Action::Log => {}
        Action::Ebrake => control.brake("watchdog", reason),
        Action::Abort => {
            eprintln!("aborted: {reason}");
            std::process::abort();
        }
    }
}

/// How many that have not ended are printed.
const SHOWN: usize = 20;

/// Says who has not ended, and ends the OS process.
fn give_up(control: &Control) -> ! {
    let cause = control.end().cause.map_or("of a death that does not end".into(), |cause| cause.to_string());
    eprintln!("ended by force, as the end took longer than it may. It was to end because: {cause}");
    for link in control.links().iter().filter(|link| link.is_awake()) {
        eprintln!("head {:?} is held by {}", link.name, link.holder());
    }
    for name in control.ending.overdue() {
        eprintln!("{name} took longer than it may");
    }
    let left: Vec<ProcessInfo> = control.post.addresses().iter().map(ProcessInfo::of).collect();
    let left: Vec<_> = left.into_iter().filter(|process| process.run_level.is_alive()).collect();
    for ProcessInfo { name, run_level, errors, panics, .. } in left.iter().take(SHOWN) {
        eprintln!("process {name:?} has not ended: at {run_level}, {errors} error(s), {panics} panic(s)");
    }
    if left.len() > SHOWN {
        eprintln!("and {} more processes", left.len() - SHOWN);
    }
    std::process::exit(HUNG);
}
