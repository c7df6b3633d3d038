//! Processes to be born and to die: with a name, a mailbox, and dependencies where they are asked for.

use polycephaly::prelude::*;

/// A process that has its name, its mailbox and eight bytes.
#[derive(Component, Default)]
pub(crate) struct Cell(u64);

impl Process for Cell {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.0 += 1;
        Ok(())
    }
}

/// Names, and on whom each depends, in so many ranks: what a program has before any birth.
pub(crate) fn settings(size: usize, ranks: usize) -> Vec<(Name, Depends)> {
    let name = |index: usize| format!("cell-{index}");
    let rank = size / ranks;
    (0..size).map(|index| (Name::new(name(index)), Depends::on(index.checked_sub(rank).map(name)))).collect()
}

/// Adds them all, those without dependencies without the component, and bears them.
pub(crate) fn bear(settings: Vec<(Name, Depends)>) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for (name, depends) in settings {
        application = if depends == Depends::default() {
            application.add_process(Cell::default(), (hz(100), name))
        } else {
            application.add_process(Cell::default(), (hz(100), name, depends))
        };
    }
    application.build().expect("a sound application")
}
