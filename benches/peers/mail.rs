//! The ring of 10,000, here and as actors of kameo and of ractor: each holds one small typed message, and hands it to its
//! neighbour when it reads it. Figures are by message.

mod rival;
#[path = "../work/ring.rs"]
mod ring;

use criterion::Criterion;
use ring::{Way, ring};
use rival::{Duel, Work, timed, verdict};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Actors, and messages on their way at any time.
const SIZE: usize = 10_000;
/// A message with so many hops to go.
struct Token {
    left: u64,
    end: Arc<End>,
}

impl Token {
    /// The same, one hop on; `None` when it has arrived.
    fn on(self) -> Option<Self> {
        match self.left.checked_sub(1) {
            Some(left) => Some(Self { left, end: self.end }),
            None => {
                if self.end.travelling.fetch_sub(1, Relaxed) == 1 {
                    self.end.all.notify_one();
                }
                None
            }
        }
    }
}

/// Where all messages of one round end.
struct End {
    travelling: AtomicUsize,
    all: Notify,
}

/// Sends a message to each actor, waits until each message has made so many hops, and says how long that took.
fn round(runtime: &Runtime, hops: u64, send: impl AsyncFn(usize, Token)) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        let end = Arc::new(End { travelling: AtomicUsize::new(SIZE), all: Notify::new() });
        for index in 0..SIZE {
            send(index, Token { left: hops - 1, end: Arc::clone(&end) }).await;
        }
        end.all.notified().await;
        start.elapsed()
    })
}

mod by_kameo {
    use super::Token;
    use kameo::actor::{ActorRef, Spawn};
    use kameo::mailbox::unbounded;
    use kameo::message::{Context, Message};

    /// One whose mailbox has a bound, so that it waits for room in its neighbour's, or one whose mailbox has none.
    #[derive(kameo::Actor)]
    pub(crate) struct Link<const BOUNDED: bool> {
        next: Option<ActorRef<Self>>,
    }

    struct Next<const BOUNDED: bool>(ActorRef<Link<BOUNDED>>);

    impl<const BOUNDED: bool> Message<Next<BOUNDED>> for Link<BOUNDED> {
        type Reply = ();

        async fn handle(&mut self, Next(next): Next<BOUNDED>, _: &mut Context<Self, ()>) {
            self.next = Some(next);
        }
    }

    impl<const BOUNDED: bool> Message<Token> for Link<BOUNDED> {
        type Reply = ();

        async fn handle(&mut self, token: Token, _: &mut Context<Self, ()>) {
            if let (Some(next), Some(token)) = (&self.next, token.on()) {
                send(next, token).await;
            }
        }
    }

    pub(crate) async fn ring<const BOUNDED: bool>(size: usize) -> Vec<ActorRef<Link<BOUNDED>>> {
        let link = || Link { next: None };
        let spawn = |_| if BOUNDED { Link::spawn(link()) } else { Link::spawn_with_mailbox(link(), unbounded()) };
        let links: Vec<_> = (0..size).map(spawn).collect();
        for (index, link) in links.iter().enumerate() {
            let next = Next(links[(index + 1) % size].clone());
            link.ask(next).await.expect("it lives");
        }
        links
    }

    pub(crate) async fn send<const BOUNDED: bool>(link: &ActorRef<Link<BOUNDED>>, token: Token) {
        let tell = link.tell(token);
        if BOUNDED { tell.await } else { tell.try_send() }.expect("it lives");
    }
}

mod by_ractor {
    use super::Token;
    use ractor::{Actor, ActorProcessingErr, ActorRef};

    pub(crate) struct Link;

    pub(crate) enum Letter {
        Next(ActorRef<Letter>),
        Token(Token),
    }

    impl Actor for Link {
        type Msg = Letter;
        type State = Option<ActorRef<Letter>>;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Letter>, (): ()) -> Result<Self::State, ActorProcessingErr> {
            Ok(None)
        }

        async fn handle(
            &self,
            _: ActorRef<Letter>,
            letter: Letter,
            next: &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            match letter {
                Letter::Next(link) => *next = Some(link),
                Letter::Token(token) => {
                    if let (Some(next), Some(token)) = (next, token.on()) {
                        next.cast(Letter::Token(token))?;
                    }
                }
            }
            Ok(())
        }
    }

    pub(crate) async fn ring(size: usize) -> Vec<ActorRef<Letter>> {
        let mut links = Vec::new();
        for _ in 0..size {
            links.push(Actor::spawn(None, Link, ()).await.expect("it starts").0);
        }
        for (index, link) in links.iter().enumerate() {
            link.cast(Letter::Next(links[(index + 1) % size].clone())).expect("it lives");
        }
        links
    }

    pub(crate) fn send(link: &ActorRef<Letter>, token: Token) {
        link.cast(Letter::Token(token)).expect("it lives");
    }
}

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    let work = Work { group: "mail", size: SIZE, elements: SIZE };
    let one = Builder::new_current_thread().build().expect("a runtime");
    let many = Builder::new_multi_thread().build().expect("a runtime");

    let mut ours = ring(SIZE, Way::Address);
    let own = work.fastest(&mut criterion, "ring", |count| timed(count, || assert!(ours.step())));
    ring::check(ours);
    let mut duels = Vec::new();
    macro_rules! kam { ($name:literal, $rt:ident, $b:literal) => {{
        let links = $rt.block_on(by_kameo::ring::<$b>(SIZE));
        let peer = work.fastest(&mut criterion, $name, |count| {
            round(&$rt, count, async |index, token| by_kameo::send(&links[index], token).await)
        });
        duels.push(Duel { name: $name.into(), wanted: 8.0, own, peer });
    }}}
    kam!("kameo_many_bounded", many, true);
    kam!("kameo_many_unbounded", many, false);
    kam!("kameo_one_bounded", one, true);
    kam!("kameo_one_unbounded", one, false);
    for (name, runtime) in [("ractor_ring", &many), ("ractor_ring_one_thread", &one)] {
        let links = runtime.block_on(by_ractor::ring(SIZE));
        let peer = work.fastest(&mut criterion, name, |count| {
            round(runtime, count, async |index, token| by_ractor::send(&links[index], token))
        });
        duels.push(Duel { name: name.into(), wanted: 3.0, own, peer });
    }
    criterion.final_summary();
    verdict(&duels)
}
