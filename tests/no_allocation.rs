//! The steady tick allocates nothing and logs nothing, with and without mail: counted by an allocator and a subscriber over
//! 10,000 ticks.

#[path = "common/counting.rs"]
mod counting;

use counting::Counting;
use polycephaly::prelude::*;
use std::cell::Cell;
use std::sync::Once;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

thread_local! {
    // By thread: the test harness has threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static EVENTS: Cell<u64> = const { Cell::new(0) };
}

/// Wants to know of everything, down to TRACE.
struct Curious;

impl Subscriber for Curious {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    /// One a tick, where somebody looks.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, _: &tracing::Event<'_>) {
        EVENTS.set(EVENTS.get() + 1);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(|_, allocates| {
    // A thread that is ending has no counter any more, and none is asked for.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + u64::from(allocates)));
});

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

/// Allocations, and events and spans for the log, over ten seconds, when everything has been used a while.
fn steady(running: &mut Running) -> (u64, u64) {
    static CURIOUS: Once = Once::new();
    CURIOUS.call_once(|| tracing::subscriber::set_global_default(Curious).unwrap());
    assert!(running.run_for(Duration::from_secs(1)));
    let before = (ALLOCATIONS.get(), EVENTS.get());
    assert!(running.run_for(Duration::from_secs(10)));
    (ALLOCATIONS.get() - before.0, EVENTS.get() - before.1)
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(ALLOCATIONS.get() - before, 1);
    let mut running = application(1);
    assert_eq!(steady(&mut running), (0, 0));
    let before = EVENTS.get();
    running.handle().stop("link-0", "seen enough").unwrap();
    running.run_for(Duration::from_millis(2));
    assert!(EVENTS.get() > before, "a death is logged at DEBUG");
}

#[test]
fn a_tick_without_mail_allocates_nothing() {
    let mut running = application(20);
    assert_eq!(steady(&mut running), (0, 0));
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
    assert_eq!(steady(&mut running), (0, 0));
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
    assert_eq!(steady(&mut running), (0, 0));
    assert_eq!(running.get::<Link>("link-3").unwrap().read, 2 * 10_999);
}

/// Reads a topic, and writes to a link in each life.
#[derive(Component)]
struct Guide<const N: usize> {
    link: Option<Address>,
    seen: u64,
    rang: u64,
}

struct Place(u64);

impl<const N: usize> Guide<N> {
    fn new() -> Self {
        Self { link: None, seen: 0, rang: 0 }
    }
}

impl<const N: usize> Process for Guide<N> {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.publish(Place(7));
        cx.every(Duration::from_millis(50), |guide, _| {
            guide.rang += 1;
            Ok(())
        });
        // In its first tick everybody is born, and can be found.
        cx.after(Duration::ZERO, |guide, cx| {
            guide.link = Some(cx.address_of("link-0")?);
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.seen += cx.latest::<Place>().map_or(0, |place| place.0);
        if let Some(link) = &self.link {
            cx.send(Mail::to(link).subject("number").body(1_u64))?;
        }
        cx.tell("link-1", "word", "tick");
        Ok(())
    }
}

#[test]
fn ticks_of_many_types_and_groups_allocate_nothing() {
    let mut running = Application::new()
        .clock(Clock::simulated())
        .add_process(Link::default(), (hz(1000), Name::new("link-0")))
        .add_process(Link::default(), (hz(1000), InGroup::new("slow readers"), Name::new("link-1")))
        .add_process(Guide::<0>::new(), (hz(1000), Name::new("guide-0")))
        .add_process(Guide::<1>::new(), (hz(1000), Name::new("guide-1")))
        .add_process(Guide::<0>::new(), (hz(29.97), Name::new("guide-2")))
        .add_process(Guide::<1>::new(), (hz(250), Name::new("guide-3")))
        .add_process(Guide::<2>::new(), (hz(250), InGroup::new("others"), Name::new("guide-4")))
        .add_systems(hz(250), |place: Query<&Guide<1>>| assert_eq!(place.iter().count(), 2))
        .build()
        .unwrap();
    assert_eq!(steady(&mut running), (0, 0));
    let guides = [running.get::<Guide<0>>("guide-0"), running.get::<Guide<0>>("guide-2")];
    assert_eq!(guides.map(|guide| guide.unwrap().seen), [7 * 11_000, 7 * 330]);
    assert_eq!(running.get::<Guide<2>>("guide-4").map(|guide| (guide.seen, guide.rang)), Some((7 * 2750, 219)));
    // From the second life of each on; what came in the last tick is yet to be read, by some.
    let sent = 11_000 + 11_000 + 330 + 2750 + 2750;
    for link in ["link-0", "link-1"] {
        let read = running.get::<Link>(link).unwrap().read;
        assert!((sent - 10..=sent).contains(&read), "{read} of {sent}");
    }
}
