//! The ring of 10,000, here and as actors of kameo and of ractor: each holds one small typed message, and hands it to its
//! neighbour when it reads it. Figures are by message.
//!
//! Each peer is measured twice. `kameo_ring` and `ractor_ring` are what their own manuals begin with: tokio's runtime with a thread
//! a core, actors by `spawn`, so kameo's mailboxes hold 64 and a sender waits for room (`tell(..).await`), while ractor's have no
//! bound. That is what ours is held against, for it has bounded mailboxes as well. `.._one_thread` is the cheapest that we found:
//! one thread, so that no message has to wake another, and mailboxes without a bound, into which kameo writes by `try_send`.
//!
//! Both are built without their tracing of every message, which they have by default, and which makes a message dearer by 5 to 20 %
//! with kameo and by half with ractor: it would be a handicap. Ours has the lives of all 10,000 in its figure besides.

#[path = "../work/ring.rs"]
mod ring;
mod rival;

use criterion::Criterion;
use ring::{Way, ring};
use rival::{Duel, Work, verdict};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
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

/// Sends a message to each actor, and waits until each has made so many hops.
fn round(runtime: &Runtime, hops: u64, send: impl AsyncFn(usize, Token)) {
    runtime.block_on(async {
        let end = Arc::new(End { travelling: AtomicUsize::new(SIZE), all: Notify::new() });
        for index in 0..SIZE {
            send(index, Token { left: hops - 1, end: Arc::clone(&end) }).await;
        }
        end.all.notified().await;
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
    let own = work.measure(&mut criterion, "ring", |count| (0..count).for_each(|_| assert!(ours.step())));
    ring::check(ours);

    let links = many.block_on(by_kameo::ring::<true>(SIZE));
    let kameo = work.measure(&mut criterion, "kameo_ring", |count| {
        round(&many, count, async |index, token| by_kameo::send(&links[index], token).await);
    });
    let links = one.block_on(by_kameo::ring::<false>(SIZE));
    let kameo_one = work.measure(&mut criterion, "kameo_ring_one_thread", |count| {
        round(&one, count, async |index, token| by_kameo::send(&links[index], token).await);
    });
    let links = many.block_on(by_ractor::ring(SIZE));
    let ractor = work.measure(&mut criterion, "ractor_ring", |count| {
        round(&many, count, async |index, token| by_ractor::send(&links[index], token));
    });
    let links = one.block_on(by_ractor::ring(SIZE));
    let ractor_one = work.measure(&mut criterion, "ractor_ring_one_thread", |count| {
        round(&one, count, async |index, token| by_ractor::send(&links[index], token));
    });

    criterion.final_summary();
    let duel = |name, wanted, peer| Duel { name, wanted, own, peer };
    verdict(&[
        duel("kameo", Some(8.0), kameo),
        duel("kameo on one thread, without bounds", None, kameo_one),
        duel("ractor", Some(3.0), ractor),
        duel("ractor on one thread", None, ractor_one),
    ])
}
