//! A head that is paced by an external reference: ticks by pulses, locking, loss and return.

mod common;

use common::{Log, Script, Sparse, ms, named, secs, simulated};
use polycephaly::pace::{PaceSource, Pulse};
use polycephaly::prelude::*;
use std::collections::VecDeque;
use std::sync::mpsc::channel;

/// Pulses after these microseconds, one after the other; then none any more.
struct Scripted(VecDeque<u64>);

impl Scripted {
    fn new(intervals: impl IntoIterator<Item = u64>) -> Self {
        Self(intervals.into_iter().collect())
    }
}

impl PaceSource for Scripted {
    fn wait(&mut self, _: Duration) -> Pulse {
        unreachable!("nobody waits under the simulated clock")
    }

    fn simulate(&mut self, _: Duration, period: Duration) -> Option<Duration> {
        assert_eq!(period, ms(1));
        self.0.pop_front().map(Duration::from_micros)
    }
}

/// Writes down when it lives, and how the head stands to its reference then.
fn servo(log: &Log) -> Script {
    let log = log.clone();
    Script::new().life(move |cx| {
        log.say(format!("{} {}", cx.now().as_micros(), cx.pace().unwrap()));
        Ok(())
    })
}

fn paced(pace: Pace, log: &Log) -> Application {
    simulated().add_head(Head::new("bus").paced_by(pace).add_process(servo(log), (hz(1000), named("servo"))))
}

#[test]
fn each_pulse_is_a_tick_however_irregular() {
    let log = Log::default();
    let intervals = [1000, 1000, 1000, 900, 1500, 1000, 1000];
    let pace = Pace::new(Scripted::new(intervals), hz(1000)).lock_after(3).on_loss(Loss::Hold);
    let exit = paced(pace, &log).run_for(ms(100));
    assert_eq!(
        log.take(),
        [
            "0 locking",
            "1000 locking",
            "2000 locking",
            "3000 locked",
            "3900 locked",
            "5400 locked",
            "6400 locked",
            "7400 locked"
        ]
    );
    let report = exit.report();
    let pace = report.heads[1].pace.as_ref().unwrap();
    assert_eq!((pace.pulses, pace.irregular, pace.losses, pace.free_ticks), (8, 1, 1, 0));
    assert_eq!((pace.state, pace.interval.max), (PaceState::Lost, Duration::from_micros(1500)));
    let group = report.group_on("bus", "1000 Hz").unwrap();
    assert_eq!((group.ticks, group.dropped, group.lateness.max), (8, 0, Duration::ZERO), "a pulse is never late");
    assert!(report.to_string().contains("the reference of head bus is lost: 8 pulse(s), 1 irregular"), "{report}");
    assert!(report.heads[0].pace.is_none());
}

#[test]
fn slower_groups_tick_at_every_so_manyeth_pulse_and_others_go_by_the_clock() {
    let log = Log::default();
    // A reference that is a tenth too fast.
    let pace = Pace::new(Scripted::new(std::iter::repeat_n(900, 999)), hz(1000));
    let exit = paced(pace, &log)
        .add_process(Script::new(), (hz(100), named("slow"), OnHead::new("bus")))
        .add_process(Script::new(), (hz(100), named("by the clock")))
        .run_for(ms(900));
    let report = exit.report();
    assert_eq!(report.group_on("bus", "1000 Hz").unwrap().ticks, 1000);
    assert_eq!(report.group_on("bus", "100 Hz").unwrap().ticks, 100);
    assert_eq!(report.group_on("main", "100 Hz").unwrap().ticks, 90);
}

#[test]
fn without_pulses_it_runs_free_and_locks_again() {
    let log = Log::default();
    let pace = Pace::new(Scripted::new([1000, 10_500, 1000, 1000]), hz(1000)).timeout(ms(3)).lock_after(2);
    let mut running = paced(pace, &log).build().unwrap();
    running.run_for(ms(14));
    assert_eq!(
        log.take(),
        [
            "0 locking",
            "1000 locking",
            "4000 lost",
            "5000 lost",
            "6000 lost",
            "7000 lost",
            "8000 lost",
            "9000 lost",
            "10000 lost",
            "11000 lost",
            "11500 locking",
            "12500 locking",
            "13500 locked"
        ]
    );
    let exit = running.finish();
    let pace = exit.report().heads[1].pace.clone().unwrap();
    assert_eq!((pace.pulses, pace.free_ticks, pace.losses), (5, 8, 1));
}

#[test]
fn a_loss_can_pull_the_e_brake() {
    let log = Log::default();
    let stops = log.clone();
    let motor = Sparse::new().safe_stop(move |_| {
        stops.say("motors off");
        Ok(())
    });
    let pace = Pace::new(Scripted::new([1000]), hz(1000)).timeout(ms(5)).on_loss(Loss::Ebrake);
    let exit = paced(pace, &log).add_process(motor, (hz(10), named("motor"))).run();
    assert!(
        matches!(exit.cause(), Cause::Ebrake { culprit, reason }
        if culprit == "head bus" && reason == "its reference is lost: no pulse for 5ms"),
        "{exit}"
    );
    assert_eq!(log.take(), ["0 locking", "1000 locking", "motors off"]);
}

#[test]
fn what_holds_for_ever_ends_when_nothing_else_is_left() {
    let log = Log::default();
    let pace = Pace::new(Scripted::new([]), hz(1000)).on_loss(Loss::Hold);
    let exit = paced(pace, &log).run();
    assert_eq!((exit.cause(), log.take().len()), (&Cause::Idle, 1));
}

#[test]
fn pauses_frames_and_births_go_by_pulses() {
    let log = Log::default();
    let pace = Pace::new(Scripted::new(std::iter::repeat_n(2000, 100)), hz(1000));
    let mut running = paced(pace, &log).build().unwrap();
    running.run_for(ms(10));
    assert_eq!(log.take().len(), 5);
    running.handle().pause("servo").unwrap();
    running.run_for(ms(10));
    running.handle().resume("servo").unwrap();
    running.run_for(ms(10));
    assert_eq!(log.take().len(), 4, "one instant of the resumed is passed over, as on any head");
    let frames = log.clone();
    let late = Sparse::new().life(move |cx| {
        frames.say(format!("{} {:?}", cx.frame(), cx.dt()));
        Ok(())
    });
    running.handle().spawn(late, (hz(500), named("late"), OnHead::new("bus")));
    running.run_for(ms(12));
    let frames: Vec<_> = log.take().into_iter().filter(|line| line.ends_with('s')).collect();
    assert_eq!(frames, ["9 2ms", "10 4ms", "11 4ms"]);
}

#[test]
fn a_channel_paces_a_head_on_the_real_clock() {
    let (beats, pulses) = channel();
    let (lived, lives) = channel();
    let servo = Script::new().life(move |cx| {
        lived.send(cx.frame()).unwrap();
        if cx.frame() == 50 {
            cx.stop_application("enough");
        }
        Ok(())
    });
    let pace = Pace::new(pulses, hz(1000)).timeout(secs(60)).on_loss(Loss::Ebrake);
    let driver = std::thread::spawn(move || {
        for frame in 1..=50 {
            beats.send(()).unwrap();
            assert_eq!(lives.recv(), Ok(frame), "one life for each pulse");
        }
    });
    let exit = Application::new()
        .signals(false)
        .add_head(Head::new("bus").paced_by(pace).add_process(servo, (hz(1000), named("servo"))))
        .run();
    exit.assert_clean();
    driver.join().unwrap();
    assert_eq!(exit.report().heads[1].pace.as_ref().unwrap().pulses, 50);
    assert_eq!(exit.report().group_on("bus", "1000 Hz").unwrap().ticks, 50);
}

#[test]
fn a_source_that_is_over_says_so_and_the_head_runs_free() {
    let (beats, pulses) = channel();
    beats.send(()).unwrap();
    drop(beats);
    let servo = Script::new().life(|cx| {
        if cx.pace() == Some(PaceState::Lost) && cx.frame() > 5 {
            cx.stop_application("it goes on");
        }
        Ok(())
    });
    let exit = Application::new()
        .signals(false)
        .add_head(Head::new("bus").paced_by(Pace::new(pulses, hz(1000))).add_process(servo, (hz(1000), named("servo"))))
        .run();
    exit.assert_clean();
    let pace = exit.report().heads[1].pace.clone().unwrap();
    assert_eq!((pace.pulses, pace.losses), (1, 1));
    assert!(pace.over.unwrap().contains("channel"));
}
