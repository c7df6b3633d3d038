//! The mailbox against a slow, obvious model, and under threads.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// A mail as far as a mailbox minds. What it carries notes its drop.
#[derive(Debug)]
struct Note {
    number: usize,
    sender: u8,
    subject: u8,
    priority: i8,
    rank: Rank,
    _body: Body,
}

#[derive(Debug)]
struct Body(usize, Rc<RefCell<Vec<u32>>>);

impl Drop for Body {
    fn drop(&mut self) {
        self.1.borrow_mut()[self.0] += 1;
    }
}

impl Item for Note {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn priority(&self) -> i8 {
        self.priority
    }
}

impl Parcel for Note {
    type Item = Self;

    fn rank(&self) -> Rank {
        self.rank
    }

    fn priority(&self) -> i8 {
        self.priority
    }

    fn supersedes(&self, waiting: &Self) -> bool {
        self.subject == waiting.subject
    }

    fn land(self) -> Self {
        self
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        sender: u8,
        subject: u8,
        priority: i8,
        rank: Rank,
        /// Not by the head of the box.
        abroad: bool,
    },
    Take(usize),
    TakeOdd,
    /// Puts so many back that were taken, when another has come in, if the flag says so.
    GiveBack(usize, bool),
    /// Who has the box is not to read: in the middle of a round, or outside of it.
    Shelve(bool),
    /// The head looks at the list by which others tell it.
    Sort,
    Close,
    Open,
}

fn step() -> impl Strategy<Value = Step> {
    let rank = prop_oneof![8 => Just(Rank::Ordinary), 1 => Just(Rank::Answer), 1 => Just(Rank::Urgent)];
    let push = (0..3_u8, 0..4_u8, -1..=1_i8, rank, any::<bool>());
    prop_oneof![
        20 => push.prop_map(|(sender, subject, priority, rank, abroad)| Step::Push { sender, subject, priority, rank, abroad }),
        3 => (0..6_usize).prop_map(Step::Take),
        1 => Just(Step::Take(usize::MAX)),
        1 => Just(Step::TakeOdd),
        1 => (0..6_usize, any::<bool>()).prop_map(|(budget, push)| Step::GiveBack(budget, push)),
        2 => Just(Step::Sort),
        1 => any::<bool>().prop_map(Step::Shelve),
        1 => Just(Step::Close),
        2 => Just(Step::Open),
    ]
}

fn overflow() -> impl Strategy<Value = Overflow> {
    use Overflow::{Block, DropNewest, DropOldest, KeepLatest, Reject};
    prop_oneof![Just(Reject), Just(DropOldest), Just(DropNewest), Just(KeepLatest), Just(Block(Duration::from_secs(1)))]
}

/// (number, subject, priority, rank) of what waits, in order of arrival; sorted only when somebody takes.
struct Model {
    waiting: Vec<(usize, u8, i8, Rank)>,
    bound: usize,
    overflow: Overflow,
    order: Order,
    closed: bool,
    count: MailCount,
}

/// What becomes of a push: taken, taken with a loss, or refused.
type Fate = Result<Option<(Dropped, usize)>, Refusal>;

impl Model {
    fn push(&mut self, number: usize, subject: u8, priority: i8, rank: Rank) -> Fate {
        let fate = self.decide(number, subject, priority, rank);
        match fate {
            Err(_) => self.count.refused += 1,
            Ok(lost) => {
                self.count.received += 1;
                self.count.dropped += u64::from(lost.is_some());
            }
        }
        self.count.high_water = self.count.high_water.max(self.waiting.len());
        fate
    }

    fn decide(&mut self, number: usize, subject: u8, priority: i8, rank: Rank) -> Fate {
        let new = (number, subject, priority, rank);
        if self.closed {
            return Err(Refusal::Closed);
        }
        let ordinary = |other: &(usize, u8, i8, Rank)| other.3 == Rank::Ordinary;
        if rank == Rank::Ordinary {
            let same = self.waiting.iter().position(|other| ordinary(other) && other.1 == subject);
            if let (Overflow::KeepLatest, Some(at)) = (self.overflow, same) {
                let old = if self.order == Order::Priority && self.waiting[at].2 != priority {
                    let old = self.waiting.remove(at);
                    self.waiting.push(new);
                    old
                } else {
                    std::mem::replace(&mut self.waiting[at], new)
                };
                return Ok(Some((Dropped::Superseded, old.0)));
            }
            if self.waiting.iter().filter(|other| other.3 != Rank::Urgent).count() >= self.bound {
                let by_priority = |other: &&(usize, u8, i8, Rank)| if self.order == Order::Fifo { 0 } else { other.2 };
                let victim = self.waiting.iter().filter(|other| ordinary(other)).min_by_key(by_priority).copied();
                return match (self.overflow, victim) {
                    (Overflow::DropNewest, _) => Ok(Some((Dropped::Newest, number))),
                    (Overflow::DropOldest, Some(old)) if self.order == Order::Priority && old.2 > priority => {
                        Ok(Some((Dropped::Newest, number)))
                    }
                    (Overflow::DropOldest, Some(old)) => {
                        self.waiting.retain(|other| other.0 != old.0);
                        self.waiting.push(new);
                        Ok(Some((Dropped::Oldest, old.0)))
                    }
                    _ => Err(Refusal::Full),
                };
            }
        }
        self.waiting.push(new);
        Ok(None)
    }

    /// Takes so many, all that is known of them.
    fn take_whole(&mut self, budget: usize) -> Vec<(usize, u8, i8, Rank)> {
        let before = self.waiting.clone();
        let taken = self.take(budget, |_| true);
        taken.iter().filter_map(|number| before.iter().find(|it| it.0 == *number).copied()).collect()
    }

    fn give_back(&mut self, taken: Vec<(usize, u8, i8, Rank)>) {
        self.count.delivered -= taken.len() as u64;
        self.waiting.splice(0..0, taken);
        self.count.high_water = self.count.high_water.max(self.waiting.len());
    }

    fn take(&mut self, budget: usize, due: impl Fn(usize) -> bool) -> Vec<usize> {
        let taken: Vec<_> = self.sorted().into_iter().filter(|it| due(*it)).take(budget).collect();
        self.waiting.retain(|it| !taken.contains(&it.0));
        self.count.delivered += taken.len() as u64;
        taken
    }

    /// In order of delivery.
    fn sorted(&self) -> Vec<usize> {
        let mut sorted = self.waiting.clone();
        let order = self.order;
        sorted.sort_by_key(|it| {
            (it.3 != Rank::Urgent, if order == Order::Fifo || it.3 == Rank::Urgent { 0 } else { -it.2 })
        });
        sorted.iter().map(|it| it.0).collect()
    }
}

struct Trial {
    mailbox: Mailbox<Note>,
    depot: RefCell<Depot<Note>>,
    /// Where its mail lies in a round.
    sack: Sack<Note>,
    model: Model,
    drops: Rc<RefCell<Vec<u32>>>,
    /// On the list of its head.
    ready: bool,
    /// Others have said that they have written, where the head looks at all.
    told: bool,
    /// On the list by which others tell the head.
    announced: bool,
    last_of_sender: [usize; 3],
}

impl Trial {
    fn push(&mut self, sender: u8, subject: u8, priority: i8, rank: Rank, abroad: bool) {
        let number = self.drops.borrow().len();
        self.drops.borrow_mut().push(0);
        let body = Body(number, Rc::clone(&self.drops));
        let (woken, lost) = (std::cell::Cell::new(false), std::cell::Cell::new(None));
        let note = Note { number, sender, subject, priority, rank, _body: body };
        let drops = Rc::clone(&self.drops);
        let result = self.mailbox.push(
            note,
            (!abroad).then(|| threads::right(&self.depot)),
            || woken.set(true),
            |why, note| {
                assert_eq!(drops.borrow()[note.number], 0, "not dropped under the lock");
                lost.set(Some((why, note.number)));
            },
        );
        let fate = result.as_ref().map(|_| lost.get()).map_err(|(refusal, note)| {
            assert_eq!(note.number, number, "the draft comes back");
            *refusal
        });
        assert_eq!(fate, self.model.push(number, subject, priority, rank));
        let woken = woken.get() || !std::mem::take(&mut self.depot.borrow_mut().bags[0].ready).is_empty();
        let whole = self.is_whole();
        let was_ready = if abroad && !whole { self.told } else { self.ready };
        assert_eq!(woken, !was_ready && result.is_ok(), "woken exactly when it was idle");
        self.told = abroad && !whole && (self.told || result.is_ok());
        self.ready |= woken && (whole || !abroad);
        self.announced |= woken && abroad;
        let gone = result.is_err() || matches!(fate, Ok(Some((Dropped::Newest, _))));
        drop(result);
        assert_eq!(self.drops.borrow()[number], u32::from(gone));
        if let Ok(Some((_, old))) = fate {
            assert_eq!(self.drops.borrow()[old], 1);
        }
    }

    /// Whether others see all of the box.
    fn is_whole(&self) -> bool {
        self.model.overflow != Overflow::Reject || self.model.order != Order::Fifo
    }

    /// A round begins: what lay in the bag lies in the sack.
    fn begin(&mut self) {
        self.sack.recover();
        std::mem::swap(&mut self.depot.get_mut().bags[0].sack, &mut self.sack);
    }

    /// All that is taken in one round.
    fn take(&mut self, budget: usize) -> (Vec<Note>, bool) {
        self.begin();
        let budget = u32::try_from(budget).unwrap_or(u32::MAX);
        let (chain, more) = self.mailbox.take(&mut self.sack, budget);
        let taken = self.sack.take_all(chain).collect();
        self.sack.reset();
        (self.ready, self.told) = (more, false);
        (taken, more)
    }

    fn check(&self, taken: &[Note], expected: &[usize], more: bool) {
        assert_eq!(taken.iter().map(|note| note.number).collect::<Vec<_>>(), expected);
        assert_eq!(more, !self.model.waiting.is_empty());
    }

    /// Without privileges, what one sender sent arrives in the order of sending.
    fn check_fifo(&mut self, taken: &[Note]) {
        for note in taken.iter().filter(|note| note.rank != Rank::Urgent) {
            let last = &mut self.last_of_sender[usize::from(note.sender)];
            assert!(note.number >= *last, "FIFO of sender {}", note.sender);
            *last = note.number;
        }
    }

    fn take_up_to(&mut self, budget: usize) {
        let (taken, more) = self.take(budget);
        let expected = self.model.take(budget, |_| true);
        self.check(&taken, &expected, more);
        // KeepLatest lets a mail take an earlier place: that is its point.
        if self.model.order == Order::Fifo && self.model.overflow != Overflow::KeepLatest {
            self.check_fifo(&taken);
        }
    }

    fn take_odd(&mut self) {
        self.begin();
        let is_odd = |note: &Note| note.number % 2 == 1;
        let (chain, more) = self.mailbox.take_due(&mut self.sack, u32::MAX, is_odd);
        let taken: Vec<_> = self.sack.take_all(chain).collect();
        // Who has moved to another lane and back is visited twice in a round.
        let (none, still) = self.mailbox.take_due(&mut self.sack, u32::MAX, is_odd);
        assert_eq!((self.sack.take_all(none).count(), still), (0, more));
        (self.ready, self.told) = (more, false);
        let expected = self.model.take(usize::MAX, |number| number % 2 == 1);
        self.check(&taken, &expected, more);
        self.last_of_sender = [0; 3];
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Push { sender, subject, priority, rank, abroad } => {
                self.push(sender, subject, priority, rank, abroad);
            }
            Step::Take(budget) => self.take_up_to(budget),
            Step::TakeOdd => self.take_odd(),
            Step::Shelve(in_round) => {
                if in_round {
                    self.begin();
                }
                let sack = if in_round { &mut self.sack } else { &mut self.depot.get_mut().bags[0].sack };
                self.mailbox.shelve(Vec::new(), sack);
            }
            Step::Sort => {
                if std::mem::take(&mut self.announced) && !self.is_whole() {
                    assert_eq!(self.mailbox.is_announced(), !self.ready);
                    self.ready = true;
                }
            }
            Step::GiveBack(budget, push) => {
                let (batch, _) = self.take(budget);
                let taken = self.model.take_whole(budget);
                // Twice the same subject is possible only here: which of them goes first is no part of the promise.
                if push && self.model.overflow != Overflow::KeepLatest {
                    self.push(0, 0, 0, Rank::Ordinary, budget % 2 == 0);
                    self.push(1, 1, 1, Rank::Urgent, budget % 3 == 0);
                }
                let woken = self.mailbox.give_back(batch, &mut self.depot.get_mut().bags[0].sack);
                assert_eq!(woken, !self.ready && !taken.is_empty(), "listed exactly when it was idle");
                self.ready |= woken;
                self.model.give_back(taken);
            }
            Step::Close => {
                let left = self.mailbox.close(&mut self.depot.get_mut().bags[0].sack);
                let mut numbers: Vec<_> = left.iter().map(|note| note.number).collect();
                numbers.sort_unstable();
                let mut expected: Vec<_> = self.model.waiting.drain(..).map(|it| it.0).collect();
                expected.sort_unstable();
                assert_eq!(numbers, expected);
                self.model.count.returned += numbers.len() as u64;
                (self.model.closed, self.ready, self.told) = (true, false, false);
            }
            Step::Open => {
                if !self.model.closed {
                    self.mailbox.leave(&mut self.depot.get_mut().bags[0].sack);
                }
                self.mailbox.open();
                self.model.closed = false;
                if !self.is_whole() {
                    // It is on no list now, and must be listed for what waits.
                    self.ready = !self.model.waiting.is_empty() && self.mailbox.is_announced();
                }
            }
        }
        self.model.count.waiting = self.model.waiting.len();
        assert_eq!(self.mailbox.count(), self.model.count);
        assert!(self.model.waiting.is_empty() || self.ready || self.announced, "nobody would ever look");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_mailbox_does_what_the_model_says(
        bound in 1..5_u32,
        overflow in overflow(),
        by_priority: bool,
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let order = if by_priority { Order::Priority } else { Order::Fifo };
        let drops = Rc::<RefCell<Vec<u32>>>::default();
        let model = Model {
            waiting: Vec::new(), bound: bound as usize, overflow, order, closed: false, count: MailCount::default(),
        };
        let (mailbox, depot) = threads::alone(bound, overflow, order);
        mailbox.open();
        let mut trial = Trial {
            mailbox, depot, sack: Sack::default(), model, drops,
            told: false, ready: false, announced: false, last_of_sender: [0; 3],
        };
        for step in &steps {
            trial.run(step);
        }
        let drops = Rc::clone(&trial.drops);
        drop(trial);
        prop_assert!(drops.borrow().iter().all(|drops| *drops == 1), "each body is dropped exactly once");
    }
}

#[test]
fn what_every_mail_touches_is_half_a_cache_line() {
    assert_eq!((size_of::<Home>(), align_of::<Home>()), (32, 32));
    assert!(size_of::<Mailbox<[u64; 12]>>() <= 48, "{}", size_of::<Mailbox<[u64; 12]>>());
}

/// A call of others that comes when nobody is there must not stand for the next.
#[test]
fn a_box_that_opens_is_on_no_list() {
    let (mailbox, depot) = threads::alone(1, Overflow::Reject, Order::Fifo);
    mailbox.open();
    assert!(mailbox.close(&mut depot.borrow_mut().bags[0].sack).is_empty());
    assert!(mailbox.is_announced() && !mailbox.is_announced());
    mailbox.open();
    let right = threads::right(&depot);
    mailbox.push(threads::Plain { sender: 0, number: 0 }, Some(right), || (), |_, _| ()).unwrap();
    assert_eq!(depot.borrow().bags[0].ready, [0]);
}
