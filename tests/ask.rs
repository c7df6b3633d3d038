//! Questions: each ends once, by a reply, by its time-out to the tick, or by an error that says what happened.

mod common;

use common::{Log, ms, named, simulated};
use polycephaly::prelude::*;

/// Asks once, at 100 ms, and writes down how that ends and when.
#[derive(Component)]
struct Asker {
    whom: &'static str,
    timeout: Duration,
    pending: Option<Pending>,
    log: Log,
}

impl Asker {
    fn new(whom: &'static str, timeout: Duration, log: &Log) -> Self {
        Self { whom, timeout, pending: None, log: log.clone() }
    }
}

fn told(outcome: &Result<Mail, AskError>) -> String {
    match outcome {
        Ok(mail) => format!("{} from {}", mail.body(), mail.sender()),
        Err(error) => match error {
            AskError::TimedOut { .. } => "timed out".into(),
            AskError::Failed { reason, .. } => format!("failed: {reason}"),
            AskError::NotSent { kind, .. } => format!("not sent: {kind:?}"),
            AskError::Gone => "gone".into(),
            other => format!("{other:?}"),
        },
    }
}

impl Process for Asker {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        // An answer passes by these.
        cx.add_filter(Filter::new(), |asker, mail, _| {
            asker.log.say(format!("filtered {}", mail.subject()));
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if cx.now() == ms(100) {
            self.pending = Some(cx.ask(Mail::to(self.whom).subject("question").body(7_u64), self.timeout));
        }
        if let Some(outcome) = self.pending.as_mut().and_then(Pending::take) {
            self.log.say(format!("{} {}", cx.now().as_millis(), told(&outcome)));
            let again = self.pending.as_mut().and_then(Pending::take).expect("it stays ready");
            assert_eq!(again.unwrap_err(), AskError::Gone, "an outcome can be taken once");
            self.pending = None;
        }
        Ok(())
    }
}

/// Does with a question what the test wants.
type Deed = fn(&mut Asked, &Mail, &mut Context<Asked>) -> Result;

#[derive(Component)]
struct Asked(Deed);

impl Process for Asked {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("question"), |asked, mail, cx| asked.0(asked, mail, cx))?;
        Ok(())
    }
}

fn ignore(_: &mut Asked, _: &Mail, _: &mut Context<Asked>) -> Result {
    Ok(())
}

fn double(_: &mut Asked, mail: &Mail, cx: &mut Context<Asked>) -> Result {
    cx.reply(mail, (2 * mail.get::<u64>().ok_or("no number")?).to_string())?;
    Ok(())
}

/// An asker at 100 Hz, and one who is asked, of another type.
fn run(timeout: Duration, deed: Deed, frequency: Frequency) -> Vec<String> {
    let log = Log::default();
    let mut running = simulated()
        .add_process(Asker::new("asked", timeout, &log), (hz(100), named("asker")))
        .add_process(Asked(deed), (frequency, named("asked")))
        .build()
        .unwrap();
    running.run_for(ms(2000));
    log.take()
}

#[test]
fn a_reply_comes_back_in_the_next_tick() {
    assert_eq!(run(ms(1000), double, hz(100)), ["110 14 from asked"]);
    // Asked at 200 ms, its first tick after the question; that comes behind the asker's at this instant.
    assert_eq!(run(ms(1000), double, hz(5)), ["210 14 from asked"]);
}

#[test]
fn a_time_out_is_to_the_tick() {
    // The janitor of the first tick that starts at or after it; seen by the life of the next.
    for (timeout, seen) in [(10, 120), (11, 130), (20, 130), (250, 360), (255, 370)] {
        assert_eq!(run(ms(timeout), ignore, hz(100)), [format!("{seen} timed out")], "{timeout} ms");
    }
}

#[test]
fn what_comes_after_the_time_out_is_ordinary_mail() {
    assert_eq!(run(ms(50), double, hz(5)), ["160 timed out", "filtered question"]);
}

#[test]
fn only_the_first_reply_answers() {
    let twice: Deed = |asked, mail, cx| {
        double(asked, mail, cx)?;
        cx.reply(mail, "again")?;
        Ok(())
    };
    assert_eq!(run(ms(1000), twice, hz(100)), ["filtered question", "110 14 from asked"]);
}

#[test]
fn the_asked_ones_death_ends_the_wait_at_once() {
    let die: Deed = |_, _, cx| {
        cx.die("of this question");
        Ok(())
    };
    assert_eq!(run(ms(1000), die, hz(100)), ["110 failed: it died before answering"]);
    let panic: Deed = |_, _, _| panic!("broken by a question, on purpose");
    assert_eq!(run(ms(1000), panic, hz(100)), ["110 failed: it died before answering"]);
    let answer_and_die: Deed = |asked, mail, cx| {
        cx.die("of this question");
        double(asked, mail, cx)
    };
    assert_eq!(run(ms(1000), answer_and_die, hz(100)), ["110 14 from asked"], "nothing is owed any more");
}

#[test]
fn who_dies_with_the_question_unread_ends_the_wait_too() {
    // At 200 ms there are two mails in its box, and the first is its end.
    let log = Log::default();
    let mut running = simulated()
        .add_process(Asker::new("asked", ms(1000), &log), (hz(100), named("asker")))
        .add_process(Asked(|_, _, _| panic!("broken by a mail, on purpose")), (hz(5), named("asked")))
        .build()
        .unwrap();
    running.run_for(ms(50));
    running.mail(Mail::to("asked").subject("question")).unwrap();
    running.run_for(ms(500));
    assert_eq!(log.take(), ["210 failed: it died before reading it"]);
}

#[test]
fn nobody_of_this_name_and_a_full_box_end_it_before_it_begins() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(Asker::new("nobody", ms(1000), &log), (hz(100), named("asker")))
        .add_process(Asker::new("full", ms(1000), &log), (hz(100), named("other")))
        .add_process(Asked(double), (hz(1), named("full"), MailboxSize(1)))
        .build()
        .unwrap();
    running.run_for(ms(50));
    running.mail(Mail::to("full").subject("filler")).unwrap();
    running.run_for(ms(500));
    assert_eq!(log.take(), ["100 not sent: Unknown", "100 not sent: Full { limit: 1 }"]);
}

#[test]
fn an_evicted_question_ends_its_ask() {
    for (policy, evicted) in [
        (Overflow::DropOldest, "110 failed: it was lost to the bound of the mailbox"),
        (Overflow::KeepLatest, "110 failed: it was lost to the bound of the mailbox"),
    ] {
        let log = Log::default();
        let mut running = simulated()
            .add_process(Asker::new("asked", ms(1000), &log), (hz(100), named("asker")))
            .add_process(Asker::new("asked", ms(1000), &log), (hz(100), named("later")))
            .add_process(Asked(double), (hz(1), named("asked"), MailboxSize(1), policy))
            .build()
            .unwrap();
        running.run_for(ms(1500));
        // The second question has thrown out the first, and is answered at 1000 ms.
        assert_eq!(log.take(), [evicted, "1010 14 from asked"], "{policy:?}");
    }
    let log = Log::default();
    let mut running = simulated()
        .add_process(Asker::new("asked", ms(1000), &log), (hz(100), named("asker")))
        .add_process(Asked(double), (hz(1), named("asked"), MailboxSize(1), Overflow::DropNewest))
        .build()
        .unwrap();
    running.run_for(ms(50));
    running.mail(Mail::to("asked").subject("filler")).unwrap();
    running.run_for(ms(500));
    assert_eq!(
        log.take(),
        ["110 failed: it was lost to the bound of the mailbox"],
        "the newest is the question itself"
    );
}

#[test]
fn a_reply_comes_into_a_full_mailbox() {
    let log = Log::default();
    let asker = Asker::new("asked", ms(3000), &log);
    let mut running = simulated()
        .add_process(asker, (hz(10), named("asker"), MailboxSize(1)))
        .add_process(Asked(double), (hz(100), named("asked")))
        .build()
        .unwrap();
    running.run_for(ms(105));
    running.mail(Mail::to("asker").subject("filler")).unwrap();
    let refused = running.mail(Mail::to("asker").subject("one too many")).unwrap_err();
    assert_eq!(refused.kind(), SendErrorKind::Full { limit: 1 });
    running.run_for(ms(200));
    assert_eq!(log.take(), ["filtered filler", "200 14 from asked"]);
    let count = running.handle().address_of("asker").unwrap().mail_count();
    assert_eq!((count.received, count.refused, count.high_water), (2, 1, 2));
}

#[test]
fn the_askers_death_ends_its_wait_and_the_answer_finds_nobody() {
    #[derive(Component)]
    struct Mortal(Log);
    impl Process for Mortal {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            if cx.now() == ms(100) {
                let mut pending = cx.ask(Mail::to("asked").subject("question").body(7_u64), ms(1000));
                let log = self.0.clone();
                assert!(!pending.is_ready());
                // Somebody else holds on to it.
                cx.spawn(
                    common::Script::new().life(move |_| {
                        if let Some(outcome) = pending.take() {
                            log.say(told(&outcome));
                        }
                        Ok(())
                    }),
                    (hz(100), Name::new("heir")),
                );
                cx.die("too curious");
            }
            Ok(())
        }
    }
    let log = Log::default();
    let mut running = simulated()
        .add_process(Mortal(log.clone()), (hz(100), named("mortal")))
        .add_process(
            Asked(|asked, mail, cx| match double(asked, mail, cx) {
                Err(error) => {
                    assert!(error.to_string().contains("ended"), "{error}");
                    Ok(())
                }
                Ok(()) => Err("the answer was taken by the dead".into()),
            }),
            (hz(1), named("asked")),
        )
        .build()
        .unwrap();
    running.run_for(ms(1500));
    assert_eq!(log.take()[0], "gone");
    let report = running.report();
    let asked = report.process("asked").unwrap();
    assert_eq!((asked.mail.delivered, asked.errors), (1, 0), "it was read, and the answer refused");
}

#[test]
fn ask_then_calls_back_once_with_the_answer_or_the_reason() {
    #[derive(Component)]
    struct Caller(Log);
    impl Caller {
        fn on_reply(&mut self, reply: Result<&Mail, AskError>, cx: &mut Context<Self>) -> Result {
            let line =
                reply.map_or_else(|error| error.to_string(), |mail| format!("{} #{}", mail.body(), mail.index()));
            self.0.say(format!("{} {line}", cx.now().as_millis()));
            Err("an error of the callback is one of its process".into())
        }
    }
    impl Process for Caller {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            if cx.now() == ms(100) {
                for (whom, timeout) in [("asked", 500), ("mute", 35)] {
                    cx.ask_then(Mail::to(whom).subject("question").body(7_u64), ms(timeout), Self::on_reply)?;
                }
                let refused = cx.ask_then(Mail::to("nobody").subject("question"), ms(10), Self::on_reply);
                assert!(matches!(refused, Err(AskError::NotSent { kind: SendErrorKind::Unknown, .. })));
            }
            Ok(())
        }
    }
    let log = Log::default();
    let mut running = simulated()
        .add_process(Caller(log.clone()), (hz(100), named("caller")))
        .add_process(Asked(double), (hz(100), named("asked")))
        .add_process(Asked(ignore), (hz(100), named("mute")))
        .build()
        .unwrap();
    running.run_for(ms(1000));
    let late = "140 \"mute\" did not answer within 35ms; give it more time, or do without";
    assert_eq!(log.take(), ["110 14 #1", late]);
    assert_eq!(running.report().process("caller").unwrap().errors, 2);
}

#[test]
fn questions_of_one_asker_are_told_apart_by_their_threads() {
    #[derive(Component, Default)]
    struct Many {
        pending: Vec<Pending>,
        answers: Vec<u64>,
    }
    impl Process for Many {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            if cx.now() == ms(100) {
                let ask = |number: u64| cx.ask(Mail::to("last first").subject("question").body(number), ms(500));
                self.pending = (0..5).map(ask).collect();
            }
            let mut outcomes = Vec::new();
            self.pending.retain_mut(|pending| {
                let outcome = pending.take();
                let waits = outcome.is_none();
                outcomes.extend(outcome);
                waits
            });
            for outcome in outcomes {
                self.answers.push(*outcome?.get::<u64>().ok_or("no number")?);
            }
            Ok(())
        }
    }
    /// Keeps the replies, and sends them in the opposite order.
    #[derive(Component, Default)]
    struct LastFirst(Vec<Reply>);
    type Reply = Box<dyn FnOnce(&mut Context<LastFirst>) -> Result + Send + Sync>;
    impl Process for LastFirst {
        fn birth(&mut self, cx: &mut Context<Self>) -> Result {
            cx.add_filter(Filter::new().subject("question"), |this, mail, _| {
                let draft = mail.reply().body(10 * mail.get::<u64>().ok_or("no number")?);
                this.0.push(Box::new(|cx| cx.send(draft).map(drop).map_err(Into::into)));
                Ok(())
            })?;
            Ok(())
        }
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            while let Some(send) = self.0.pop() {
                send(cx)?;
            }
            Ok(())
        }
    }
    let mut running = simulated()
        .add_process(Many::default(), (hz(100), named("many")))
        .add_process(LastFirst::default(), (hz(100), named("last first")))
        .build()
        .unwrap();
    running.run_for(ms(300));
    assert_eq!(running.get::<Many>("many").unwrap().answers, [0, 10, 20, 30, 40], "each its own");
    running.finish().assert_clean();
}
