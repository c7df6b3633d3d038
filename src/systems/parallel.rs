//! Runs the lives of a [`Parallel`](crate::parallel::Parallel) type, on several threads when they are many.
//!
//! The rows of a table are cut into pieces that follow each other, and each piece gets a branch of the scope. Serial or not,
//! the lives themselves are run by [`life`](super::life).

mod pool;

use crate::control::Control;
use crate::parallel::Parallel;
use crate::process::{Flags, Process, Vitals};
use crate::scope::{Lent, Scope};
use crate::systems::rows::Rows;
use std::sync::atomic::Ordering::Relaxed;

/// Into how many pieces the rows are cut for each thread: who is done first helps the others.
const PIECES: usize = 4;

/// So many rows make a piece, or a multiple of it: cheap lives go by sixteens.
const EVEN: usize = 16;

/// Runs the lives of some rows, in a scope or a branch of it.
pub(super) trait Live<P: Process>: Fn(&mut Rows<'_, P>, &Scope) + Copy + Send + Sync {}

impl<P: Process, F: Fn(&mut Rows<'_, P>, &Scope) + Copy + Send + Sync> Live<P> for F {}

/// What the lives of one lane ask for, while they run.
pub(super) struct Fork {
    lane: u32,
    workers: usize,
    /// The branches of this tick in order of the rows, and behind them spare ones.
    branches: Vec<Lent>,
    used: usize,
}

impl Fork {
    pub(super) fn new(parallel: Parallel, lane: u32, control: &Control) -> Self {
        let workers = if parallel.is_ever() { pool::wanted(control.workers.load(Relaxed)) } else { 0 };
        Self { lane, workers, branches: Vec::new(), used: 0 }
    }

    /// Has `live` run all rows, in pieces. How many lives that was for each thread.
    pub(super) fn live<P: Process>(&mut self, rows: &mut Rows<'_, P>, scope: &Scope, live: impl Live<P>) -> usize {
        let size = rows.processes.len();
        if !P::PARALLEL.pays_for(size) || self.workers < 2 || !pool::is_ready(self.workers) {
            if self.used == 0 {
                self.branch(1, scope);
            }
            let branch = self.branches[self.used - 1].scope();
            if !scope.joined.borrow().is_empty() {
                pass_joined(rows.vitals, branch, scope);
            }
            live(rows, branch);
            return size;
        }
        let branches = self.branch(self.workers * PIECES, scope);
        let piece = size.div_ceil(branches.len()).next_multiple_of(EVEN);
        if !scope.joined.borrow().is_empty() {
            for (vitals, branch) in rows.vitals.chunks(piece).zip(&mut *branches) {
                pass_joined(vitals, branch.scope(), scope);
            }
        }
        spread(rows, piece, branches, live);
        size.div_ceil(self.workers)
    }

    /// The next branches of this tick.
    fn branch(&mut self, count: usize, scope: &Scope) -> &mut [Lent] {
        let first = self.used;
        self.used += count;
        while self.branches.len() < self.used {
            self.branches.push(scope.branch_off());
        }
        let branches = &mut self.branches[first..self.used];
        branches.iter_mut().for_each(|branch| scope.prepare(branch.scope(), self.lane));
        branches
    }

    /// All have lived: does what they asked for.
    pub(super) fn merge(&mut self, scope: &Scope) {
        self.used = 0;
        // The spare ones as well: should an errand have panicked, what it left is in one of them.
        self.branches.iter_mut().for_each(|branch| scope.merge(branch.scope(), self.lane));
        self.branches.iter_mut().for_each(|branch| scope.run_errands(branch.scope()));
    }
}

/// Hands over when those joined that may not live yet: their branch is to see to it.
fn pass_joined(vitals: &[Vitals], branch: &Scope, scope: &Scope) {
    let fresh = vitals.iter().filter(|vitals| vitals.flags.has(Flags::FRESH));
    fresh.for_each(|vitals| scope.pass_joined(vitals, branch));
}

/// Has the rows live piece by piece, on whatever threads are idle.
fn spread<P: Process>(rows: &mut Rows<'_, P>, piece: usize, branches: &mut [Lent], live: impl Live<P>) {
    if let [branch] = branches {
        return live(rows, branch.scope());
    }
    let half = branches.len() / 2;
    let row = (half * piece).min(rows.processes.len());
    let ((mut rows, mut other_rows), (branches, other_branches)) = (rows.split(row), branches.split_at_mut(half));
    pool::join(|| spread(&mut rows, piece, branches, live), || spread(&mut other_rows, piece, other_branches, live));
}
