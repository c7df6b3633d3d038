//! Threads that write to processes which read, die and are born meanwhile: every mail is accounted for, in order of its sender.

mod common;

use common::{ms, named, simulated};
use polycephaly::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

const THREADS: usize = 4;
const BOXES: usize = 100;
/// By each thread.
const MAILS: usize = 5_000;

/// A body that is counted.
struct Parcel {
    thread: usize,
    number: usize,
    alive: Arc<AtomicU64>,
}

impl Parcel {
    fn new(thread: usize, number: usize, alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Relaxed);
        Self { thread, number, alive: alive.clone() }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Relaxed);
    }
}

/// Reads, and minds the order of each thread.
#[derive(Component)]
struct Reader {
    last: [Option<usize>; THREADS],
    read: Arc<AtomicU64>,
}

impl Process for Reader {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<Parcel>(|reader, parcel, _| {
            let last = reader.last[parcel.thread].replace(parcel.number);
            reader.read.fetch_add(1, Relaxed);
            if last.is_none_or(|last| last < parcel.number) { Ok(()) } else { Err("out of order".into()) }
        });
        Ok(())
    }
}

/// What one of the threads does. Counts what is sent, dropped and refused.
fn write(handle: &ApplicationHandle, thread: usize, alive: &Arc<AtomicU64>, counts: [&AtomicU64; 3]) {
    let (office, [sent, dropped, refused]) = (handle.mail(), counts);
    for number in 0..MAILS {
        let to = format!("box-{}", number * (thread + 1) % BOXES);
        match office.send(Mail::to(&to).subject("parcel").body(Parcel::new(thread, number, alive))) {
            Ok(outcome) => {
                sent.fetch_add(1, Relaxed);
                dropped.fetch_add(outcome.dropped().is_some().into(), Relaxed);
            }
            Err(_) => drop(refused.fetch_add(1, Relaxed)),
        }
    }
}

#[test]
fn four_threads_write_to_a_hundred_boxes_that_are_read_closed_and_opened() {
    let (read, alive) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let [sent, dropped, refused] = [(); 3].map(|()| Arc::<AtomicU64>::default());
    let mut application = simulated();
    for index in 0..BOXES {
        let policy = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest][index % 3];
        let settings = (hz(100), named(&format!("box-{index}")), MailboxSize(1 + index as u32 % 7), policy);
        application = application.add_process(Reader { last: [None; THREADS], read: read.clone() }, settings);
    }
    let mut running = application.build().unwrap();
    let address = |index| running.handle().address_of(&format!("box-{index}")).unwrap();
    let addresses: Vec<Address> = (0..BOXES).map(address).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (handle, alive, counts) = (running.handle(), &alive, [&*sent, &*dropped, &*refused]);
                scope.spawn(move || write(&handle, thread, alive, counts))
            })
            .collect();
        let mut round = 0;
        while !over.load(Relaxed) {
            over.store(threads.iter().all(|thread| thread.is_finished()), Relaxed);
            // One box after the other is closed, and opened in a later round.
            let [closed, opened] = [round, round + BOXES / 2].map(|round| format!("box-{}", round % BOXES));
            running.handle().stop(&closed, "for a while").unwrap();
            // Not yet stopped, in the first rounds.
            let _ = running.handle().start(&opened);
            assert!(running.step());
            round += 1;
        }
        running.run_for(ms(100));
    });
    let exit = running.finish();
    assert_eq!(exit.report().failures(), 0, "in order, all of it\n{}", exit.report());
    let total: u64 = [&sent, &refused].iter().map(|count| count.load(Relaxed)).sum();
    assert_eq!(total, (THREADS * MAILS) as u64);
    let counts: Vec<_> = addresses.iter().map(Address::mail_count).collect();
    for count in &counts {
        assert_eq!(count.received, count.delivered + count.dropped + count.returned, "{count:?}");
        assert_eq!(count.waiting, 0);
    }
    let sum = |of: fn(&polycephaly::mailbox::MailCount) -> u64| counts.iter().map(of).sum::<u64>();
    assert_eq!(sum(|count| count.received), sent.load(Relaxed));
    assert_eq!(sum(|count| count.dropped), dropped.load(Relaxed));
    assert_eq!(sum(|count| count.delivered), read.load(Relaxed));
    assert_eq!(alive.load(Relaxed), 0, "every body is dropped, and once");
    assert!(read.load(Relaxed) > 100, "too little was read");
}
