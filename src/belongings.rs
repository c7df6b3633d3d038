//! What a process has beside its state and its filters, for its whole life: questions, timers, threads. Most have none of it, and no
//! memory for it.

use crate::ask::{Ask, Debts};
use crate::erased::Callback;
use crate::event::Event;
use crate::filter::Filters;
use crate::mail::Mail;
use crate::signal::Signal;
use crate::subject::Subject;
use crate::thread::{Child, Family};
use crate::timer::{Timer, TimerId};
use rand::rngs::Xoshiro256PlusPlus;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What only some processes need.
#[derive(Default)]
pub(crate) struct Private(Option<Box<Belongings>>);

/// What only some of them need.
#[derive(Default)]
pub(crate) struct Belongings {
    /// Filters of routes other than the mailbox.
    pub(crate) routes: Vec<(Cow<'static, str>, Filters<Callback<Mail>>)>,
    pub(crate) asks: Vec<Ask>,
    /// Apart, for most who read mail have nothing of it.
    extras: Option<Box<Extras>>,
}

/// What only a few processes need.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) next_timer: u32,
    pub(crate) timers: Vec<Timer>,
    pub(crate) random: Option<Xoshiro256PlusPlus>,
    /// Mail that came by a route and waits for the mailman.
    pub(crate) routed: Vec<(usize, Mail)>,
    /// Events that have a callback.
    pub(crate) heard: Vec<(Subject, Callback<Event>)>,
    pub(crate) signals: Signals,
    /// Questions it has read and not answered.
    pub(crate) owed: Debts,
    /// Its child threads, and what it shares with them: its locks among others.
    pub(crate) children: Vec<Child>,
    pub(crate) family: Option<Arc<Family>>,
    /// What it wants to know of USB devices, which this floor does not know.
    #[cfg(feature = "usb")]
    pub(crate) usb: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// The signals that a process has bound.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) bound: Vec<(Signal, Callback<Signal>)>,
    pub(crate) backup: Option<Vec<(Signal, Callback<Signal>)>>,
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Private({})", if self.0.is_some() { "some" } else { "none" })
    }
}

impl Private {
    /// What there is, if anything.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&Belongings> {
        self.0.as_deref()
    }

    /// The same, to change it.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> Option<&mut Belongings> {
        self.0.as_deref_mut()
    }

    /// The same, made if need be.
    pub(crate) fn own(&mut self) -> &mut Belongings {
        self.0.get_or_insert_default()
    }

    /// What few have, if this one has any of it.
    pub(crate) fn extras(&self) -> Option<&Extras> {
        self.0.as_ref()?.extras.as_deref()
    }

    /// The same, to change it.
    pub(crate) fn extras_mut(&mut self) -> Option<&mut Extras> {
        self.0.as_mut()?.extras.as_deref_mut()
    }

    /// The same, made if need be.
    pub(crate) fn own_extras(&mut self) -> &mut Extras {
        self.own().extras.get_or_insert_default()
    }

    /// The timers that its head keeps for it.
    pub(crate) fn timers(&self) -> Vec<TimerId> {
        let Some(belongings) = &self.0 else { return Vec::new() };
        let asks = belongings.asks.iter().map(|ask| ask.timer);
        asks.chain(belongings.extras.iter().flat_map(|extras| &extras.timers).map(|timer| timer.id)).collect()
    }

    /// Drops all that a birth sets up anew. Numbers go on, so that nothing old is taken for something new.
    pub(crate) fn clear(&mut self) {
        if let Some(belongings) = &mut self.0 {
            let mut extras = belongings.extras.take();
            if let Some(extras) = &mut extras {
                let Extras { next_timer, random, .. } = std::mem::take(&mut **extras);
                **extras = Extras { next_timer, random, ..Extras::default() };
            }
            **belongings = Belongings { extras, ..Belongings::default() };
        }
    }
}

impl Extras {
    /// The number of its next timer.
    pub(crate) fn number_timer(&mut self) -> TimerId {
        self.next_timer += 1;
        TimerId(self.next_timer - 1)
    }
}
