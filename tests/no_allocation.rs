//! The steady tick allocates nothing, with and without mail: counted by an allocator over 10,000 ticks.
#![allow(unsafe_code)]

use polycephaly::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // By thread: the test harness has threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that is ending has no counter any more, and none is asked for.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Writes to the next of its kind, reads from the one before, or does neither.
#[derive(Component, Default)]
struct Link {
    next: Option<Address>,
    read: u64,
    rang: u64,
}

impl Process for Link {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<u64>(|link, number, _| {
            link.read += number;
            Ok(())
        });
        cx.add_filter(Filter::new().subject("word"), |link, mail, _| {
            link.read += u64::from(mail.get::<&str>() == Some(&"tick"));
            Ok(())
        })?;
        cx.every(Duration::from_millis(5), |link, _| {
            link.rang += 1;
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let Some(next) = &self.next {
            cx.send(Mail::to(next).subject("number").body(1_u64))?;
            cx.send(Mail::to(next).subject("word").body("tick"))?;
        }
        Ok(())
    }
}

fn application(size: usize) -> Running {
    let mut application = Application::new().clock(Clock::simulated()).add_systems(hz(200), |_: Res<Time>| {});
    for index in 0..size {
        application = application.add_process(Link::default(), (hz(1000), Name::new(format!("link-{index}"))));
    }
    application.build().unwrap()
}

/// Allocations over 10,000 ticks, when everything has been used a while.
fn steady(running: &mut Running) -> u64 {
    assert!(running.run_for(Duration::from_secs(1)));
    let before = ALLOCATIONS.get();
    assert!(running.run_for(Duration::from_secs(10)));
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

#[test]
fn a_tick_without_mail_allocates_nothing() {
    let mut running = application(20);
    assert_eq!(steady(&mut running), 0);
    assert_eq!(running.get::<Link>("link-3").unwrap().rang, 2199);
}

#[cfg(feature = "usb")]
#[test]
fn a_tick_that_looks_for_news_of_usb_allocates_nothing() {
    #[derive(Component)]
    struct Watch(u64);
    impl Process for Watch {
        fn birth(&mut self, cx: &mut Context<Self>) -> Result {
            cx.watch_usb(UsbMatch::new());
            cx.on_event("connected", |watch, _, _| {
                watch.0 += 1;
                Ok(())
            });
            Ok(())
        }
    }
    let usb = FakeUsb::new();
    usb.now().plug("1-1", UsbDevice::new(0x1209, 1));
    // A list is none of a tick's business, but on the simulated clock it is done in one.
    let application = Application::new().clock(Clock::simulated()).usb_backend(usb.clone());
    let application = application.usb_interval(Duration::from_secs(3600));
    let mut running = application.add_process(Watch(0), (hz(1000), Name::new("watch"))).build().unwrap();
    assert_eq!(steady(&mut running), 0);
    assert_eq!(running.get::<Watch>("watch").unwrap().0, 1, "it does watch");
    usb.now().plug("1-2", UsbDevice::new(0x1209, 1));
    running.run_for(Duration::from_millis(2));
    assert_eq!(running.get::<Watch>("watch").unwrap().0, 2, "and still does");
}

#[test]
fn a_tick_with_mail_allocates_nothing() {
    let mut running = application(20);
    let addresses: Vec<_> =
        (0..20).map(|index| running.handle().address_of(&format!("link-{index}")).unwrap()).collect();
    for (index, address) in addresses.iter().enumerate() {
        let mut link = running.world_mut().get_mut::<Link>(address.entity()).unwrap();
        link.next = Some(addresses[(index + 1) % 20].clone());
    }
    assert_eq!(steady(&mut running), 0);
    assert_eq!(running.get::<Link>("link-3").unwrap().read, 2 * 10_999);
}
