//! Real-time settings of heads: what the system gives, and that it is taken back. How sharp the deadlines are
//! is measured by `benches/jitter.rs`.
#![cfg(target_os = "linux")]

mod common;

use common::rank::{Rank, look, may_set_priority, real, stat, status};
use common::{Script, ms, named, simulated};
use polycephaly::prelude::*;
use polycephaly::realtime::RealTimeError;
use polycephaly::thread::ThreadState;
use rustix::process::setpriority_process;
use rustix::thread::current_timer_slack;
use std::fs;
use std::sync::mpsc::{Sender, channel};

/// The rank of a head with these settings, and what the report says of it.
fn on_head(realtime: RealTime) -> (Rank, Report) {
    let (script, told) = look(Rank::now);
    let exit = real().add_head(Head::new("control").realtime(realtime).add_process(script, hz(1000))).run();
    assert!(exit.is_success(), "{exit}");
    (told.recv().unwrap(), exit.report().clone())
}

#[test]
fn a_head_gets_its_cpus() {
    let before = Rank::now();
    let (rank, report) = on_head(RealTime::new().cpus([0]).strict());
    assert_eq!(rank, Rank { cpus: "0".into(), ..before });
    assert_eq!(report.heads[1].realtime, ["CPUs 0"]);
    assert_eq!(report.heads[0].realtime, [""; 0], "the main head asked for nothing");
    assert!(report.to_string().contains("head control runs in real time: CPUs 0\n"), "{report}");
    assert_eq!(Rank::now(), before);
}

#[test]
fn a_head_gets_its_priority() {
    if !may_set_priority() {
        return;
    }
    let before = Rank::now();
    let (rank, report) = on_head(RealTime::new().fifo(80).strict());
    assert_eq!(rank, Rank { policy: 1, priority: 80, ..before.clone() });
    assert_eq!(report.heads[1].realtime, ["SCHED_FIFO 80"]);
    let (rank, report) = on_head(RealTime::new().round_robin(1).strict());
    assert_eq!(rank, Rank { policy: 2, priority: 1, ..before });
    assert_eq!(report.heads[1].realtime, ["SCHED_RR 1"]);
}

#[test]
fn timers_are_sharp_unless_told_otherwise() {
    let slack = |realtime: RealTime| {
        let (script, told) = look(|| current_timer_slack().unwrap());
        let exit = real().add_head(Head::new("control").realtime(realtime).add_process(script, hz(1000))).run();
        (told.recv().unwrap(), exit.report().heads[1].realtime.clone())
    };
    assert_eq!(slack(RealTime::new()), (1, vec![]));
    assert_eq!(slack(RealTime::new().timer_slack(ms(1))), (1_000_000, vec!["timer slack 1ms".into()]));
}

/// On a thread of its own, which plays the main one.
fn as_main<T: Send>(play: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(play).join().unwrap())
}

#[test]
fn the_main_heads_thread_is_given_back_as_it_was() {
    as_main(|| {
        // Not the usual one, so that a way back to the usual shows.
        setpriority_process(None, 5).unwrap();
        let before = (Rank::now(), current_timer_slack().unwrap());
        let (script, told) = look(Rank::now);
        let mut realtime = RealTime::new().cpus([0]).timer_slack(ms(2)).strict();
        let mut wanted = Rank { cpus: "0".into(), ..before.0 };
        if may_set_priority() {
            realtime = realtime.round_robin(7);
            wanted = Rank { policy: 2, priority: 7, ..wanted };
        }
        let exit = real().realtime(realtime).add_process(script, hz(1000)).run();
        assert!(exit.is_success(), "{exit}");
        assert_eq!(told.recv().unwrap(), wanted);
        assert_eq!((Rank::now(), current_timer_slack().unwrap()), before);
        assert!(exit.report().heads[0].realtime.contains(&"CPUs 0".to_owned()));
    });
}

#[test]
fn the_main_heads_thread_is_given_back_when_nothing_starts() {
    as_main(|| {
        let before = (Rank::now(), current_timer_slack().unwrap());
        let (script, told) = look(|| ());
        // More stack than this thread can have: the last thing it is refused, when it has the CPU already.
        let realtime = RealTime::new().cpus([0]).prefault_stack(8 << 20).strict();
        let error = real().realtime(realtime).add_process(script, hz(1000)).build().unwrap_err();
        assert!(error.to_string().contains("head \"main\" can't start: no 8388608 bytes of stack touched"), "{error}");
        assert!(error.to_string().contains("a head of their own"), "{error}");
        assert_eq!((Rank::now(), current_timer_slack().unwrap()), before);
        assert!(told.recv().is_err(), "nobody was born");
    });
}

#[test]
fn of_two_applications_on_one_thread_the_last_gives_it_back() {
    as_main(|| {
        let before = Rank::now();
        for first in [0, 1] {
            let realtime = RealTime::new().cpus([0]).strict();
            let build = || real().realtime(realtime.clone()).add_process(Script::new(), hz(10)).build().unwrap();
            let mut both = vec![build(), build()];
            drop(both.remove(first));
            assert_eq!(Rank::now().cpus, "0");
            drop(both);
            assert_eq!(Rank::now(), before);
        }
    });
}

/// Its `prepare` runs on a thread of its own, and so does its child thread.
#[derive(Component)]
struct Parent {
    tell: Sender<(&'static str, Rank)>,
}

impl Process for Parent {
    fn prepare(&mut self) -> Result {
        self.tell.send(("prepare", Rank::now()))?;
        Ok(())
    }

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.tell.send(("birth", Rank::now()))?;
        let tell = self.tell.clone();
        cx.add_thread("child", move |_| {
            tell.send(("child", Rank::now()))?;
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if cx.threads().iter().all(|thread| thread.state == ThreadState::Ended) {
            cx.stop_application("both have told");
        }
        Ok(())
    }
}

#[test]
fn threads_of_a_process_do_not_inherit_it() {
    let before = Rank::now();
    let mut realtime = RealTime::new().cpus([0]).strict();
    let mut raised = Rank { cpus: "0".into(), ..before };
    if may_set_priority() {
        realtime = realtime.fifo(20);
        raised = Rank { policy: 1, priority: 20, ..raised };
    }
    for on_main in [false, true] {
        let (tell, told) = channel();
        let bundle = (hz(1000), named("parent"), ParallelBirth);
        let application = if on_main {
            real().realtime(realtime.clone()).add_process(Parent { tell }, bundle).add_head(Head::new("idle"))
        } else {
            real().add_head(Head::new("control").realtime(realtime.clone()).add_process(Parent { tell }, bundle))
        };
        assert!(application.run().is_success());
        let told: Vec<_> = told.iter().collect();
        let wanted = [("prepare", before.clone()), ("birth", raised.clone()), ("child", before.clone())];
        assert_eq!(told, wanted, "on the main head: {on_main}");
    }
}

#[test]
fn other_heads_do_not_inherit_what_the_main_one_gets() {
    let before = Rank::now();
    let (script, told) = look(Rank::now);
    let exit =
        real().realtime(RealTime::new().cpus([0]).strict()).add_head(Head::new("io").add_process(script, hz(1000)));
    assert!(exit.run().is_success());
    assert_eq!(told.recv().unwrap(), before);
}

/// Uses much stack.
#[inline(never)]
fn deep(levels: u32) -> u8 {
    let mut frame = [0_u8; 4096];
    std::hint::black_box(&mut frame);
    if levels > 0 { frame[0] + deep(levels - 1) } else { frame[1] }
}

#[test]
fn of_a_stack_touched_before_no_page_is_missing() {
    let minor_faults = || {
        let before = stat(10);
        deep(200);
        stat(10) - before
    };
    let faults = |realtime: RealTime| {
        let (script, told) = look(minor_faults);
        let exit = real().add_head(Head::new("control").realtime(realtime).add_process(script, hz(1000))).run();
        assert!(exit.is_success(), "{exit}");
        told.recv().unwrap()
    };
    // More than any thread has without asking, and a debug build needs more for the same.
    let touched = faults(RealTime::new().prefault_stack(4 << 20).strict());
    assert!(touched < 20, "{touched} pages were missing");
    // Unless the system gives whole stacks as huge pages.
    let huge = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let untouched = faults(RealTime::new());
    assert!(untouched > 150 || huge.contains("[always]"), "only {untouched} are missing otherwise");
}

#[test]
fn a_spinning_head_does_not_sleep() {
    let switches = |realtime: RealTime| {
        let (tell, told) = channel();
        let mut lives = 0;
        let script = Script::new().life(move |cx| {
            lives += 1;
            if lives == 10 || lives == 110 {
                tell.send(status("thread-self", "voluntary_ctxt_switches").parse::<u64>().unwrap())?;
            }
            if lives == 110 {
                cx.stop_application("seen");
            }
            Ok(())
        });
        let head = Head::new("control").realtime(realtime).add_process(script, hz(1000));
        let exit = real().add_head(head).run();
        assert!(exit.is_success(), "{exit}");
        told.recv().map(|first| told.recv().unwrap() - first).unwrap()
    };
    let asleep = switches(RealTime::new());
    assert!(asleep > 50, "{asleep} sleeps in 100 ticks");
    let spinning = switches(RealTime::new().spin(ms(500)).strict());
    assert!(spinning < 20, "{spinning} sleeps in 100 ticks");
}

#[test]
fn bad_settings_are_told_together_and_nobody_is_born() {
    for clock in [Clock::real(), Clock::simulated()] {
        let (script, told) = look(|| ());
        let error = real()
            .clock(clock)
            .realtime(RealTime::new().spin(ms(1001)))
            .add_process(script, hz(10))
            .add_head(Head::new("a").realtime(RealTime::new().fifo(0)))
            .add_head(Head::new("b").realtime(RealTime::new().round_robin(100)))
            .add_head(Head::new("c").realtime(RealTime::new().cpus([])))
            .build()
            .unwrap_err();
        let mut faults = error.faults;
        faults.sort();
        assert_eq!(faults.len(), 4, "{faults:?}");
        for (fault, wanted) in faults.iter().zip([
            "head \"a\" can't start: a real-time priority must be from 1 to 99, not 0",
            "head \"b\" can't start: a real-time priority must be from 1 to 99, not 100",
            "head \"c\" can't start: a head can't run on no CPU at all",
            "head \"main\" can't start: a head can't spin for 1.001s",
        ]) {
            assert!(fault.starts_with(wanted), "{fault}");
        }
        assert!(told.recv().is_err());
    }
}

#[test]
fn a_cpu_that_is_not_there_is_told() {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap().trim().to_owned();
    for cpu in [5_000, usize::MAX] {
        let realtime = RealTime::new().cpus([0, cpu]);
        let error = realtime.check().unwrap_err();
        assert_eq!(error, RealTimeError::UnknownCpu { given: cpu, online: online.clone() });
        let built = real().add_head(Head::new("far").realtime(realtime)).build().unwrap_err();
        assert_eq!(built.faults, [format!("head \"far\" can't start: {error}")]);
    }
}

#[test]
fn under_the_simulated_clock_nothing_is_asked_of_the_system() {
    let before = Rank::now();
    let (script, told) = look(Rank::now);
    // For a robot with more CPUs than this machine.
    let realtime = RealTime::new().fifo(80).cpus([5_000]).lock_memory().strict();
    let head = Head::new("control").realtime(realtime.clone()).add_process(script, hz(1000));
    let exit = simulated().realtime(realtime).add_head(head).run();
    assert!(exit.is_success(), "{exit}");
    assert_eq!(told.recv().unwrap(), before);
    assert!(exit.report().heads.iter().all(|head| head.realtime.is_empty() && head.refused.is_empty()));
}
