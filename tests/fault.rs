//! Fault injection: every kind of failure at every place, under every supervision, with all that follows counted: births,
//! lives, deaths, safe stops, and each line of the log.

mod common;

use common::logs::lines_of;
use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Where a process fails, once.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Place {
    Prepare,
    Birth,
    Life,
    Callback,
    Timer,
    Death,
}

const PLACES: [Place; 6] = [Place::Prepare, Place::Birth, Place::Life, Place::Callback, Place::Timer, Place::Death];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Error,
    Panic,
    /// Takes longer than it may.
    Slow,
}

/// What the supervision says; each is for one kind of failure, and the e-brake for the other, which must not be taken.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Answer {
    Log,
    Die,
    Fallback,
    Ebrake,
    Restart,
    RestartWithDependents,
    /// No restart is allowed: it is given up at the first failure.
    GiveUp,
    GiveUpByEbrake,
}

const ANSWERS: [Answer; 8] = [
    Answer::Log,
    Answer::Die,
    Answer::Fallback,
    Answer::Ebrake,
    Answer::Restart,
    Answer::RestartWithDependents,
    Answer::GiveUp,
    Answer::GiveUpByEbrake,
];

impl Answer {
    fn restarts(self) -> bool {
        matches!(self, Self::Restart | Self::RestartWithDependents)
    }

    fn gives_up(self) -> bool {
        matches!(self, Self::Die | Self::Fallback | Self::GiveUp)
    }

    fn brakes(self) -> bool {
        matches!(self, Self::Ebrake | Self::GiveUpByEbrake)
    }

    fn supervision(self, fault: Fault) -> Supervision {
        let wait = Backoff { first: secs(3), max: secs(3), ..Backoff::default() };
        let restart = Restart::new().backoff(wait);
        let response = match self {
            Self::Log => Response::Log,
            Self::Die | Self::Fallback => Response::Die,
            Self::Ebrake => Response::Ebrake,
            Self::Restart => restart.into(),
            Self::RestartWithDependents => restart.with_dependents().into(),
            Self::GiveUp => restart.at_most(0, secs(1)).into(),
            Self::GiveUpByEbrake => restart.at_most(0, secs(1)).then_ebrake().into(),
        };
        let supervision = match fault {
            Fault::Panic => Supervision::new().on_panic(response).on_error(Response::Ebrake),
            _ => Supervision::new().on_error(response).on_panic(Response::Ebrake),
        };
        if self == Self::Fallback { supervision.fallback("spare") } else { supervision }
    }
}

/// One tick in two seconds, and ten of them.
const TICK: Duration = Duration::from_secs(2);
const TICKS: usize = 10;
/// The tick in which it fails, where it fails in a tick.
const WHEN: usize = 2;
/// How long it takes when it is slow: longer than each limit, and shorter than the way to the next tick.
const LONG: Duration = Duration::from_millis(1020);

/// Fails once, in its first birth, its third tick, or its first death; writes down its hooks.
#[derive(Component)]
struct Faulty {
    place: Place,
    fault: Fault,
    log: Log,
    has_failed: bool,
}

impl Faulty {
    fn pass(&mut self, place: Place, cx: Option<&mut Context<Self>>) -> Result {
        if self.place != place || std::mem::replace(&mut self.has_failed, true) {
            return Ok(());
        }
        match self.fault {
            Fault::Error => Err("as told")?,
            Fault::Panic => panic!("as told"),
            Fault::Slow => cx.expect("a hook with a context").consume(LONG),
        }
        Ok(())
    }
}

impl Process for Faulty {
    fn prepare(&mut self) -> Result {
        self.pass(Place::Prepare, None)
    }

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.log.say("birth");
        cx.add_filter("note".into(), |faulty, _, cx| faulty.pass(Place::Callback, Some(cx)))?;
        cx.after(TICK * WHEN as u32, |faulty, cx| faulty.pass(Place::Timer, Some(cx)));
        self.pass(Place::Birth, Some(cx))
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let lives = self.log.count("life");
        self.log.say("life");
        let own = cx.name().to_owned();
        if self.place == Place::Callback && lives + 1 == WHEN {
            cx.tell(&own, "note", ());
        }
        if lives == WHEN { self.pass(Place::Life, Some(cx)) } else { Ok(()) }
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        self.log.say("death");
        self.pass(Place::Death, Some(cx))
    }

    fn safe_stop(&mut self, _: &mut Context<Self>) -> Result {
        self.log.say("safe_stop");
        Ok(())
    }
}

/// What happens in one run, all of it.
#[derive(PartialEq, Debug)]
struct Course {
    /// Of the culprit: births, lives, deaths, safe stops.
    hooks: [usize; 4],
    /// Of the one that depends on it: births, deaths.
    leaf: [usize; 2],
    /// Of its fallback: births, deaths.
    spare: [usize; 2],
    /// Errors, panics, restarts in the report.
    counts: [u64; 3],
    /// Births and deaths that took long, ticks over their budget.
    slow: [u64; 3],
    code: u8,
    /// What must stand in each line of the log.
    lines: Vec<String>,
}

fn expected(place: Place, fault: Fault, answer: Answer) -> Course {
    let early = matches!(place, Place::Prepare | Place::Birth);
    let fails = fault != Fault::Slow || place == Place::Life;
    let answered = match place {
        // It dies in any case: only everybody else can still be told to.
        Place::Death => fails && answer == Answer::Ebrake,
        _ => fails,
    };
    let [restarts, gives_up, brakes] =
        [answer.restarts(), answer.gives_up(), answer.brakes()].map(|follows| follows && answered);
    // In the tick of its failure it lives, unless its mail has failed before that.
    let before = match place {
        _ if early => 0,
        Place::Callback => WHEN,
        _ => WHEN + 1,
    };
    // Three seconds after its failure, between the second and the third tick from there, it is born again.
    let lives = match place {
        Place::Death => TICKS,
        _ if restarts && early => TICKS - 2,
        _ if restarts => before + TICKS - WHEN - 2,
        _ if gives_up || brakes => before,
        _ => TICKS,
    };
    let begun = usize::from(place != Place::Prepare);
    let again = usize::from(restarts);
    let leaf = usize::from(!(early && brakes)) + usize::from(answered && answer == Answer::RestartWithDependents);
    let spare = usize::from(answered && answer == Answer::Fallback);
    let slow = |at: bool| u64::from(fault == Fault::Slow && at);
    let in_tick = matches!(place, Place::Life | Place::Callback | Place::Timer);
    let slow = [slow(place == Place::Birth), slow(place == Place::Death), slow(in_tick)];
    Course {
        hooks: [begun + again, lives, 1 + again, usize::from(brakes && place != Place::Death)],
        leaf: [leaf; 2],
        spare: [spare; 2],
        counts: [u64::from(fails && fault != Fault::Panic), u64::from(fault == Fault::Panic), again as u64],
        slow,
        code: u8::from(brakes || slow[1] > 0),
        lines: expected_lines(place, fault, [restarts, gives_up, brakes]),
    }
}

fn expected_lines(place: Place, fault: Fault, [restarts, gives_up, brakes]: [bool; 3]) -> Vec<String> {
    let end = || "INFO polycephaly::control: the application ends cause=the time to run is over".to_owned();
    let mut lines = Vec::new();
    if place == Place::Death {
        lines.push(end());
    }
    let hook = match place {
        Place::Prepare => "prepare",
        Place::Birth => "birth",
        Place::Life => "life",
        Place::Callback => "mail",
        Place::Timer => "timer",
        Place::Death => "death",
    };
    let at = format!("process=\"faulty\" hook=\"{hook}\"");
    lines.extend(match (fault, place) {
        (Fault::Error, _) => Some(format!("ERROR polycephaly::failure: as told {at} errors=1")),
        (Fault::Panic, _) => Some(format!("ERROR polycephaly::failure: panicked {at} panic=\"as told\"")),
        (Fault::Slow, Place::Birth) => Some("its birth took long process=\"faulty\" took_ns=1020000000".into()),
        (Fault::Slow, Place::Life) => Some(format!("took 1.02s, over its hard budget of 10ms {at} errors=1")),
        (Fault::Slow, _) => None,
    });
    lines.extend(gives_up.then(|| "is given up process=\"faulty\"".into()));
    lines.extend(restarts.then(|| "is to be born again process=\"faulty\" wait_ns=3000000000".into()));
    lines.extend(brakes.then(|| "e-brake cause=e-brake pulled by \"faulty\"".into()));
    if fault == Fault::Slow && matches!(place, Place::Life | Place::Callback | Place::Timer) {
        lines.push("a tick was over its hard budget group=0.5 Hz took=1.02s limit=1s".into());
    }
    if fault == Fault::Slow && place == Place::Death {
        lines.push("its death took longer than it may process=\"faulty\" took=1.02s".into());
    }
    if !brakes && place != Place::Death {
        lines.push(end());
    }
    lines
}

fn course(place: Place, fault: Fault, answer: Answer) -> (Course, Vec<String>) {
    let log = Log::default();
    let faulty = Faulty { place, fault, log: log.clone(), has_failed: false };
    let pace = every(TICK);
    let (exit, lines) = lines_of(|| {
        simulated()
            .death_timeout(secs(1))
            .group(pace, |group| group.budget(Budget::hard(secs(1))))
            .add_process(faulty, (pace, named("faulty"), answer.supervision(fault), Budget::hard(ms(10))))
            .add_process(diary(&log), (pace, named("leaf"), Depends::on(["faulty"])))
            .add_process(diary(&log), (pace, named("spare"), Autostart(false)))
            .add_process(Script::new(), (pace, named("bystander")))
            .run_for(TICK * TICKS as u32)
    });
    let faulty = exit.report().process("faulty").unwrap();
    let course = Course {
        hooks: ["birth", "life", "death", "safe_stop"].map(|hook| log.count(hook)),
        leaf: ["leaf born", "leaf dead"].map(|hook| log.count(hook)),
        spare: ["spare born", "spare dead"].map(|hook| log.count(hook)),
        counts: [faulty.errors, faulty.panics, faulty.restarts],
        slow: [exit.report().slow_births, exit.report().overdue.len() as u64, exit.report().groups[0].budget.failures],
        code: exit.code(),
        lines: Vec::new(),
    };
    assert_eq!(faulty.lives as usize, course.hooks[1]);
    (course, lines)
}

#[test]
fn every_fault_at_every_place_under_every_supervision() {
    let mut runs = 0;
    for place in PLACES {
        for fault in [Fault::Error, Fault::Panic, Fault::Slow] {
            if place == Place::Prepare && fault == Fault::Slow {
                continue; // It has no context to say so: on the simulated clock it takes no time.
            }
            for answer in ANSWERS {
                let what = format!("{fault:?} in {place:?} under {answer:?}");
                let mut expected = expected(place, fault, answer);
                let patterns = std::mem::take(&mut expected.lines);
                let (course, lines) = course(place, fault, answer);
                assert_eq!(course, expected, "{what}: {lines:#?}");
                assert_eq!(lines.len(), patterns.len(), "{what}: {lines:#?}\nwanted {patterns:#?}");
                for (line, pattern) in lines.iter().zip(&patterns) {
                    assert!(line.contains(pattern), "{what}: {line:?} lacks {pattern:?}");
                }
                runs += 1;
            }
        }
    }
    assert_eq!(runs, (6 * 3 - 1) * 8);
}
