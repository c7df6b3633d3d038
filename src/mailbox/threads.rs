//! Many threads at one mailbox: for real here, in every order under loom below.

use super::*;
use std::cell::RefCell;
use std::sync::Arc;

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

/// A box alone on its head.
pub(super) fn alone<M: Item>(size: u32, overflow: Overflow, order: Order) -> (Mailbox<M>, RefCell<Depot<M>>) {
    let rounds = Arc::<Rounds>::default();
    let mut depot = Depot::default();
    depot.bags.push(Bag::new(rounds.add()));
    let home = HomeRef::new(Arc::new(Page::vacant(rounds)), 0);
    depot.add(&home);
    (Mailbox::new(home, NonZeroU32::new(size).unwrap(), overflow, order), RefCell::new(depot))
}

/// As a head does it by its list.
#[cfg(not(loom_model))]
pub(super) fn begin_round<M>(depot: &RefCell<Depot<M>>) {
    let mut depot = depot.borrow_mut();
    if !depot.bags[0].begin_next() {
        depot.forget_rounds(0);
    }
}

/// By what the head of such a box reaches it.
pub(super) fn right<M>(depot: &RefCell<Depot<M>>) -> Right<'_, M> {
    Right { depot: depot.borrow_mut(), slot: 0 }
}

fn push(
    mailbox: &Mailbox<Plain>,
    plain: Plain,
    depot: Option<&RefCell<Depot<Plain>>>,
    announce: impl FnOnce(),
) -> bool {
    mailbox.push(plain, depot.map(right), announce, |_, _| ()).is_ok()
}

impl<M: Item> Mailbox<M> {
    /// As a round does it.
    pub(super) fn take(&self, sack: &mut Sack<M>, round: u32, budget: u32) -> (Front, bool) {
        let taken = self.home().take(0, round, budget);
        taken.map_or_else(|| self.take_due(sack, budget, |_| true), |front| (front, false))
    }
}

/// A round of one box.
fn take(mailbox: &Mailbox<Plain>, budget: u32, depot: &RefCell<Depot<Plain>>) -> (Vec<Plain>, bool) {
    let bag = &mut depot.borrow_mut().bags[0];
    let (mut sack, round) = (std::mem::take(&mut bag.sack), bag.round());
    let (front, more) = mailbox.take(&mut sack, round, budget);
    (sack.take_all(front).collect(), more)
}

/// The same, open.
fn opened(size: u32, overflow: Overflow) -> (Mailbox<Plain>, RefCell<Depot<Plain>>) {
    let (mailbox, depot) = alone(size, overflow, Order::Fifo);
    mailbox.open();
    (mailbox, depot)
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

    /// What the head has for its boxes, for each by itself: they are not read in one round.
    type Depots = [RefCell<Depot<Plain>>];

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
    fn send_home(boxes: &[Mailbox<Plain>], tally: &Tally, depots: &Depots, round: usize) {
        for (at, mailbox) in boxes.iter().enumerate() {
            let right = right(&depots[at]);
            let lost = |_, _| {
                tally.lost.fetch_add(1, Relaxed);
            };
            if mailbox.push(Plain { sender: HEAD, number: round * BOXES + at }, Some(right), || (), lost).is_err() {
                tally.refused.fetch_add(1, Relaxed);
            }
        }
    }

    /// Empties all boxes once, and closes and opens one; what each sender sent to one box must come in order.
    fn drain(
        boxes: &[Mailbox<Plain>],
        tally: &Tally,
        last: &mut [[usize; SENDERS + 1]],
        round: usize,
        depots: &Depots,
    ) {
        for ((mailbox, last), depot) in boxes.iter().zip(last).zip(depots) {
            for plain in take(mailbox, 3 + round as u32 % 5, depot).0 {
                assert!(plain.number >= last[plain.sender], "FIFO");
                last[plain.sender] = plain.number;
                tally.found.fetch_add(1, Relaxed);
            }
        }
        let restarted = &boxes[round % BOXES];
        let left = restarted.close(&mut depots[round % BOXES].borrow_mut().bags[0].sack);
        tally.found.fetch_add(left.len(), Relaxed);
        restarted.open();
    }

    #[test]
    fn every_mail_of_four_threads_is_accounted_for() {
        let policies = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest];
        let new = |i: usize| opened(1 + i as u32 % 7, policies[i % policies.len()]);
        let (boxes, depots): (Vec<_>, Vec<_>) = (0..BOXES).map(new).unzip();
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
                send_home(&boxes, &tally, &depots, round);
                drain(&boxes, &tally, &mut last, round, &depots);
                round += 1;
            }
        });
        let left = |(mailbox, depot): (&Mailbox<Plain>, &RefCell<Depot<Plain>>)| {
            mailbox.close(&mut depot.borrow_mut().bags[0].sack).len()
        };
        let left = boxes.iter().zip(&depots).map(left);
        tally.found.fetch_add(left.sum(), Relaxed);
        let Tally { refused, lost, found } = tally;
        let sent = SENDERS * EACH + round * BOXES;
        assert_eq!(refused.into_inner() + lost.into_inner() + found.into_inner(), sent);
        let counts: Vec<_> = boxes.iter().map(Mailbox::count).collect();
        assert!(counts.iter().all(|it| it.received == it.delivered + it.dropped + it.returned && it.waiting == 0));
        assert_eq!(counts.iter().map(|it| it.received + it.refused).sum::<u64>(), sent as u64);
    }

    #[test]
    fn a_waiting_sender_goes_on_when_there_is_room() {
        let (mailbox, depot) = opened(1, Overflow::Block(Duration::from_secs(60)));
        let far = std::time::Instant::now() + Duration::from_secs(60);
        assert!(push(&mailbox, Plain { sender: 0, number: 0 }, None, || ()));
        assert!(!mailbox.wait_for_room(std::time::Instant::now()), "full, and no time to wait");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| mailbox.wait_for_room(far));
            assert_eq!(take(&mailbox, 1, &depot).0.len(), 1);
            assert!(waiter.join().unwrap());
            assert!(push(&mailbox, Plain { sender: 0, number: 1 }, None, || ()));
            let waiter = scope.spawn(|| mailbox.wait_for_room(far));
            assert_eq!(mailbox.close(&mut Sack::default()).len(), 1);
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
        push(mailbox, Plain { sender, number: 0 }, None, wake)
    }

    /// Two others send to a box of one, while its head sends and reads.
    fn no_wake_is_lost(overflow: Overflow) {
        crate::sync::model(move || {
            let (mailbox, depot) = opened(1, overflow);
            let mailbox = Arc::new(mailbox);
            let [wakes, refused] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let senders = [0, 1].map(|sender| {
                let (mailbox, wakes, refused) = (Arc::clone(&mailbox), Arc::clone(&wakes), Arc::clone(&refused));
                thread::spawn(move || {
                    if !send(&mailbox, sender, &wakes) {
                        refused.fetch_add(1, SeqCst);
                    }
                })
            });
            let mut found = 0;
            let own = push(&mailbox, Plain { sender: 2, number: 0 }, Some(&depot), || ());
            refused.fetch_add(usize::from(!own), SeqCst);
            let mut visit = || {
                // A mailman comes only when called.
                if wakes.swap(0, SeqCst) > 0 {
                    mailbox.announced(&mut depot.borrow_mut().bags[0]);
                }
                let listed = !std::mem::take(&mut depot.borrow_mut().bags[0].visits).is_empty();
                if listed {
                    let (taken, more) = take(&mailbox, 8, &depot);
                    assert!(!more);
                    found += taken.len();
                }
            };
            visit();
            for sender in senders {
                sender.join().unwrap();
            }
            visit();
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
            let mailbox = Arc::new(opened(2, Overflow::Reject).0);
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || {
                    (0..2).filter(|number| push(&mailbox, Plain { sender: 0, number: *number }, None, || ())).count()
                }
            });
            let returned = mailbox.close(&mut Sack::default()).len();
            assert_eq!(returned, sender.join().unwrap());
        });
    }

    /// One who has been told of a mail of the head writes after it, and the other way round.
    #[test]
    fn what_was_sent_first_is_read_first() {
        ::loom::model(|| {
            let (mailbox, depot) = opened(8, Overflow::Reject);
            let mailbox = Arc::new(mailbox);
            let own = |number| push(&mailbox, Plain { sender: 0, number }, Some(&depot), || ());
            assert!(own(0));
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || push(&mailbox, Plain { sender: 1, number: 1 }, None, || ())
            });
            assert!(sender.join().unwrap() && own(2));
            assert!(take(&mailbox, 8, &depot).0.iter().map(|plain| plain.number).eq(0..3));
        });
    }

    #[test]
    fn a_sender_that_waits_for_room_gets_it() {
        ::loom::model(|| {
            let (mailbox, depot) = opened(1, Overflow::Block(Duration::MAX));
            let mailbox = Arc::new(mailbox);
            assert!(push(&mailbox, Plain { sender: 0, number: 0 }, None, || ()));
            let sender = thread::spawn({
                let mailbox = Arc::clone(&mailbox);
                move || {
                    assert!(mailbox.wait_for_room(std::time::Instant::now()));
                    assert!(push(&mailbox, Plain { sender: 1, number: 0 }, None, || ()));
                }
            });
            let (taken, more) = take(&mailbox, 8, &depot);
            assert!(taken.len() == 1 && !more, "it can't be full with two");
            sender.join().unwrap();
            assert_eq!(mailbox.close(&mut Sack::default()).len(), 1);
        });
    }
}
