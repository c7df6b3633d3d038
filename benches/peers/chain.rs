//! A chain of 3, 10 and 50 that hands a number down within one tick, here and as tasks of Copper within one of its cycles. A
//! figure is by task: the whole tick, or cycle, divided by their number.
//!
//! Copper is given its best: nothing is logged, nobody monitors, no rate is kept, and its source and sink do nothing else. It
//! calls its tasks in an order fixed when it is built, and each writes its output where the next one reads it. Ours finds a
//! mailbox by an address, and the lives of all are in its figure besides.

#[path = "../work/chain.rs"]
mod chain;
mod rival;

use copper::ARRIVED;
use criterion::Criterion;
use rival::{Duel, Work, verdict};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

/// A task of Copper may be so many times as dear as ours: ours may take 1.5 times its time.
const WANTED: f64 = 1.0 / 1.5;

/// Tasks, their graphs in `copper/`.
mod copper {
    use cu29::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// What has arrived at the end of a chain: the tasks belong to the runtime, which shows them to nobody.
    pub(crate) static ARRIVED: AtomicU64 = AtomicU64::new(0);

    /// Counts the cycles.
    #[derive(Reflect)]
    pub(crate) struct First(u64);

    impl Freezable for First {}

    impl CuSrcTask for First {
        type Resources<'r> = ();
        type Output<'m> = output_msg!(u64);

        fn new(_: Option<&ComponentConfig>, (): ()) -> CuResult<Self> {
            Ok(Self(0))
        }

        fn process(&mut self, _: &CuContext, output: &mut Self::Output<'_>) -> CuResult<()> {
            self.0 += 1;
            output.set_payload(self.0);
            Ok(())
        }
    }

    /// Hands on what it reads, and keeps it, as ours does.
    #[derive(Reflect)]
    pub(crate) struct Hop(u64);

    impl Freezable for Hop {}

    impl CuTask for Hop {
        type Resources<'r> = ();
        type Input<'m> = input_msg!(u64);
        type Output<'m> = output_msg!(u64);

        fn new(_: Option<&ComponentConfig>, (): ()) -> CuResult<Self> {
            Ok(Self(0))
        }

        fn process(&mut self, _: &CuContext, input: &Self::Input<'_>, output: &mut Self::Output<'_>) -> CuResult<()> {
            self.0 = *input.payload().ok_or("no number")?;
            output.set_payload(self.0);
            Ok(())
        }
    }

    #[derive(Reflect)]
    pub(crate) struct Last;

    impl Freezable for Last {}

    impl CuSinkTask for Last {
        type Resources<'r> = ();
        type Input<'m> = input_msg!(u64);

        fn new(_: Option<&ComponentConfig>, (): ()) -> CuResult<Self> {
            Ok(Self)
        }

        fn process(&mut self, _: &CuContext, input: &Self::Input<'_>) -> CuResult<()> {
            ARRIVED.store(*input.payload().ok_or("no number")?, Relaxed);
            Ok(())
        }
    }
}

/// The two chains of so many tasks, one after the other.
macro_rules! duel {
    ($criterion:expr, $size:literal, $graph:tt, $runtime:ident) => {{
        // What Copper's macro makes of a graph: its own code.
        #[allow(unsafe_code, clippy::all)]
        mod $runtime {
            use super::copper::{First, Hop, Last};
            use cu29::prelude::*;

            #[copper_runtime(config = $graph)]
            struct Graph {}

            /// Runs one cycle with each call.
            pub(crate) fn cycle() -> impl FnMut() {
                let graph = Graph::builder().build().expect("a sound graph");
                let mut running = graph.start().expect("tasks that start");
                move || running.run_one_iteration().expect("a cycle")
            }
        }
        let work = Work { group: "mail", size: $size, elements: $size };

        let mut ours = chain::$runtime();
        let own = work.measure($criterion, "chain", |count| {
            (0..count).for_each(|_| assert!(ours.running.step()));
        });
        chain::check(ours);

        let (mut cycle, mut cycles) = ($runtime::cycle(), 0);
        let peer = work.measure($criterion, "copper_chain", |count| {
            cycles += count;
            (0..count).for_each(|_| cycle());
        });
        // Else the bench measures something else.
        assert_eq!(ARRIVED.swap(0, Relaxed), cycles, "handed down within one cycle");
        Duel { name: concat!("a chain of ", $size, " tasks of Copper"), wanted: Some(WANTED), own, peer }
    }};
}

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    let duels = [
        duel!(&mut criterion, 3, "copper/chain_3.ron", of_3),
        duel!(&mut criterion, 10, "copper/chain_10.ron", of_10),
        duel!(&mut criterion, 50, "copper/chain_50.ron", of_50),
    ];
    criterion.final_summary();
    verdict(&duels)
}
