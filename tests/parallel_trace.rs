//! Lives of a `Parallel` type that do at random all that a life can do: the same trace on any number of threads.

mod common;

use common::{Log, alone, ms, named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::rand::Rng;
#[cfg(feature = "parallel")]
use proptest::prelude::*;

/// The latest word of any cell.
struct Word(String);

/// Does in each life what its dice say, of all that a life can ask for.
#[derive(Component)]
struct Cell {
    log: Log,
    generation: u32,
    size: u64,
    sink: Option<Address>,
    pending: Vec<Pending>,
    /// All that it has seen.
    lines: Vec<String>,
}

impl Cell {
    fn new(log: &Log, size: u64, generation: u32) -> Self {
        Self { log: log.clone(), generation, size, sink: None, pending: Vec::new(), lines: Vec::new() }
    }

    fn sent(&mut self, sent: Result<Sent, SendError>) {
        match sent {
            Ok(sent) => self.lines.push(format!("sent {} {:?}", sent.id(), sent.dropped())),
            Err(error) => self.lines.push(error.to_string()),
        }
    }

    fn sends(&mut self, dice: u64, cx: &mut Context<Self>) {
        let to = ["sink", "remote", "tiny", "oldest", "newest", "latest", "urgent", "nobody"][dice as usize % 8];
        let draft = Mail::to(to).subject(["a", "b"][dice as usize / 8 % 2]).body(dice);
        let other = format!("cell-{}", dice / 16 % self.size);
        match dice / 16 % 8 {
            0 => cx.tell(to, "told", format!("{} {dice}", cx.name())),
            1 => {
                let sink = self.sink.as_ref().expect("found at birth");
                let sent = cx.send(Mail::to(sink).subject("address").body(dice));
                self.sent(sent);
            }
            2 => {
                let sent = cx.send(Mail::to(&other).subject("peer").body(dice).priority(dice as i8 / 32));
                self.sent(sent);
            }
            3 => self.pending.push(cx.ask(draft, ms(35))),
            4 => {
                let asked = cx.ask_then(draft, ms(35), |cell, reply, cx| {
                    cell.lines.push(format!("{:?} {reply:?}", cx.now()));
                    Ok(())
                });
                self.lines.push(format!("{asked:?}"));
            }
            5 => {
                let all = cx.send_all(Mail::to_all(["sink", "nobody", &other, "tiny"]).subject("all").body(dice));
                all.into_iter().for_each(|sent| self.sent(sent));
            }
            6 => {
                let sent = cx.send(Mail::to("urgent").urgent().body(dice));
                self.sent(sent);
            }
            _ => {
                let sent = cx.send(draft);
                self.sent(sent);
            }
        }
    }

    fn acts(&mut self, dice: u64, cx: &mut Context<Self>) -> Result {
        let other = format!("cell-{}", dice / 32 % self.size);
        match dice % 32 {
            0..8 => cx.publish(Word(format!("{} {dice}", cx.name()))),
            8 => {
                cx.after(ms(dice % 40), |cell, cx| {
                    cell.lines.push(format!("rang {:?}", cx.now()));
                    cx.tell("sink", "rang", cx.name().to_owned());
                    Ok(())
                });
            }
            9 if self.generation < 2 => cx.spawn(Cell::new(&self.log, self.size, self.generation + 1), hz(100)),
            10 if self.generation > 0 => cx.die("dice"),
            11 => return Err("dice".into()),
            12 if dice.is_multiple_of(7) => panic!("dice"),
            13 => cx.emit(Event::new("self").body(dice))?,
            14 => cx.deliver("route", Mail::to("").subject("routed").body(dice)),
            15 => cx.set_frequency([hz(100), hz(50)][dice as usize / 32 % 2]),
            16 => cx.consume(ms(1)),
            17 => cx.restart(&other, "dice")?,
            18 => cx.pause(&*other)?,
            19..22 => cx.resume(&*other)?,
            22 => cx.stop(&other, "dice")?,
            23..26 => cx.start(&other)?,
            26 => self.sent(cx.send_pill(&other)),
            27 => cx.forward("sink"),
            28 => cx.restart("remote", "dice")?,
            29 => cx.group((hz(50), ""), |group| group.overrun(Overrun::Skip)),
            30 => self.lines.push(format!("{:?} {:?}", cx.frequency(), cx.frame())),
            _ => {}
        }
        Ok(())
    }
}

impl Process for Cell {
    const PARALLEL: Parallel = Parallel::from(2);

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.log.say(format!("{} born {:?}", cx.name(), cx.now()));
        self.sink = Some(cx.address_of("sink")?);
        cx.add_filter(Filter::new(), |cell, mail, cx| {
            cell.lines.push(format!("{:?} {} {}", cx.now(), mail, mail.id()));
            Ok(())
        })?;
        cx.add_filter_on("route", Filter::new(), |cell, mail, _| {
            cell.lines.push(format!("{mail} {}", mail.id()));
            Ok(())
        })?;
        cx.on_event("self", |cell, event, _| {
            cell.lines.push(format!("{event}"));
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let word = cx.latest::<Word>().map(|word| format!("{} {:?}", word.0, word.time()));
        self.lines.push(format!("{:?} {:?} {word:?}", cx.now(), cx.dt()));
        for mut pending in std::mem::take(&mut self.pending) {
            match pending.take() {
                None => self.pending.push(pending),
                Some(reply) => self.lines.push(format!("{reply:?}")),
            }
        }
        for _ in 0..cx.rng().next_u64() % 3 {
            let dice = cx.rng().next_u64() >> 8;
            self.sends(dice, cx);
        }
        let dice = cx.rng().next_u64() >> 8;
        self.acts(dice, cx)
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        self.log.say(format!("{} dead {:?} {:?}", cx.name(), cx.now(), cx.cause()));
        self.log.say(self.lines.join("\n"));
        Ok(())
    }
}

/// Writes down the mail it reads in the order of reading, and answers some.
#[derive(Component)]
struct Sink(Log);

impl Process for Sink {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.0.say(format!("{} born {:?}", cx.name(), cx.now()));
        cx.add_filter(Filter::new(), |sink, mail, cx| {
            sink.0.say(format!("{} {:?} {mail} {} {}", cx.name(), cx.now(), mail.id(), mail.thread()));
            if mail.get::<u64>().is_some_and(|dice| !dice.is_multiple_of(5)) {
                let _ = cx.reply(mail, 7_u64);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let word = cx.latest::<Word>().map(|word| format!("{} by {}", word.0, word.publisher().name()));
        self.0.say(format!("{} {:?} {word:?} {:?}", cx.name(), cx.now(), cx.address().mail_count()));
        Ok(())
    }
}

/// All that can be seen of a run from outside.
type Trace = (Vec<String>, Report);

/// What `size` cells do on so many threads. On a thread of its own: the threads that help are those of a thread.
fn trace(workers: usize, size: u64, seed: u64, delivery: Delivery, time: Duration) -> Trace {
    let run = move || {
        let (log, letters) = (Log::default(), Log::default());
        let writes = letters.clone();
        let mut application = simulated()
            .workers(workers)
            .seed(seed)
            .delivery(delivery)
            .poison_pill("pill")
            .on_dead_letter(move |mail, why| writes.say(format!("{mail} {} {why:?}", mail.id())))
            .add_head(Head::new("other").add_process(Sink(log.clone()), (hz(100), named("remote"))))
            .add_process(Sink(log.clone()), (hz(100), named("sink"), MailboxSize(1000)));
        for (name, overflow) in [
            ("tiny", Overflow::Reject),
            ("oldest", Overflow::DropOldest),
            ("newest", Overflow::DropNewest),
            ("latest", Overflow::KeepLatest),
            ("urgent", Overflow::Reject),
        ] {
            application = application.add_process(Sink(log.clone()), (hz(50), named(name), MailboxSize(3), overflow));
        }
        for index in 0..size {
            let settings = (hz(100), named(&format!("cell-{index}")), MailboxSize(8), Order::Priority);
            application = match index % 3 {
                0 => application.add_process(Cell::new(&log, size, 0), (settings, Supervision::restart())),
                1 => application
                    .add_process(Cell::new(&log, size, 0), (settings, Budget::soft(Duration::from_micros(500)))),
                // Another table.
                _ => application.add_process(Cell::new(&log, size, 0), settings),
            };
        }
        let mut running = application.build().unwrap();
        running.run_for(time);
        let report = running.report();
        let mut lines = log.take();
        lines.append(&mut letters.take());
        let world = running.world_mut();
        lines.extend(world.query::<&Cell>().iter(world).map(|cell| cell.lines.join("\n")));
        (lines, report)
    };
    let _alone = alone();
    std::thread::spawn(run).join().unwrap()
}

/// Says where they part.
fn assert_same(one: &Trace, other: &Trace) {
    let mut lines = one.0.iter().zip(&other.0).enumerate();
    if let Some((at, (one, other))) = lines.find(|(_, (one, other))| one != other) {
        panic!("entry {at}: {one}\n\n{other}");
    }
    assert_eq!(one.0.len(), other.0.len());
    assert_eq!(one.1, other.1);
}

#[test]
fn any_number_of_threads_gives_the_same_trace() {
    for delivery in [Delivery::SameTick, Delivery::NextTick] {
        let serial = trace(1, 120, 3, delivery, secs(2));
        let all = serial.0.join("\n");
        for seen in [
            "Full",
            "Closed",
            "Unknown",
            "Superseded",
            "Oldest",
            "Newest",
            "TimedOut",
            "Failed",
            "routed",
            "rang",
            "dead",
        ] {
            assert!(all.contains(seen), "{seen} did not happen");
        }
        let report = &serial.1;
        let sum = |of: fn(&polycephaly::report::ProcessReport) -> u64| report.processes.iter().map(of).sum::<u64>();
        assert!(sum(|it| it.errors) > 10 && sum(|it| it.panics) > 3 && sum(|it| it.restarts) > 10);
        assert!(sum(|it| it.paused) > 10 && report.processes.len() > 130);
        for workers in [2, 3, 7] {
            assert_same(&serial, &trace(workers, 120, 3, delivery, secs(2)));
        }
    }
}

#[cfg(feature = "parallel")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_cut_shows(size in 1..200_u64, workers in 2..9_usize, seed: u64) {
        assert_same(&trace(1, size, seed, Delivery::SameTick, ms(200)), &trace(workers, size, seed, Delivery::SameTick, ms(200)));
    }
}
