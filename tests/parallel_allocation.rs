//! Lives on several threads allocate nothing in the steady tick, mail included. A program of its own, for what all its
//! threads allocate is counted.

#[path = "common/counting.rs"]
mod counting;

use counting::Counting;
use polycephaly::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting(|_, allocates| {
    ALLOCATIONS.fetch_add(allocates.into(), Relaxed);
});

/// Writes to the next of its kind, and reads from the one before.
#[derive(Component, Default)]
struct Link {
    next: Option<Address>,
    read: u64,
    rang: u64,
}

impl Process for Link {
    const PARALLEL: Parallel = Parallel::from(2);

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|link, number, _| {
            link.read += number;
            Ok(())
        });
        cx.every(Duration::from_millis(5), |link, _| {
            link.rang += 1;
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let Some(next) = &self.next {
            cx.send(Mail::to(next).subject("number").body(1_u64))?;
            cx.send(Mail::to("link-0").subject("number").body(1_u64))?;
        }
        Ok(())
    }
}

#[test]
fn a_tick_on_several_threads_allocates_nothing() {
    const SIZE: usize = 60;
    let mut application = Application::new().clock(Clock::simulated()).workers(3);
    for index in 0..SIZE {
        let settings = (hz(1000), Name::new(format!("link-{index}")), MailboxSize(100));
        application = application.add_process(Link::default(), settings);
    }
    let mut running = application.build().unwrap();
    for index in 0..SIZE {
        let next = running.handle().address_of(&format!("link-{}", (index + 1) % SIZE)).unwrap();
        let entity = running.handle().address_of(&format!("link-{index}")).unwrap().entity();
        running.world_mut().get_mut::<Link>(entity).unwrap().next = Some(next);
    }
    let mut allocations = |seconds| {
        let before = ALLOCATIONS.load(Relaxed);
        assert!(running.run_for(Duration::from_secs(seconds)));
        ALLOCATIONS.load(Relaxed) - before
    };
    assert!(allocations(1) > 0, "the first ticks make room: the counter counts");
    // A thread that comes to its first piece of work late sets itself up only then: once.
    let all: Vec<u64> = (0..5).map(|_| allocations(2)).collect();
    assert!(all.contains(&0), "allocations in each 2000 ticks: {all:?}");
    let read = |name| running.get::<Link>(name).unwrap().read;
    assert_eq!((read("link-3"), read("link-0")), (10_999, 10_999 * (SIZE as u64 + 1)));
    assert!(running.get::<Link>("link-3").unwrap().rang > 2000);
}
