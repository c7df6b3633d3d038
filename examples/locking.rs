//! Shows named locks: two threads that share a bus with their owner wait for it; the owner's life never waits, and does
//! without. Ends by itself after half a second.

use polycephaly::prelude::*;

/// Owns the bus.
#[derive(Component, Default)]
struct Board {
    polled: u32,
    busy: u32,
}

/// A transfer that takes long: the lock is held across it.
fn transfer(thread: &Thread, register: &str) -> Result {
    while thread.is_active() {
        // `None` only when this thread is to end.
        let Some(bus) = thread.lock("bus")? else { break };
        thread.light_sleep(Duration::from_millis(12), || true);
        drop(bus);
        thread.emit(Event::new("read").body(register.to_owned()))?;
        thread.freq_sleep(1.0);
    }
    Ok(())
}

impl Process for Board {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_locks(["bus", "map"])?;
        cx.on_event("read", |_, event, cx| {
            println!("{:>4} ms: read {}", cx.now().as_millis(), event.payload());
            Ok(())
        });
        cx.add_thread("speed", |thread| transfer(thread, "speed"))?;
        cx.add_thread("heat", |thread| transfer(thread, "heat"))?;
        // A name that nobody has added is an error that lists those there are.
        if let Err(error) = cx.try_lock("boss") {
            println!("{error}");
        }
        cx.after(Duration::from_millis(500), |_, cx| {
            cx.die("seen enough");
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        match cx.try_lock("bus")? {
            Some(_bus) => self.polled += 1,
            None => self.busy += 1,
        }
        Ok(())
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        println!("polled {} times; {} times the bus was busy", self.polled, self.busy);
        for lock in cx.locks() {
            println!("lock {:?} is held by {:?}", lock.name, lock.holder);
        }
        Ok(())
    }
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Application::new().add_process(Board::default(), (hz(20), Name::new("board"))).run()
}
