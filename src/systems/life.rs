//! All lives of one process type in one group, and their mail before them.

use crate::bell::monotonic;
use crate::erased::AnyProcess;
use crate::process::{Process, Row, Vitals};
use crate::scope::{self, Lives, Mark, Scope};
use crate::systems::parallel::Fork;
use crate::systems::round::Desk;
use crate::systems::rows::{Manner, Rows, recycle};
use bevy_ecs::component::StorageType;
use bevy_ecs::query::{QueryBuilder, QueryState};
use bevy_ecs::world::World;

/// What runs the lives of `P` in one group.
struct LivesOf<P: Process> {
    lane: u32,
    rows: QueryState<Row<P>>,
    desk: Desk,
    fork: Fork,
    /// The tables of a tick. Empty between ticks, but for its memory.
    tables: Vec<Rows<'static, P>>,
}

/// What runs the lives of a lane, whose processes are told by this mark.
pub(crate) fn lives<P: Process>(world: &mut World, lane: u32, mark: Mark) -> Box<dyn Lives> {
    let mut rows = QueryBuilder::new(world);
    mark.filter(&mut rows);
    let rows = rows.build();
    let fork = Fork::new(P::PARALLEL, lane, &scope::of(world).control);
    Box::new(LivesOf::<P> { lane, rows, desk: Desk::default(), fork, tables: Vec::new() })
}

impl<P: Process> Lives for LivesOf<P> {
    fn run(&mut self, world: &mut World, scope: &Scope) {
        self.desk.open(self.lane, scope);
        if const { P::PARALLEL.is_ever() } || !self.run_only(world, scope) {
            self.run_all(world, scope);
        }
    }
}

impl<P: Process> LivesOf<P> {
    /// Most types have one process, or none: slices would cost more than all else here. Whether it was so.
    #[inline(always)]
    fn run_only(&mut self, world: &mut World, scope: &Scope) -> bool {
        let mut rows = self.rows.iter_mut(world);
        let first = rows.next();
        if rows.next().is_some() || !self.desk.is_for(first.as_ref().map(|(_, vitals)| &**vitals)) {
            return false;
        }
        scope.lanes.borrow_mut()[self.lane as usize].run(scope.now());
        if let Some(first) = first {
            Rows::with(first, |only| {
                if !self.desk.is_idle() {
                    self.desk.deliver_to(AnyProcess::new(&mut only.processes[0]), &mut only.vitals[0], scope);
                }
                only.live(scope, Manner { dear: true, flagged: true });
            });
        }
        true
    }

    /// All tables of the lane, in the list for them.
    #[inline(always)]
    fn tables<'a>(&mut self, world: &'a mut World) -> Vec<Rows<'a, P>> {
        let mut tables = recycle(std::mem::take(&mut self.tables));
        let rows = self.rows.query_mut(world).contiguous_iter_inner();
        tables.extend(rows.expect("all components are in tables").map(Rows::of));
        tables
    }

    #[inline(never)]
    fn run_all(&mut self, world: &mut World, scope: &Scope) {
        let mut watch = Watch::start(self.lane, scope);
        if const { matches!(P::STORAGE_TYPE, StorageType::SparseSet) } {
            let has_mail = self.desk.collect(world.entities(), self.lane, scope);
            let find = |entity, visit: &mut dyn FnMut(&mut AnyProcess<'_>, &mut Vitals)| {
                let Ok(row) = self.rows.get_mut(world, entity) else { return false };
                Rows::with(row, |row| visit(&mut AnyProcess::new(&mut row.processes[0]), &mut row.vitals[0]));
                true
            };
            if has_mail {
                self.desk.deliver_each(find, scope);
            }
            for row in self.rows.iter_mut(world) {
                Rows::with(row, |row| watch.lives += live(row, &mut self.fork, scope, watch.manner));
            }
        } else {
            let has_mail = self.desk.collect(world.entities(), self.lane, scope);
            let mut tables = self.tables(world);
            while has_mail && !self.desk.deliver(tables.iter_mut().map(Rows::erase), scope) {
                self.tables = recycle(tables);
                self.desk.locate(world.entities(), scope);
                tables = self.tables(world);
            }
            for table in &mut tables {
                watch.lives += live(table, &mut self.fork, scope, watch.manner);
            }
            self.tables = recycle(tables);
        }
        if const { P::PARALLEL.is_ever() } {
            self.fork.merge(scope);
        }
        watch.stop(self.lane, scope);
    }
}

/// Has the rows live, each type in its way. How many lives that was for each thread.
#[inline(always)]
fn live<P: Process>(rows: &mut Rows<'_, P>, fork: &mut Fork, scope: &Scope, manner: Manner) -> usize {
    if const { P::PARALLEL.is_ever() } {
        return fork.live(rows, scope, move |rows, scope| rows.live(scope, manner));
    }
    rows.live(scope, manner);
    rows.processes.len()
}

/// Finds out, now and then, whether the lives of a lane are dear.
struct Watch {
    manner: Manner,
    started: Option<u64>,
    lives: usize,
}

/// Lives that take longer than this, in nanoseconds, are [`dear`](Manner::dear).
const DEAR: u64 = 100;
/// Every so many runs of a lane are timed.
const SAMPLE: u64 = 64;

impl Watch {
    #[inline]
    fn start(lane: u32, scope: &Scope) -> Self {
        let lane = &mut scope.lanes.borrow_mut()[lane as usize];
        let started = (lane.runs.is_multiple_of(SAMPLE)).then(monotonic);
        lane.run(scope.now());
        // Who has a flag after its life says so again.
        let manner = Manner { dear: lane.dear, flagged: std::mem::take(&mut lane.flagged) };
        Self { manner, started, lives: 0 }
    }

    #[inline]
    fn stop(self, lane: u32, scope: &Scope) {
        if let Some(started) = self.started
            && self.lives > 0
        {
            // Simulated time must not depend on how fast this machine is.
            let nanos = (monotonic() - started) / self.lives as u64;
            scope.lanes.borrow_mut()[lane as usize].dear = nanos > DEAR && !scope.control.timeline().is_simulated();
        }
    }
}
