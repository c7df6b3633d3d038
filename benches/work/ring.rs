//! The ring: each process holds one mail, and hands it to its neighbour when it reads it. Shared with `benches/peers`, so that
//! the peers' rings are measured against this very code.

use polycephaly::prelude::*;

/// What goes round: a small typed body, counting its hops.
#[derive(Clone, Copy)]
pub(crate) struct Token(u64);

/// How a process finds its neighbour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By an [`Address`] that it looked up once.
    Address,
    /// By its name, each time.
    #[allow(dead_code)] // the peers' bench has no need of it
    Name,
}

/// One of the ring.
#[derive(Component)]
pub(crate) struct Link {
    next: Next,
    way: Way,
    /// Hops of the last token seen.
    hops: u64,
    /// Its lives: the least that a life can be.
    lives: u64,
}

enum Next {
    Name(Box<str>),
    Address(Address),
}

impl Link {
    fn new(index: usize, size: usize, way: Way) -> Self {
        Self { next: Next::Name(name((index + 1) % size).into()), way, hops: 0, lives: 0 }
    }

    fn read(&mut self, mail: &Mail, cx: &mut Context<Self>) -> Result {
        let token = mail.get::<Token>().ok_or("no token")?;
        self.hops = token.0;
        self.pass(Token(token.0 + 1), cx)
    }

    fn pass(&self, token: Token, cx: &mut Context<Self>) -> Result {
        match &self.next {
            Next::Address(address) => cx.send(Mail::to(address).subject("token").body(token))?,
            Next::Name(name) => cx.send(Mail::to(&**name).subject("token").body(token))?,
        };
        Ok(())
    }
}

fn name(index: usize) -> String {
    format!("link-{index}")
}

impl Process for Link {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("token"), Self::read)?;
        // In the first tick everybody is born, and can be found.
        cx.after(Duration::ZERO, |link, cx| {
            if let (Way::Address, Next::Name(name)) = (link.way, &link.next) {
                link.next = Next::Address(cx.address_of(name)?);
            }
            link.pass(Token(0), cx)
        });
        Ok(())
    }

    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.lives += 1;
        Ok(())
    }
}

/// A ring of `size`, with as many tokens in it: every tick passes each of them on by one.
pub(crate) fn ring(size: usize, way: Way) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for index in 0..size {
        application = application.add_process(Link::new(index, size, way), (hz(1000), Name::new(name(index))));
    }
    let mut running = application.build().expect("a sound application");
    for _ in 0..3 {
        running.step();
    }
    running
}

/// That every token has made a hop in every tick but the first, and no mail was lost on the way: else the bench measures something else.
pub(crate) fn check(mut running: Running) {
    let before = hops(&running);
    running.step();
    assert_eq!(hops(&running), before + 1, "one hop a tick");
    let report = running.report();
    assert!(report.processes.iter().all(|process| process.errors == 0 && process.mail.refused == 0));
    assert_eq!((report.unmatched, report.dead_letters), (0, 0));
}

fn hops(running: &Running) -> u64 {
    running.get::<Link>(&name(0)).map_or(0, |link| link.hops)
}
