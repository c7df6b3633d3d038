//! With `Delivery::NextTick`, wherever processes are placed they go the same way to the last bit.

mod common;

use common::{named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::rand::Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What each process has seen, by name.
type Diaries = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

const COUNT: usize = 7;
const RATES: [u32; COUNT] = [100, 50, 100, 20, 10, 100, 25];

/// Topics.
struct Even(u64);
struct Odd(u64);

/// Writes to others, asks them, publishes and reads as its dice say, and writes down all that it sees.
#[derive(Component)]
struct Player {
    diaries: Diaries,
}

impl Player {
    fn note(&self, cx: &Context<Self>, what: String) {
        let line = format!("{:?} {what}", cx.now());
        self.diaries.lock().unwrap().entry(cx.name().to_owned()).or_default().push(line);
    }
}

impl Process for Player {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("note"), |player, mail, cx| {
            let number = *mail.get::<u64>().ok_or("no number")?;
            player.note(cx, format!("{number:x} of {} with id {}", mail.sender(), mail.id()));
            Ok(())
        })?;
        cx.add_filter(Filter::new().subject("question"), |player, mail, cx| {
            player.note(cx, format!("asked by {}", mail.sender()));
            let dice = cx.rng().next_u64();
            cx.reply(mail, dice)?;
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let dice = cx.rng().next_u64();
        let other = format!("player-{}", dice as usize / 16 % COUNT);
        match dice % 8 {
            0..3 => {
                cx.send(Mail::to(&other).subject("note").body(dice).priority((dice >> 32) as i8 % 3))?;
            }
            3 => {
                let draft = Mail::to(&other).subject("question").body(());
                cx.ask_then(draft, Duration::from_millis(130), |player, reply, cx| {
                    let answer = match reply {
                        Ok(mail) => format!("answer {:x}", mail.get::<u64>().copied().unwrap_or(0)),
                        Err(error) => error.to_string(),
                    };
                    player.note(cx, answer);
                    Ok(())
                })?;
            }
            4 => cx.publish(Even(dice)),
            5 => cx.publish(Odd(dice)),
            _ => {}
        }
        let even = cx.latest::<Even>().map(|even| format!("Even {:x} by {:?}", even.0, even.publisher()));
        let odd = cx
            .latest_within::<Odd>(Duration::from_millis(40))
            .map(|odd| format!("Odd {:x} at {:?}", odd.0, odd.time()));
        let sees = format!("{even:?} {odd:?} {dice:x}");
        self.note(cx, sees);
        Ok(())
    }
}

/// The diaries of a run in which player `n` lives on head `homes[n]`, 0 being the main one.
fn play(homes: [usize; COUNT], delivery: Delivery) -> BTreeMap<String, Vec<String>> {
    let diaries = Diaries::default();
    let mut application = simulated().seed(11).delivery(delivery);
    for head in 1..COUNT {
        application = application.add_head(Head::new(format!("head-{head}")));
    }
    for (number, home) in homes.into_iter().enumerate() {
        let head = if home == 0 { "main".to_owned() } else { format!("head-{home}") };
        let player = Player { diaries: diaries.clone() };
        let name = named(&format!("player-{number}"));
        application = application.add_process(player, (hz(RATES[number]), name, OnHead::new(head)));
    }
    // In the last pass of all mailmen, some write to those who have died by then.
    assert!(application.run_for(secs(5)).is_success());
    std::mem::take(&mut *diaries.lock().unwrap())
}

#[test]
fn any_placement_gives_the_same_bits() {
    let one = play([0; COUNT], Delivery::NextTick);
    assert_eq!(one.len(), COUNT);
    let lines: usize = one.values().map(Vec::len).sum();
    assert!(lines > 2500, "something happens: {lines}");
    assert!(
        one.values().flatten().any(|line| line.contains("answer"))
            && one.values().flatten().any(|line| line.contains("Even"))
    );
    for homes in
        [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [0, 0, 1, 1, 2, 2, 3], [3, 1, 3, 1, 3, 1, 3], [1; COUNT]]
    {
        let other = play(homes, Delivery::NextTick);
        for (name, diary) in &one {
            assert_eq!(diary, &other[name], "{name} with {homes:?}");
        }
    }
}

#[test]
fn the_same_placement_gives_the_same_bits_under_any_delivery() {
    for delivery in [Delivery::SameTick, Delivery::NextTick] {
        let homes = [0, 1, 2, 0, 1, 2, 0];
        assert_eq!(play(homes, delivery), play(homes, delivery));
    }
    assert_ne!(play([0; COUNT], Delivery::SameTick), play([0; COUNT], Delivery::NextTick), "it makes a difference");
}

#[test]
fn what_is_published_at_an_instant_is_seen_after_it_and_the_youngest_wins() {
    let diaries = Diaries::default();
    #[derive(Component)]
    struct Publisher(u64);
    impl Process for Publisher {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            cx.publish(Even(self.0));
            Ok(())
        }
    }
    #[derive(Component)]
    struct Reader(Diaries);
    impl Process for Reader {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            let seen = cx.latest::<Even>().map(|latest| (latest.0, latest.time()));
            self.0.lock().unwrap().entry(String::new()).or_default().push(format!("{:?} {seen:?}", cx.now()));
            Ok(())
        }
    }
    let exit = simulated()
        .delivery(Delivery::NextTick)
        .add_process(Publisher(1), (hz(10), named("old")))
        .add_head(Head::new("first").add_process(Publisher(2), (hz(10), named("young"))))
        .add_head(Head::new("last").add_process(Reader(diaries.clone()), hz(20)))
        .run_for(Duration::from_millis(160));
    exit.assert_clean();
    let seen = diaries.lock().unwrap().remove("").unwrap();
    assert_eq!(seen, ["0ns None", "50ms Some((2, 0ns))", "100ms Some((2, 0ns))", "150ms Some((2, 100ms))"]);
}
