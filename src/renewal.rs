//! The state that a process begins with when it is born again.

use bevy_ecs::component::Component;
use std::fmt;

/// The state of a process after a restart: put it into the bundle of a process of this type. Without one, the process goes
/// on with the state it has, and its `birth` has to put right what a panic has left half done. To stop and start a process
/// keeps its state in any case.
///
/// ```
/// use polycephaly::prelude::*;
///
/// #[derive(Component, Clone, Default)]
/// struct Motor { speed: f64 }
/// impl Process for Motor {}
///
/// Application::new()
///     .add_process(Motor { speed: 1.0 }, (Supervision::restart(), Renewal::<Motor>::first_state()))
///     .add_process(Motor { speed: 1.0 }, (Supervision::restart(), Renewal::<Motor>::default_state()))
///     .add_process(Motor { speed: 1.0 }, (Supervision::restart(), Renewal::with(|| Motor { speed: 0.5 })));
/// ```
#[derive(Component)]
pub struct Renewal<P: Send + Sync + 'static>(Source<P>);

enum Source<P> {
    First { clone: fn(&P) -> P, first: Option<P> },
    Made(Box<dyn FnMut() -> P + Send + Sync>),
}

impl<P: Send + Sync + 'static> Renewal<P> {
    /// A clone of the state it had before its first birth.
    #[must_use]
    pub fn first_state() -> Self
    where
        P: Clone,
    {
        Self(Source::First { clone: P::clone, first: None })
    }

    /// Its [`Default`].
    #[must_use]
    pub fn default_state() -> Self
    where
        P: Default,
    {
        Self::with(P::default)
    }

    /// What a function makes.
    #[must_use]
    pub fn with(make: impl FnMut() -> P + Send + Sync + 'static) -> Self {
        Self(Source::Made(Box::new(make)))
    }

    /// Remembers the first state, if it will be asked for.
    pub(crate) fn remember(&mut self, process: &P) {
        if let Source::First { clone, first } = &mut self.0 {
            *first = Some(clone(process));
        }
    }

    /// A new state.
    pub(crate) fn renew(&mut self) -> Option<P> {
        match &mut self.0 {
            Source::First { clone, first } => first.as_ref().map(*clone),
            Source::Made(make) => Some(make()),
        }
    }
}

impl<P: Send + Sync + 'static> fmt::Debug for Renewal<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::First { .. } => "Renewal(first state)",
            Source::Made(_) => "Renewal(made)",
        })
    }
}
