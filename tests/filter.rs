//! Filters of a living process: which of them run, when they come and go, and those on routes of its own.

mod common;

use common::{Log, ms, named, simulated};
use polycephaly::prelude::*;

/// Sets its filters up as the test wants, and notes which of them ran.
#[derive(Component)]
struct Node {
    ran: Vec<String>,
    birth: fn(&mut Context<Node>) -> Result,
    life: fn(&mut Node, &mut Context<Node>) -> Result,
}

impl Process for Node {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        (self.birth)(cx)
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        (self.life)(self, cx)
    }
}

fn one(birth: fn(&mut Context<Node>) -> Result) -> Running {
    let node = Node { ran: Vec::new(), birth, life: |_, _| Ok(()) };
    let mut running = simulated().add_process(node, (hz(10), named("node"))).build().unwrap();
    running.run_for(ms(50));
    running
}

/// What ran in one more tick.
fn tick(running: &mut Running) -> Vec<String> {
    running.run_for(ms(100));
    let node = running.handle().address_of("node").unwrap().entity();
    std::mem::take(&mut running.world_mut().get_mut::<Node>(node).unwrap().ran)
}

fn note(node: &mut Node, mail: &Mail, _: &mut Context<Node>) -> Result {
    node.ran.push(mail.body().to_string());
    Ok(())
}

#[test]
fn a_removal_holds_at_once_and_an_addition_from_the_next_mail() {
    let mut running = one(|cx| {
        cx.add_filter(Filter::new().subject("s").id("first"), |node, _, cx| {
            node.ran.push("first".into());
            assert!(cx.remove_filter("second").is_some());
            assert!(cx.remove_filter("second").is_none(), "it is gone");
            cx.add_filter(Filter::new().subject("s").id("third"), |node, _, _| {
                node.ran.push("third".into());
                Ok(())
            })?;
            assert!(cx.remove_filter("first").is_some(), "while it runs");
            Ok(())
        })?;
        cx.add_filter(Filter::new().subject("s").id("second"), note)?;
        Ok(())
    });
    for _ in 0..2 {
        running.mail(Mail::to("node").subject("s")).unwrap();
    }
    assert_eq!(tick(&mut running), ["first", "third"]);
    running.finish().assert_clean();
}

#[test]
fn a_callback_that_panics_is_there_for_the_next_mail() {
    let node = Node {
        ran: Vec::new(),
        birth: |cx| {
            // Alone, and as one of several.
            for route in ["one", "two"] {
                cx.add_filter_on(route, "s".into(), |node, _, _| {
                    node.ran.push("callback".into());
                    panic!("a callback panics, on purpose");
                })?;
            }
            cx.add_filter_on("two", "s".into(), note)?;
            Ok(())
        },
        life: |_, cx| {
            cx.deliver("one", Mail::to("node").subject("s"));
            cx.deliver("two", Mail::to("node").subject("s").body("after it"));
            Ok(())
        },
    };
    let supervision = Supervision::default().on_panic(Response::Log);
    let mut running = simulated().add_process(node, (hz(10), named("node"), supervision)).build().unwrap();
    running.run_for(ms(250));
    let ran = &running.get::<Node>("node").unwrap().ran;
    assert_eq!(ran[..], ["callback", "callback", "after it"].repeat(2));
    assert_eq!(running.report().process("node").unwrap().panics, 4);
}

#[test]
fn filters_are_listed_in_order_and_a_second_of_one_id_is_refused() {
    let mut running = one(|cx| {
        cx.add_filter(Filter::new().subject("a").id("pings").describe("health checks"), note)?;
        let number = cx.add_filter("b".into(), note)?;
        let typed = cx.on::<u64>(|_, _, _| Ok(()));
        let listed: Vec<_> =
            cx.filters().iter().map(|(id, filter)| format!("{} {}", id.as_str(), filter.description())).collect();
        let expected =
            ["pings health checks".to_owned(), format!("{} ", number.as_str()), format!("{} ", typed.as_str())];
        assert_eq!(listed, expected);
        assert_eq!(cx.add_filter(Filter::new().id("pings"), note).unwrap_err().id, "pings");
        assert_eq!(cx.filters().len(), 3, "nothing has changed");
        Ok(())
    });
    assert!(tick(&mut running).is_empty());
    running.finish().assert_clean();
}

#[test]
fn each_condition_is_one_of_the_mail() {
    let mut running = one(|cx| {
        let mut add = |name: &'static str, filter: Filter| cx.add_filter(filter.id(name), note).map(drop);
        add("sender", Filter::new().sender("(unknown)").subject("1"))?;
        add("other sender", Filter::new().sender("imu").subject("1"))?;
        add("recipient", Filter::new().recipient(regex("no.e$")?).subject("2"))?;
        add("body", Filter::new().body("hello").subject("3"))?;
        add("other body", Filter::new().body("goodbye").subject("3"))?;
        add("header", Filter::new().header("Crew", "red").subject("4"))?;
        add("time", Filter::new().sent(ms(60)..).subject("5"))?;
        add("failed", Filter::new().failed(true).subject("6"))?;
        Ok(())
    });
    for (subject, body) in [("1", "one"), ("2", "two"), ("3", "Hello"), ("4", "no crew"), ("5", "early"), ("6", "fine")]
    {
        running.mail(Mail::to("node").subject(subject.to_owned()).body(body)).unwrap();
    }
    running.mail(Mail::to("node").subject("4").body("crew").header("crew", "RED")).unwrap();
    assert_eq!(tick(&mut running), ["one", "two", "Hello", "crew"]);
    running.mail(Mail::to("node").subject("5").body("late")).unwrap();
    assert_eq!(tick(&mut running), ["late"]);
    assert_eq!(running.report().unmatched, 3, "no crew, early, fine");
}

#[test]
fn a_route_of_ones_own_has_filters_of_its_own() {
    let node = Node {
        ran: Vec::new(),
        birth: |cx| {
            // Delivered before the route has a filter: it waits for the mailman.
            cx.deliver("radio", Mail::to("node").subject("ping").body("from the radio"));
            cx.add_filter_on("radio", Filter::new().subject("ping"), |node, mail, cx| {
                node.ran.push(format!("radio {} {}", cx.now().as_millis(), mail.body()));
                Ok(())
            })?;
            cx.add_filter(Filter::new().subject("ping"), note)?;
            Ok(())
        },
        life: |_, cx| {
            if cx.now() == ms(100) {
                cx.deliver("radio", Mail::to("node").subject("ping").body(format!("at {:?}", cx.now())));
                cx.deliver("radio", Mail::to("node").subject("noise"));
            }
            Ok(())
        },
    };
    let mut running = simulated().add_process(node, (hz(10), named("node"))).build().unwrap();
    running.mail(Mail::to("node").subject("ping").body("by mail")).unwrap();
    running.run_for(ms(400));
    let ran = &running.get::<Node>("node").unwrap().ran;
    assert_eq!(ran[..], ["by mail", "radio 0 from the radio", "radio 200 at 100ms"]);
    assert_eq!(running.report().unmatched, 1, "noise");
}

#[test]
fn a_relayed_question_is_no_debt_of_the_relay() {
    common::scripted!(Asker);
    let log = Log::default();
    let note = log.clone();
    let mut pending: Option<Pending> = None;
    let asker = Asker::new().life(move |cx| {
        if cx.now() == ms(100) {
            pending = Some(cx.ask(Mail::to("node").subject("question"), ms(2000)));
        }
        if let Some(outcome) = pending.as_mut().and_then(Pending::take) {
            note.say(format!("{} {}", cx.now().as_millis(), outcome?.body()));
            pending = None;
        }
        Ok(())
    });
    let relay = Node {
        ran: Vec::new(),
        birth: |cx| {
            cx.add_filter("question".into(), |_, _, cx| {
                cx.forward("server");
                cx.die("passed it on");
                Ok(())
            })?;
            Ok(())
        },
        life: |_, _| Ok(()),
    };
    common::scripted!(Server);
    let server = Server::new().birth(|cx| {
        cx.add_filter("question".into(), |_, mail, cx| {
            assert_eq!(mail.relayed_by().collect::<Vec<_>>(), ["node"]);
            assert!(mail.sender() == "asker" && mail.recipient() == "node" && mail.failed().is_none());
            cx.reply(mail, "because").map(drop).map_err(Into::into)
        })?;
        Ok(())
    });
    let mut running = simulated()
        .add_process(asker, (hz(10), named("asker")))
        .add_process(relay, (hz(10), named("node")))
        .add_process(server, (hz(1), named("server")))
        .build()
        .unwrap();
    running.run_for(ms(1500));
    assert_eq!(log.take(), ["1100 because"], "its death does not end the wait");
    running.finish().assert_clean();
}
