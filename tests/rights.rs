//! Real-time settings of heads for which the program needs rights, and what it says without: in OS processes of their own, which
//! give up their rights, or lock their memory.
#![cfg(target_os = "linux")]

mod common;

use common::Script;
use common::child::{self, Outcome};
use common::rank::{Rank, has_capability, look, real, status};
use polycephaly::prelude::*;
use rustix::process::{Gid, Resource, Rlimit, Uid, setrlimit};
use rustix::thread::{set_thread_gid, set_thread_uid};

/// Not a test of its own: what the child does.
#[test]
fn program() {
    let Some(kind) = child::kind() else { return };
    println!(); // What the test runner has begun is no line of ours.
    if kind == "memory" {
        return memory();
    }
    for limit in [Resource::Rtprio, Resource::Memlock] {
        setrlimit(limit, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
    }
    set_thread_gid(Gid::from_raw(65534)).unwrap();
    set_thread_uid(Uid::from_raw(65534)).unwrap();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let born = |on: &'static str| {
        Script::new()
            .birth(move |_| {
                println!("born on {on}");
                Ok(())
            })
            .life(|cx| {
                cx.stop_application("lived");
                Ok(())
            })
    };
    let mut realtime = RealTime::new().fifo(80).cpus([0]).lock_memory();
    if kind == "strict" {
        realtime = realtime.strict();
    }
    let application = real().realtime(realtime.clone()).add_process(born("main"), hz(1000));
    let exit =
        application.add_head(Head::new("control").realtime(realtime).add_process(born("control"), hz(1000))).run();
    println!("{exit}\n{}", exit.report());
    for head in &exit.report().heads {
        println!("{} got {:?} and not {} things", head.name, head.realtime, head.refused.len());
    }
    println!("afterwards on {}", Rank::now().cpus);
    std::process::exit(exit.code().into());
}

/// As another user, without any right. `None` if this one may not become another.
fn without_rights(kind: &str) -> Option<Outcome> {
    (has_capability(7, "CAP_SETUID") && has_capability(6, "CAP_SETGID")).then(|| child::run("program", kind))
}

const WAYS_OUT: [&str; 8] = [
    "SCHED_FIFO 80: it needs the capability CAP_SYS_NICE, or a limit RLIMIT_RTPRIO of at least 80, which is 0 now",
    "`setcap cap_sys_nice+ep PROGRAM`",
    "`LimitRTPRIO=80` in its systemd unit",
    "`USER - rtprio 80` in /etc/security/limits.conf",
    "memory locked: it needs the capability CAP_IPC_LOCK, or a limit RLIMIT_MEMLOCK",
    "`setcap cap_ipc_lock+ep PROGRAM`",
    "`LimitMEMLOCK=infinity` in its systemd unit",
    "`USER - memlock unlimited` in /etc/security/limits.conf",
];

#[test]
fn the_strict_do_not_start_without_the_right_and_say_how_to_give_it() {
    let Some(Outcome { status, out, err }) = without_rights("strict") else { return };
    assert_eq!(status.code(), Some(2), "{out}{err}");
    for head in ["main", "control"] {
        let fault = out.split_once(&format!("head \"{head}\" can't start: no ")).expect(head).1;
        let fault = fault.split("head \"").next().unwrap();
        for way in WAYS_OUT {
            assert!(fault.contains(way), "{head}: {way}: {out}");
        }
    }
    assert!(!out.contains("born on"), "{out}");
    assert!(out.contains(&format!("afterwards on {}\n", Rank::now().cpus)), "{out}");
}

#[test]
fn without_strict_the_rest_is_done_and_what_is_refused_is_logged_and_reported() {
    let Some(Outcome { status, out, err }) = without_rights("warn") else { return };
    assert_eq!(status.code(), Some(0), "{out}{err}");
    for head in ["main", "control"] {
        assert!(out.contains(&format!("born on {head}\n")), "{out}");
        assert!(out.contains(&format!("{head} got [\"CPUs 0\"] and not 2 things\n")), "{out}");
        let refusals: Vec<_> =
            out.lines().filter(|line| line.starts_with(&format!("head {head} was refused: no "))).collect();
        let warnings: Vec<_> =
            err.lines().filter(|line| line.contains("WARN") && line.contains(&format!("head=\"{head}\""))).collect();
        for lines in [refusals, warnings] {
            assert_eq!(lines.len(), 2, "{head}: {lines:?}");
            let text = lines.concat();
            assert!(WAYS_OUT.iter().all(|way| text.contains(way)), "{head}: {text}");
        }
    }
    assert!(out.contains(&format!("afterwards on {}\n", Rank::now().cpus)), "{out}");
}

/// In an OS process of its own: the memory of a whole one is locked.
fn memory() {
    let locked = || status("self", "VmLck").trim_end_matches(" kB").parse::<u64>().unwrap();
    println!("before {}", locked());
    let (script, told) = look(locked);
    let realtime = RealTime::new().lock_memory().strict();
    let head = Head::new("control").realtime(realtime.clone()).add_process(script, hz(1000));
    let exit = real().realtime(realtime).add_head(head).run();
    println!("meanwhile {}", told.recv().unwrap());
    println!("{exit} {:?}", exit.report().heads.iter().map(|head| &head.realtime).collect::<Vec<_>>());
    std::process::exit(exit.code().into());
}

#[test]
fn memory_is_locked() {
    if !has_capability(14, "CAP_IPC_LOCK") {
        return;
    }
    let Outcome { status, out, err } = child::run("program", "memory");
    assert_eq!(status.code(), Some(0), "{out}{err}");
    let number = |key: &str| -> u64 {
        let line = out.lines().find_map(|line| line.strip_prefix(key)).expect(key);
        line.trim().parse().unwrap()
    };
    assert_eq!(number("before"), 0);
    assert!(number("meanwhile") > 1000, "{out}");
    assert!(out.contains("[[\"memory locked\"], [\"memory locked\"]]"), "{out}");
}
