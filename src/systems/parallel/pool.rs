//! The threads on which lives run beside those of a head. One pool a thread that ticks, made when it is first needed: the
//! thread itself is one of its members, so that to hand out work takes no queue, no allocation and no waiting for others.

#[cfg(feature = "parallel")]
pub(super) use with::{is_ready, wanted};

#[cfg(feature = "parallel")]
pub(super) use rayon_core::join;

#[cfg(not(feature = "parallel"))]
pub(super) use without::{is_ready, join, wanted};

#[cfg(feature = "parallel")]
mod with {
    use crate::realtime::Civil;
    use rayon_core::{ThreadPool, ThreadPoolBuilder, current_thread_index};
    use std::cell::OnceCell;
    use std::num::NonZeroUsize;
    use std::thread::available_parallelism;

    thread_local! {
        /// `None` when the system gives no threads.
        static POOL: OnceCell<Option<ThreadPool>> = const { OnceCell::new() };
    }

    /// How many threads there are to be, if so many are asked for; 0 asks for as many as there are cores.
    pub(in super::super) fn wanted(asked: usize) -> usize {
        if asked == 0 { available_parallelism().map_or(1, NonZeroUsize::get) } else { asked }
    }

    /// Whether this thread has others that help it. One that stands in a pool of the user's already is helped by that.
    pub(in super::super) fn is_ready(workers: usize) -> bool {
        current_thread_index().is_some() || POOL.with(|pool| pool.get_or_init(|| hire(workers)).is_some())
    }

    #[cold]
    fn hire(workers: usize) -> Option<ThreadPool> {
        let civil = Civil::of_this_thread();
        let pool = ThreadPoolBuilder::new()
            .num_threads(workers)
            .use_current_thread()
            .thread_name(|index| format!("life-{index}"))
            .start_handler(move |_| civil.clone().enter())
            .build();
        match pool {
            Ok(pool) => Some(pool),
            Err(error) => {
                tracing::error!(%error, workers, "no threads for lives of parallel types: they run one after the other");
                None
            }
        }
    }
}

#[cfg(not(feature = "parallel"))]
mod without {
    pub(in super::super) fn wanted(_: usize) -> usize {
        1
    }

    pub(in super::super) fn is_ready(_: usize) -> bool {
        false
    }

    pub(in super::super) fn join(first: impl FnOnce(), second: impl FnOnce()) {
        first();
        second();
    }
}
