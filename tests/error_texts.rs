//! What the public errors say: what went wrong, where, what the limit is, and the way out. Each is provoked once by what a user
//! would do; the texts are kept here word for word, so that a change of one is seen.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::event::EVENT_LIMIT;
use polycephaly::prelude::*;
use std::fmt::Display;

/// What a hook says, of an application with `imu` at 10 Hz, whose mailbox holds one, and a process that lives once.
fn said(life: impl Fn(&mut Context<Script>) -> Vec<String> + Send + Sync + 'static) -> Vec<String> {
    let log = Log::default();
    let writes = log.clone();
    let asker = Script::new().life(move |cx| {
        for line in life(cx) {
            writes.say(line);
        }
        cx.stop_application("asked");
        Ok(())
    });
    let exit = simulated()
        .add_process(asker, (hz(10), named("pilot")))
        .add_process(Script::new(), (hz(10), named("imu"), MailboxSize(1)))
        .run_for(ms(50));
    exit.assert_clean();
    log.take()
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn err<T>(result: Result<T, impl Display>) -> String {
    result.err().map_or_else(|| "it is no error".into(), text)
}

#[test]
fn mail_that_is_not_sent() {
    let lines = said(|cx| {
        let unknown = err(cx.send(Mail::to("gyro").subject("pose")));
        cx.tell("imu", "pose", 1);
        let full = err(cx.send(Mail::to("imu").subject("pose")));
        let asked = err(cx.ask_then(Mail::to("gyro").subject("pose"), ms(10), |_, _, _| Ok(())));
        vec![unknown, full, asked]
    });
    assert_eq!(
        lines,
        [
            "mail \"pose\" to \"gyro\" was not sent: there is no such process; mend the name, or add the process first",
            "mail \"pose\" to \"imu\" was not sent: its mailbox is full with 1; send it later, make it urgent, or give the \
             process a larger MailboxSize or another Overflow",
            "the question to \"gyro\" was not sent: there is no such process; mend the name, or add the process first",
        ]
    );
}

#[test]
fn mail_to_who_has_ended() {
    let mut running = simulated()
        .add_process(Script::new(), named("imu"))
        .add_process(Script::new(), named("pilot"))
        .build()
        .unwrap();
    let imu = running.handle().address_of("imu").unwrap();
    let emitter = running.handle().emitter("imu").unwrap();
    running.handle().stop("imu", "enough").unwrap();
    running.run_for(ms(100));
    assert_eq!(
        err(running.mail(Mail::to(&imu).subject("pose"))),
        "mail \"pose\" to \"imu\" was not sent: it is ending or has ended, and takes no mail; send it to another, or wait until \
         it is born again"
    );
    assert_eq!(
        err(emitter.emit("plugged")),
        "\"imu\" does not live: the event \"plugged\" was not taken; emit while it lives"
    );
}

#[test]
fn questions_without_an_answer() {
    let log = Log::default();
    let writes = log.clone();
    let asker = Script::new().life(move |cx| {
        let mut pending = cx.ask(Mail::to("imu").subject("pose"), ms(30));
        let writes = writes.clone();
        cx.after(ms(50), move |_, _| {
            let [first, second] = [pending.take(), pending.take()].map(|it| it.map_or("none".into(), err));
            writes.say(first);
            writes.say(second);
            Ok(())
        });
        Ok(())
    });
    let silent = Script::new().birth(|cx| {
        cx.add_filter(Filter::new(), |_, _, _| Ok(()))?;
        Ok(())
    });
    let exit = simulated()
        .add_process(asker, (hz(10), named("pilot")))
        .add_process(silent, (hz(100), named("imu")))
        .run_for(ms(105));
    exit.assert_clean();
    assert_eq!(
        log.take(),
        [
            "\"imu\" did not answer within 30ms; give it more time, or do without",
            "nobody waits for this reply any more: it was taken already, or whoever asked has died",
        ]
    );
}

#[test]
fn names_that_are_not_there_or_there_already() {
    let lines = said(|cx| {
        cx.add_locks(["bus"]).unwrap();
        cx.add_child(ChildThread::new("reader", |_| Ok(())).start(false)).unwrap();
        cx.add_filter(Filter::new().id("pose").subject("pose"), |_, _, _| Ok(())).unwrap();
        vec![
            err(cx.process("gyro")),
            err(cx.try_lock("can")),
            err(cx.add_locks(["bus"])),
            err(cx.thread("writer")),
            err(cx.add_thread("reader", |_| Ok(()))).lines().next().unwrap().to_owned(),
            err(cx.add_filter(Filter::new().id("pose").subject("pose"), |_, _, _| Ok(()))),
            err(cx.application().do_to_head("slow", |_| ())),
        ]
    });
    assert_eq!(
        lines,
        [
            "there is no process \"gyro\"; there are pilot, imu",
            "\"pilot\" has no lock \"can\"; it has bus",
            "\"pilot\" has a lock \"bus\" already: use that one, or give this one another name",
            "\"pilot\" has no thread \"writer\"; it has reader",
            "\"pilot\" has a thread \"reader\" already: give this one another name, or wait until that one has ended",
            "a filter \"pose\" is there already: remove it first, or give this one another id",
            "there is no head \"slow\": add it, or name one of main",
        ]
    );
}

#[test]
fn values_out_of_range() {
    use polycephaly::run_level::RunLevel;
    let given = ["0 Hz", "2 MHz", "ten", "0.000000000001 Hz", "0.12345678901234567890123 Hz"];
    let frequencies = given.map(|given| err(given.parse::<Frequency>()));
    assert_eq!(
        frequencies,
        [
            "a frequency must be above zero, not 0 Hz: to hold a process still, pause it",
            "2 MHz is above the limit of 1 MHz: do several steps in one life instead",
            "cannot read \"ten\" as a frequency: expected a number such as 50, 29.97 or 30000/1001 at character 1",
            "0.000000000001 Hz is below the limit of once in 2^64 - 1 ns (about 584 years): shorten the period",
            "0.12345678901234567890123 Hz has too many digits for an exact fraction of two 64-bit numbers: round it",
        ]
    );
    assert_eq!(
        err(Frequency::try_from(f64::NAN)),
        "a frequency must be finite, not NaN Hz: look for a zero or a missing value where it was computed"
    );
    assert_eq!(
        err(Clock::scaled(0.0)),
        "a clock can't run at 0 times real time: the speed must be from 0.000001 to 1000000"
    );
    assert_eq!(
        err("9".parse::<RunLevel>()),
        "9 is no run level: give -1..=7 or one of UNSET, HALT, BUILDUP, RUN, LEVEL3, LEVEL4, LEVEL5, REBOOT, CLEANUP"
    );
    assert_eq!(
        said(|cx| vec![err(cx.set_run_level(RunLevel::Halt))]),
        ["run level RUN cannot be followed by HALT, only by LEVEL3, LEVEL4, LEVEL5, REBOOT, CLEANUP"]
    );
    assert!(err(regex("(")).starts_with("\"(\" is no regular expression: "), "{}", err(regex("(")));
}

#[test]
fn real_time_that_makes_no_sense() {
    let asked = [
        RealTime::new().fifo(100),
        RealTime::new().cpus([]),
        RealTime::new().spin(secs(2)),
        RealTime::new().timer_slack(ms(0)),
        RealTime::new().prefault_stack(1 << 30),
    ];
    assert_eq!(
        asked.map(|it| err(it.check())),
        [
            "a real-time priority must be from 1 to 99, not 100: 80 leaves room for the system's own threads",
            "a head can't run on no CPU at all: name some, or leave it to the system by not asking",
            "a head can't spin for 2s before each deadline: 1 s is the limit, 20 to 100 µs are usual",
            "a timer slack must be from 1 ns to 1 s, not 0ns",
            "of a stack 1 byte to 67108864 can be touched beforehand, not 1073741824",
        ]
    );
    let nowhere = err(RealTime::new().cpus([1023]).check());
    assert!(nowhere.starts_with("there is no CPU 1023 to run on; online are 0"), "{nowhere}");
}

#[test]
fn births_in_the_wrong_world() {
    let mut empty = World::new();
    assert_eq!(
        err(empty.spawn_process(Script::new(), ())),
        "a process of type Script was not born: this World belongs to no polycephaly application; build it with \
         `Application::build`"
    );
    let mut running = simulated().add_head(Head::new("far")).add_process(Script::new(), ()).build().unwrap();
    assert_eq!(
        err(running.world_mut().spawn_process(Script::new(), (named("imu"), OnHead::new("far")))),
        "process \"imu\" of type Script was not born: it belongs on head \"far\", whose World is another one; spawn it by a \
         process's context or the application's handle"
    );
    let circle = simulated()
        .add_process(Script::new(), (named("egg"), Depends::on(["hen"])))
        .add_process(Script::new(), (named("hen"), Depends::on(["egg"])));
    assert_eq!(
        circle.build().unwrap_err().faults,
        ["these depend on each other in a circle, so none can be born first: egg -> hen -> egg"]
    );
    let hasty = Supervision::both(Restart::new().at_most(3, ms(0)));
    let faults = simulated().add_process(Script::new(), (named("imu"), hasty)).build().unwrap_err().faults;
    assert_eq!(
        faults,
        [
            "process \"imu\" of type Script was not born: restarts are counted within a window of time, and this one is of \
          length 0: give a longer one"
        ]
    );
}

/// Takes its entity away as soon as it is there.
#[derive(Component)]
#[component(on_add = vanish)]
struct Vanishing;

fn vanish(mut world: bevy_ecs::world::DeferredWorld<'_>, context: bevy_ecs::lifecycle::HookContext) {
    world.commands().entity(context.entity).despawn();
}

#[test]
fn a_birth_whose_entity_is_gone() {
    let mut running = simulated().add_process(Script::new(), ()).build().unwrap();
    assert_eq!(
        err(running.world_mut().spawn_process(Script::new(), (named("imu"), Vanishing))),
        "a process of type Script was not born: the entity kept for the process was despawned before its turn: spawn the \
         process again"
    );
}

#[test]
fn events_beyond_the_limit_and_questions_to_the_dying() {
    let lines = said(|cx| {
        let refused = (0..=EVENT_LIMIT).map(|_| cx.emit("pong")).find_map(Result::err);
        vec![refused.map_or("none".into(), text)]
    });
    assert_eq!(
        lines,
        [format!(
            "{EVENT_LIMIT} events wait for \"pilot\": \"pong\" was not taken; emit fewer, or let it live more often"
        )]
    );
    let log = Log::default();
    let writes = log.clone();
    let asker = Script::new().birth(move |cx| {
        let mut pending = cx.ask(Mail::to("imu").subject("pose"), ms(500));
        let writes = writes.clone();
        cx.after(ms(200), move |_, _| {
            writes.say(pending.take().map_or("none".into(), err));
            Ok(())
        });
        Ok(())
    });
    let dying = Script::new().life(|cx| {
        cx.die("worn out");
        Ok(())
    });
    let app = simulated().add_process(asker, (hz(10), named("pilot"))).add_process(dying, (hz(10), named("imu")));
    app.run_for(ms(305)).assert_clean();
    assert_eq!(log.take(), ["\"imu\" will not answer: it died before answering"]);
}

#[test]
fn what_can_not_be_built() {
    let backoff = Backoff { factor: 0.5, ..Backoff::default() };
    let application = simulated()
        .add_process(Script::new(), named("imu"))
        .add_process(Script::new(), named("IMU"))
        .add_process(Script::new(), named(""))
        .add_process(Script::new(), (named("box"), MailboxSize(0)))
        .add_process(Script::new(), (named("lost"), OnHead::new("slow")))
        .add_process(Script::new(), (named("eager"), Supervision::both(Restart::new().backoff(backoff))))
        .add_process(Script::new(), (named("late"), Depends::on(["nobody"])));
    let error = application.build().unwrap_err();
    assert_eq!(
        error.faults,
        [
            "\"lost\" can't be put on its head: there is no head \"slow\": add it, or name one of main",
            "process \"IMU\" of type Script was not born: the name \"IMU\" is taken; give the process another one, or none \
             to have it numbered",
            "process \"\" of type Script was not born: a process's name can't be empty; leave `Name` out to have the process \
             named after its type",
            "process \"box\" of type Script was not born: a mailbox of size 0 could hold no mail: give 1 or more, or \
             MailboxSize::UNBOUNDED",
            "process \"eager\" of type Script was not born: the factor of a backoff is a number from 1 to 1000, not 0.5",
            "\"late\" depends on \"nobody\", and there is no such process (late -> nobody): add it, or mend the name",
        ]
    );
    assert!(error.to_string().starts_with("the application can't be built: "));
}

#[cfg(unix)]
#[test]
fn signals_that_can_not_be_bound() {
    let lines = said(|cx| ["SIGKILL"].map(|signal| err(cx.on_signal([signal], |_, _, _| Ok(())))).to_vec());
    assert_eq!(lines, ["SIGKILL can't be bound: the system lets no program have it"]);
    let unknown = err("SIGFOO".parse::<Signal>());
    assert!(unknown.starts_with("there is no signal \"SIGFOO\"; there are SIGHUP, SIGINT, "), "{unknown}");
}

#[cfg(feature = "usb")]
#[test]
fn usb_devices_that_can_not_be_read_or_do_not_answer() {
    use polycephaly::usb::{UsbError, UsbErrorKind, UsbFault};
    assert_eq!(
        err("1209".parse::<UsbMatch>()),
        "\"1209\" is not of the form VENDOR:PRODUCT, two hexadecimal numbers of 1 to 4 digits, such as 1209:0001"
    );
    let denied = UsbError::new(UsbErrorKind::Denied, "permission denied (os error 13)");
    let faults = [UsbFault::Stall, UsbFault::Fault, UsbFault::TimedOut(ms(20)), UsbFault::Gone, UsbFault::Open(denied)]
        .map(text);
    assert_eq!(
        faults,
        [
            "it refuses the request (stall)",
            "the transfer failed on the wire (fault)",
            "it did not answer within 20ms",
            "it is not there any more",
            "it can't be opened: permission denied (os error 13)",
        ]
    );
}

#[test]
fn mail_that_goes_over_no_wire() {
    struct Pose;
    let log = Log::default();
    let writes = log.clone();
    let application = simulated().on_dead_letter(move |mail, _| writes.say(err(mail.to_json())));
    let process = Script::new().life(|cx| {
        cx.tell("nobody", "pose", Pose);
        Ok(())
    });
    application.add_process(process, hz(10)).run_for(ms(50)).assert_clean();
    let typed = log.take().concat();
    assert!(
        typed.starts_with("mail \"pose\" carries a ") && typed.contains("Pose, which has no wire form: send text"),
        "{typed}"
    );
    assert_eq!(
        err(Mail::from_json("{ \"subject\": 7 }")),
        "this is no mail: invalid type: integer `7`, expected a string at line 1 column 14"
    );
}
