//! Sending: from a draft to the mailbox of its recipient, or back with the reason.
//!
//! What is refused comes back as a [`SendError`] with the draft in it, from [`send`](crate::context::Context::send); from
//! [`tell`](crate::context::Context::tell) it is counted as a dead letter.

use crate::draft::{Content, Draft, Letter, Stamp};
use crate::id;
use crate::mail::Mail;
use crate::mailbox::{Dropped, Refusal, Right};
use crate::party::Party;
use crate::post::{Address, Record};
use crate::recipient::{Kept, Recipient};
use std::fmt;
use std::time::Instant;
use uuid::Uuid;

/// A mail is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    pub(crate) number: u64,
    pub(crate) dropped: Option<Dropped>,
}

impl Sent {
    /// The id of the mail.
    #[must_use]
    pub fn id(&self) -> Uuid {
        id::to_uuid(self.number)
    }

    /// Which mail was lost for the bound of the mailbox, if one was: under some policies this very one. Of a
    /// [`Parallel`](crate::parallel::Parallel) life, that is not known yet.
    #[must_use]
    pub fn dropped(&self) -> Option<Dropped> {
        self.dropped
    }
}

/// Why a mail was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// No process bears this name.
    #[error("there is no such process; mend the name, or add the process first")]
    Unknown,
    /// The mailbox is full.
    #[error(
        "its mailbox is full with {limit}; send it later, make it urgent, or give the process a larger MailboxSize or \
         another Overflow"
    )]
    Full {
        /// How many mails it may hold.
        limit: u32,
    },
    /// The recipient is ending, or has ended.
    #[error("it is ending or has ended, and takes no mail; send it to another, or wait until it is born again")]
    Closed,
}

/// A mail was not sent: why, and the draft of it.
#[derive(thiserror::Error)]
#[error("{}", Self::text(.0))]
pub struct SendError(Box<Refused>);

struct Refused {
    kind: SendErrorKind,
    draft: Draft<Kept>,
}

impl SendError {
    #[cold]
    #[inline(never)]
    pub(crate) fn new<T: Recipient, B: Content>(kind: SendErrorKind, draft: Draft<T, B>) -> Self {
        Self(Box::new(Refused { kind, draft: draft.erase().map(|to| to.to().keep(), |body| body) }))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> SendErrorKind {
        self.0.kind
    }

    /// For whom it was.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.0.draft.to.to().to_string()
    }

    /// The draft, to send it later or to somebody else.
    pub fn into_draft(self) -> Draft<Kept> {
        self.0.draft
    }

    fn text(refused: &Refused) -> String {
        let Refused { kind, draft } = refused;
        let (to, subject) = (draft.to.to().to_string(), draft.subject_handle());
        format!("mail {subject:?} to {to:?} was not sent: {kind}")
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendError({self})")
    }
}

/// Where mail is sent from: a head, or a thread.
pub(crate) trait Office {
    /// By what to reach the mailbox of a process, if this is a head.
    fn right_to(&self, party: Party) -> Option<Right<'_, Mail>>;

    /// The mailbox of `record` was idle and has mail now.
    fn announce(&self, record: &Record) {
        record.announce();
    }

    /// `mail` was taken and then lost to the bound of its mailbox. Who asked a question with it must learn so.
    fn lost(&self, mail: Mail, why: Dropped);
}

impl Address {
    /// Puts a draft into the mailbox, whatever its address says.
    #[inline(always)]
    pub(crate) fn post<T: Recipient, B: Content>(
        &self,
        draft: Draft<T, B>,
        stamp: Stamp,
        office: &impl Office,
    ) -> Result<Sent, SendError> {
        let letter = Letter { draft, stamp, recipient: self.party() };
        let announce = || office.announce(&self.0);
        // The record is not looked at where its head posts: that would be to wait for memory.
        match self.0.mailbox.push(letter, office.right_to(self.party()), announce, |why, mail| office.lost(mail, why)) {
            Ok(dropped) => Ok(Sent { number: stamp.id, dropped }),
            Err((refusal, letter)) => Err(self.refuse(refusal, letter.draft)),
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse<T: Recipient, B: Content>(&self, refusal: Refusal, draft: Draft<T, B>) -> SendError {
        let kind = match refusal {
            Refusal::Full => SendErrorKind::Full { limit: self.0.mailbox.size().0 },
            Refusal::Closed => SendErrorKind::Closed,
        };
        SendError::new(kind, draft)
    }

    /// Like [`post`](Self::post), and waits for room if the mailbox says so. For threads only: a tick never waits.
    pub(crate) fn post_patiently<T: Recipient, B: Content>(
        &self,
        draft: Draft<T, B>,
        stamp: Stamp,
        office: &impl Office,
    ) -> Result<Sent, SendError> {
        let Some(until) = self.0.mailbox.patience().and_then(|patience| Instant::now().checked_add(patience)) else {
            return self.post(draft, stamp, office);
        };
        let mut draft = draft.erase().map(|to| to.to().keep(), |body| body);
        loop {
            let room = self.0.mailbox.wait_for_room(until);
            match self.post(draft, stamp, office) {
                // Somebody else was quicker.
                Err(error) if room && matches!(error.kind(), SendErrorKind::Full { .. }) => draft = error.into_draft(),
                result => return result,
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::mailbox::Sack;
    use crate::post::Post;
    use crate::post::tests::{address, listed};

    /// An office without a head.
    struct Silent;

    impl Office for Silent {
        fn right_to(&self, _: Party) -> Option<Right<'_, Mail>> {
            None
        }
        fn announce(&self, _: &Record) {}
        fn lost(&self, _: Mail, _: Dropped) {}
    }

    fn stamp(sender: &Address) -> Stamp {
        Stamp { id: 1, time: 0, utc: 0, sender: sender.party() }
    }

    fn read(address: &Address) -> Mail {
        address.0.mailbox.take_all(&mut Sack::default()).remove(0)
    }

    #[test]
    fn a_mail_knows_both_its_ends_and_a_reply_finds_back() {
        let (imu, control) = (address("imu", 0), address("control", 1));
        control.post(Mail::to(&control).subject("pose").body(7_u64), stamp(&imu), &Silent).unwrap();
        let mail = read(&control);
        assert_eq!(mail.to_string(), r#"imu -> control "pose" #0 at 0ns: (u64)"#);
        let reply = mail.reply().body(8_u64);
        let back = reply.to.to().resolve(&Post::default()).unwrap().into_owned();
        back.post(reply, stamp(&control), &Silent).unwrap();
        let reply = read(&imu);
        assert!(reply.sender() == "CONTROL" && reply.sender().address().unwrap().name() == "control");
        assert_eq!((reply.thread(), reply.index(), reply.get::<u64>()), (mail.thread(), 1, Some(&8)));
    }

    #[test]
    fn what_is_refused_comes_back_with_the_reason() -> Result<(), bevy_ecs::error::BevyError> {
        let imu = address("imu", 0);
        assert_eq!(imu.0.mailbox.close(&mut Sack::default()).len(), 0);
        let error = imu.post(Mail::to("Imu").subject("pose").body(7_u64), stamp(&imu), &Silent).unwrap_err();
        assert_eq!((error.kind(), error.recipient()), (SendErrorKind::Closed, "Imu".to_owned()));
        assert!(error.to_string().contains("\"pose\""), "{error}");
        let draft = error.into_draft();
        assert_eq!(draft.body.get::<u64>(), Some(&7));
        imu.0.mailbox.open();
        imu.post(draft, stamp(&imu), &Silent)?;
        Ok(())
    }

    #[test]
    fn many_share_a_body_and_the_sender_of_a_broadcast_is_left_out() {
        let post = Post::default();
        let all = ["a", "b", "c"].map(|name| listed(&post, name, 0).unwrap());
        let text = String::from("shared");
        let place = text.as_ptr();
        let draft = Mail::broadcast().body(text).share();
        for draft in draft.each(&post, all[0].party()) {
            let to = draft.to.to().resolve(&post).unwrap().into_owned();
            to.post(draft, stamp(&all[0]), &Silent).unwrap();
        }
        assert_eq!(all.each_ref().map(|address| address.mail_count().received), [0, 1, 1]);
        assert!(all[1..].iter().all(|address| read(address).body().as_text().unwrap().as_ptr() == place));
        let named = Mail::to_all(["a", "nobody"]).body("x").share();
        let found: Vec<_> = named.each(&post, all[0].party()).map(|it| it.to.to().resolve(&post).is_some()).collect();
        assert_eq!(found, [true, false], "one result each");
    }

    #[test]
    fn the_name_of_the_dead_is_still_on_their_mail() {
        let (post, control) = (Post::default(), address("control", 1));
        let imu = listed(&post, "imu", 0).unwrap();
        control.post(Mail::to(&control), stamp(&imu), &Silent).unwrap();
        post.release(&imu);
        drop(imu);
        assert!(read(&control).sender() == "imu");
    }
}
