//! How a head posts: what its processes write, and what it writes for them.

use crate::control::DeadLetter;
use crate::draft::{Content, Draft, Stamp};
use crate::mail::Mail;
use crate::mailbox::{Dropped, Right};
use crate::party::Party;
use crate::post::Record;
use crate::process::Vitals;
use crate::recipient::Recipient;
use crate::scope::Scope;
use crate::send::{Office, SendError, SendErrorKind, Sent};
use std::ptr;
use std::sync::Arc;

impl Office for Scope {
    #[inline(always)]
    fn right_to(&self, party: Party) -> Option<Right<'_, Mail>> {
        Some(Right { depot: self.depot.borrow_mut(), slot: party.slot() })
    }

    fn lost(&self, mail: Mail, why: Dropped) {
        self.control.dead_letter(&mail, DeadLetter::Dropped(why));
        self.bounce(mail, "it was lost to the bound of the mailbox");
    }
}

/// A process of this head, writing.
struct Writer<'a> {
    vitals: &'a Vitals,
    scope: &'a Scope,
}

impl Office for Writer<'_> {
    #[inline(always)]
    fn right_to(&self, party: Party) -> Option<Right<'_, Mail>> {
        let (mut depot, slot) = (self.scope.depot.borrow_mut(), party.slot());
        depot.foresee(ptr::from_ref(self.vitals), self.vitals.address.party().slot(), slot);
        Some(Right { depot, slot })
    }

    fn lost(&self, mail: Mail, why: Dropped) {
        self.scope.lost(mail, why);
    }
}

impl Scope {
    /// Has the mailman of a process of any head look at it, for something else than mail.
    pub(crate) fn wake(&self, record: &Record) {
        if Arc::ptr_eq(&record.link, &self.link) {
            self.list_ready(record.mailbox.home().lane(), record.party());
        } else {
            record.announce();
        }
    }

    #[inline(always)]
    pub(crate) fn stamp(&self, sender: Party) -> Stamp {
        let time = self.now();
        let id = if self.next_tick { self.senders.next(sender.birth()) } else { self.ids.next() };
        Stamp { id, time, utc: self.control.utc_at(time), sender }
    }

    /// Puts a draft into the mailbox of its recipient.
    #[inline(always)]
    pub(crate) fn post<T: Recipient, B: Content>(&self, draft: Draft<T, B>, from: Party) -> Result<Sent, SendError> {
        self.post_through(self, draft, from)
    }

    /// The same of a process of this head. Who wrote just before him is looked at, to know what is asked for next.
    #[inline(always)]
    pub(crate) fn post_of<T: Recipient, B: Content>(
        &self,
        draft: Draft<T, B>,
        vitals: &Vitals,
    ) -> Result<Sent, SendError> {
        self.post_through(&Writer { vitals, scope: self }, draft, vitals.address.party())
    }

    #[inline(always)]
    fn post_through<T: Recipient, B: Content>(
        &self,
        office: &impl Office,
        draft: Draft<T, B>,
        from: Party,
    ) -> Result<Sent, SendError> {
        let to = draft.to.clone();
        match to.to().address() {
            Some(address) => address.post(draft, self.stamp(from), office),
            None => self.post_by_name(draft, from),
        }
    }

    #[inline(never)]
    fn post_by_name<T: Recipient, B: Content>(&self, draft: Draft<T, B>, from: Party) -> Result<Sent, SendError> {
        let to = draft.to.clone();
        match to.to().resolve(&self.control.post) {
            Some(address) => address.post(draft, self.stamp(from), self),
            None => Err(SendError::new(SendErrorKind::Unknown, draft)),
        }
    }

    /// Tells the sender of a question that no answer will come.
    pub(crate) fn bounce(&self, mail: Mail, reason: &'static str) {
        if mail.is_question() {
            let from = mail.recipient;
            // Its sender may be gone as well: then nobody waits.
            let _ = self.post(mail.bounce(reason), from);
        }
    }

    /// Counts what could not be sent and whose sender does not ask to know.
    #[cold]
    pub(crate) fn undeliverable(&self, error: SendError, from: Party) {
        let why = match error.kind() {
            SendErrorKind::Full { .. } => DeadLetter::Full,
            SendErrorKind::Closed => DeadLetter::Closed,
            SendErrorKind::Unknown => DeadLetter::Unknown,
        };
        let recipient = error.recipient();
        let mail = error.into_draft().named(&recipient).land(self.stamp(from), Party::NOBODY);
        self.control.dead_letter(&mail, why);
    }
}
