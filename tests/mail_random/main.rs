//! Random traffic against a slow, obvious model. Processes of every kind of mailbox, on two heads and at several rates, write
//! each other and ask; they move, pause, fail, die and are born anew. At any time the model says where each mail is: none is
//! lost without a count, none is read twice, and mail of one sender keeps its order.
//!
//! A failure shrinks to a short list of steps.

#[path = "../common/mod.rs"]
mod common;
mod model;
mod wild;

use common::{named, simulated};
use model::{ASKERS, Books, Deed, NAMES, Parcel, QUESTION, Style, Tally, bound, name, order, policy};
use polycephaly::prelude::*;
use polycephaly::settings::Settings;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use std::cell::RefCell;
use wild::{Wild, draft, told};

/// Runs, and the steps of each: some 15,000 together. (A lower limit of the steps would be one to how far a failure shrinks.)
const CASES: u32 = 100;
const STEPS: std::ops::Range<usize> = 0..300;

/// Hertz.
const RATES: [u32; 3] = [10, 25, 100];

fn supervision(who: usize) -> Supervision {
    if who.is_multiple_of(2) { Supervision::default() } else { Supervision::restart() }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// To the next due instant.
    Go,
    Do(usize, Deed),
    /// A mail of nobody.
    Write(usize, Style),
    /// Has one die at the next mail that it reads.
    Tire(usize),
    /// Bears one of this name, if there is none.
    Bear(usize),
    Stop(usize),
    Start(usize),
    Restart(usize),
    Pause(usize),
    Resume(usize),
    Move(usize, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..NAMES;
    let style = || {
        (0..2_usize, -1..=1_i8, proptest::bool::weighted(0.1)).prop_map(|(subject, priority, urgent)| Style {
            subject,
            priority,
            urgent,
        })
    };
    let asker = || proptest::sample::select(ASKERS.to_vec());
    prop_oneof![
        16 => Just(Step::Go),
        36 => (who.clone(), who.clone(), style()).prop_map(|(from, to, style)| Step::Do(from, Deed::Write(to, style))),
        12 => (who.clone(), style()).prop_map(|(to, style)| Step::Write(to, style)),
        3 => (asker(), who.clone()).prop_map(|(from, to)| Step::Do(from, Deed::Ask(to))),
        1 => (asker(), who.clone()).prop_map(|(from, to)| Step::Do(from, Deed::Pill(to))),
        2 => who.clone().prop_map(|who| Step::Do(who, Deed::Die)),
        1 => who.clone().prop_map(|who| Step::Do(who, Deed::Fail)),
        1 => who.clone().prop_map(|who| Step::Do(who, Deed::Panic)),
        1 => who.clone().prop_map(Step::Tire),
        6 => who.clone().prop_map(Step::Bear),
        1 => who.clone().prop_map(Step::Stop),
        2 => who.clone().prop_map(Step::Start),
        1 => who.clone().prop_map(Step::Restart),
        1 => who.clone().prop_map(Step::Pause),
        2 => who.clone().prop_map(Step::Resume),
        1 => (who, proptest::sample::select(RATES.to_vec())).prop_map(|(who, rate)| Step::Move(who, rate)),
    ]
}

fn settings(who: usize) -> impl Settings {
    let head = OnHead::new(["main", "main", "main", "far"][who % 4]);
    let mailbox = (bound(who), policy(who), order(who));
    (hz(RATES[who % 3]), named(&name(who)), mailbox, supervision(who), head)
}

/// Keeps it going when all others have died.
#[derive(Component)]
struct Keeper;

impl Process for Keeper {}

fn application(books: &Books, delivery: Delivery) -> Running {
    let letters = books.clone();
    let application = simulated().delivery(delivery).add_head(Head::new("far")).on_dead_letter(move |mail, why| {
        let question = || if mail.subject() == QUESTION { mail.get::<u64>().map(|it| *it as usize) } else { None };
        let number = mail.get::<Parcel>().map(|parcel| parcel.number).or_else(question);
        letters.with(|model| {
            model.dead_letters += 1;
            if let (Some(number), None) = (number, mail.failed()) {
                model.lost(number, why);
            }
        });
    });
    let application = application.add_process(Keeper, (hz(100), named("keeper")));
    let all = (0..NAMES).fold(application, |all, who| all.add_process(Wild::new(books, who), settings(who)));
    all.build().unwrap()
}

/// A step from outside.
fn take_step(step: Step, running: &mut Running, books: &Books) {
    let handle = running.handle();
    let threaten = |who: usize| {
        if let Ok(address) = handle.address_of(&name(who)) {
            books.with(|model| model.slot(&address, who).threatened = true);
        }
    };
    // Nobody may have the name: that is fine here.
    match step {
        Step::Go => assert!(running.step()),
        Step::Do(who, deed) => books.with(|model| model.deeds[who].push(deed)),
        Step::Write(to, style) => {
            let number = books.with(|model| model.write(None, style, handle.now()));
            let address = handle.address_of(&name(to)).ok();
            let told = told(running.mail(draft(books, number, &name(to), style)));
            books.with(|model| model.sent(number, to, address.as_ref(), told));
        }
        Step::Tire(who) => books.with(|model| model.tired[who] = true),
        Step::Bear(who) => {
            if handle.address_of(&name(who)).is_err() {
                handle.spawn(Wild::new(books, who), settings(who));
            }
        }
        Step::Stop(who) => {
            threaten(who);
            let _ = handle.stop(&name(who), "told to");
        }
        Step::Start(who) => drop(handle.start(&name(who))),
        Step::Restart(who) => {
            threaten(who);
            let _ = handle.restart(&name(who), "told to");
        }
        Step::Pause(who) => drop(handle.pause(name(who).as_str())),
        Step::Resume(who) => drop(handle.resume(name(who).as_str())),
        Step::Move(who, rate) => drop(handle.set_frequency(&name(who), hz(rate))),
    }
}

fn run(delivery: Delivery, steps: &[Step]) -> Result<Tally, TestCaseError> {
    let books = Books::default();
    books.with(|model| model.next_tick = delivery == Delivery::NextTick);
    let mut running = application(&books, delivery);
    for (index, step) in steps.iter().enumerate() {
        take_step(*step, &mut running, &books);
        let fault = books.with(|model| model.faults.first().cloned());
        prop_assert!(fault.is_none(), "step {index}, {step:?}: {}", fault.unwrap_or_default());
    }
    books.with(|model| model.boxes.values_mut().for_each(|slot| slot.threatened = true));
    let exit = running.finish();
    let letters = exit.report().dead_letters;
    drop(exit);
    books.with(|model| {
        model.close();
        prop_assert!(model.faults.is_empty(), "at the end: {:#?}", model.faults);
        prop_assert_eq!(letters, model.dead_letters);
        Ok(Tally { steps: steps.len(), ..model.tally })
    })
}

#[test]
fn the_model_knows_where_every_mail_is() {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let tally = RefCell::new(Tally::default());
    let cases = (any::<bool>(), vec(step(), STEPS));
    let outcome = TestRunner::new(config).run(&cases, |(next_tick, steps)| {
        let delivery = if next_tick { Delivery::NextTick } else { Delivery::SameTick };
        *tally.borrow_mut() += run(delivery, &steps)?;
        Ok(())
    });
    if let Err(TestError::Fail(why, (next_tick, steps))) = &outcome {
        let lines: Vec<_> = steps.iter().map(|step| format!("{step:?}\n")).collect();
        panic!(
            "{why}\nwith {}, after these steps:\n{}",
            if *next_tick { "NextTick" } else { "SameTick" },
            lines.concat()
        );
    }
    outcome.unwrap();
    let tally = tally.into_inner();
    println!("{tally:?}");
    assert!(tally.steps > 10_000 && tally.read > 1000, "too little happened: {tally:?}");
    assert!(tally.refused > 200 && tally.dropped > 200, "too little was lost: {tally:?}");
    assert!(tally.boxes > NAMES * CASES as usize + 50, "too few were born: {tally:?}");
    assert!(tally.answered > 20 && tally.unanswered > 20, "too little was asked: {tally:?}");
}
