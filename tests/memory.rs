//! What an idle process takes beside its own state, and that births and deaths leave nothing behind: counted by an allocator.
#![allow(unsafe_code)]

use polycephaly::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;

thread_local! {
    // By thread: the test harness has threads of its own.
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // A thread that is ending has no counter any more, and none is asked for.
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A process without any state of its own.
#[derive(Component)]
struct Idle;

impl Process for Idle {}

/// What `SIZE` idle processes with name and mailbox take, each.
fn bytes_each(application: impl FnOnce() -> Running) -> f64 {
    let before = BYTES.get();
    let running = application();
    let taken = BYTES.get() - before;
    drop(running);
    taken as f64 / SIZE as f64
}

const SIZE: usize = 10_000;
/// What each may take. Half of it is the share of Bevy's tables, which at this size hold 16,384 rows: of `Name`,
/// `Frequency`, four components of the library's, their change ticks and their entities.
const LIMIT: f64 = 670.0;

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

#[test]
fn an_idle_process_stays_within_its_budget() {
    let _alone = ALONE.lock();
    let built = bytes_each(|| {
        let mut application = Application::new().clock(Clock::simulated());
        for index in 0..SIZE {
            application = application.add_process(Idle, (hz(100), Name::new(format!("idle-{index}"))));
        }
        let mut running = application.build().unwrap();
        running.run_for(Duration::from_secs(1));
        running
    });
    let spawned = bytes_each(|| {
        let mut running = Application::new().clock(Clock::simulated()).add_systems(hz(1), || {}).build().unwrap();
        for index in 0..SIZE {
            running.world_mut().spawn_process(Idle, (hz(100), Name::new(format!("idle-{index}")))).unwrap();
        }
        running.run_for(Duration::from_secs(1));
        running
    });
    println!("{built:.0} bytes when built together, {spawned:.0} when spawned one by one");
    assert!(built <= LIMIT && spawned <= LIMIT, "{built:.0} and {spawned:.0} bytes");
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
