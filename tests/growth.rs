//! Whatever comes and goes in a simulated day leaves no memory in use behind it: counted by an
//! allocator.

#[path = "common/counting.rs"]
mod counting;

use counting::Counting;
use polycephaly::prelude::*;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// Bytes in use by all threads: what a child thread takes may be freed by another. There is but one test in this file.
static BYTES: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting(|grows, _| {
    BYTES.fetch_add(grows, Relaxed);
});

const HOUR: Duration = Duration::from_secs(3600);
/// By how much the two instants that are compared may differ: hundreds of bytes, as a name is longer or a mail waits. A byte
/// that each of 34,000 births left behind would be more, and so would two bytes of each of the mayor's 2,880 lives.
const BOUND: isize = 4 << 10;

struct Weather(u64);

/// Whatever an application may do over and over, the mayor does in each life; never under the same name where there is one.
#[derive(Component, Default)]
struct Mayor {
    lives: u64,
    answers: u64,
    failed_asks: u64,
    rang: u64,
    heard: u64,
    pending: Option<Pending>,
    /// A spark, before it dies.
    dead: Option<Address>,
    written_to_the_dead: u64,
}

impl Process for Mayor {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_locks(["archive"])?;
        cx.on_event("bell", |mayor, _, _| {
            mayor.heard += 1;
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.lives += 1;
        self.write(cx)?;
        self.ask(cx);
        self.keep_time(cx)?;
        self.raise(cx);
        self.govern(cx)?;
        if self.lives.is_multiple_of(6) {
            self.employ(cx)?;
        }
        Ok(())
    }
}

impl Mayor {
    /// Mail that is read, that matches nothing, that is refused, and that goes to the dead and to nobody.
    fn write(&mut self, cx: &mut Context<Self>) -> Result {
        let number = self.lives;
        cx.send(Mail::to("clerk").subject("word").body(format!("the word of life {number}")).header("number", number))?;
        cx.send(Mail::to("clerk").subject(format!("word {number} that nobody knows")))?;
        cx.tell("sleeper", "wake up", number);
        cx.tell(&format!("nobody-{number}"), "word", number);
        if let Some(dead) = self.dead.take() {
            assert_eq!(cx.send(Mail::to(&dead).subject("word")).unwrap_err().kind(), SendErrorKind::Closed);
            self.written_to_the_dead += 1;
        }
        self.dead = cx.address_of(&format!("spark-{number}-0")).ok();
        Ok(())
    }

    /// Questions that are answered, that are not in time, that are refused, and one whose answer nobody looks at.
    fn ask(&mut self, cx: &mut Context<Self>) {
        let minute = Duration::from_secs(60);
        for (whom, subject) in
            [("clerk", "question"), ("clerk", "riddle"), ("sleeper", "question"), ("nobody", "question")]
        {
            let asked = cx.ask_then(Mail::to(whom).subject(subject).body(self.lives), minute, |mayor, reply, _| {
                *(if reply.is_ok() { &mut mayor.answers } else { &mut mayor.failed_asks }) += 1;
                Ok(())
            });
            self.failed_asks += u64::from(asked.is_err());
        }
        self.pending = Some(cx.ask(Mail::to("clerk").subject("question").body(self.lives), minute));
    }

    /// Timers that ring, and long ones that are cancelled; filters, locks, topics, events.
    fn keep_time(&mut self, cx: &mut Context<Self>) -> Result {
        cx.after(Duration::from_secs(30), |mayor, _| {
            mayor.rang += 1;
            Ok(())
        });
        let day = cx.after(24 * HOUR, |_, _| Ok(()));
        assert!(cx.cancel(day));
        let filter = format!("filter-{}", self.lives);
        cx.add_filter(Filter::new().subject(filter.clone()).id(filter.clone()), |_, _, _| Ok(()))?;
        assert!(cx.remove_filter(&filter).is_some());
        drop(cx.try_lock("archive")?);
        cx.publish(Weather(self.lives));
        cx.emit("bell")?;
        cx.emit(Event::new(format!("noise-{}", self.lives)).body(self.lives))?;
        Ok(())
    }

    /// Processes that are born under new names and die.
    fn raise(&mut self, cx: &mut Context<Self>) {
        for number in 0..12 {
            let name = Name::new(format!("spark-{}-{number}", self.lives + 1));
            cx.spawn(Spark { lives: 0, fails: number % 4 == 3 }, (hz(0.2), name));
        }
    }

    /// Others are stopped and started, paused and resumed, restarted, and put into another group.
    fn govern(&mut self, cx: &mut Context<Self>) -> Result {
        if self.lives.is_multiple_of(2) {
            cx.stop("keeper", "closed")?;
            cx.pause("clumsy")?;
            cx.pause(hz(0.3))?;
        } else {
            cx.start("keeper")?;
            cx.resume("clumsy")?;
            cx.resume(hz(0.3))?;
            cx.restart("guest", "a new start")?;
        }
        Ok(())
    }

    /// A child thread, which talks, sleeps and ends.
    fn employ(&mut self, cx: &mut Context<Self>) -> Result {
        let name = format!("worker-{}", self.lives);
        cx.add_thread(name, |thread| {
            thread.tell("clerk", "word", "of a thread".to_owned());
            thread.freq_sleep(1.0);
            Ok(())
        })
    }
}

/// Reads what it is sent, and answers questions; riddles it leaves unanswered.
#[derive(Component, Default)]
struct Clerk {
    words: u64,
    riddles: u64,
}

impl Process for Clerk {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("word"), |clerk, _, _| {
            clerk.words += 1;
            Ok(())
        })?;
        cx.add_filter(Filter::new().subject("question"), |_, question, cx| {
            cx.reply(question, format!("the answer to {}", question.body()))?;
            Ok(())
        })?;
        cx.add_filter(Filter::new().subject("riddle"), |clerk, _, _| {
            clerk.riddles += 1;
            Ok(())
        })?;
        Ok(())
    }
}

/// Lives a few times, writes, and dies of itself or of its failure.
#[derive(Component)]
struct Spark {
    lives: u32,
    fails: bool,
}

impl Process for Spark {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|_, _, _| Ok(()));
        cx.every(Duration::from_secs(1), |_, _| Ok(()));
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.lives += 1;
        if self.lives < 5 {
            cx.tell(&cx.address().clone(), "note", 1_u64);
        } else if self.fails {
            panic!("a spark that fails");
        } else {
            cx.die("burnt");
        }
        Ok(())
    }
}

/// Fails in each third life, and panics in each fifth: it is born again each time.
#[derive(Component, Default)]
struct Clumsy(u64);

impl Process for Clumsy {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.after(24 * HOUR, |_, _| Ok(()));
        cx.ask(Mail::to("clerk").subject("riddle"), 24 * HOUR);
        cx.add_thread("hand", |thread| {
            while thread.freq_sleep(1.0) {}
            Ok(())
        })
    }

    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.0 += 1;
        assert!(!self.0.is_multiple_of(5), "a fifth life");
        if self.0.is_multiple_of(3) {
            Err(format!("the third of three lives: {}", self.0))?;
        }
        Ok(())
    }
}

/// Changes its group in each life.
#[derive(Component, Default)]
struct Nomad {
    moves: usize,
    /// Lives in which there was any weather.
    seen: u64,
}

impl Process for Nomad {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.moves += 1;
        cx.set_frequency([hz(0.1), hz(0.3), hz(0.05)][self.moves % 3]);
        self.seen += cx.latest::<Weather>().map_or(0, |weather| weather.0.min(1));
        Ok(())
    }
}

/// Does nothing.
#[derive(Component)]
struct Idle;

impl Process for Idle {}

fn town() -> Running {
    let restart = Restart::new().at_most(1_000_000, HOUR);
    let mut running = Application::new()
        .clock(Clock::simulated())
        .add_process(Mayor::default(), (hz(0.05), Name::new("mayor")))
        .add_process(Clerk::default(), (hz(0.1), Name::new("clerk")))
        .add_process(Idle, (hz(0.1), Name::new("keeper")))
        .add_process(Idle, (hz(0.1), Name::new("guest")))
        .add_process(Idle, (hz(0.1), Name::new("sleeper"), MailboxSize(2)))
        .add_process(Clumsy::default(), (hz(0.1), Name::new("clumsy"), Supervision::both(restart)))
        .add_process(Nomad::default(), (hz(0.1), Name::new("nomad")))
        .build()
        .unwrap();
    running.handle().pause("sleeper").unwrap();
    running.step();
    running
}

/// What is held is counted, and what is given back is not. The harness's own thread takes some bytes meanwhile, far fewer than
/// the bound.
fn the_counter_counts() {
    let taken = |bytes: usize| {
        let before = BYTES.load(Relaxed);
        drop(std::hint::black_box(vec![0_u8; bytes]));
        let held = std::hint::black_box(vec![0_u8; bytes]);
        let taken = BYTES.load(Relaxed) - before;
        drop(held);
        taken
    };
    const HELD: isize = 1 << 20;
    let counted = taken(HELD as usize);
    assert!((counted - HELD).abs() < BOUND, "{HELD} bytes are held, {counted} are counted");
}

#[test]
fn a_day_leaves_nothing_behind() {
    the_counter_counts();
    // What the harness keeps of a test's output would grow.
    std::panic::set_hook(Box::new(|_| {}));
    let mut running = town();
    // By then whatever is kept of the past within bounds is full: 4096 of the dead, 1000 unanswered questions.
    assert!(running.run_for(8 * HOUR));
    let before = BYTES.load(Relaxed);
    assert!(running.run_for(16 * HOUR));
    let grown = BYTES.load(Relaxed) - before;
    check(&mut running);
    assert!(grown.abs() < BOUND, "16 hours have left {grown} bytes");
}

/// All of it has come to pass.
fn check(running: &mut Running) {
    let report = running.report();
    let process = |name: &str| report.process(name).unwrap();
    let (clumsy, mayor) = (process("clumsy"), running.get::<Mayor>("mayor").unwrap());
    assert_eq!((clumsy.errors, clumsy.panics, clumsy.restarts), (1152, 864, 2016));
    assert_eq!((process("mayor").lives, process("mayor").errors, mayor.lives), (4320, 0, 4320));
    // Of each life's one event, one timer after 30 s, and one question that is answered, the last are still to come.
    assert_eq!((mayor.heard, mayor.rang, mayor.answers), (4319, 4318, 4319));
    // Riddles after a minute; the sleeper's box is full after the first; nobody is nobody.
    assert_eq!((mayor.failed_asks, mayor.written_to_the_dead), (4317 + 4320 + 4320, 4318));
    let ended = |name: &str| process(name).threads.ended;
    assert_eq!((ended("mayor"), ended("clumsy")), (719, 2016));
    // The clumsy one asks a riddle at each birth.
    let clerk = running.get::<Clerk>("clerk").map(|clerk| (clerk.words, clerk.riddles));
    assert_eq!(clerk, Some((4320 + 720, 4320 + 2017)));
    assert_eq!(running.get::<Nomad>("nomad").map(|nomad| nomad.moves > 6000 && nomad.seen > 6000), Some(true));
    assert_eq!((process("guest").restarts, process("keeper").restarts), (2160, 2159));
    assert!(report.forgotten.processes > 12 * 4200 && report.forgotten.panics > 3 * 4200, "{:?}", report.forgotten);
    // In each life one to nobody and one to the sleeper, whose box holds two: the first one and the first question.
    assert_eq!((report.unmatched, report.dead_letters), (4320, 2 * 4320 - 1));
    assert_eq!(report.topics.iter().map(|topic| topic.published).sum::<u64>(), 4320);
}
