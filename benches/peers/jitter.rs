//! How late a tick at 1000 Hz is: the rounds of our own bench, and beside them bevy_app's `ScheduleRunnerPlugin` and tokio's
//! `interval`, which do as much at each tick as the bare loop does.
//!
//! bevy_app's runner knows no instants, only pauses: each tick is held against the last exact one before it, and by how much the
//! count of ticks fell behind is its drift.

#[cfg(target_os = "linux")]
#[path = "../rounds/mod.rs"]
mod rounds;

#[cfg(target_os = "linux")]
mod peers {
    use super::rounds::{PERIOD, ROUND, Round, Sample, now};
    use bevy_app::{App, AppExit, ScheduleRunnerPlugin, Update};
    use bevy_ecs::prelude::{MessageWriter, ResMut, Resource};
    use std::time::Duration;
    use tokio::time::{Instant, MissedTickBehavior, interval_at};

    const LENGTH: u64 = ROUND.as_nanos() as u64;

    #[derive(Resource)]
    struct Probe {
        samples: Vec<Sample>,
        /// When the first tick ran, and how many have.
        epoch: Option<u64>,
        ticks: u64,
        drift: i64,
    }

    fn tick(mut probe: ResMut<Probe>, mut exit: MessageWriter<AppExit>) {
        let now = now();
        let passed = now - *probe.epoch.get_or_insert(now);
        probe.samples.push(Sample { tick: passed / PERIOD, late: passed % PERIOD });
        probe.drift = passed as i64 - (probe.ticks * PERIOD) as i64;
        probe.ticks += 1;
        if passed >= LENGTH {
            exit.write(AppExit::Success);
            // The runner owns the application: what was seen leaves it here.
            SEEN.with_borrow_mut(|seen| *seen = (std::mem::take(&mut probe.samples), probe.drift));
        }
    }

    thread_local! {
        static SEEN: std::cell::RefCell<(Vec<Sample>, i64)> = const { std::cell::RefCell::new((Vec::new(), 0)) };
    }

    pub(crate) fn bevy_app() -> Round {
        let probe = Probe { samples: Round::room(), epoch: None, ticks: 0, drift: 0 };
        let exit = App::new()
            .add_plugins(ScheduleRunnerPlugin::run_loop(Duration::from_nanos(PERIOD)))
            .insert_resource(probe)
            .add_systems(Update, tick)
            .run();
        assert!(exit.is_success(), "{exit:?}");
        let (samples, drift) = SEEN.take();
        Round { drift: Some(drift), ..Round::of(samples) }
    }

    pub(crate) fn tokio() -> Round {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut samples, epoch) = (Round::room(), Instant::now() + Duration::from_nanos(PERIOD));
            let mut interval = interval_at(epoch, Duration::from_nanos(PERIOD));
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let due = interval.tick().await;
                let (late, passed) = (due.elapsed().as_nanos() as u64, due.duration_since(epoch).as_nanos() as u64);
                samples.push(Sample { tick: passed / PERIOD, late });
                if passed >= LENGTH {
                    return Round::of(samples);
                }
            }
        })
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let mut ways = rounds::WAYS.to_vec();
    ways.push(("bevy_app_runner", peers::bevy_app));
    ways.push(("tokio_interval", peers::tokio));
    rounds::run("Lateness of ticks at 1000 Hz, beside a bare loop, bevy_app and tokio.", &ways)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this bench is for Linux only, whose absolute sleep is its yardstick");
}
