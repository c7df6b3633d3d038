//! The mailbox against a slow, obvious model, and under threads.

use super::model::Model;
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
    /// A round as a head does it.
    Round,
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
        4 => Just(Step::Round),
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
        let listed = self.bag().visits.len();
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
        let woken = woken.get() || self.bag().visits.len() > listed;
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

    fn bag(&mut self) -> &mut Bag<Note> {
        &mut self.depot.get_mut().bags[0]
    }

    /// A round begins: what lay in the bag lies in the sack. Whom it lists.
    fn begin(&mut self) -> Vec<Visit> {
        self.sack.recover();
        let Bag { sack, visits, .. } = &mut self.depot.get_mut().bags[0];
        std::mem::swap(sack, &mut self.sack);
        std::mem::take(visits)
    }

    /// What a round leaves is listed for the next.
    fn end(&mut self, more: bool) {
        self.sack.reset();
        (self.ready, self.told) = (more, false);
        if more {
            self.bag().list(0);
        }
    }

    /// All that is taken in one round.
    fn take(&mut self, budget: usize) -> (Vec<Note>, bool) {
        self.begin();
        let budget = u32::try_from(budget).unwrap_or(u32::MAX);
        let round = self.depot.get_mut().bags[0].round();
        let (front, more) = self.mailbox.take(&mut self.sack, round, budget);
        let taken = self.sack.take_all(front).collect();
        self.end(more);
        (taken, more)
    }

    /// A round of those that are listed, by what they are listed with, if that holds.
    fn round(&mut self) {
        self.sort();
        let taken = if self.bag().sack.is_as_listed() {
            let visits = self.begin();
            threads::begin_round(&self.depot);
            let taken = visits
                .iter()
                .filter_map(|visit| visit.taken)
                .flat_map(|front| self.sack.take_all(front).collect::<Vec<_>>());
            let taken = taken.collect();
            self.end(false);
            taken
        } else {
            self.take(usize::MAX).0
        };
        let expected = self.model.take(usize::MAX, |_| true);
        self.check(&taken, &expected, false);
    }

    /// The head looks at the list by which others tell it.
    fn sort(&mut self) {
        if std::mem::take(&mut self.announced) {
            let is_new = self.mailbox.announced(&mut self.depot.get_mut().bags[0]);
            assert_eq!(is_new, self.is_whole() || !self.ready);
            self.ready |= !self.is_whole();
        }
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
        self.end(more);
        let expected = self.model.take(usize::MAX, |number| number % 2 == 1);
        self.check(&taken, &expected, more);
        self.last_of_sender = [0; 3];
    }

    fn give_back(&mut self, budget: usize, push: bool) {
        let (batch, _) = self.take(budget);
        let taken = self.model.take_whole(budget);
        // Twice the same subject is possible only here: which of them goes first is no part of the promise.
        if push && self.model.overflow != Overflow::KeepLatest {
            self.push(0, 0, 0, Rank::Ordinary, budget.is_multiple_of(2));
            self.push(1, 1, 1, Rank::Urgent, budget.is_multiple_of(3));
        }
        let woken = self.mailbox.give_back(batch, &mut self.depot.get_mut().bags[0].sack);
        assert_eq!(woken, !self.ready && !taken.is_empty(), "listed exactly when it was idle");
        self.ready |= woken;
        if woken {
            self.bag().list(0);
        }
        self.model.give_back(taken);
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
                if in_round && self.ready {
                    self.bag().list(0);
                }
            }
            Step::Sort => self.sort(),
            Step::Round => self.round(),
            Step::GiveBack(budget, push) => self.give_back(budget, push),
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
                    let bag = &mut self.depot.get_mut().bags[0];
                    self.ready = !self.model.waiting.is_empty() && self.mailbox.announced(bag);
                }
            }
        }
        self.model.count.waiting = self.model.waiting.len();
        assert_eq!(self.mailbox.count(), self.model.count);
        assert!(self.model.waiting.is_empty() || self.ready || self.announced, "nobody would ever look");
    }
}

/// Mostly what most boxes see: mail of their own head, between two of its rounds.
fn plain_step() -> impl Strategy<Value = Step> {
    let own = Step::Push { sender: 0, subject: 0, priority: 0, rank: Rank::Ordinary, abroad: false };
    prop_oneof![20 => Just(own), 12 => Just(Step::Round), 4 => step()]
}

/// Tries a box, whose lists have so much room before they grow, and for which so many rounds are left before they are numbered
/// anew.
fn try_out(model: Model, room: usize, rounds_left: u32, steps: &[Step]) {
    let bound = u32::try_from(model.bound).unwrap();
    let (mailbox, depot) = threads::alone(bound, model.overflow, model.order);
    depot.borrow_mut().bags[0].set_round(u32::MAX - rounds_left);
    depot.borrow_mut().bags[0].sack.resize(room);
    let (mut sack, drops) = (Sack::default(), Rc::<RefCell<Vec<u32>>>::default());
    sack.resize(room);
    mailbox.open();
    let (told, ready, announced) = (false, false, false);
    let mut trial =
        Trial { mailbox, depot, sack, model, drops: Rc::clone(&drops), told, ready, announced, last_of_sender: [0; 3] };
    steps.iter().for_each(|step| trial.run(step));
    drop(trial);
    assert!(drops.borrow().iter().all(|drops| *drops == 1), "each body is dropped exactly once");
}

fn rounds_left() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, Just(u32::MAX - 1)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_mailbox_does_what_the_model_says(
        bound in 1..5_usize,
        overflow in overflow(),
        by_priority: bool,
        rounds_left in rounds_left(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let order = if by_priority { Order::Priority } else { Order::Fifo };
        try_out(Model::new(bound, overflow, order), 0, rounds_left, &steps);
    }

    #[test]
    fn rounds_by_the_list_do_what_the_model_says(
        bound in 1..5_usize,
        rounds_left in rounds_left(),
        steps in proptest::collection::vec(plain_step(), 1..120),
    ) {
        try_out(Model::new(bound, Overflow::Reject, Order::Fifo), 64, rounds_left, &steps);
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
    let announced = || mailbox.announced(&mut depot.borrow_mut().bags[0]);
    assert!(announced() && !announced());
    depot.borrow_mut().bags[0].visits.clear();
    mailbox.open();
    let right = threads::right(&depot);
    mailbox.push(threads::Plain { sender: 0, number: 0 }, Some(right), || (), |_, _| ()).unwrap();
    assert_eq!(depot.borrow().bags[0].visits.iter().map(|visit| visit.slot).collect::<Vec<_>>(), [0]);
}

#[test]
fn what_a_round_had_is_not_seen_again_when_rounds_are_numbered_anew() {
    let (mailbox, depot) = threads::alone(5, Overflow::Reject, Order::Fifo);
    mailbox.open();
    let push = || {
        let right = threads::right(&depot);
        mailbox.push(threads::Plain { sender: 0, number: 0 }, Some(right), || (), |_, _| ()).unwrap();
        (mailbox.count().waiting, std::mem::take(&mut depot.borrow_mut().bags[0].visits).len())
    };
    depot.borrow_mut().bags[0].sack.make_slot();
    assert_eq!(push(), (1, 1));
    threads::begin_round(&depot);
    assert_eq!(mailbox.count().waiting, 0);
    depot.borrow_mut().bags[0].set_round(u32::MAX);
    threads::begin_round(&depot);
    assert_eq!(mailbox.count().waiting, 0, "of the round that had this number before");
    assert_eq!(push(), (1, 1));
}

#[test]
fn the_most_that_waited_is_known_beyond_what_a_home_can_count() {
    let (mailbox, depot) = threads::alone(u32::MAX, Overflow::Reject, Order::Fifo);
    mailbox.open();
    let push = |abroad: bool| {
        let right = (!abroad).then(|| threads::right(&depot));
        mailbox.push(threads::Plain { sender: 0, number: 0 }, right, || (), |_, _| ()).unwrap();
        mailbox.count().high_water
    };
    for most in 1..=usize::from(u16::MAX) + 3 {
        assert_eq!(push(false), most);
    }
    assert_eq!([push(true), push(true), push(false)], [65_539, 65_540, 65_541]);
    assert_eq!(mailbox.take_all(&mut depot.borrow_mut().bags[0].sack).len(), 65_541);
    assert_eq!((push(false), mailbox.count().delivered, mailbox.count().waiting), (65_541, 65_541, 1));
}
