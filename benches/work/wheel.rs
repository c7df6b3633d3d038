//! The least work that is worth a life, done by a whole group. Shared with `benches/peers`.

use bevy_ecs::prelude::Component;
use polycephaly::prelude::{Application, Clock, Context, Process, Result, Running, hz};

/// The work of one life: a multiplication, an addition, a counter.
#[derive(Component, Clone, Default)]
pub(crate) struct Wheel {
    angle: f64,
    steps: u64,
}

impl Wheel {
    #[inline]
    pub(crate) fn turn(&mut self) {
        self.angle = self.angle * 1.0001 + 1.0;
        self.steps += 1;
    }
}

impl Process for Wheel {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.turn();
        Ok(())
    }
}

/// So many of them at one rate.
pub(crate) fn group(size: usize) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for _ in 0..size {
        application = application.add_process(Wheel::default(), hz(1000));
    }
    application.build().expect("a sound application")
}
