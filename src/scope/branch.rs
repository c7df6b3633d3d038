//! A branch of a scope: what is lent to the lives of a [`Parallel`](crate::parallel::Parallel) type, each thread its own.
//!
//! It is a scope in which everything that such lives ask for comes to lie, in order. When all have run, the branches are
//! merged into their trunk one after the other: as they follow each other in the order of the rows, nobody can tell how many
//! there were.

use super::{Lent, Scope};
use crate::context::Context;
use crate::control::{Control, DeadLetter};
use crate::draft::{Content, Draft, Stamp};
use crate::id::Ids;
use crate::mail::Mail;
use crate::mailbox::{Bag, Parcel, Rank, Refusal};
use crate::party::Party;
use crate::post::Address;
use crate::process::{Process, Vitals};
use crate::recipient::Recipient;
use crate::send::{Office, SendError, SendErrorKind, Sent};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

/// What a scope has more if it is a branch.
#[derive(Default)]
pub(crate) struct Branch {
    /// What is to be done in the trunk, in this order.
    errands: RefCell<VecDeque<Errand>>,
    /// Whose life has sent mail last.
    sender: Cell<Option<Party>>,
    /// The ids of its mail.
    ids: Ids,
}

enum Errand {
    /// A mail, and to whom; `None` when nobody has the name.
    Mail { to: Option<Address>, mail: Mail },
    /// Anything else.
    Act(Box<dyn FnOnce(&Scope) + Send>),
}

impl Branch {
    pub(crate) fn act(&self, act: impl FnOnce(&Scope) + Send + 'static) {
        self.errands.borrow_mut().push_back(Errand::Act(Box::new(act)));
    }

    fn stamp(&self, vitals: &Vitals, scope: &Scope) -> Stamp {
        let sender = vitals.address.party();
        if self.sender.replace(Some(sender)) != Some(sender) {
            let (seed, birth) = (scope.control.seed.load(Relaxed), vitals.address.0.birth);
            self.ids.begin_life(seed, birth, scope.lives(vitals));
        }
        let time = scope.now();
        Stamp { id: self.ids.next(), time, utc: scope.control.utc_at(time), sender }
    }

    fn push(&self, to: Option<Address>, mail: Mail) {
        self.errands.borrow_mut().push_back(Errand::Mail { to, mail });
    }
}

/// What goes another way in a life beside others. Nothing of it is left in types that never are.
impl<P: Process> Context<'_, P> {
    /// The branch that is lent, if one is.
    #[inline(always)]
    pub(crate) fn branch(&self) -> Option<&Branch> {
        if const { P::PARALLEL.is_ever() } { self.scope.branch.as_deref() } else { None }
    }

    #[inline(always)]
    pub(crate) fn stamp(&self) -> Stamp {
        match self.branch() {
            None => self.scope.stamp(self.vitals.address.party()),
            Some(branch) => branch.stamp(self.vitals, self.scope),
        }
    }

    /// Puts a draft into the mailbox of its recipient, at once or when all have lived.
    #[inline(always)]
    pub(crate) fn post<T: Recipient, B: Content>(&self, draft: Draft<T, B>) -> Result<Sent, SendError> {
        match self.branch() {
            None => self.scope.post_of(draft, self.vitals),
            Some(branch) => {
                let to = draft.to.clone();
                let Some(address) = to.to().resolve(&self.scope.control.post) else {
                    return Err(SendError::new(SendErrorKind::Unknown, draft));
                };
                let stamp = self.stamp();
                let mail = draft.land(stamp, address.party());
                branch.push(Some(address.into_owned()), mail);
                Ok(Sent { number: stamp.id, dropped: None })
            }
        }
    }

    /// Counts what could not be sent and whose sender does not ask to know.
    #[cold]
    pub(crate) fn undeliverable(&self, error: SendError) {
        let Some(branch) = self.branch() else {
            return self.scope.undeliverable(error, self.vitals.address.party());
        };
        // Only an unknown name is refused at once.
        let recipient = error.recipient();
        branch.push(None, error.into_draft().named(&recipient).land(self.stamp(), Party::NOBODY));
    }
}

/// Branches, as their trunk sees them.
impl Scope {
    /// Another branch.
    pub(crate) fn branch_off(&self) -> Lent {
        let scope = Self::new(self.control.clone(), self.link.clone(), self.global_frequency);
        scope.started.set(self.started.get());
        Lent::new(Self { branch: Some(Box::default()), holder: self.link.add_holder(), ..scope })
    }

    /// Gives a branch what the lives of one lane look at.
    pub(crate) fn prepare(&self, branch: &Self, lane: u32) {
        branch.beat.follow(&self.beat);
        let (lane, lanes) = (lane as usize, self.lanes.borrow());
        let (mut known, mut depot) = (branch.lanes.borrow_mut(), branch.depot.borrow_mut());
        if known.len() <= lane {
            known.resize(lane + 1, lanes[lane]);
            depot.bags.resize_with(lane + 1, Bag::default);
        }
        known[lane] = lanes[lane];
        let (groups, mut known) = (self.groups.borrow(), branch.groups.borrow_mut());
        let news = groups.get(known.len()..).unwrap_or_default();
        known.extend_from_slice(news);
        if let Some(branch) = &branch.branch {
            branch.sender.set(None);
        }
    }

    /// Hands the date of joining of one that may not yet live over to the branch in which it stands.
    pub(crate) fn pass_joined(&self, vitals: &Vitals, branch: &Self) {
        let entity = vitals.address.entity();
        if let Some(since) = self.joined.borrow_mut().remove(&entity) {
            branch.joined.borrow_mut().insert(entity, since);
        }
    }

    /// Merges what lies in a branch of one lane, but for its errands.
    pub(crate) fn merge(&self, branch: &Self, lane: u32) {
        if let Some(bag) = branch.depot.borrow_mut().bags.get_mut(lane as usize) {
            self.bag(lane).list_all(bag);
        }
        let flagged = branch.lanes.borrow_mut().get_mut(lane as usize).map(|lane| std::mem::take(&mut lane.flagged));
        if flagged == Some(true) {
            self.mind(lane);
        }
        self.leaving.borrow_mut().append(&mut branch.leaving.borrow_mut());
        self.starting.borrow_mut().append(&mut branch.starting.borrow_mut());
        self.deferred.borrow_mut().append(&mut branch.deferred.borrow_mut());
        self.changes.borrow_mut().append(&mut branch.changes.borrow_mut());
        self.joined.borrow_mut().extend(branch.joined.borrow_mut().drain());
        if self.alarms.borrow_mut().append(&mut branch.alarms.borrow_mut()) {
            self.wind_alarm();
        }
        if branch.has_threads.take() {
            self.has_threads.set(true);
        }
        if branch.forwards.is_some() {
            // Outside of a mail's callback, there is nothing to pass on.
            branch.forwards.take();
        }
        self.beat.take_over(&branch.beat);
        branch.hold(Party::NOBODY);
    }

    /// Does the errands of a branch. Should one panic (a hook of the application's may), the others stay to be done.
    pub(crate) fn run_errands(&self, branch: &Self) {
        let Some(branch) = &branch.branch else { return };
        loop {
            let next = branch.errands.borrow_mut().pop_front();
            match next {
                None => return,
                Some(Errand::Mail { to: Some(address), mail }) => self.put(&address, mail),
                Some(Errand::Mail { to: None, mail }) => self.control.dead_letter(&mail, DeadLetter::Unknown),
                Some(Errand::Act(act)) => act(self),
            }
        }
    }

    fn put(&self, address: &Address, mail: Mail) {
        let (right, announce) = (self.right_to(address.party()), || self.announce(&address.0));
        let pushed = address.0.mailbox.push(Landed(mail), right, announce, |why, mail| self.lost(mail, why));
        if let Err((refusal, Landed(mail))) = pushed {
            let (why, reason) = match refusal {
                Refusal::Full => (DeadLetter::Full, "its mailbox was full"),
                Refusal::Closed => (DeadLetter::Closed, "it had ended"),
            };
            self.control.dead_letter(&mail, why);
            self.bounce(mail, reason);
        }
    }

    /// Pulls the e-brake. Simulated time stands still while lives run beside each other, so that there the brake can wait
    /// for its turn: then the same lives have run every time.
    pub(crate) fn brake(&self, culprit: &str, reason: String) {
        match &self.branch {
            Some(branch) if self.control.timeline().is_simulated() => {
                let culprit = culprit.to_owned();
                branch.act(move |scope| scope.control.brake(&culprit, reason));
            }
            _ => self.control.brake(culprit, reason),
        }
    }

    /// Does something to what all heads share, in order.
    pub(crate) fn tell_control(&self, act: impl FnOnce(&Control) + Send + 'static) {
        match &self.branch {
            Some(branch) => branch.act(move |scope| act(&scope.control)),
            None => act(&self.control),
        }
    }
}

/// A mail that has been written to the end.
struct Landed(Mail);

impl Parcel for Landed {
    type Item = Mail;

    fn rank(&self) -> Rank {
        self.0.flags.rank()
    }

    fn priority(&self) -> i8 {
        self.0.priority
    }

    fn supersedes(&self, waiting: &Mail) -> bool {
        waiting.subject_is(&self.0.subject_handle())
    }

    fn land(self) -> Mail {
        self.0
    }
}
