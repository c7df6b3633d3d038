//! The processes of one type that stand in one table, and the loop over their lives: the hot loop of the library.
//!
//! Lives run over dense slices, with one landing pad for the whole batch: after a panic the loop goes on behind the culprit.
//! The processes are marked changed as a whole, for `Changed<P>` queries of the user.

use crate::budget::Reading;
use crate::context::Context;
use crate::erased::{AnyProcess, AnyProcesses};
use crate::failure::Culprit;
use crate::prefetch::prefetch;
use crate::process::{Flags, Process, Row, Vitals};
use crate::scope::Scope;
use bevy_ecs::change_detection::{ContiguousMut, DetectChangesMut};
use bevy_ecs::query::{ContiguousQueryData, QueryData};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::slice::from_mut;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// All that their hooks see of some processes: slices of one length.
pub(crate) struct Rows<'a, P: Process> {
    pub(crate) processes: &'a mut [P],
    pub(crate) vitals: &'a mut [Vitals],
}

/// The same, whatever their type is.
pub(crate) struct AnyRows<'a> {
    processes: AnyProcesses<'a>,
    vitals: &'a mut [Vitals],
}

impl AnyRows<'_> {
    /// Asks for the memory of a row.
    #[inline(always)]
    pub(crate) fn prefetch(&self, row: u32) {
        prefetch(self.vitals.as_ptr().wrapping_add(row as usize));
        self.processes.prefetch(row as usize);
    }

    /// The process with this slot and what is kept beside it, if it stands there.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, slot: u32, row: u32) -> Option<(AnyProcess<'_>, &mut Vitals)> {
        let vitals = self.vitals.get_mut(row as usize).filter(|vitals| vitals.address.party().slot() == slot)?;
        Some((self.processes.get_mut(row as usize)?, vitals))
    }
}

/// What is known of the lives of a lane beforehand.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// They take so long that before each one looks whether another thread has pulled the e-brake. Before cheap ones, one
    /// looks every [`BLOCK`] lives, so that it is seen within two microseconds.
    pub(crate) dear: bool,
    /// Some may have a flag.
    pub(crate) flagged: bool,
}

impl<'a, P: Process> Rows<'a, P> {
    /// Those of one table.
    pub(crate) fn of((processes, vitals): <Row<P> as ContiguousQueryData>::Contiguous<'a, '_>) -> Self {
        Self {
            processes: ContiguousMut::split(processes).0,
            vitals: ContiguousMut::bypass_change_detection_split(vitals).0,
        }
    }

    /// One alone.
    #[inline(always)]
    pub(crate) fn with(row: <Row<P> as QueryData>::Item<'_, '_>, look: impl FnOnce(&mut Rows<'_, P>)) {
        let (mut process, mut vitals) = row;
        look(&mut Rows { processes: from_mut(&mut *process), vitals: from_mut(vitals.bypass_change_detection()) });
    }

    /// Those before a row, and those from there on.
    pub(crate) fn split(&mut self, row: usize) -> (Rows<'_, P>, Rows<'_, P>) {
        let (processes, other_processes) = self.processes.split_at_mut(row);
        let (vitals, other_vitals) = self.vitals.split_at_mut(row);
        (Rows { processes, vitals }, Rows { processes: other_processes, vitals: other_vitals })
    }

    /// The same without their type.
    #[inline(always)]
    pub(crate) fn erase(&mut self) -> AnyRows<'_> {
        AnyRows { processes: AnyProcesses::new(self.processes), vitals: self.vitals }
    }

    /// The lives of all. After a panic, goes on behind the culprit.
    #[inline(always)]
    pub(crate) fn live(&mut self, scope: &Scope, manner: Manner) {
        let mut begun = 0;
        loop {
            let run = AssertUnwindSafe(|| live_from(&mut begun, self, scope, manner));
            let Err(panic) = catch_unwind(run) else { return };
            let vitals = &mut self.vitals[begun - 1];
            Culprit { hook: "life", scope, vitals, pulled: &Cell::new(false) }.panicked(&*panic);
        }
    }
}

/// An empty list in the memory of another.
pub(crate) fn recycle<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    // Collected in place: sound without a word of `unsafe`, for there is nothing to convert.
    list.into_iter().map(|_| unreachable!("it is empty")).collect()
}

/// How many rows have begun to live. Written back when dropped, by unwinding too: while the loop runs it can stay in a
/// register.
struct Progress<'a> {
    begun: &'a mut usize,
    count: usize,
}

impl Drop for Progress<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.begun = self.count;
    }
}

/// After so many cheap lives without flags, one looks at the e-brake.
const BLOCK: usize = 16;
/// After so many blocks, one says who lives.
const SAID: usize = 4;
/// The same where processes are more than [`MANY`], so that to look up who it is means to wait for memory.
const SELDOM_SAID: usize = 16;
const MANY: usize = 1 << 15;
/// So many bytes ahead of what lives, memory is asked for.
const AHEAD: usize = 2048;
/// Of processes of more bytes, a life may not need all: what it needs is found ahead by the processor itself.
const SMALL: usize = 64;

/// Runs the rows from `begun` on, cheap ones in blocks.
#[inline(always)]
fn live_from<P: Process>(begun: &mut usize, rows: &mut Rows<'_, P>, scope: &Scope, manner: Manner) {
    let first = *begun;
    let mut progress = Progress { begun, count: first };
    let (pulled, brake) = (Cell::new(false), scope.control.brake_flag());
    let many = rows.processes.len() > MANY;
    let in_blocks = if manner.dear || manner.flagged { 0 } else { rows.processes.len() - first };
    let (processes, _) = rows.processes[first..][..in_blocks].as_chunks_mut::<BLOCK>();
    let (vitals, _) = rows.vitals[first..][..in_blocks].as_chunks_mut::<BLOCK>();
    for (number, (processes, vitals)) in processes.iter_mut().zip(vitals).enumerate() {
        if brake.load(Relaxed) {
            break;
        }
        if const { size_of::<P>() <= SMALL } {
            prefetch(ptr::from_ref(processes).wrapping_byte_add(AHEAD));
        }
        if number.is_multiple_of(SAID) && (!many || number.is_multiple_of(SELDOM_SAID)) {
            prefetch(vitals.as_ptr().wrapping_add(SELDOM_SAID * BLOCK));
            scope.hold_many(vitals[0].address.party());
        }
        for (process, vitals) in processes.iter_mut().zip(vitals) {
            progress.count += 1;
            // Only these lives themselves could change either now, and a life can flag no process but its own.
            live::<P, true>(process, Context::new(vitals, scope, &pulled));
        }
    }
    let done = progress.count;
    for (process, vitals) in rows.processes[done..].iter_mut().zip(&mut rows.vitals[done..]) {
        progress.count += 1;
        live::<P, false>(process, Context::new(vitals, scope, &pulled));
    }
}

/// One life. With `CLEAR`, the process has no flag and nobody has pulled the e-brake, unless a life of this batch just has.
#[inline(always)]
fn live<P: Process, const CLEAR: bool>(process: &mut P, mut cx: Context<'_, P>) {
    let (scope, pulled) = (cx.scope, cx.pulled);
    let look = pulled.get() || !CLEAR && (!cx.vitals.flags.is_clear() || scope.control.brake_flag().load(Relaxed));
    if look && !admitted(cx.vitals, scope) {
        return;
    }
    if !CLEAR {
        scope.hold(cx.vitals.address.party());
    }
    let from = if !CLEAR && cx.vitals.flags.has(Flags::TIMED) { Some(scope.stopwatch()) } else { None };
    if let Err(error) = process.life(&mut cx) {
        Culprit::of("life", &mut cx).failed(&error);
    }
    if let Some(from) = from {
        meter(from, Culprit::of("life", &mut cx));
    }
}

/// Holds what a life has taken against the budget of its process.
#[inline(never)]
fn meter(from: u64, culprit: Culprit<'_>) {
    let (took, address) = (culprit.scope.stopwatch() - from, &culprit.vitals.address);
    let mut slot = address.0.incidents().meter.lock();
    let Some(meter) = slot.as_mut() else { return };
    if meter.would_miss(took) && culprit.scope.was_stopped(from) {
        return; // That is nobody's fault.
    }
    let (reading, ebrake) = (meter.read(took, culprit.scope.now()), meter.budget.ebrake);
    drop(slot);
    let took = Duration::from_nanos(took);
    match reading {
        Reading::Fine => {}
        Reading::Tell { limit } => {
            tracing::warn!(process = address.name(), ?took, ?limit, "a life was over its budget");
        }
        Reading::Act { limit, .. } => {
            let message = format!("took {took:?}, over its hard budget of {limit:?}");
            if ebrake { culprit.brakes(message) } else { culprit.errs(message) }
        }
    }
}

/// The second look at a process with a flag, or at any when the e-brake is pulled.
#[cold]
#[inline(never)]
fn admitted(vitals: &mut Vitals, scope: &Scope) -> bool {
    if vitals.flags.has(Flags::OVER) {
        scope.mind(vitals.lane);
        return false; // Its lives are not counted by its lane.
    }
    let may = !scope.control.is_braked() && may_live(vitals, scope);
    vitals.flags.clear(Flags::BACK);
    if may {
        if vitals.flags.has(Flags::ABSENT) {
            vitals.flags.clear(Flags::ABSENT);
            vitals.flags.set(Flags::BACK);
        }
    } else {
        // Its lane counts a run that it had no part in.
        let attic = vitals.address.attic();
        attic.set_lives_offset(attic.lives_offset().wrapping_sub(1));
        if !vitals.flags.has(Flags::ABSENT) {
            vitals.address.0.set_since(scope.lane(vitals).before);
            vitals.flags.set(Flags::ABSENT);
        }
    }
    if !vitals.flags.is_clear() {
        scope.mind(vitals.lane);
    }
    may
}

fn may_live(vitals: &mut Vitals, scope: &Scope) -> bool {
    if vitals.flags.has(Flags::DYING) {
        return false;
    }
    if vitals.flags.has(Flags::PAUSED) {
        vitals.address.0.incidents().paused.fetch_add(1, Relaxed);
        return false;
    }
    let entity = vitals.address.entity();
    if scope.joined_too_late(entity) {
        return false;
    }
    scope.joined.borrow_mut().remove(&entity);
    vitals.flags.clear(Flags::FRESH);
    true
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::application::Application;
    use crate::clock::Clock;
    use crate::frequency::hz;
    use bevy_ecs::component::Component;
    use bevy_ecs::error::Result;
    use bevy_ecs::name::Name;
    use std::time::Duration;

    /// Looks who holds its head while it lives.
    #[derive(Component)]
    struct Cheap {
        number: usize,
        holder: String,
    }

    impl Process for Cheap {
        fn life(&mut self, cx: &mut Context<'_, Self>) -> Result {
            self.holder = cx.scope.link.holder();
            Ok(())
        }
    }

    /// Under the simulated clock, lives are cheap from the second tick on, however fast the machine.
    #[test]
    fn of_cheap_lives_one_of_64_says_that_it_lives_and_of_very_many_one_of_256() {
        for (size, each) in [(100, 64), (MANY + 100, 256)] {
            let add = |application: Application, number: usize| {
                let process = Cheap { number, holder: String::new() };
                application.add_process(process, (hz(100), Name::new(format!("cheap-{number}"))))
            };
            let mut running = (0..size).fold(Application::new().clock(Clock::simulated()), add).build().unwrap();
            assert!(running.run_for(Duration::from_millis(25)));
            let world = running.world_mut();
            for Cheap { number, holder } in world.query::<&Cheap>().iter(world) {
                let first = number / each * each;
                // Those that fill no block live like dear ones.
                let expected = match number / BLOCK < size / BLOCK {
                    true => format!("\"cheap-{first}\" or one of those that live right after it"),
                    false => format!("\"cheap-{number}\""),
                };
                assert_eq!(*holder, expected, "{number} of {size}");
            }
        }
    }
}
