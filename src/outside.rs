//! Sending mail from a thread that is no head.

use crate::control::{Control, DeadLetter};
use crate::draft::{Content, Draft, Stamp};
use crate::id::Ids;
use crate::mail::Mail;
use crate::mailbox::{Dropped, Right};
use crate::party::Party;
use crate::recipient::{Many, Recipient};
use crate::send::{Office, SendError, SendErrorKind, Sent};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Sends mail from outside: such mail has no sender to answer to. One per thread.
pub struct Outside {
    pub(crate) ids: Ids,
    pub(crate) control: Arc<Control>,
    /// In whose name: nobody's, or that of a child thread's owner.
    pub(crate) sender: Party,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside")
    }
}

impl Office for Outside {
    fn right_to(&self, _: Party) -> Option<Right<'_, Mail>> {
        None
    }

    fn lost(&self, mail: Mail, why: Dropped) {
        self.control.dead_letter(&mail, DeadLetter::Dropped(why));
        if mail.is_question() {
            // Whoever asked must learn that no answer will come; if it is gone as well, nobody waits.
            let from = mail.recipient;
            let bounce = mail.bounce("it was lost to the bound of the mailbox");
            if let Some(address) = bounce.to.clone().to().resolve(&self.control.post) {
                let stamp = Stamp { sender: from, ..self.stamp() };
                let _ = address.post(bounce, stamp, self);
            }
        }
    }
}

impl Outside {
    /// Sends a mail, and waits for room where the mailbox blocks its senders.
    ///
    /// # Errors
    /// [`SendError`] with the draft, when nobody has this name, or the mailbox is full or closed.
    pub fn send<T: Recipient, B: Content>(&self, draft: Draft<T, B>) -> Result<Sent, SendError> {
        let to = draft.to.clone();
        match to.to().resolve(&self.control.post) {
            Some(address) => address.post_patiently(draft, self.stamp(), self),
            None => Err(SendError::new(SendErrorKind::Unknown, draft)),
        }
    }

    /// Sends a mail, and never waits.
    pub(crate) fn send_at_once<T: Recipient, B: Content>(&self, draft: Draft<T, B>) -> Result<Sent, SendError> {
        let to = draft.to.clone();
        match to.to().resolve(&self.control.post) {
            Some(address) => address.post(draft, self.stamp(), self),
            None => Err(SendError::new(SendErrorKind::Unknown, draft)),
        }
    }

    /// How long one may wait for room at its recipient.
    pub(crate) fn patience<T: Recipient, B>(&self, draft: &Draft<T, B>) -> Option<Duration> {
        draft.to.to().resolve(&self.control.post)?.0.mailbox.patience()
    }

    /// Counts what could not be sent and whose sender does not ask to know.
    pub(crate) fn undeliverable(&self, error: SendError) {
        let why = match error.kind() {
            SendErrorKind::Full { .. } => DeadLetter::Full,
            SendErrorKind::Closed => DeadLetter::Closed,
            SendErrorKind::Unknown => DeadLetter::Unknown,
        };
        let recipient = error.recipient();
        let mail = error.into_draft().named(&recipient).land(self.stamp(), Party::NOBODY);
        self.control.dead_letter(&mail, why);
    }

    /// Sends a mail to many, who share its body: one result each, in order.
    pub fn send_all<B: Content>(&self, draft: Draft<Many<'_>, B>) -> Vec<Result<Sent, SendError>> {
        draft.share().each(&self.control.post, self.sender).map(|draft| self.send(draft)).collect()
    }

    fn stamp(&self) -> Stamp {
        let time = self.control.timeline().now();
        Stamp { id: self.ids.next(), time, utc: self.control.utc_at(time), sender: self.sender }
    }
}
