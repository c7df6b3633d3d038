//! The chain: one type after the other, each handing on what it reads within the same tick. Shared with `benches/peers`, so that
//! Copper's chain is measured against this very code.

use polycephaly::prelude::*;

/// One type of the chain. The first writes in its life; every other hands on what it reads.
#[derive(Component, Default)]
struct Hop<const N: usize> {
    next: Option<Address>,
    /// The tick of the last token seen.
    seen: u64,
}

#[derive(Clone, Copy)]
struct Token(u64);

impl<const N: usize> Hop<N> {
    fn pass(&mut self, token: &Token, cx: &mut Context<Self>) -> Result {
        self.seen = token.0;
        if let Some(next) = &self.next {
            cx.send(Mail::to(next).subject("token").body(*token))?;
        }
        Ok(())
    }
}

impl<const N: usize> Process for Hop<N> {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<Token>(Self::pass);
        // In the first tick everybody is born, and can be found. The last has nobody to write to.
        cx.after(Duration::ZERO, |hop, cx| {
            hop.next = cx.address_of(&name(N + 1)).ok();
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if N == 0 {
            let token = Token(self.seen + 1);
            self.pass(&token, cx)?;
        }
        Ok(())
    }
}

fn name(hop: usize) -> String {
    format!("hop-{hop}")
}

fn with<const N: usize>(application: Application) -> Application {
    application.add_process(Hop::<N>::default(), (hz(1000), Name::new(name(N))))
}

/// What the hop of this name has seen.
fn seen<const N: usize>(running: &Running) -> Option<u64> {
    running.get::<Hop<N>>(&name(N)).map(|hop| hop.seen)
}

/// A chain in its steady state, and its two ends.
pub(crate) struct Chain {
    pub(crate) running: Running,
    last: fn(&Running) -> Option<u64>,
}

/// A chain of `Hop<0>`, `Hop<1>` … in this order at one rate. Each length is a function of its own: who measures one need not
/// compile the others, which takes seconds a type.
macro_rules! chain {
    ($name:ident: $($number:literal)* => $last:literal) => {
        #[allow(dead_code)] // not every bench has use for it
        pub(crate) fn $name() -> Chain {
            let application = Application::new().clock(Clock::simulated());
            $(let application = with::<$number>(application);)*
            let mut running = with::<$last>(application).build().expect("a sound application");
            for _ in 0..3 {
                running.step();
            }
            Chain { running, last: seen::<$last> }
        }
    };
}

chain!(of_3: 0 1 => 2);
chain!(of_10: 0 1 2 3 4 5 6 7 8 => 9);
chain!(of_50:
     0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
    25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 => 49
);

/// That each token went from the first to the last within one tick: else the bench measures something else.
pub(crate) fn check(chain: Chain) {
    let Chain { mut running, last } = chain;
    let before = last(&running).expect("it lives");
    running.step();
    let ends = (seen::<0>(&running), last(&running));
    assert_eq!(ends, (Some(before + 1), Some(before + 1)), "handed down within one tick");
}
