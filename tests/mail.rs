//! Mail from process to process: delivery, filters, replies, asks, passing on.

mod common;

use common::{ms, named, simulated};
use polycephaly::prelude::*;

type Hook = fn(&mut Node, &mut Context<Node>) -> Result;

fn nothing(_: &mut Node, _: &mut Context<Node>) -> Result {
    Ok(())
}

/// Writes down all it gets; what it does is up to the test.
#[derive(Component)]
struct Node {
    got: Vec<String>,
    birth: Hook,
    life: Hook,
}

impl Node {
    fn new(birth: Hook, life: Hook) -> Self {
        Self { got: Vec::new(), birth, life }
    }

    /// Reads everything, and does nothing else.
    fn reader() -> Self {
        Self::new(|_, cx| cx.add_filter(Filter::new(), Self::note).map(drop).map_err(Into::into), nothing)
    }

    /// Reads everything, and does this in its first life.
    fn once(life: Hook) -> Self {
        Self { life, ..Self::reader() }
    }

    fn note(&mut self, mail: &Mail, cx: &mut Context<Self>) -> Result {
        let failed = if mail.failed().is_some() { " failed" } else { "" };
        let line = format!("{} {} {} {}{failed}", cx.now().as_millis(), mail.sender(), mail.subject(), mail.body());
        self.got.push(line);
        Ok(())
    }
}

impl Process for Node {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        (self.birth)(self, cx)
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        (self.life)(self, cx)
    }
}

/// At 10 Hz, in this order, for this long.
fn run(application: Application, nodes: Vec<(&str, Node)>, millis: u64) -> Running {
    let mut application = application;
    for (name, node) in nodes {
        application = application.add_process(node, (hz(10), named(name)));
    }
    let mut running = application.build().unwrap();
    running.run_for(ms(millis));
    running
}

fn got(running: &Running, name: &str) -> Vec<String> {
    running.get::<Node>(name).unwrap().got.clone()
}

fn first(cx: &Context<Node>) -> bool {
    cx.now().is_zero()
}

#[test]
fn a_question_and_a_ping_come_back() {
    fn ask(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            cx.send(Mail::to("PONG").subject("ping").body(7_u64))?;
            cx.ask_then(Mail::to("pong").subject("why"), ms(1000), |node, reply, _| {
                node.got.push(format!("answer {}", reply?.body()));
                Ok(())
            })?;
        }
        Ok(())
    }
    fn answer(_: &mut Node, cx: &mut Context<Node>) -> Result {
        cx.add_filter(Filter::new().subject(regex("pi.g")?), |_, mail, cx| {
            cx.reply(mail, format!("{}", mail.get::<u64>().ok_or("no number")? + 1))?;
            Ok(())
        })?;
        cx.add_filter(Filter::new(), |_, mail, cx| cx.reply(mail, "because").map(drop).map_err(Into::into))?;
        Ok(())
    }
    let nodes = vec![("ping", Node::once(ask)), ("pong", Node::new(answer, nothing))];
    let running = run(simulated(), nodes, 500);
    // Both are of one type: what the lives of a tick send is read in the next.
    assert_eq!(got(&running, "ping"), ["200 pong ping 8", "answer because"]);
    running.finish().assert_clean();
}

/// A second type, later in the order of registration.
#[derive(Component, Default)]
struct After(Vec<u64>);

impl Process for After {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|this, number, cx| {
            this.0.extend([*number, cx.now().as_millis() as u64]);
            Ok(())
        });
        Ok(())
    }
}

#[test]
fn a_chain_of_types_passes_mail_on_within_one_tick_unless_told_otherwise() {
    for (delivery, at) in [(Delivery::SameTick, 0), (Delivery::NextTick, 100)] {
        let sender = Node::new(nothing, |_, cx| {
            if first(cx) {
                cx.tell("after", "number", 7_u64);
            }
            Ok(())
        });
        let application = simulated().delivery(delivery);
        let application =
            application.add_process(sender, hz(10)).add_process(After::default(), (hz(10), named("after")));
        let mut running = application.build().unwrap();
        running.run_for(ms(300));
        assert_eq!(running.get::<After>("after").unwrap().0, [7, at], "{delivery:?}");
    }
}

#[test]
fn fall_through_filters_run_only_where_nothing_else_matched_and_several_may() {
    fn birth(_: &mut Node, cx: &mut Context<Node>) -> Result {
        for id in ["first", "second"] {
            cx.add_filter(Filter::new().id(id), |node, mail, _| {
                node.got.push(format!("fell through: {}", mail.subject()));
                Ok(())
            })?;
        }
        cx.add_filter(Filter::new().subject("Pose"), |node, _, _| {
            node.got.push("pose".into());
            Err("a failing callback".into())
        })?;
        cx.add_filter(Filter::new().subject("pose"), |node, _, _| {
            node.got.push("pose again".into());
            Ok(())
        })?;
        let twice = cx.add_filter(Filter::new().id("first"), Node::note);
        assert!(twice.unwrap_err().to_string().contains("first"));
        Ok(())
    }
    let running = run(simulated(), vec![("a", Node::new(birth, nothing))], 50);
    running.mail(Mail::to("A").subject("POSE")).unwrap();
    running.mail(Mail::to("a").subject("other")).unwrap();
    let mut running = running;
    running.run_for(ms(100));
    assert_eq!(got(&running, "a"), ["pose", "pose again", "fell through: other", "fell through: other"]);
    assert_eq!(running.report().process("a").unwrap().errors, 1);
}

#[test]
fn unknown_recipients_full_boxes_and_unmatched_mail_are_told_and_counted() {
    fn flood(node: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            let error = cx.send(Mail::to("nobody").subject("s").body(1_u8)).unwrap_err();
            assert_eq!(error.kind(), SendErrorKind::Unknown);
            cx.tell("nobody", "s", 2_u8);
            let to_all = Mail::to_all(["small", "nobody", "flood"]).subject("all").body("x");
            node.got.extend(cx.send_all(to_all).iter().map(|sent| format!("sent: {}", sent.is_ok())));
            let error = cx.send(Mail::to("small").body(String::from("kept"))).unwrap_err();
            assert_eq!(error.kind(), SendErrorKind::Full { limit: 1 });
            cx.send(Mail::to("small").subject("now").urgent())?;
            let draft = error.into_draft();
            assert_eq!(cx.send(draft).unwrap_err().kind(), SendErrorKind::Full { limit: 1 });
        }
        Ok(())
    }
    let small = (hz(10), named("small"), MailboxSize(1));
    let application = simulated().add_process(Node::new(nothing, nothing), small);
    let mut running = run(application, vec![("flood", Node::once(flood))], 200);
    assert_eq!(got(&running, "flood"), ["sent: true", "sent: false", "sent: true", "100 flood all x"]);
    let report = running.report();
    let mail = report.process("small").unwrap().mail;
    assert_eq!((mail.received, mail.refused, mail.delivered, mail.high_water), (2, 2, 2, 2));
    assert_eq!((report.dead_letters, report.unmatched), (1, 2));
}

#[test]
fn asks_end_by_answer_by_time_out_and_by_death() {
    fn ask(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            for name in ["mute", "mortal", "nobody"] {
                let asked = cx.ask_then(Mail::to(name).subject("q"), ms(250), |node, reply, cx| {
                    node.got.push(format!("{} {}", cx.now().as_millis(), reply.unwrap_err()));
                    Ok(())
                });
                assert_eq!(asked.is_err(), name == "nobody");
            }
        }
        Ok(())
    }
    fn mortal(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if cx.now() == ms(100) {
            cx.die("old age");
        }
        Ok(())
    }
    let nodes = vec![("ask", Node::once(ask)), ("mute", Node::reader()), ("mortal", Node::once(mortal))];
    let running = run(simulated(), nodes, 600);
    let expected = [
        "200 \"mortal\" will not answer: it died before answering",
        "300 \"mute\" did not answer within 250ms; give it more time, or do without",
    ];
    assert_eq!(got(&running, "ask"), expected);
}

#[test]
fn a_relay_keeps_thread_and_sender_and_a_full_box_sends_it_back() {
    fn relay(_: &mut Node, cx: &mut Context<Node>) -> Result {
        cx.add_filter(Filter::new().failed(true), Node::note)?;
        cx.add_filter(Filter::new().failed(false), |_, _, cx| {
            cx.forward("end");
            cx.forward("small");
            Ok(())
        })?;
        Ok(())
    }
    fn start(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if cx.now() == ms(100) {
            cx.send(Mail::to("small").subject("first"))?;
            cx.send(Mail::to("relay").subject("way").body("x"))?;
        }
        Ok(())
    }
    // In a slow group, so that its box stays full after its first tick.
    let small = (hz(1), named("small"), MailboxSize(1));
    let application = simulated().add_process(Node::reader(), small);
    let nodes = vec![("start", Node::once(start)), ("relay", Node::new(relay, nothing)), ("end", Node::reader())];
    let running = run(application, nodes, 500);
    assert_eq!(got(&running, "end"), ["300 start way x"]);
    assert_eq!(got(&running, "relay"), ["300 start way x failed"]);
}

#[test]
fn what_is_passed_on_outside_of_a_callback_is_nothing() {
    fn loose(_: &mut Node, cx: &mut Context<Node>) -> Result {
        cx.forward("end");
        Ok(())
    }
    fn start(_: &mut Node, cx: &mut Context<Node>) -> Result {
        cx.tell("reader", "mine", ());
        Ok(())
    }
    let nodes = vec![
        ("start", Node::new(nothing, start)),
        ("loose", Node::new(nothing, loose)),
        ("reader", Node::reader()),
        ("end", Node::reader()),
    ];
    let running = run(simulated(), nodes, 500);
    assert!(!got(&running, "reader").is_empty());
    assert_eq!(got(&running, "end"), [""; 0]);
}

#[test]
fn a_poison_pill_ends_its_recipient_who_says_so() {
    fn kill(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            cx.send_pill("victim")?;
        }
        Ok(())
    }
    let nodes = vec![("killer", Node::once(kill)), ("victim", Node::reader())];
    let mut running = run(simulated(), nodes, 500);
    assert!(got(&running, "killer")[0].ends_with(" halting"));
    let report = running.report();
    assert_eq!(report.process("victim").unwrap().ended_by.as_deref(), Some("\"victim\" died: poison pill of killer"));
}

#[test]
fn mail_follows_its_recipient_and_waits_while_it_is_paused() {
    fn move_on(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            cx.set_frequency(hz(4));
        }
        Ok(())
    }
    let mut running = run(simulated(), vec![("mover", Node::once(move_on)), ("rest", Node::reader())], 50);
    running.mail(Mail::to("mover").subject("a")).unwrap();
    running.mail(Mail::to("rest").subject("b")).unwrap();
    running.handle().pause("rest").unwrap();
    running.run_for(ms(400));
    assert_eq!(got(&running, "mover"), ["250 (unknown) a (empty)"]);
    assert!(got(&running, "rest").is_empty());
    running.handle().resume("rest").unwrap();
    running.run_for(ms(200));
    assert_eq!(got(&running, "rest").len(), 1);
}

#[test]
fn dead_letters_go_to_the_hook_and_the_last_mail_is_read_before_death() {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static DEAD: AtomicU64 = AtomicU64::new(0);
    fn last(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            cx.send(Mail::to(cx.name().to_owned().as_str()).subject("to myself"))?;
            cx.die("done");
        }
        Ok(())
    }
    let application = simulated().on_dead_letter(|_, _| {
        DEAD.fetch_add(1, Relaxed);
    });
    let application = application.add_process(Node::new(nothing, |_, _| panic!("broken")), (hz(10), named("broken")));
    let running = run(application, vec![("last", Node::once(last)), ("keeper", Node::reader())], 0);
    let (broken, last) = ["broken", "last"].map(|name| running.handle().address_of(name).unwrap()).into();
    running.mail(Mail::to("broken").subject("never read")).unwrap();
    running.mail(Mail::to("keeper").subject("read")).unwrap();
    let mut running = running;
    running.run_for(ms(100));
    assert_eq!(last.mail_count().delivered, 1);
    assert_eq!((broken.mail_count().delivered, DEAD.load(Relaxed)), (1, 0));
    assert_eq!(running.mail(Mail::to(&last)).unwrap_err().kind(), SendErrorKind::Closed);
}

#[test]
fn topics_have_an_age_and_a_publisher() {
    fn publish(_: &mut Node, cx: &mut Context<Node>) -> Result {
        if first(cx) {
            cx.publish(7_u32);
        }
        Ok(())
    }
    fn read(node: &mut Node, cx: &mut Context<Node>) -> Result {
        let fresh = cx.latest_within::<u32>(ms(150)).is_some();
        if let Some(latest) = cx.latest::<u32>() {
            node.got.push(format!("{} {} {:?} {fresh}", *latest, latest.publisher().name(), latest.age(cx.now())));
        }
        Ok(())
    }
    let running = run(simulated(), vec![("a", Node::once(publish)), ("b", Node::once(read))], 300);
    assert_eq!(got(&running, "b"), ["7 a 0ns true", "7 a 100ms true", "7 a 200ms false"]);
    assert_eq!(running.handle().latest::<u32>().map(|latest| *latest), Some(7));
}

/// Reads numbers, and stands in no table.
#[derive(Component)]
#[component(storage = "SparseSet")]
struct Sparse(Vec<u64>);

impl Process for Sparse {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|sparse, number, _| {
            sparse.0.push(*number);
            Ok(())
        });
        Ok(())
    }
}

/// Reads numbers.
#[derive(Component, Default)]
struct Dense(Vec<u64>);

impl Process for Dense {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|dense, number, _| {
            dense.0.push(*number);
            Ok(())
        });
        Ok(())
    }
}

/// Writes a number to each of them in each life.
#[derive(Component)]
struct Writer(u64);

impl Process for Writer {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.0 += 1;
        for name in ["one", "other", "sparse"] {
            cx.send(Mail::to(name).subject("number").body(self.0))?;
        }
        Ok(())
    }
}

#[test]
fn mail_of_a_disabled_entity_waits_until_it_is_enabled() {
    use bevy_ecs::entity_disabling::Disabled;
    // Of two in a lane, of one alone, and of one without a table.
    let all = [false, true].map(|alone| [(alone, Delivery::SameTick, 0), (alone, Delivery::NextTick, 1)]);
    for (alone, delivery, under_way) in all.into_iter().flatten() {
        let mut application = simulated().delivery(delivery).add_process(Writer(0), hz(10));
        for name in ["one", "other"] {
            let frequency = if alone && name == "other" { hz(20) } else { hz(10) };
            application = application.add_process(Dense::default(), (frequency, named(name)));
        }
        let mut running = application.add_process(Sparse(Vec::new()), (hz(10), named("sparse"))).build().unwrap();
        running.run_for(ms(500));
        let entities = ["one", "sparse"].map(|name| running.handle().address_of(name).unwrap().entity());
        for entity in entities {
            running.world_mut().entity_mut(entity).insert(Disabled);
        }
        running.run_for(ms(1000));
        let waiting = |running: &mut Running, name: &str| running.report().process(name).unwrap().mail.waiting;
        let waits = [waiting(&mut running, "one"), waiting(&mut running, "sparse")];
        assert_eq!(waits, [10 + under_way; 2], "alone: {alone}, {delivery:?}");
        for entity in entities {
            running.world_mut().entity_mut(entity).remove::<Disabled>();
        }
        running.run_for(ms(500));
        let numbers = running.get::<Writer>("writer").unwrap().0;
        let all: Vec<u64> = (1..=numbers - under_way as u64).collect();
        assert_eq!(running.get::<Dense>("one").unwrap().0, all, "in order, and none is lost");
        assert_eq!(running.get::<Sparse>("sparse").unwrap().0, all);
        // At twice the rate, it has read what was under way.
        assert_eq!(waiting(&mut running, "other"), if alone { 0 } else { under_way });
    }
}
