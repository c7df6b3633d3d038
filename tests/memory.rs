//! What an idle process takes beside its own state, and that births and deaths leave nothing behind: counted by an allocator.

#[path = "common/counting.rs"]
mod counting;

use bevy_ecs::bundle::BundleFromComponents;
use counting::Counting;
use polycephaly::prelude::*;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Mutex;

thread_local! {
    // By thread: the test harness has threads of its own.
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(|grows, _| {
    // A thread that is ending has no counter any more, and none is asked for.
    let _ = BYTES.try_with(|count| count.set(count.get() + grows));
});

/// A process without any state of its own.
#[derive(Component)]
struct Idle;

impl Process for Idle {}

/// What one more takes: the difference between `size` and twice as many, both held at once, so that nothing is counted which
/// an application takes anyway, nor anything that one leaves to the next.
fn bytes_each<T>(size: usize, make: impl Fn(usize) -> T) -> f64 {
    let _first = make(1);
    let taken = |size| {
        let before = BYTES.get();
        let made = make(size);
        (BYTES.get() - before, made)
    };
    let (once, twice) = (taken(size), taken(2 * size));
    (twice.0 - once.0) as f64 / size as f64
}

fn settings(index: usize) -> (Frequency, Name) {
    (hz(1), Name::new(format!("idle-{index}")))
}

fn simulated() -> Application {
    Application::new().clock(Clock::simulated())
}

/// So many, built together, each with more settings, and after a second.
fn built<S: Bundle + BundleFromComponents>(size: usize, more: impl Fn() -> S) -> Running {
    let add = |application: Application, index| application.add_process(Idle, (settings(index), more()));
    let mut running = (0..size).fold(simulated(), add).build().unwrap();
    running.run_for(Duration::from_secs(1));
    running
}

/// So many, spawned one by one, a hundred between two ticks.
fn spawned(size: usize) -> Running {
    let mut running = simulated().add_systems(hz(1), || {}).build().unwrap();
    for index in 0..size {
        running.world_mut().spawn_process(Idle, settings(index)).unwrap();
        if index % 100 == 99 {
            running.step();
        }
    }
    running.run_for(Duration::from_secs(3));
    running
}

/// So many, each with so much mail that waits.
fn written_to(size: usize, mails: usize) -> Running {
    let running = built(size, || MailboxSize::UNBOUNDED);
    for (index, _) in (0..size).flat_map(|index| (0..mails).map(move |mail| (index, mail))) {
        running.mail(Mail::to(&format!("idle-{index}")).subject("number").body(1_u64)).unwrap();
    }
    running
}

/// The same, read.
fn have_read(size: usize, mails: usize) -> Running {
    let mut running = written_to(size, mails);
    // So much mail takes more than one tick, and what it has taken is kept for a thousand more.
    running.run_for(Duration::from_secs(1_100));
    assert!(running.report().processes.iter().all(|process| process.mail.waiting == 0));
    running
}

/// So many processes, each in a group of its own.
fn in_groups(size: usize) -> Running {
    let add =
        |application: Application, index| application.add_process(Idle, (hz(index as u32 + 1), InGroup::new("own")));
    (0..size).fold(simulated(), add).build().unwrap()
}

/// So many heads beside the main one, with nothing on them.
fn with_heads(size: usize) -> Running {
    let add = |application: Application, index| application.add_head(Head::new(format!("head-{index}")));
    (0..size).fold(simulated(), add).build().unwrap()
}

const SIZE: usize = 10_000;

/// One test at a time: what is kept of the dead is shared by all threads, and dropped by whoever comes next.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_counter_counts() {
    let before = BYTES.get();
    let held = std::hint::black_box(vec![0_u8; 1000]);
    assert_eq!(BYTES.get() - before, 1000);
    drop(held);
    assert_eq!(BYTES.get(), before);
}

/// What, how much of it, and the most that it may be. Bytes.
type Row = (&'static str, f64, f64);

fn hold(rows: &[Row]) {
    for (what, bytes, limit) in rows {
        println!("{what:55} {bytes:8.0} {limit:8.0}");
    }
    let over: Vec<_> = rows.iter().filter(|(_, bytes, limit)| bytes > limit).collect();
    assert!(over.is_empty(), "{over:?}");
}

#[test]
fn an_idle_process_stays_within_its_budget() {
    let _alone = ALONE.lock();
    // Never dropped: all applications share the numbers of processes, and what others have left would cost nothing.
    let kept = |running| ManuallyDrop::new(running);
    let _all_that_others_have_left = kept(built(SIZE, || ()));
    hold(&[
        ("a process, with name and mailbox, built together", bytes_each(SIZE, |size| kept(built(size, || ()))), 400.0),
        // Bevy's tables have grown to 16,384 and 32,768 rows then: that is a third of it.
        ("the same, spawned one by one", bytes_each(SIZE, |size| kept(spawned(size))), 400.0),
    ]);
}

#[test]
fn a_mailbox_takes_what_waits_in_it() {
    let _alone = ALONE.lock();
    let (size, few, many) = (100, 40, 2_000);
    let bound = |bound| bytes_each(1_000, |size| built(size, || bound));
    let (tight, wide) = (bound(MailboxSize(1)), bound(MailboxSize::UNBOUNDED));
    let roomy = bytes_each(size, |size| built(size, || MailboxSize::UNBOUNDED));
    let rise = |make: fn(usize, usize) -> Running, mails| bytes_each(size, |size| make(size, mails)) - roomy;
    hold(&[
        ("a mailbox that is idle, for its bound", (wide - tight).abs(), 2.0),
        ("a mailbox in which 40 mails wait", rise(written_to, few), 6_400.0),
        ("the same, read", rise(have_read, few), 6_400.0),
        ("a mailbox in which 2,000 mails wait", rise(written_to, many), 200_000.0),
        ("the same, read", rise(have_read, many), 50_000.0),
    ]);
}

#[test]
fn groups_and_heads_take_what_their_figures_take() {
    let _alone = ALONE.lock();
    hold(&[
        ("a group, with one process", bytes_each(50, in_groups), 96_000.0),
        ("a head, with nothing on it", bytes_each(8, with_heads), 112_000.0),
    ]);
}

/// Spawns another and dies, in each life.
#[derive(Component)]
struct Spark;

impl Process for Spark {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        cx.spawn(Self, (hz(100), Name::new("spark")));
        cx.die("burnt");
        Ok(())
    }
}

#[test]
fn births_and_deaths_leave_nothing_behind() {
    let _alone = ALONE.lock();
    let mut running =
        Application::new().clock(Clock::simulated()).add_process(Spark, (hz(100), Name::new("spark"))).build().unwrap();
    // More than are remembered by their number, for the last mail that they have sent.
    running.run_for(Duration::from_secs(50));
    let before = BYTES.get();
    running.run_for(Duration::from_secs(100));
    let left = BYTES.get() - before;
    assert!(left < 4096, "10,000 births and deaths have left {left} bytes");
}
