//! Mail that nobody will read is counted, and shown to the application's hook with the reason.

mod common;

use common::{Log, Script, ms, named, simulated};
use polycephaly::control::DeadLetter;
use polycephaly::prelude::*;

/// An application whose hook writes each dead letter down: who wrote what to whom, and why nobody reads it.
fn watched(log: &Log) -> Application {
    let log = log.clone();
    simulated().on_dead_letter(move |mail, why| {
        log.say(format!("{} -> {} {} {}: {why:?}", mail.sender(), mail.recipient(), mail.subject(), mail.body()));
    })
}

/// Sends in its life at 100 ms.
fn sender(send: fn(&mut Context<Script>) -> Result) -> Script {
    Script::new().life(move |cx| if cx.now() == ms(100) { send(cx) } else { Ok(()) })
}

common::scripted!(Reader);

/// Reads all it gets.
fn reader() -> Reader {
    Reader::new().birth(|cx| {
        cx.add_filter(Filter::new(), |_, _, _| Ok(()))?;
        Ok(())
    })
}

fn dead(running: &mut Running) -> u64 {
    running.report().dead_letters
}

#[test]
fn tell_shows_what_was_refused_and_why() {
    let log = Log::default();
    let mut running = watched(&log)
        .add_process(reader(), (hz(1), named("small"), MailboxSize(1)))
        .add_process(
            sender(|cx| {
                cx.tell("nobody", "hello", "a");
                cx.tell("small", "hello", "b");
                cx.tell("small", "hello", "c");
                Ok(())
            }),
            (hz(10), named("sender")),
        )
        .build()
        .unwrap();
    running.run_for(ms(200));
    assert_eq!(log.take(), ["sender -> nobody hello a: Unknown", "sender -> small hello c: Full"]);
    assert_eq!(dead(&mut running), 2);
    assert_eq!(running.report().process("sender").unwrap().errors, 0, "it did not ask to know");
}

#[test]
fn tell_to_the_dead_is_shown_too() {
    #[derive(Resource)]
    struct Kept(Address);
    let log = Log::default();
    let mut running = watched(&log)
        .add_process(reader(), (hz(10), named("mortal")))
        .add_process(Script::new(), (hz(10), named("other")))
        .build()
        .unwrap();
    let address = running.handle().address_of("mortal").unwrap();
    running.handle().stop("mortal", "enough").unwrap();
    running.run_for(ms(50));
    let kept = Kept(address);
    let late = Script::new().life(move |cx| {
        let error = cx.send(Mail::to(&kept.0).subject("sent")).unwrap_err();
        assert_eq!(error.kind(), SendErrorKind::Closed);
        cx.tell(&kept.0, "told", "x");
        cx.die("done");
        Ok(())
    });
    running.world_mut().spawn_process(late, (hz(10), named("late"))).unwrap();
    running.run_for(ms(200));
    assert_eq!(log.take(), ["late -> mortal told x: Closed"], "what is handed back to its sender is no dead letter");
    assert_eq!(dead(&mut running), 1);
}

#[test]
fn what_send_hands_back_is_no_dead_letter() {
    let log = Log::default();
    let mut running = watched(&log)
        .add_process(
            sender(|cx| {
                let error = cx.send(Mail::to("nobody").subject("hello").body("a")).unwrap_err();
                assert_eq!(error.kind(), SendErrorKind::Unknown);
                Ok(())
            }),
            (hz(10), named("sender")),
        )
        .build()
        .unwrap();
    running.run_for(ms(200));
    assert!(log.take().is_empty());
    running.finish().assert_clean();
}

#[test]
fn what_is_lost_to_a_bound_says_how() {
    for (policy, expected) in [
        (Overflow::DropOldest, "sender -> small s a: Dropped(Oldest)"),
        (Overflow::DropNewest, "sender -> small s b: Dropped(Newest)"),
        (Overflow::KeepLatest, "sender -> small s a: Dropped(Superseded)"),
    ] {
        let log = Log::default();
        let mut running = watched(&log)
            .add_process(reader(), (hz(1), named("small"), MailboxSize(1), policy))
            .add_process(
                sender(|cx| {
                    cx.tell("small", "s", "a");
                    let sent = cx.send(Mail::to("small").subject("s").body("b"))?;
                    assert!(sent.dropped().is_some());
                    Ok(())
                }),
                (hz(10), named("sender")),
            )
            .build()
            .unwrap();
        running.run_for(ms(200));
        assert_eq!(log.take(), [expected], "{policy:?}");
        assert_eq!(dead(&mut running), 1);
    }
}

/// What is in a box of `size` when its owner ends by `end`, after three mails.
fn unread_after(end: fn(&mut Running)) -> (Vec<String>, u64, u64) {
    let log = Log::default();
    let mut running = watched(&log)
        .add_process(reader(), (hz(1), named("mortal")))
        .add_process(Script::new(), (hz(1), named("other")))
        .build()
        .unwrap();
    running.run_for(ms(50));
    let mortal = running.handle().address_of("mortal").unwrap();
    for number in ["1", "2", "3"] {
        running.mail(Mail::to("mortal").subject("s").body(number)).unwrap();
    }
    end(&mut running);
    running.run_for(ms(1500));
    drop(running);
    let count = mortal.mail_count();
    assert_eq!(count.received, count.delivered + count.returned);
    (log.take(), count.delivered, count.returned)
}

#[test]
fn an_orderly_end_reads_the_last_mail_and_leaves_none() {
    let stop: fn(&mut Running) = |running| running.handle().stop("mortal", "enough").unwrap();
    assert_eq!(unread_after(stop), (vec![], 3, 0));
    let application: fn(&mut Running) = |running| running.handle().stop_application("enough");
    assert_eq!(unread_after(application), (vec![], 3, 0));
}

#[test]
fn after_the_e_brake_nothing_is_read_and_all_is_shown() {
    let (letters, delivered, returned) = unread_after(|running| running.handle().ebrake("a test"));
    let expected = ["1", "2", "3"].map(|number| format!("(unknown) -> mortal s {number}: Unread"));
    assert_eq!((letters.as_slice(), delivered, returned), (&expected[..], 0, 3));
}

/// Their mail has been taken out for the same round of the mailman: it is as unread as what is still in a box.
#[test]
fn an_e_brake_pulled_by_a_mail_leaves_the_mail_of_those_behind_unread() {
    let log = Log::default();
    let puller = || {
        Reader::new().birth(|cx| {
            cx.add_filter("s".into(), |_, _, cx| {
                cx.ebrake("enough");
                Ok(())
            })?;
            Ok(())
        })
    };
    let mut running = watched(&log)
        .add_process(puller(), (hz(10), named("a")))
        .add_process(puller(), (hz(10), named("b")))
        .build()
        .unwrap();
    running.run_for(ms(50));
    let addresses = ["a", "b"].map(|name| running.handle().address_of(name).unwrap());
    for (name, body) in [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")] {
        running.mail(Mail::to(name).subject("s").body(body)).unwrap();
    }
    running.run_for(ms(100));
    drop(running);
    let mut letters = log.take();
    letters.sort();
    assert_eq!(letters, ["a s 3", "b s 2", "b s 4"].map(|it| format!("(unknown) -> {it}: Unread")));
    let [a, b] = addresses.map(|address| address.mail_count());
    assert_eq!(
        (a.received, a.delivered, a.returned),
        (2, 2, 0),
        "it has pulled at the first, and turned from the second"
    );
    assert_eq!((b.received, b.delivered, b.returned, b.waiting), (2, 0, 2, 0));
}

#[test]
fn after_a_panic_the_rest_of_the_mail_is_shown_and_not_read() {
    let log = Log::default();
    let bomb = Reader::new().birth(|cx| {
        cx.add_filter(Filter::new().body("2"), |_, _, _| panic!("broken by a mail, on purpose"))?;
        cx.add_filter(Filter::new(), |_, _, _| Ok(()))?;
        Ok(())
    });
    let mut running = watched(&log)
        .add_process(bomb, (hz(10), named("bomb")))
        .add_process(Script::new(), (hz(10), named("other")))
        .build()
        .unwrap();
    running.run_for(ms(50));
    for number in ["1", "2", "3", "4"] {
        running.mail(Mail::to("bomb").subject("s").body(number)).unwrap();
    }
    running.run_for(ms(200));
    assert_eq!(log.take(), ["(unknown) -> bomb s 3: Unread", "(unknown) -> bomb s 4: Unread"]);
    assert_eq!(dead(&mut running), 2);
}

#[test]
fn the_hook_sees_the_whole_mail() {
    let log = Log::default();
    let note = log.clone();
    let application = simulated().on_dead_letter(move |mail, why| {
        assert_eq!(why, DeadLetter::Dropped(polycephaly::mailbox::Dropped::Newest));
        assert_eq!((mail.get::<u64>(), mail.header("crew")), (Some(&7), Some(&"red".into())));
        assert_eq!((mail.priority(), mail.time()), (3, ms(100)));
        note.say("seen");
    });
    let mut running = application
        .add_process(reader(), (hz(1), named("small"), MailboxSize(1), Overflow::DropNewest))
        .add_process(
            sender(|cx| {
                for _ in 0..2 {
                    cx.send(Mail::to("small").subject("s").body(7_u64).header("crew", "red").priority(3))?;
                }
                Ok(())
            }),
            (hz(10), named("sender")),
        )
        .build()
        .unwrap();
    running.run_for(ms(200));
    assert_eq!(log.take(), ["seen"]);
}
