//! What callbacks say about the mail they read: to whom it is to be passed on.

use crate::recipient::Kept;
use std::cell::{Cell, RefCell};

/// To whom a mail is to be passed on.
#[derive(Default)]
pub(crate) struct Forwards {
    /// Whether there is anybody: the one thing that is looked at for each mail.
    any: Cell<bool>,
    all: RefCell<Vec<Kept>>,
}

impl Forwards {
    #[inline(always)]
    pub(crate) fn is_some(&self) -> bool {
        self.any.get()
    }

    pub(crate) fn push(&self, to: Kept) {
        self.all.borrow_mut().push(to);
        self.any.set(true);
    }

    pub(crate) fn take(&self) -> Vec<Kept> {
        self.any.set(false);
        self.all.take()
    }

    /// Forgets what was said where there was no mail to pass on.
    #[inline]
    pub(crate) fn clear(&self) {
        if self.any.get() {
            self.take();
        }
    }
}
