//! Who there is: asked without mail, answered at once.

mod common;

use common::{Log, Script, ms, named, simulated};
use polycephaly::context::UnknownProcess;
use polycephaly::prelude::*;

/// Four processes of which one dies at 100 ms and one rests from then on; the last one looks round at 50 and at 250 ms.
fn look(question: fn(&Context<Script>) -> String) -> Vec<String> {
    let log = Log::default();
    let note = log.clone();
    let mortal = Script::new().life(|cx| {
        if cx.now() == ms(100) {
            cx.die("old age");
        }
        Ok(())
    });
    let looker = Script::new().life(move |cx| {
        if [ms(50), ms(250)].contains(&cx.now()) {
            note.say(question(cx));
        }
        Ok(())
    });
    let mut running = simulated()
        .add_process(Script::new(), (hz(20), named("Imu")))
        .add_process(mortal, (hz(20), named("mortal")))
        .add_process(Script::new(), (hz(20), named("sleeper")))
        .add_process(looker, (hz(20), named("looker")))
        .build()
        .unwrap();
    running.run_for(ms(100));
    running.handle().stop("sleeper", "for a while").unwrap();
    running.run_for(ms(300));
    running.finish().assert_clean();
    log.take()
}

#[test]
fn all_processes_are_listed_in_order_of_birth() {
    let names = |cx: &Context<Script>| {
        let names: Vec<String> = cx.processes().into_iter().map(|process| process.name).collect();
        names.join(" ")
    };
    let [before, after] = &look(names)[..] else { panic!("it looked twice") };
    assert_eq!(before, "Imu mortal sleeper looker");
    assert!(!after.contains("mortal") && after.starts_with("Imu"), "the dead are none: {after}");
}

#[test]
fn the_active_are_those_that_live() {
    let names = |cx: &Context<Script>| {
        let active = cx.active_processes();
        assert!(active.iter().all(|process| process.run_level.is_running()));
        active.into_iter().map(|process| process.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(look(names), ["Imu mortal sleeper looker", "Imu looker"]);
}

#[test]
fn recipients_are_addresses_that_mail_can_go_to() {
    let recipients = |cx: &Context<Script>| {
        let recipients = cx.recipients();
        recipients.iter().map(|address| address.name().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let [before, after] = &look(recipients)[..] else { panic!("it looked twice") };
    assert_eq!(before, "Imu mortal sleeper looker");
    assert!(!after.contains("mortal"), "{after}");
}

#[test]
fn one_process_is_found_in_any_case_with_all_that_may_be_known() {
    let log = Log::default();
    let note = log.clone();
    let faulty = Script::new().birth(|cx| {
        cx.add_filter("ping".into(), |_, _, _| Err("a failing callback".into()))?;
        Ok(())
    });
    let looker = Script::new().life(move |cx| {
        if cx.now() == ms(200) {
            let it = cx.process("FAULTY")?;
            let mail = (it.mail.received, it.mail.delivered, it.mail.waiting);
            note.say(format!("{} {} {} {} {} {mail:?}", it.name, it.run_level, it.errors, it.panics, it.restarts));
            let UnknownProcess { name, known, .. } = cx.process("nobody").unwrap_err();
            note.say(format!("no {name}, but {}", known.join(", ")));
        }
        Ok(())
    });
    let mut running = simulated()
        .add_process(faulty, (hz(10), named("Faulty")))
        .add_process(looker, (hz(10), named("looker")))
        .build()
        .unwrap();
    for _ in 0..2 {
        running.mail(Mail::to("faulty").subject("ping")).unwrap();
    }
    running.run_for(ms(300));
    assert_eq!(log.take(), ["Faulty RUN 2 0 0 (2, 2, 0)", "no nobody, but Faulty, looker"]);
}
