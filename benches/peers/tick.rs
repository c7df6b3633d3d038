//! A tick of 10,000, here and as one update of a bevy_app `App` with as many components: its own runner calls no more than that.
//! Figures are by process.

mod rival;
#[path = "../work/wheel.rs"]
mod wheel;

use bevy_app::{App, Update};
use bevy_ecs::prelude::Query;
use criterion::Criterion;
use rival::{Duel, Work, verdict};
use std::process::ExitCode;
use wheel::{Wheel, group};

/// Processes here, entities there.
const SIZE: usize = 10_000;
/// An update may be so many times as dear as ours: a tick may take as long as bare Bevy.
const WANTED: f64 = 1.0;

fn turn(mut wheels: Query<&mut Wheel>) {
    wheels.iter_mut().for_each(|mut wheel| wheel.turn());
}

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    let work = Work { group: "tick", size: SIZE, elements: SIZE };

    let mut ours = group(SIZE);
    let own = work.measure(&mut criterion, "group", |count| (0..count).for_each(|_| assert!(ours.step())));

    let mut app = App::new();
    app.add_systems(Update, turn);
    app.world_mut().spawn_batch(vec![Wheel::default(); SIZE]);
    let peer = work.measure(&mut criterion, "bevy_app", |count| (0..count).for_each(|_| app.update()));

    criterion.final_summary();
    verdict(&[Duel { name: "bevy_app", wanted: Some(WANTED), own, peer }])
}
