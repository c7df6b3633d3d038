//! Whether the lives of a type may run on several threads at once.

/// From how many processes on the lives of one type run on several threads: the [`PARALLEL`](crate::process::Process::PARALLEL)
/// of a process.
///
/// ```
/// use polycephaly::prelude::*;
///
/// #[derive(Component)]
/// struct Particle { place: f64, speed: f64 }
///
/// impl Process for Particle {
///     const PARALLEL: Parallel = Parallel::from(100_000);
///
///     fn life(&mut self, cx: &mut Context<Self>) -> Result {
///         self.place += self.speed * cx.dt().as_secs_f64();
///         Ok(())
///     }
/// }
/// ```
///
/// # What is the same
/// The type says what its lives mean, its population only where they run: one such process or a million, one thread or
/// seven, with or without the cargo feature `parallel` (without it, nothing runs on a second thread), the trace is the same
/// to the bit. For this, all that a life asks of others takes effect when all lives of its type in that tick have run, in
/// the order in which one thread would have run them:
/// - Mail has left when `send` returns `Ok`, and only an unknown name is refused at once. Whatever its mailbox refuses then
///   is counted and goes to the dead-letter hook; who asks a question with it gets the refusal as the answer.
/// - What is published can be read then. All lives of one tick see the same latest value.
/// - The same holds for deaths, births, timers, and all else by the context.
///
/// Callbacks (of mail, events, timers), births and deaths are those of any other process, one after the other.
///
/// # What is not
/// - The e-brake is not put off: no thread begins another life when it sees it, and which have lived by then is chance. So is
///   the order of causes, when several lives pull it. Only under the simulated clock it, too, waits for the last life of the
///   type, and comes in order.
/// - What a life reaches past its context has no order: an [`ApplicationHandle`](crate::handle::ApplicationHandle), an
///   [`Emitter`](crate::emitter::Emitter), a static, a lock, the log; nor has what it reads of the others' mailboxes and run
///   levels. A life that starts a thread, waits for a lock or binds a signal had better do that in its birth, or in a
///   callback.
///
/// # When it pays
/// To wake a second thread takes some 10 µs at best, and where the core has gone to sleep a hundred and more; cheap lives may
/// wait for memory rather than for a core. The time of a tick on two cores over that of an ordinary type, with a millisecond of
/// sleep between two ticks (`benches/parallel.rs` on a virtual machine): the fastest ticks, and the median.
///
/// | one life | 1000 | 10,000 | 30,000 | 100,000 | 300,000 | 1,000,000 |
/// |---|---|---|---|---|---|---|
/// | 3 ns | | 1.2, 1.0 | 1.1, 1.0 | 1.0, 1.0 | 0.59, 1.0 | 0.54, 0.55 |
/// | 20 ns | 1.1, 1.2 | 0.92, 1.0 | 0.55, 1.0 | 0.52, 0.54 | 0.51, 0.52 | 0.51, 0.55 |
/// | 290 ns | 0.56, 1.0 | 0.66, 0.66 | 0.65, 0.65 | 0.50, 0.65 | 0.50, 0.52 | 0.50, 0.50 |
///
/// So it pays for sure where the lives of one tick take 2 ms or more in all, and may from 300 µs on. Mail is another matter:
/// kept and handed in, each costs 15 to 30 ns more than at once, and it is handed in on one thread. Types whose lives do little
/// but write mail lose.
///
/// # Threads
/// A head makes them in the first tick that needs them, one less than
/// [`workers`](crate::application::Application::workers): it is one itself. They are its own, with an ordinary priority and
/// all CPUs, whatever [`RealTime`](crate::realtime::RealTime) settings the head has; as it waits for them within its tick, a
/// head that must be punctual beside other load should have no such type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parallel(Option<usize>);

impl Parallel {
    /// One after the other, however many there are; what a life asks for, it gets at once. The default.
    pub const NEVER: Self = Self(None);

    /// On several threads as soon as so many processes of the type live in one group of a head, and carry the same
    /// components.
    #[must_use]
    pub const fn from(population: usize) -> Self {
        Self(Some(population))
    }

    /// Whether the type keeps what its lives ask for until all have run.
    pub(crate) const fn is_ever(self) -> bool {
        self.0.is_some()
    }

    /// Whether so many lives are worth a second thread.
    pub(crate) fn pays_for(self, lives: usize) -> bool {
        self.0.is_some_and(|from| lives >= from)
    }
}
