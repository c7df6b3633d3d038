//! Those who live in the swarm. Shared with `benches/million.rs`.

use polycephaly::prelude::*;

/// Who writes in a tick, and to whom: each in every tenth tick.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Nothing,
    /// A tenth of all who stand side by side, each to his neighbour.
    SideBySide,
    /// One of each ten, to his neighbour.
    Scattered,
    /// A tenth who stand side by side, each to one anywhere.
    Anywhere,
}

impl Writing {
    /// Where one begins to count its ticks, so that each tick has a tenth of the mail.
    pub(crate) fn first_tick(self, number: u32, processes: u32) -> u32 {
        match self {
            Self::Scattered => number % 10,
            _ => number / processes.div_ceil(10),
        }
    }

    /// To whom one writes, always.
    pub(crate) fn recipient(self, number: u32, processes: u32) -> u32 {
        match self {
            Self::Anywhere => ((u64::from(scramble(number)) * u64::from(processes)) >> 32) as u32,
            _ => number.saturating_sub(1),
        }
    }
}

/// The last step of MurmurHash3: each number to another, in no order.
fn scramble(mut number: u32) -> u32 {
    number = (number ^ (number >> 16)).wrapping_mul(0x85EB_CA6B);
    number = (number ^ (number >> 13)).wrapping_mul(0xC2B2_AE35);
    number ^ (number >> 16)
}

/// One of the swarm.
#[derive(Component)]
pub(crate) struct Mote {
    place: f32,
    tick: u32,
}

impl Mote {
    pub(crate) fn new(tick: u32) -> Self {
        Self { place: 0.0, tick }
    }

    /// The work of a life.
    pub(crate) fn drift(&mut self) {
        self.place = self.place * 0.999 + 0.001;
        self.tick = self.tick.wrapping_add(1);
    }

    pub(crate) fn is_to_write(&self) -> bool {
        self.tick.is_multiple_of(10)
    }

    pub(crate) fn place(&self) -> f32 {
        self.place
    }

    /// The work of reading a mail.
    pub(crate) fn meet(&mut self, place: f32) {
        self.place = self.place.midpoint(place);
    }
}

impl Process for Mote {
    fn life(&mut self, _: &mut Context<Self>) -> Result {
        self.drift();
        Ok(())
    }
}

/// One that writes.
#[derive(Component)]
struct Writer {
    mote: Mote,
    to: To,
}

enum To {
    /// Whom it has to look up yet.
    Number(u32),
    Address(Address),
}

impl Process for Writer {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        if let To::Number(number) = self.to {
            self.to = To::Address(cx.address_of(&name(number))?);
        }
        cx.add_filter(Filter::new().subject("place"), Self::read)?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.mote.drift();
        if self.mote.is_to_write() { self.write(cx) } else { Ok(()) }
    }
}

impl Writer {
    /// On its own: nine of ten lives have nothing to write, and are not to make ready for it.
    #[inline(never)]
    fn write(&mut self, cx: &mut Context<Self>) -> Result {
        if let To::Address(to) = &self.to {
            cx.send(Mail::to(to).subject("place").body(self.mote.place()))?;
        }
        Ok(())
    }

    fn read(&mut self, mail: &Mail, _: &mut Context<Self>) -> Result {
        self.mote.meet(*mail.get::<f32>().ok_or("no place")?);
        Ok(())
    }
}

fn name(number: u32) -> String {
    format!("mote-{number}")
}

/// An application with all of them on its first head.
pub(crate) fn swarm(start: Application, processes: u32, frequency: Frequency, writing: Writing) -> Application {
    (0..processes).fold(start, |application, number| {
        let mote = Mote::new(writing.first_tick(number, processes));
        let bundle = (frequency, Name::new(name(number)));
        match writing {
            Writing::Nothing => application.add_process(mote, bundle),
            _ => {
                let to = To::Number(writing.recipient(number, processes));
                application.add_process(Writer { mote, to }, bundle)
            }
        }
    })
}
