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

fn mailbox(size: u32, overflow: Overflow, owner: &Owner) -> Mailbox<Plain> {
    Mailbox::new(NonZeroU32::new(size).unwrap(), overflow, Order::Fifo, owner)
}

#[cfg(not(loom_model))]
mod real {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    const SENDERS: usize = 4;
    const BOXES: usize = 100;
    const EACH: usize = 20_000;
    /// The head of the boxes sends, too.
    const HEAD: usize = SENDERS;

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
            if mailbox.push(Plain { sender, number }, None, || (), lost).is_err() {
                tally.refused.fetch_add(1, Relaxed);
            }
        }
    }

    /// What the head itself sends to its boxes, between two visits.
    fn send_home(boxes: &[Mailbox<Plain>], tally: &Tally, owner: &Owner, round: usize) {
        for (at, mailbox) in boxes.iter().enumerate() {
            let lost = |_, _| {
                tally.lost.fetch_add(1, Relaxed);
            };
            if mailbox.push(Plain { sender: HEAD, number: round * BOXES + at }, Some(owner), || (), lost).is_err() {
                tally.refused.fetch_add(1, Relaxed);
            }
        }
    }

    /// Empties all boxes once, and closes and opens one; what each sender sent to one box must come in order.
    fn drain(boxes: &[Mailbox<Plain>], tally: &Tally, last: &mut [[usize; SENDERS + 1]], round: usize, owner: &Owner) {
        let mut batch = Slots::new();
        for (mailbox, last) in boxes.iter().zip(last) {
            mailbox.take(&mut batch, 3 + round % 5, owner);
            for plain in batch.drain() {
                assert!(plain.number >= last[plain.sender], "FIFO");
                last[plain.sender] = plain.number;
                tally.found.fetch_add(1, Relaxed);
            }
        }
        let restarted = &boxes[round % BOXES];
        tally.found.fetch_add(restarted.close(owner).count(), Relaxed);
        restarted.open(owner);
    }

    #[test]
    fn every_mail_of_four_threads_is_accounted_for() {
        let policies = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest];
        let owner = Owner::default();
        let new = |i: usize| mailbox(1 + i as u32 % 7, policies[i % policies.len()], &owner);
        let boxes: Vec<_> = (0..BOXES).map(new).collect();
        let (tally, mut last, mut round) = (Tally::default(), vec![[0; SENDERS + 1]; BOXES], 0);
        thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    scope.spawn({
                        let (boxes, tally) = (&boxes, &tally);
                        move || send(boxes, tally, sender)
                    })
                })
                .collect();
            while senders.iter().any(|sender| !sender.is_finished()) {
                send_home(&boxes, &tally, &owner, round);
                drain(&boxes, &tally, &mut last, round, &owner);
                round += 1;
            }
        });
        tally.found.fetch_add(boxes.iter().map(|mailbox| mailbox.close(&owner).count()).sum(), Relaxed);
        let Tally { refused, lost, found } = tally;
        let sent = SENDERS * EACH + round * BOXES;
        assert_eq!(refused.into_inner() + lost.into_inner() + found.into_inner(), sent);
        let counts: Vec<_> = boxes.iter().map(Mailbox::count).collect();
        assert!(counts.iter().all(|it| it.received == it.delivered + it.dropped + it.returned && it.waiting == 0));
        assert_eq!(counts.iter().map(|it| it.received + it.refused).sum::<u64>(), sent as u64);
    }

    #[test]
    fn a_waiting_sender_goes_on_when_there_is_room() {
        let owner = Owner::default();
        let mailbox = mailbox(1, Overflow::Block(Duration::from_secs(60)), &owner);
        let far = std::time::Instant::now() + Duration::from_secs(60);
        mailbox.push(Plain { sender: 0, number: 0 }, None, || (), |_, _| ()).unwrap();
        assert!(!mailbox.wait_for_room(std::time::Instant::now()), "full, and no time to wait");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| mailbox.wait_for_room(far));
            mailbox.take(&mut Slots::new(), 1, &owner);
            assert!(waiter.join().unwrap());
            mailbox.push(Plain { sender: 0, number: 1 }, None, || (), |_, _| ()).unwrap();
            let waiter = scope.spawn(|| mailbox.wait_for_room(far));
            assert_eq!(mailbox.close(&owner).count(), 1);
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

    fn send(mailbox: &Mailbox<Plain>, sender: usize, wakes: &AtomicUsize) -> bool {
        let wake = || {
            wakes.fetch_add(1, SeqCst);
        };
        mailbox.push(Plain { sender, number: 0 }, None, wake, |_, _| ()).is_ok()
    }

    /// Two others send to a box of one, while its head sends and reads.
    fn no_wake_is_lost(overflow: Overflow) {
        crate::sync::model(move || {
            let owner = Owner::default();
            let mailbox = Arc::new(mailbox(1, overflow, &owner));
            let [wakes, refused] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let senders = [0, 1].map(|sender| {
                let (mailbox, wakes, refused) = (Arc::clone(&mailbox), Arc::clone(&wakes), Arc::clone(&refused));
                thread::spawn(move || {
                    if !send(&mailbox, sender, &wakes) {
                        refused.fetch_add(1, SeqCst);
                    }
                })
            });
            let (mut batch, mut found, mut listed) = (Slots::new(), 0, false);
            let own = mailbox.push(Plain { sender: 2, number: 0 }, Some(&owner), || listed = true, |_, _| ());
            refused.fetch_add(usize::from(own.is_err()), SeqCst);
            let mut visit = |listed: &mut bool| {
                // A mailman comes only when called.
                if wakes.swap(0, SeqCst) > 0 {
                    *listed |= mailbox.is_announced(&owner);
                }
                if std::mem::take(listed) {
                    assert!(!mailbox.take(&mut batch, 8, &owner));
                    found += batch.drain().count();
                }
            };
            visit(&mut listed);
            for sender in senders {
                sender.join().unwrap();
            }
            visit(&mut listed);
            assert_eq!(mailbox.count().waiting, 0);
            assert_eq!(found + refused.load(SeqCst), 3);
        });
    }

    #[test]
    fn no_wake_is_lost_where_the_head_has_the_queue() {
        no_wake_is_lost(Overflow::Reject);
    }

    #[test]
    fn no_wake_is_lost_where_all_is_behind_the_gate() {
        no_wake_is_lost(Overflow::Block(Duration::MAX));
    }

    #[test]
    fn what_is_sent_while_it_closes_is_refused_or_returned() {
        ::loom::model(|| {
            let owner = Owner::default();
            let mailbox = Arc::new(mailbox(2, Overflow::Reject, &owner));
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || {
                    let push = |number| mailbox.push(Plain { sender: 0, number }, None, || (), |_, _| ());
                    (0..2).filter(|number| push(*number).is_ok()).count()
                }
            });
            let returned = mailbox.close(&owner).count();
            assert_eq!(returned, sender.join().unwrap());
        });
    }

    /// One who has been told of a mail of the head writes after it, and the other way round.
    #[test]
    fn what_was_sent_first_is_read_first() {
        ::loom::model(|| {
            let owner = Owner::default();
            let mailbox = Arc::new(mailbox(8, Overflow::Reject, &owner));
            let own = |number| mailbox.push(Plain { sender: 0, number }, Some(&owner), || (), |_, _| ()).is_ok();
            assert!(own(0));
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || mailbox.push(Plain { sender: 1, number: 1 }, None, || (), |_, _| ()).is_ok()
            });
            assert!(sender.join().unwrap() && own(2));
            let mut batch = Slots::new();
            mailbox.take(&mut batch, 8, &owner);
            assert!(batch.iter().map(|plain| plain.number).eq(0..3));
        });
    }

    #[test]
    fn a_sender_that_waits_for_room_gets_it() {
        ::loom::model(|| {
            let owner = Owner::default();
            let mailbox = Arc::new(mailbox(1, Overflow::Block(Duration::MAX), &owner));
            mailbox.push(Plain { sender: 0, number: 0 }, None, || (), |_, _| ()).unwrap();
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || {
                    assert!(mailbox.wait_for_room(std::time::Instant::now()));
                    mailbox.push(Plain { sender: 1, number: 0 }, None, || (), |_, _| ()).unwrap();
                }
            });
            let mut batch = Slots::new();
            assert!(!mailbox.take(&mut batch, 8, &owner), "it can't be full with two");
            assert_eq!(batch.drain().count(), 1);
            sender.join().unwrap();
            assert_eq!(mailbox.close(&owner).count(), 1);
        });
    }
}
