//! Random traffic: processes of every kind of mailbox write each other, ask, move, pause, die and are born. No mail is lost
//! without a count, none is delivered twice, and mail of one sender keeps its order.

mod common;

use common::{ms, named, simulated};
use polycephaly::prelude::*;
use polycephaly::rand::RngExt as _;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// What the test sees of everything.
#[derive(Default)]
struct Books {
    addresses: Mutex<Vec<Address>>,
    /// Bodies that are alive; negative if one was dropped twice.
    bodies: AtomicI64,
    sent: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
    read: AtomicU64,
    outcomes: AtomicU64,
    asked: AtomicU64,
    disorder: AtomicU64,
}

/// A body that is counted, too large to stand in place.
struct Parcel {
    books: Arc<Books>,
    sender: String,
    number: u64,
    urgent: bool,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.books.bodies.fetch_sub(1, Relaxed);
    }
}

#[derive(Component)]
struct Wild {
    books: Arc<Books>,
    written: u64,
    /// The last number seen of each sender, where order is kept.
    last: HashMap<String, u64>,
    fifo: bool,
    pending: Vec<Pending>,
}

const NAMES: u32 = 12;

impl Wild {
    fn new(books: &Arc<Books>, fifo: bool) -> Self {
        Self { books: books.clone(), written: 0, last: HashMap::new(), fifo, pending: Vec::new() }
    }

    fn read(&mut self, parcel: &Parcel, cx: &mut Context<Self>) -> Result {
        self.books.read.fetch_add(1, Relaxed);
        if self.fifo && !parcel.urgent {
            let last = self.last.insert(parcel.sender.clone(), parcel.number);
            self.books.disorder.fetch_add(u64::from(last.is_some_and(|last| last >= parcel.number)), Relaxed);
        }
        if cx.rng().random_ratio(1, 400) {
            cx.die("had enough");
        }
        Ok(())
    }

    fn parcel(&mut self, cx: &Context<Self>, urgent: bool) -> Parcel {
        self.books.bodies.fetch_add(1, Relaxed);
        self.written += 1;
        // Another process of the same name is another sender.
        let sender = format!("{} {:?}", cx.name(), cx.entity());
        Parcel { books: self.books.clone(), sender, number: self.written, urgent }
    }

    fn write(&mut self, cx: &mut Context<Self>) {
        let (name, urgent) = (format!("P{}", cx.rng().random_range(0..NAMES)), cx.rng().random_ratio(1, 10));
        let subject = ["a", "b", "c"][cx.rng().random_range(0..3)];
        let body = self.parcel(cx, urgent);
        let draft = Mail::to(&name).subject(subject).body(body);
        match cx.send(if urgent { draft.urgent() } else { draft }) {
            Ok(sent) => {
                self.books.sent.fetch_add(1, Relaxed);
                self.books.evicted.fetch_add(sent.dropped().is_some().into(), Relaxed);
            }
            Err(error) => {
                self.books.refused.fetch_add(1, Relaxed);
                drop(error.into_draft());
            }
        }
    }
}

impl Process for Wild {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.books.addresses.lock().unwrap().push(cx.address().clone());
        cx.on::<Parcel>(Self::read);
        cx.add_filter(Filter::new().subject("question"), |_, mail, cx| {
            if cx.rng().random_bool(0.5) {
                cx.reply(mail, "answer")?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        for _ in 0..cx.rng().random_range(0..4) {
            self.write(cx);
        }
        let other = format!("p{}", cx.rng().random_range(0..NAMES));
        match cx.rng().random_range(0..60) {
            0 => {
                let frequency = [hz(10), hz(25), hz(100)][cx.rng().random_range(0..3)];
                cx.set_frequency(frequency);
            }
            1 => drop(cx.pause(other.as_str())),
            2..=6 => drop(cx.resume(other.as_str())),
            7 => {
                self.books.asked.fetch_add(1, Relaxed);
                self.pending.push(cx.ask(Mail::to(&other).subject("question"), ms(100)));
            }
            8 => drop(cx.stop(&other, "chance")),
            10..=13 => drop(cx.start(&other)),
            14 => drop(cx.restart(&other, "chance")),
            15 if cx.rng().random_ratio(1, 4) => drop(cx.send_pill(&other)),
            9 if cx.rng().random_ratio(1, 20) => Err("an error by chance")?,
            _ => {}
        }
        let books = &self.books;
        self.pending.retain_mut(|pending| {
            let outcome = pending.take();
            books.outcomes.fetch_add(outcome.is_some().into(), Relaxed);
            outcome.is_none()
        });
        Ok(())
    }
}

impl Drop for Wild {
    fn drop(&mut self) {
        // Who asked and is gone has its outcome as well: that nobody waits any more.
        for pending in &mut self.pending {
            self.books.outcomes.fetch_add(pending.take().is_some().into(), Relaxed);
        }
    }
}

fn bear(running: &mut Running, books: &Arc<Books>, number: u32) {
    let policy = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest, Overflow::KeepLatest];
    let policy = policy[number as usize % 4];
    let order = if number.is_multiple_of(5) { Order::Priority } else { Order::Fifo };
    // A superseding mail takes the place of the old one, ahead of what came in between.
    let fifo = order == Order::Fifo && !matches!(policy, Overflow::KeepLatest);
    let settings = (hz([10, 25, 100][number as usize % 3]), named(&format!("p{number}")), policy, order);
    let size = MailboxSize(1 + number % 7);
    // Taken names are refused: that is fine here.
    let _ = running.world_mut().spawn_process(Wild::new(books, fifo), (settings, size));
}

fn run(seed: u64, steps: usize, delivery: Delivery) -> Arc<Books> {
    let books = Arc::<Books>::default();
    let mut running = simulated().seed(seed).delivery(delivery).add_systems(hz(100), || {}).build().unwrap();
    for step in 0..steps {
        // Somebody is always born anew, in the place of the dead.
        bear(&mut running, &books, step as u32 % NAMES);
        running.step();
    }
    let waiting: usize = books.addresses.lock().unwrap().iter().map(|address| address.mail_count().waiting).sum();
    assert!(waiting < 1000, "{waiting} mails wait for ever");
    let exit = running.finish();
    assert_eq!(exit.report().processes.iter().map(|process| process.panics).sum::<u64>(), 0);
    books
}

#[test]
fn nothing_is_lost_without_a_count() {
    for (seed, delivery) in [(1, Delivery::SameTick), (2, Delivery::SameTick), (3, Delivery::NextTick)] {
        let books = run(seed, 10_000, delivery);
        let addresses = books.addresses.lock().unwrap();
        for address in &*addresses {
            let count = address.mail_count();
            let accounted = count.delivered + count.dropped + count.returned + count.waiting as u64;
            assert_eq!(count.received, accounted, "{address:?} with seed {seed}: {count:?}");
            assert_eq!(count.waiting, 0, "{address:?} has ended");
        }
        assert_eq!(books.disorder.load(Relaxed), 0, "seed {seed}");
        assert!(books.sent.load(Relaxed) > 10_000 && books.read.load(Relaxed) > 5_000, "too little happened");
        assert!(books.refused.load(Relaxed) > 500 && books.evicted.load(Relaxed) > 500, "too little was lost");
        assert!(addresses.len() > 200, "too few were born: {}", addresses.len());
        assert_eq!(books.outcomes.load(Relaxed), books.asked.load(Relaxed), "every ask ends, seed {seed}");
        drop(addresses);
        assert_eq!(books.bodies.load(Relaxed), 0, "every body is dropped once, seed {seed}");
    }
}
