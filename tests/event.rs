//! Events: from the process itself, from threads, in order, bounded and counted.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::event::EVENT_LIMIT;
use polycephaly::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// Writes down its events and its lives.
#[derive(Component, Default)]
struct Board {
    log: Log,
}

impl Process for Board {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        assert!(!cx.on_event("Pong", Self::pong));
        assert!(!cx.on_event("text", |board, event, _| {
            board.log.say(event.to_string());
            Ok(())
        }));
        assert_eq!(cx.events(), ["Pong", "text"]);
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.log.say(format!("life {}", cx.now().as_millis()));
        if cx.now() == ms(100) {
            cx.emit(Event::new("pong").body(7_u64))?;
        }
        Ok(())
    }
}

impl Board {
    fn pong(&mut self, event: &Event, cx: &mut Context<Self>) -> Result {
        let number = event.get::<u64>().ok_or("no number")?;
        self.log.say(format!("pong {number} of {} at {}", event.time().as_millis(), cx.now().as_millis()));
        Ok(())
    }
}

fn board(log: &Log) -> Board {
    Board { log: log.clone() }
}

#[test]
fn an_event_is_heard_before_the_next_life_with_its_payload() {
    let log = Log::default();
    let mut running = simulated().add_process(board(&log), (hz(10), named("board"))).build().unwrap();
    running.run_for(ms(250));
    assert_eq!(log.take(), ["life 0", "life 100", "pong 7 of 100 at 200", "life 200"]);
    let emitter = running.handle().emitter("BOARD").unwrap();
    std::thread::spawn(move || {
        emitter.emit(Event::new("PONG").body(8_u64)).unwrap();
        emitter.emit(Event::new("text").body(json!({"a": 1}))).unwrap();
        emitter.emit("text").unwrap();
        emitter.emit(Event::new("pong").body(9_u64)).unwrap();
    })
    .join()
    .unwrap();
    running.run_for(ms(100));
    assert_eq!(
        log.take(),
        [
            "pong 8 of 250 at 300",
            "text at 250ms: {\"a\":1}",
            "text at 250ms: (empty)",
            "pong 9 of 250 at 300",
            "life 300"
        ]
    );
    let events = running.report().process("board").unwrap().events;
    assert_eq!((events.emitted, events.delivered, events.unheard, events.refused, events.lost), (5, 5, 0, 0, 0));
}

#[test]
fn with_delivery_at_the_next_tick_what_a_tick_emits_waits_for_a_later_one() {
    let log = Log::default();
    let emits = |cx: &mut Context<Script>| -> Result {
        let board = cx.address_of("board")?;
        let _ = board;
        Ok(())
    };
    let mut running = simulated()
        .delivery(Delivery::NextTick)
        .add_process(Script::new().life(emits), hz(10))
        .add_process(board(&log), (hz(10), named("board")))
        .build()
        .unwrap();
    let emitter = running.handle().emitter("board").unwrap();
    // Between two ticks, at the very instant of the next: not before that one.
    running.run_for(ms(200));
    emitter.emit(Event::new("pong").body(1_u64)).unwrap();
    running.run_for(ms(101));
    let lines = log.take();
    assert_eq!(lines[2..], ["pong 7 of 100 at 200", "life 200", "pong 1 of 200 at 300", "life 300"]);
}

#[test]
fn one_without_a_callback_is_counted_and_another_callback_takes_the_place_of_the_first() {
    let script = Script::new().birth(|cx| {
        assert!(!cx.on_event("a", |_, _, _| panic!("replaced")));
        assert!(cx.on_event("A", |_, _, _| Ok(())));
        assert!(!cx.on_event("b", |_, _, _| panic!("removed")));
        assert!(cx.remove_event("B"));
        assert!(!cx.remove_event("B"));
        for name in ["a", "b", "b", "c"] {
            cx.emit(name)?;
        }
        Ok(())
    });
    let exit = simulated().add_process(script, (hz(10), named("p"))).run_for(ms(10));
    let events = exit.report().process("p").unwrap().events;
    assert_eq!((events.emitted, events.delivered, events.unheard), (4, 4, 3));
    exit.assert_clean();
    assert!(exit.report().to_string().contains("p had 4 event(s), 3 without a callback, 0 refused, 0 lost"));
}

#[test]
fn too_many_are_refused_and_handed_back_and_a_body_is_dropped_once() {
    let mut running = simulated().add_process(Board::default(), (hz(10), named("board"))).build().unwrap();
    let emitter = running.handle().emitter("board").unwrap();
    let body = Arc::new(());
    for _ in 0..EVENT_LIMIT {
        emitter.emit(Event::new("full").body(body.clone())).unwrap();
    }
    let error = emitter.emit(Event::new("over").body(body.clone())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1000 events wait for \"board\": \"over\" was not taken; emit fewer, or let it live more often"
    );
    assert!(error.into_event().get::<Arc<()>>().is_some());
    assert_eq!(Arc::strong_count(&body), EVENT_LIMIT + 1);
    running.run_for(ms(10));
    assert_eq!(Arc::strong_count(&body), 1);
    let events = running.report().process("board").unwrap().events;
    assert_eq!((events.emitted, events.refused), (1000, 1));
}

#[test]
fn after_the_owners_death_it_is_an_error_and_what_waited_is_lost() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(board(&log), (hz(10), named("board")))
        .add_process(Script::new(), hz(10))
        .build()
        .unwrap();
    let emitter = running.handle().emitter("board").unwrap();
    running.run_for(ms(50));
    emitter.emit("text").unwrap();
    running.handle().stop("board", "enough").unwrap();
    running.run_for(ms(1));
    let error = emitter.emit("text").unwrap_err();
    assert_eq!(error.to_string(), "\"board\" does not live: the event \"text\" was not taken; emit while it lives");
    assert_eq!(log.take(), ["life 0"]);
    running.handle().start("board").unwrap();
    running.run_for(ms(1));
    emitter.emit("text").unwrap();
    running.run_for(ms(100));
    assert_eq!(log.take(), ["text at 52ms: (empty)", "life 100"]);
    let events = running.report().process("board").unwrap().events;
    assert_eq!((events.emitted, events.delivered, events.lost, events.refused), (3, 1, 1, 1));
    drop(running);
    assert!(emitter.emit("text").is_err());
}

#[test]
fn a_callback_that_fails_stays_the_processs_own() {
    let script = Script::new().birth(|cx| {
        cx.on_event("bad", |_, _, _| Err("as told")?);
        cx.on_event("worse", |_, _, _| panic!("as told"));
        for name in ["bad", "bad", "worse", "bad"] {
            cx.emit(name)?;
        }
        Ok(())
    });
    let application = simulated().add_process(script, (hz(10), named("p"))).add_process(Script::new(), hz(10));
    let exit = application.run_for(secs(1));
    let report = exit.report().process("p").unwrap();
    assert_eq!((report.errors, report.panics, report.lives), (2, 1, 0));
}

#[test]
fn paused_it_hears_nothing_until_it_goes_on() {
    let log = Log::default();
    let mut running = simulated().add_process(board(&log), (hz(10), named("board"))).build().unwrap();
    running.handle().pause("board").unwrap();
    running.run_for(ms(1));
    running.handle().emitter("board").unwrap().emit("text").unwrap();
    running.run_for(ms(500));
    let lines = log.take();
    assert!(!lines.iter().any(|line| line.starts_with("text")), "{lines:?}");
    running.handle().resume("board").unwrap();
    running.run_for(ms(200));
    let lines = log.take();
    assert_eq!(lines.iter().filter(|line| line.starts_with("text")).count(), 1, "{lines:?}");
}
