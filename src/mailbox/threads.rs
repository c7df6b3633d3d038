//! Many threads at one mailbox: for real here, in every order under loom below.

use super::*;

/// The least that can be mailed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plain {
    pub(super) sender: usize,
    pub(super) number: usize,
}

impl Item for Plain {
    fn rank(&self) -> Rank {
        Rank::Ordinary
    }

    fn priority(&self) -> i8 {
        0
    }
}

impl Parcel for Plain {
    type Item = Self;

    fn rank(&self) -> Rank {
        Rank::Ordinary
    }

    fn priority(&self) -> i8 {
        0
    }

    fn supersedes(&self, waiting: &Self) -> bool {
        self.sender == waiting.sender
    }

    fn land(self) -> Self {
        self
    }
}

fn mailbox(size: u32, overflow: Overflow) -> Mailbox<Plain> {
    Mailbox::new(NonZeroU32::new(size).unwrap(), overflow, Order::Fifo)
}

#[cfg(not(loom_model))]
mod real {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    const SENDERS: usize = 4;
    const BOXES: usize = 100;
    const EACH: usize = 20_000;

    /// Where mails went.
    #[derive(Default)]
    struct Tally {
        refused: AtomicUsize,
        lost: AtomicUsize,
        found: AtomicUsize,
    }

    fn send(boxes: &[Mailbox<Plain>], tally: &Tally, sender: usize) {
        for number in 0..EACH {
            let lost = |_, _| {
                tally.lost.fetch_add(1, Relaxed);
            };
            let mailbox = &boxes[number * (sender + 1) % BOXES];
            if mailbox.push(Plain { sender, number }, || (), lost).is_err() {
                tally.refused.fetch_add(1, Relaxed);
            }
        }
    }

    /// Empties all boxes once, and closes and opens one; what each sender sent to one box must come in order.
    fn drain(boxes: &[Mailbox<Plain>], tally: &Tally, last: &mut [[usize; SENDERS]], round: usize) {
        let mut batch = Vec::new();
        for (mailbox, last) in boxes.iter().zip(last) {
            mailbox.take(&mut batch, 3 + round % 5);
            for plain in batch.drain(..).flatten() {
                assert!(plain.number >= last[plain.sender], "FIFO");
                last[plain.sender] = plain.number;
                tally.found.fetch_add(1, Relaxed);
            }
        }
        let restarted = &boxes[round % BOXES];
        tally.found.fetch_add(restarted.close().count(), Relaxed);
        restarted.open();
    }

    #[test]
    fn every_mail_of_four_threads_is_accounted_for() {
        let policies = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest];
        let boxes: Vec<_> = (0..BOXES).map(|i| mailbox(1 + i as u32 % 7, policies[i % policies.len()])).collect();
        let (tally, mut last) = (Tally::default(), vec![[0; SENDERS]; BOXES]);
        thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    scope.spawn({
                        let (boxes, tally) = (&boxes, &tally);
                        move || send(boxes, tally, sender)
                    })
                })
                .collect();
            let mut round = 0;
            while senders.iter().any(|sender| !sender.is_finished()) {
                drain(&boxes, &tally, &mut last, round);
                round += 1;
            }
        });
        tally.found.fetch_add(boxes.iter().map(|mailbox| mailbox.close().count()).sum(), Relaxed);
        let Tally { refused, lost, found } = tally;
        assert_eq!(refused.into_inner() + lost.into_inner() + found.into_inner(), SENDERS * EACH);
        let counts: Vec<_> = boxes.iter().map(Mailbox::count).collect();
        assert!(counts.iter().all(|it| it.received == it.delivered + it.dropped + it.returned && it.waiting == 0));
        assert_eq!(counts.iter().map(|it| it.received + it.refused).sum::<u64>(), (SENDERS * EACH) as u64);
    }

    #[test]
    fn a_waiting_sender_goes_on_when_there_is_room() {
        let mailbox = mailbox(1, Overflow::Block(Duration::from_secs(60)));
        let far = std::time::Instant::now() + Duration::from_secs(60);
        mailbox.push(Plain { sender: 0, number: 0 }, || (), |_, _| ()).unwrap();
        assert!(!mailbox.wait_for_room(std::time::Instant::now()), "full, and no time to wait");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| mailbox.wait_for_room(far));
            mailbox.take(&mut Vec::new(), 1);
            assert!(waiter.join().unwrap());
            mailbox.push(Plain { sender: 0, number: 1 }, || (), |_, _| ()).unwrap();
            let waiter = scope.spawn(|| mailbox.wait_for_room(far));
            assert_eq!(mailbox.close().count(), 1);
            assert!(waiter.join().unwrap(), "a closed box is not waited for");
        });
    }
}

/// In a ready list of its own, as a head has it: a box with mail is on it, exactly once, whatever the order.
#[cfg(loom_model)]
mod loom {
    use super::*;
    use ::loom::sync::Arc;
    use ::loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use ::loom::thread;

    #[test]
    fn no_wake_is_lost_and_no_mail_either() {
        ::loom::model(|| {
            let mailbox = Arc::new(mailbox(1, Overflow::Reject));
            let [wakes, refused] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let senders = [0, 1].map(|sender| {
                let (mailbox, wakes, refused) = (Arc::clone(&mailbox), Arc::clone(&wakes), Arc::clone(&refused));
                thread::spawn(move || {
                    let wake = || {
                        wakes.fetch_add(1, SeqCst);
                    };
                    if mailbox.push(Plain { sender, number: 0 }, wake, |_, _| ()).is_err() {
                        refused.fetch_add(1, SeqCst);
                    }
                })
            });
            let mut batch = Vec::new();
            let mut found = 0;
            let mut visit = || {
                // A mailman comes only when called.
                if wakes.load(SeqCst) > 0 {
                    wakes.fetch_sub(1, SeqCst);
                    assert!(!mailbox.take(&mut batch, 8));
                    found += batch.drain(..).flatten().count();
                }
            };
            visit();
            for sender in senders {
                sender.join().unwrap();
            }
            visit();
            assert_eq!(wakes.load(SeqCst), 0);
            assert_eq!(mailbox.count().waiting, 0);
            assert_eq!(found + refused.load(SeqCst), 2);
        });
    }

    #[test]
    fn what_is_sent_while_it_closes_is_refused_or_returned() {
        ::loom::model(|| {
            let mailbox = Arc::new(mailbox(2, Overflow::Reject));
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || {
                    (0..2)
                        .filter(|number| mailbox.push(Plain { sender: 0, number: *number }, || (), |_, _| ()).is_ok())
                        .count()
                }
            });
            let returned = mailbox.close().count();
            assert_eq!(returned, sender.join().unwrap());
        });
    }

    #[test]
    fn a_sender_that_waits_for_room_gets_it() {
        ::loom::model(|| {
            let mailbox = Arc::new(mailbox(1, Overflow::Block(Duration::MAX)));
            mailbox.push(Plain { sender: 0, number: 0 }, || (), |_, _| ()).unwrap();
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || {
                    assert!(mailbox.wait_for_room(std::time::Instant::now()));
                    mailbox.push(Plain { sender: 1, number: 0 }, || (), |_, _| ()).unwrap();
                }
            });
            let mut batch = Vec::new();
            assert!(!mailbox.take(&mut batch, 8), "it can't be full with two");
            assert_eq!(batch.drain(..).flatten().count(), 1);
            sender.join().unwrap();
            assert_eq!(mailbox.close().count(), 1);
        });
    }
}
