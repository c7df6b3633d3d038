//! What each policy does with a full mailbox, whoever sends: a process of the same group, one of another group, a thread.

mod common;

use common::{ms, named, simulated};
use polycephaly::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A body that is counted: typed, and too large to stand in place.
type Token = Arc<[u64; 4]>;

#[derive(Component, Default)]
struct Reader(Vec<(String, u64)>);

impl Process for Reader {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new(), |reader, mail, _| {
            let token = mail.get::<Token>().ok_or("no token")?;
            reader.0.push((mail.subject().to_owned(), token[0]));
            Ok(())
        })?;
        Ok(())
    }
}

/// What a sender was told: sent, dropped something, or refused with the draft back.
fn verdict(sent: Result<Sent, SendError>) -> String {
    match sent {
        Ok(sent) => sent.dropped().map_or("sent".into(), |dropped| format!("{dropped:?}")),
        Err(error) => {
            assert_eq!(error.kind(), SendErrorKind::Full { limit: 2 });
            drop(error.into_draft());
            "refused".into()
        }
    }
}

/// Four mails, of which the first and the third are about the same, and then one to many.
#[derive(Component)]
struct Writer {
    tokens: Vec<Token>,
    told: Vec<String>,
}

const SUBJECTS: [&str; 4] = ["a", "b", "a", "c"];

impl Process for Writer {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        for (subject, token) in SUBJECTS.into_iter().zip(self.tokens.drain(..)) {
            self.told.push(verdict(cx.send(Mail::to("full").subject(subject).body(token))));
        }
        Ok(())
    }
}

struct Outcome {
    told: Vec<String>,
    read: Vec<(String, u64)>,
}

fn outcome(policy: Overflow, sender: &str) -> Outcome {
    let tokens: Vec<Token> = (1..=4).map(|number| Arc::new([number; 4])).collect();
    let held = tokens.clone();
    // The reader's group starts 50 ms late: by then the box is full.
    let late = (hz(10), InGroup::new("late"), named("full"), MailboxSize(2), policy);
    let mut application = simulated().group((hz(10), "late"), |g| g.phase(ms(50))).add_process(Reader::default(), late);
    let writer = |tokens| Writer { tokens, told: Vec::new() };
    application = match sender {
        "same group" => {
            application.add_process(writer(tokens.clone()), (hz(10), InGroup::new("late"), named("writer")))
        }
        "other group" => application.add_process(writer(tokens.clone()), (hz(25), named("writer"))),
        _ => application,
    };
    let mut running = application.build().unwrap();
    let told = if sender == "thread" {
        let handle = running.handle();
        let send = move || {
            let office = handle.mail();
            let send = |(subject, token)| verdict(office.send(Mail::to("full").subject(subject).body(token)));
            SUBJECTS.into_iter().zip(tokens).map(send).collect()
        };
        std::thread::spawn(send).join().unwrap()
    } else {
        drop(tokens);
        running.run_for(ms(200));
        running.get::<Writer>("writer").unwrap().told.clone()
    };
    running.run_for(ms(200));
    let read = running.get::<Reader>("full").unwrap().0.clone();
    drop(running);
    assert!(held.iter().all(|token| Arc::strong_count(token) == 1), "{policy:?} {sender}: every body is dropped once");
    Outcome { told, read }
}

#[test]
fn every_policy_with_every_sender() {
    let cases: [(Overflow, [&str; 4], &[(&str, u64)]); 5] = [
        (Overflow::Reject, ["sent", "sent", "refused", "refused"], &[("a", 1), ("b", 2)]),
        (Overflow::DropOldest, ["sent", "sent", "Oldest", "Oldest"], &[("a", 3), ("c", 4)]),
        (Overflow::DropNewest, ["sent", "sent", "Newest", "Newest"], &[("a", 1), ("b", 2)]),
        (Overflow::KeepLatest, ["sent", "sent", "Superseded", "refused"], &[("a", 3), ("b", 2)]),
        // A thread that may not wait at all: those that may are below.
        (Overflow::Block(Duration::ZERO), ["sent", "sent", "refused", "refused"], &[("a", 1), ("b", 2)]),
    ];
    for (policy, told, read) in cases {
        for sender in ["same group", "other group", "thread"] {
            let outcome = outcome(policy, sender);
            assert_eq!(outcome.told, told, "{policy:?} {sender}");
            let read: Vec<_> = read.iter().map(|&(subject, number)| (subject.to_owned(), number)).collect();
            assert_eq!(outcome.read, read, "{policy:?} {sender}");
        }
    }
}

/// The thread really waits: it ends only because the reader makes room, again and again.
#[test]
fn a_thread_waits_for_room_and_loses_nothing() {
    let settings = (hz(10), named("full"), MailboxSize(1), Overflow::Block(Duration::from_secs(60)));
    let mut running = simulated().add_process(Reader::default(), settings).build().unwrap();
    let handle = running.handle();
    let sender = std::thread::spawn(move || {
        let office = handle.mail();
        for number in 1..=20_u64 {
            office.send(Mail::to("full").subject("n").body(Arc::new([number; 4]))).unwrap();
        }
    });
    while !sender.is_finished() {
        assert!(running.run_for(ms(100)));
    }
    sender.join().unwrap();
    running.run_for(ms(200));
    let read: Vec<u64> = running.get::<Reader>("full").unwrap().0.iter().map(|(_, number)| *number).collect();
    assert_eq!(read, (1..=20).collect::<Vec<u64>>());
}

/// Several wait for the same room; who finds it taken by another waits on, and each keeps its order.
#[test]
fn threads_that_wait_for_one_place_all_get_it_in_turn() {
    const THREADS: u64 = 3;
    const EACH: u64 = 100;
    let settings = (hz(10), named("full"), MailboxSize(1), Overflow::Block(Duration::from_secs(600)));
    let mut running = simulated().add_process(Reader::default(), settings).build().unwrap();
    let send = |handle: ApplicationHandle, thread: u64| {
        let office = handle.mail();
        for number in thread * EACH..(thread + 1) * EACH {
            office.send(Mail::to("full").subject("n").body(Arc::new([number; 4]))).unwrap();
        }
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let handle = running.handle();
            std::thread::spawn(move || send(handle, thread))
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        assert!(running.run_for(ms(100)));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    running.run_for(ms(200));
    let read: Vec<u64> = running.get::<Reader>("full").unwrap().0.iter().map(|(_, number)| *number).collect();
    for thread in 0..THREADS {
        let own: Vec<u64> = read.iter().copied().filter(|number| number / EACH == thread).collect();
        assert_eq!(own, (thread * EACH..(thread + 1) * EACH).collect::<Vec<u64>>());
    }
    let count = running.report().process("full").unwrap().mail;
    assert_eq!((count.received, count.high_water), (THREADS * EACH, 1));
}

/// Writes once to a full box: from a tick, nobody waits.
#[test]
fn a_box_that_blocks_refuses_a_tick_at_once() {
    let settings = (hz(1), named("full"), MailboxSize(2), Overflow::Block(Duration::from_secs(60)));
    let tokens = (1..=4).map(|number| Arc::new([number; 4])).collect();
    let mut running = simulated()
        .add_process(Reader::default(), settings)
        .add_process(Writer { tokens, told: Vec::new() }, (hz(10), named("writer")))
        .build()
        .unwrap();
    running.run_for(ms(500));
    assert_eq!(running.get::<Writer>("writer").unwrap().told, ["sent", "sent", "refused", "refused"]);
    running.run_for(ms(600));
    assert_eq!(running.get::<Reader>("full").unwrap().0, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

/// Writes to many, of whom one has no room.
#[derive(Component)]
struct Caller {
    token: Option<Token>,
    told: Vec<String>,
}

impl Process for Caller {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let Some(token) = self.token.take() {
            let results = cx.send_all(Mail::to_all(["first", "full", "last"]).subject("all").body(token));
            self.told = results.into_iter().map(verdict).collect();
        }
        Ok(())
    }
}

#[test]
fn whatever_a_full_box_does_the_other_recipients_get_theirs() {
    let cases = [
        (Overflow::Reject, "refused", ["a", "b"]),
        (Overflow::DropOldest, "Oldest", ["b", "all"]),
        (Overflow::DropNewest, "Newest", ["a", "b"]),
        (Overflow::KeepLatest, "refused", ["a", "b"]),
        (Overflow::Block(Duration::from_secs(60)), "refused", ["a", "b"]),
    ];
    for (policy, told, read) in cases {
        let held: Token = Arc::new([7; 4]);
        let late = (hz(10), InGroup::new("late"));
        let application = simulated().group((hz(10), "late"), |g| g.phase(ms(50)));
        let mut running = application
            .add_process(Reader::default(), (late.clone(), named("first")))
            .add_process(Reader::default(), (late.clone(), named("full"), MailboxSize(2), policy))
            .add_process(Reader::default(), (late, named("last")))
            .add_process(Caller { token: Some(held.clone()), told: Vec::new() }, (hz(10), named("caller")))
            .build()
            .unwrap();
        for subject in ["a", "b"] {
            running.mail(Mail::to("full").subject(subject).body::<Token>(Arc::new([0; 4]))).unwrap();
        }
        running.run_for(ms(200));
        assert_eq!(running.get::<Caller>("caller").unwrap().told, ["sent", told, "sent"], "{policy:?}");
        let subjects = |name| -> Vec<_> {
            running.get::<Reader>(name).unwrap().0.iter().map(|(subject, _)| subject.clone()).collect()
        };
        assert_eq!(subjects("full"), read, "{policy:?}");
        for name in ["first", "last"] {
            assert_eq!(running.get::<Reader>(name).unwrap().0, [("all".to_owned(), 7)], "{policy:?} {name}");
        }
        drop(running);
        assert_eq!(Arc::strong_count(&held), 1, "{policy:?}: the shared body is dropped once");
    }
}
