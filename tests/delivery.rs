//! When mail can be read: within the tick down a chain of types, one hop a tick among processes of one type; or, with
//! `Delivery::NextTick`, in the first tick of the recipient that starts after the instant of sending.

mod common;

use common::{ms, named, simulated};
use polycephaly::prelude::*;

/// One type of a chain: notes when a number came by, and hands it on, one more.
#[derive(Component)]
struct Stage<const N: usize> {
    next: Option<&'static str>,
    /// Milliseconds, and the number.
    seen: Vec<(u64, u64)>,
}

impl<const N: usize> Stage<N> {
    fn new(next: Option<&'static str>) -> Self {
        Self { next, seen: Vec::new() }
    }

    fn pass(&mut self, number: &u64, cx: &mut Context<Self>) -> Result {
        self.seen.push((cx.now().as_millis() as u64, *number));
        if let Some(next) = self.next {
            cx.send(Mail::to(next).subject("number").body(number + 1))?;
        }
        Ok(())
    }
}

impl<const N: usize> Process for Stage<N> {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(Self::pass);
        Ok(())
    }
}

/// Writes one number in its life at `at`.
#[derive(Component)]
struct Source {
    to: &'static str,
    at: Duration,
}

impl Process for Source {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if cx.now() == self.at {
            cx.send(Mail::to(self.to).subject("number").body(0_u64))?;
        }
        Ok(())
    }
}

fn seen<const N: usize>(running: &Running, name: &str) -> Vec<(u64, u64)> {
    running.get::<Stage<N>>(name).unwrap().seen.clone()
}

/// What three stages in a row saw of a number sent at 100 ms, whether they were added in this order or in the other.
fn chain(delivery: Delivery, forward: bool) -> [Vec<(u64, u64)>; 3] {
    let application = simulated().delivery(delivery);
    let source = Source { to: "a", at: ms(100) };
    let (a, b, c) = (Stage::<0>::new(Some("b")), Stage::<1>::new(Some("c")), Stage::<2>::new(None));
    let (named_a, named_b, named_c) = ((hz(10), named("a")), (hz(10), named("b")), (hz(10), named("c")));
    let application = if forward {
        let application = application.add_process(source, hz(10));
        application.add_process(a, named_a).add_process(b, named_b).add_process(c, named_c)
    } else {
        let application = application.add_process(c, named_c).add_process(b, named_b).add_process(a, named_a);
        application.add_process(source, hz(10))
    };
    let mut running = application.build().unwrap();
    running.run_for(ms(800));
    [seen::<0>(&running, "a"), seen::<1>(&running, "b"), seen::<2>(&running, "c")]
}

#[test]
fn a_chain_of_types_hands_on_within_one_tick() {
    assert_eq!(chain(Delivery::SameTick, true), [[(100, 0)], [(100, 1)], [(100, 2)]]);
}

#[test]
fn against_the_order_of_types_each_hop_takes_a_tick() {
    assert_eq!(chain(Delivery::SameTick, false), [[(200, 0)], [(300, 1)], [(400, 2)]]);
}

#[test]
fn with_next_tick_the_order_of_types_does_not_matter() {
    for forward in [true, false] {
        assert_eq!(chain(Delivery::NextTick, forward), [[(200, 0)], [(300, 1)], [(400, 2)]], "{forward}");
    }
}

#[test]
fn with_next_tick_it_is_the_first_tick_that_starts_after_the_sending_instant() {
    // Sent at 300 ms by a group of 10 Hz. Shorter periods go first at one instant, longer ones after: neither reads it then.
    for (frequency, expected) in [(hz(100), 310), (hz(20), 350), (hz(10), 400), (hz(5), 400), (hz((5, 3)), 600)] {
        let application = simulated().delivery(Delivery::NextTick);
        let application = application
            .add_process(Source { to: "reader", at: ms(300) }, (hz(10), named("source")))
            .add_process(Stage::<0>::new(None), (frequency, named("reader")));
        let mut running = application.build().unwrap();
        running.run_for(ms(1300));
        assert_eq!(seen::<0>(&running, "reader"), [(expected, 0)], "{frequency}");
    }
}

#[test]
fn with_same_tick_a_longer_period_reads_at_the_very_instant() {
    for (frequency, expected) in [(hz(100), 310), (hz(20), 350), (hz(5), 400), (hz((10, 3)), 300)] {
        let application = simulated()
            .add_process(Source { to: "reader", at: ms(300) }, (hz(10), named("source")))
            .add_process(Stage::<0>::new(None), (frequency, named("reader")));
        let mut running = application.build().unwrap();
        running.run_for(ms(1300));
        assert_eq!(seen::<0>(&running, "reader"), [(expected, 0)], "{frequency}");
    }
}

#[test]
fn a_late_tick_reads_what_was_sent_before_it_started() {
    // The source's life at 100 ms takes until 130 ms: the reader's ticks at 100, 110 and 120 ms start late, as one at 130 ms.
    #[derive(Component)]
    struct Slow;
    impl Process for Slow {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            if cx.now() == ms(100) {
                cx.send(Mail::to("reader").subject("number").body(0_u64))?;
                cx.consume(ms(30));
            }
            Ok(())
        }
    }
    let mut running = simulated()
        .delivery(Delivery::NextTick)
        .add_process(Slow, (hz(200), named("slow")))
        .add_process(Stage::<0>::new(None), (hz(100), named("reader")))
        .build()
        .unwrap();
    running.run_for(ms(300));
    assert_eq!(seen::<0>(&running, "reader"), [(130, 0)]);
}

/// A ring of one type in which everybody holds a number: (milliseconds, number) as one of them saw them.
fn ring(size: usize, delivery: Delivery) -> Running {
    let names: Vec<&'static str> = (0..size).map(|index| &*format!("ring-{index}").leak()).collect();
    let mut application = simulated().delivery(delivery);
    for (index, name) in names.iter().enumerate() {
        let link = Stage::<0>::new(Some(names[(index + 1) % size]));
        application = application.add_process(link, (hz(10), named(name)));
    }
    let mut running = application.build().unwrap();
    for name in names {
        running.mail(Mail::to(name).subject("number").body(0_u64)).unwrap();
    }
    running.run_for(ms(1000));
    running
}

#[test]
fn among_processes_of_one_type_a_mail_makes_one_hop_a_tick() {
    // More than a mailbox holds: if a mail went on to the next within the round, they would heap up.
    for delivery in [Delivery::SameTick, Delivery::NextTick] {
        let mut running = ring(120, delivery);
        for index in [0, 1, 60, 119] {
            let seen = seen::<0>(&running, &format!("ring-{index}"));
            let numbers: Vec<u64> = seen.iter().map(|(_, number)| *number).collect();
            // Mail from outside at the first instant is read at it, or with NextTick after it.
            let ticks = if delivery == Delivery::SameTick { 10 } else { 9 };
            assert_eq!(numbers, Vec::from_iter(0..ticks), "ring-{index} {delivery:?}");
        }
        let report = running.report();
        assert!(report.processes.iter().all(|it| it.errors == 0 && it.mail.refused == 0 && it.mail.high_water <= 2));
    }
}

#[test]
fn more_than_one_tick_may_read_waits_for_the_next() {
    let application = simulated().add_process(Stage::<0>::new(None), (hz(10), named("reader"), MailboxSize::UNBOUNDED));
    let mut running = application.build().unwrap();
    for number in 0..2500_u64 {
        running.mail(Mail::to("reader").subject("number").body(number)).unwrap();
    }
    running.run_for(ms(500));
    let seen = seen::<0>(&running, "reader");
    let at = |millis| seen.iter().filter(|(at, _)| *at == millis).count();
    assert_eq!([at(0), at(100), at(200)], [1000, 1000, 500]);
    assert!(seen.iter().map(|(_, number)| *number).eq(0..2500), "in order");
}

#[test]
fn a_mail_to_oneself_is_read_in_the_next_tick() {
    let running = ring(1, Delivery::SameTick);
    let expected: Vec<_> = (0..10).map(|number| (100 * number, number)).collect();
    assert_eq!(seen::<0>(&running, "ring-0"), expected);
}

/// Notes what it gets, in order.
#[derive(Component, Default)]
struct Inbox(Vec<String>);

impl Process for Inbox {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new(), |inbox, mail, _| {
            inbox.0.push(format!("{} {}", mail.sender(), mail.subject()));
            Ok(())
        })?;
        Ok(())
    }
}

#[test]
fn with_next_tick_the_order_is_that_of_urgency_priority_time_and_birth() {
    common::scripted!(Fast);
    common::scripted!(Slow);
    // The older one is slower: at an instant it writes after the younger one, and is read before.
    let older = Slow::new().life(|cx| {
        cx.send(Mail::to("inbox").subject("plain"))?;
        Ok(())
    });
    let younger = Fast::new().life(|cx| {
        cx.send(Mail::to("inbox").subject("plain"))?;
        if cx.now() == ms(100) {
            cx.send(Mail::to("inbox").subject("dear").priority(3))?;
            cx.send(Mail::to("inbox").subject("urgent").urgent())?;
        }
        Ok(())
    });
    let mut running = simulated()
        .delivery(Delivery::NextTick)
        .add_process(older, (hz(10), named("older")))
        .add_process(younger, (hz(20), named("younger")))
        .add_process(Inbox::default(), (hz(5), named("inbox")))
        .build()
        .unwrap();
    running.run_for(ms(201));
    let expected = [
        "younger urgent",
        "younger dear",
        "older plain",   // 0 ms
        "younger plain", // 0 ms
        "younger plain", // 50 ms
        "older plain",   // 100 ms
        "younger plain", // 100 ms
        "younger plain", // 150 ms
    ];
    assert_eq!(running.get::<Inbox>("inbox").unwrap().0, expected);
}

/// Writes down what it gets where others can read it when it is dead, and dies in its first life.
#[derive(Component)]
struct Mortal(common::Log);

impl Process for Mortal {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new(), |mortal, mail, _| {
            mortal.0.say(format!("{} {}", mail.sender(), mail.subject()));
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        cx.die("enough");
        Ok(())
    }
}

#[test]
fn with_next_tick_the_last_mail_before_a_death_is_read_in_that_order_too() {
    common::scripted!(Fast);
    common::scripted!(Slow);
    let older = Slow::new().life(|cx| {
        cx.send(Mail::to("mortal").subject("plain"))?;
        Ok(())
    });
    let younger = Fast::new().life(|cx| {
        cx.send(Mail::to("mortal").subject("plain"))?;
        Ok(())
    });
    let log = common::Log::default();
    let mut running = simulated()
        .delivery(Delivery::NextTick)
        .add_process(older, (hz(10), named("older")))
        .add_process(younger, (hz(20), named("younger")))
        .add_process(Mortal(log.clone()), (hz(5), named("mortal")))
        .build()
        .unwrap();
    // It all happens at 0 ms, the faster group first.
    running.run_for(ms(1));
    assert_eq!(log.take(), ["older plain", "younger plain"]);
}

/// Marks that put processes of one type into tables of their own.
#[derive(Component)]
struct Mark<const N: usize>;

common::scripted!(
    #[component(storage = "SparseSet")]
    Apart
);

#[test]
fn wherever_processes_of_a_type_are_stored_a_mail_makes_one_hop_a_tick() {
    let link = |next| Stage::<0>::new(Some(next));
    let mut running = simulated()
        .add_process(link("b"), (hz(10), named("a"), Mark::<0>))
        .add_process(link("c"), (hz(10), named("b"), Mark::<1>))
        .add_process(link("d"), (hz(10), named("c"), Mark::<2>))
        .add_process(link("e"), (hz(10), named("d"), Mark::<3>))
        .add_process(link("f"), (hz(10), named("e"), Mark::<4>))
        .add_process(link("g"), (hz(10), named("f"), Mark::<5>))
        .add_process(link("a"), (hz(10), named("g"), Mark::<6>))
        .build()
        .unwrap();
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    for name in names {
        running.mail(Mail::to(name).subject("number").body(0_u64)).unwrap();
    }
    running.run_for(ms(1000));
    for name in names {
        let numbers: Vec<u64> = seen::<0>(&running, name).iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, Vec::from_iter(0..10), "{name}");
    }
}

#[test]
fn who_has_no_table_of_its_own_reads_as_well() {
    let log = common::Log::default();
    let mut application = simulated();
    for name in ["a", "b", "c"] {
        let note = log.clone();
        let apart = Apart::new().birth(move |cx| {
            let note = note.clone();
            // A callback is a plain function: what it notes goes by way of a topic.
            cx.publish(note);
            cx.add_filter(Filter::new(), |_, mail, cx| {
                let note = cx.latest::<common::Log>().ok_or("no log")?;
                note.say(format!("{} {} {}", cx.now().as_millis(), cx.name(), mail.subject()));
                if mail.subject() == "first" {
                    cx.send(Mail::to("c").subject("second"))?;
                }
                Ok(())
            })?;
            Ok(())
        });
        application = application.add_process(apart, (hz(10), named(name)));
    }
    let mut running = application.build().unwrap();
    running.mail(Mail::to("a").subject("first")).unwrap();
    running.mail(Mail::to("c").subject("first")).unwrap();
    running.run_for(ms(300));
    assert_eq!(log.take(), ["0 a first", "0 c first", "100 c second", "100 c second"]);
    running.finish().assert_clean();
}
