//! What a mailbox does, slow and obvious.

use super::*;

/// (number, subject, priority, rank) of what waits, in order of arrival; sorted only when somebody takes.
pub(super) struct Model {
    pub(super) waiting: Vec<(usize, u8, i8, Rank)>,
    pub(super) bound: usize,
    pub(super) overflow: Overflow,
    pub(super) order: Order,
    pub(super) closed: bool,
    pub(super) count: MailCount,
}

/// What becomes of a push: taken, taken with a loss, or refused.
pub(super) type Fate = Result<Option<(Dropped, usize)>, Refusal>;

impl Model {
    pub(super) fn new(bound: usize, overflow: Overflow, order: Order) -> Self {
        Self { waiting: Vec::new(), bound, overflow, order, closed: false, count: MailCount::default() }
    }

    pub(super) fn push(&mut self, number: usize, subject: u8, priority: i8, rank: Rank) -> Fate {
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
    pub(super) fn take_whole(&mut self, budget: usize) -> Vec<(usize, u8, i8, Rank)> {
        let before = self.waiting.clone();
        let taken = self.take(budget, |_| true);
        taken.iter().filter_map(|number| before.iter().find(|it| it.0 == *number).copied()).collect()
    }

    pub(super) fn give_back(&mut self, taken: Vec<(usize, u8, i8, Rank)>) {
        self.count.delivered -= taken.len() as u64;
        self.waiting.splice(0..0, taken);
        self.count.high_water = self.count.high_water.max(self.waiting.len());
    }

    pub(super) fn take(&mut self, budget: usize, due: impl Fn(usize) -> bool) -> Vec<usize> {
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
