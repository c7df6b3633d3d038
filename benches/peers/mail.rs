//! The ring of 10,000, here and as actors of kameo and of ractor: each holds one small typed message, and hands it to its
//! neighbour when it reads it. Figures are by message. Ends with how many times dearer the peers' are, by the fastest
//! sample of each, and fails when that is too little.
//!
//! The peers are given their best: one thread (with more of them a message has to wake another thread), no tracing, mailboxes
//! without a bound. They need those: in tokio's order of waking, messages heap up at some actors, until a mailbox of 64 is full.
//! Ours has bounded mailboxes, and the lives of all 10,000 in its figure besides.

#[path = "../ring/mod.rs"]
mod ring;

use criterion::{BenchmarkId, Criterion, Throughput};
use ring::{Way, ring};
use std::cell::RefCell;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Actors, and messages on their way at any time.
const SIZE: usize = 10_000;
/// How many times dearer than ours a message of each peer must at least be.
const WANTED: [(&str, f64); 2] = [("kameo", 8.0), ("ractor", 3.0)];

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
async fn round(hops: u64, send: impl Fn(usize, Token)) {
    let end = Arc::new(End { travelling: AtomicUsize::new(SIZE), all: Notify::new() });
    for index in 0..SIZE {
        send(index, Token { left: hops - 1, end: Arc::clone(&end) });
    }
    end.all.notified().await;
}

mod by_kameo {
    use super::Token;
    use kameo::actor::{ActorRef, Spawn};
    use kameo::mailbox::unbounded;
    use kameo::message::{Context, Message};

    #[derive(kameo::Actor)]
    pub(crate) struct Link {
        next: Option<ActorRef<Link>>,
    }

    struct Next(ActorRef<Link>);

    impl Message<Next> for Link {
        type Reply = ();

        async fn handle(&mut self, Next(next): Next, _: &mut Context<Self, ()>) {
            self.next = Some(next);
        }
    }

    impl Message<Token> for Link {
        type Reply = ();

        async fn handle(&mut self, token: Token, _: &mut Context<Self, ()>) {
            if let (Some(next), Some(token)) = (&self.next, token.on()) {
                next.tell(token).try_send().expect("it lives");
            }
        }
    }

    pub(crate) async fn ring(size: usize) -> Vec<ActorRef<Link>> {
        let links: Vec<_> = (0..size).map(|_| Link::spawn_with_mailbox(Link { next: None }, unbounded())).collect();
        for (index, link) in links.iter().enumerate() {
            let next = Next(links[(index + 1) % size].clone());
            link.ask(next).await.expect("it lives");
        }
        links
    }

    pub(crate) fn send(link: &ActorRef<Link>, token: Token) {
        link.tell(token).try_send().expect("it lives");
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

/// One contestant: its name, and its time for so many rounds.
struct Rival<'a> {
    name: &'static str,
    rounds: Box<dyn FnMut(u64) -> Duration + 'a>,
    /// Nanoseconds a message, of every sample.
    samples: RefCell<Vec<f64>>,
}

impl<'a> Rival<'a> {
    fn new(name: &'static str, rounds: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self { name, rounds: Box::new(rounds), samples: RefCell::default() }
    }

    fn bench(&mut self, criterion: &mut Criterion) {
        let Self { name, rounds, samples } = self;
        let mut bench = criterion.benchmark_group("mail");
        bench.throughput(Throughput::Elements(SIZE as u64));
        bench.bench_function(BenchmarkId::new(*name, SIZE), |bencher| {
            bencher.iter_custom(|count| {
                let time = rounds(count);
                samples.borrow_mut().push(time.as_nanos() as f64 / (count * SIZE as u64) as f64);
                time
            });
        });
    }

    /// The fastest sample, in nanoseconds a message: whatever else runs on the machine only adds to it. `None` when a filter on
    /// the command line left it out.
    fn best(&self) -> Option<f64> {
        self.samples.borrow().iter().copied().min_by(f64::total_cmp)
    }
}

fn timed(runtime: &Runtime, work: impl Future<Output = ()>) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        work.await;
        start.elapsed()
    })
}

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Builder::new_current_thread().build().expect("a runtime");

    let mut ours = ring(SIZE, Way::Address);
    let mut rival = Rival::new("ring", |count| {
        let start = Instant::now();
        (0..count).for_each(|_| assert!(ours.step()));
        start.elapsed()
    });
    rival.bench(&mut criterion);
    let own = rival.best();
    drop(rival);
    ring::check(ours);

    let links = runtime.block_on(by_kameo::ring(SIZE));
    let mut kameo = Rival::new("kameo_ring", |count| {
        timed(&runtime, round(count, |index, token| by_kameo::send(&links[index], token)))
    });
    kameo.bench(&mut criterion);
    let kameo = kameo.best();

    let links = runtime.block_on(by_ractor::ring(SIZE));
    let mut ractor = Rival::new("ractor_ring", |count| {
        timed(&runtime, round(count, |index, token| by_ractor::send(&links[index], token)))
    });
    ractor.bench(&mut criterion);
    let ractor = ractor.best();

    criterion.final_summary();
    verdict(own, [kameo, ractor])
}

/// One line a peer.
fn verdict(own: Option<f64>, peers: [Option<f64>; 2]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for ((name, wanted), peer) in WANTED.into_iter().zip(peers) {
        let Some((own, peer)) = own.zip(peer) else { continue };
        let times = peer / own;
        println!("{name}: {peer:.0} ns a message, ours {own:.1} ns: {times:.1} times dearer, at least {wanted} wanted");
        if times < wanted {
            code = ExitCode::FAILURE;
        }
    }
    code
}
