//! The processes that write each other, and tell the model of all they see.

use crate::common::ms;
use crate::model::{Books, Deed, Owner, Parcel, Place, QUESTION, SUBJECTS, Style, Told, name};
use polycephaly::draft::{Draft, Value};
use polycephaly::prelude::*;
use std::mem::take;

#[derive(Component)]
pub(crate) struct Wild {
    who: usize,
    books: Books,
    pending: Vec<(usize, Pending)>,
}

impl Wild {
    pub(crate) fn new(books: &Books, who: usize) -> Self {
        Self { who, books: books.clone(), pending: Vec::new() }
    }

    fn me(&self, cx: &Context<Self>) -> Owner {
        (self.who, cx.entity())
    }

    fn read(&mut self, number: usize, cx: &mut Context<Self>) {
        let me = self.me(cx);
        let tired = self.books.with(|model| {
            model.read(number, me);
            take(&mut model.tired[self.who]) && {
                model.threaten(me);
                true
            }
        });
        if tired {
            cx.die("had enough");
        }
    }

    fn write(&self, to: usize, style: Style, cx: &mut Context<Self>) {
        let (me, now, to_name) = (self.me(cx), cx.now(), name(to));
        let number = self.books.with(|model| model.write(Some(me), style, now));
        let address = cx.address_of(&to_name).ok();
        let told = told(cx.send(draft(&self.books, number, &to_name, style)));
        self.books.with(|model| model.sent(number, to, address.as_ref(), told));
    }

    fn ask(&mut self, to: usize, cx: &mut Context<Self>) {
        let (me, now, to_name) = (self.me(cx), cx.now(), name(to));
        let subject = SUBJECTS.iter().position(|subject| *subject == QUESTION).expect("it is one of them");
        let style = Style { subject, priority: 0, urgent: false };
        let number = self.books.with(|model| model.write(Some(me), style, now));
        let address = cx.address_of(&to_name).ok();
        let mut pending = cx.ask(Mail::to(&to_name).subject(QUESTION).body(number as u64), ms(100));
        let outcome = pending.take();
        self.books.with(|model| {
            model.asked += 1;
            match (&outcome, address) {
                (Some(Err(AskError::NotSent { kind, .. })), address) => {
                    model.sent(number, to, address.as_ref(), Told::refused(*kind));
                }
                (Some(outcome), _) => model.fault(format!("question {number} has ended at once: {outcome:?}")),
                // That something was dropped for it, the sender of a question is not told.
                (None, Some(address)) => {
                    model.slot(&address, to);
                    if model.arrive(number, (to, address.entity())) == Told::Full {
                        model.fault(format!("question {number} was taken by p{to}, who has no room"));
                    }
                }
                (None, None) => model.fault(format!("question {number} to p{to}, whom nobody knows")),
            }
        });
        match outcome {
            Some(outcome) => self.end(number, outcome),
            None => self.pending.push((number, pending)),
        }
    }

    fn end(&self, number: usize, outcome: Result<Mail, AskError>) {
        self.books.with(|model| match outcome {
            Ok(answer) if answer.get::<u64>() == Some(&(number as u64)) && model.mails[number].place == Place::Read => {
                model.tally.answered += 1;
            }
            Ok(answer) => model.fault(format!("{answer} answers question {number}")),
            Err(_) => model.tally.unanswered += 1,
        });
    }

    fn do_it(&mut self, deed: Deed, cx: &mut Context<Self>) -> Result {
        let me = self.me(cx);
        match deed {
            Deed::Write(to, style) => self.write(to, style, cx),
            Deed::Ask(to) => self.ask(to, cx),
            Deed::Pill(to) => {
                let address = cx.address_of(&name(to)).ok();
                let sent = cx.send_pill(name(to).as_str()).is_ok();
                self.books.with(|model| {
                    if let Some(address) = address {
                        let slot = model.slot(&address, to);
                        slot.threatened = true;
                        slot.pills += u64::from(sent);
                        slot.refused += u64::from(!sent);
                    }
                });
            }
            Deed::Die => {
                self.books.with(|model| model.threaten(me));
                cx.die("told to");
            }
            Deed::Fail => {
                self.books.with(|model| model.threaten(me));
                return Err("told to".into());
            }
            Deed::Panic => {
                self.books.with(|model| model.threaten(me));
                // Without a message of the panic hook.
                std::panic::resume_unwind(Box::new("told to"));
            }
        }
        Ok(())
    }
}

pub(crate) fn draft<'a>(books: &Books, number: usize, to: &'a str, style: Style) -> Draft<&'a str, Value<Parcel>> {
    let Style { subject, priority, urgent } = style;
    let draft = Mail::to(to).subject(SUBJECTS[subject]).priority(priority);
    let draft = draft.body(Parcel { books: books.clone(), number });
    if urgent { draft.urgent() } else { draft }
}

pub(crate) fn told(result: Result<Sent, SendError>) -> Told {
    match result {
        Ok(sent) => Told::Sent(sent.dropped()),
        Err(error) => Told::refused(error.kind()),
    }
}

impl Process for Wild {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        let address = cx.address().clone();
        self.books.with(|model| {
            model.slot(&address, self.who);
        });
        cx.on::<Parcel>(|wild, parcel, cx| {
            wild.read(parcel.number, cx);
            Ok(())
        });
        cx.add_filter(Filter::new().subject(QUESTION), |wild, mail, cx| {
            // Its own, come back too late to end the ask.
            if mail.failed().is_none() {
                let number = *mail.get::<u64>().ok_or("no number")?;
                wild.read(number as usize, cx);
                // Every other one stays without.
                if number.is_multiple_of(2) {
                    cx.send(mail.reply().subject("answer").body(number))?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let (me, now) = (self.me(cx), cx.now());
        let deeds = self.books.with(|model| {
            model.lives(me, now);
            take(&mut model.deeds[self.who])
        });
        for (number, mut pending) in take(&mut self.pending) {
            match pending.take() {
                Some(outcome) => self.end(number, outcome),
                None => self.pending.push((number, pending)),
            }
        }
        deeds.into_iter().try_for_each(|deed| self.do_it(deed, cx))
    }
}

impl Drop for Wild {
    fn drop(&mut self) {
        // Who asked and is gone has its outcome as well: that nobody waits any more.
        for (number, mut pending) in take(&mut self.pending) {
            if let Some(outcome) = pending.take() {
                self.end(number, outcome);
            }
        }
    }
}
