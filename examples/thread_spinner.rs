//! Shows child threads: they sleep in their owner's rhythm, emit events to it, sleep lightly until something changes, and end
//! with it. Ends by itself after a second.

use polycephaly::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

#[derive(Component, Default)]
struct Spinner {
    turns: u32,
    /// Whether the fan is to rest.
    calm: Arc<AtomicBool>,
}

impl Process for Spinner {
    /// What `launch_threads` starts.
    fn threads(&mut self) -> Vec<ChildThread> {
        let calm = self.calm.clone();
        let wheel = ChildThread::new("wheel", |thread| {
            // Twice in each of its owner's periods, without drift, until its owner dies.
            while thread.freq_sleep(0.5) {
                thread.emit(Event::new("turn").body("/-\\|"))?;
            }
            println!("{} ends", thread.name());
            Ok(())
        });
        let fan = ChildThread::new("fan", move |thread| {
            calm.store(true, Relaxed);
            let slept = thread.light_sleep(Duration::from_secs(60), || calm.load(Relaxed));
            println!("{} was to rest a minute, and goes on after {:?}: {slept:?}", thread.name(), thread.now());
            Ok(())
        });
        vec![wheel, fan]
    }

    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on_event("turn", Self::turn);
        cx.launch_threads(self)?;
        // Added, and started by its name later.
        cx.add_child(
            ChildThread::new("late", |thread| {
                println!("{} has come", thread.name());
                Ok(())
            })
            .start(false),
        )?;
        cx.after(Duration::from_millis(400), |spinner, cx| {
            spinner.calm.store(false, Relaxed);
            cx.start_thread("late")?;
            Ok(cx.wake_thread("fan")?)
        });
        cx.after(Duration::from_secs(1), |_, cx| {
            cx.die("spun enough");
            Ok(())
        });
        Ok(())
    }

    fn death(&mut self, _: &mut Context<Self>) -> Result {
        println!("{} turns", self.turns);
        Ok(())
    }
}

impl Spinner {
    fn turn(&mut self, event: &Event, cx: &mut Context<Self>) -> Result {
        let frames = event.payload().as_text().ok_or("no frames")?;
        let frame = frames.chars().nth(self.turns as usize % 4).ok_or("no frame")?;
        self.turns += 1;
        if self.turns.is_multiple_of(5) {
            let running: Vec<_> = cx.threads().into_iter().map(|it| format!("{} {:?}", it.name, it.state)).collect();
            println!("{frame} {}", running.join(", "));
        }
        Ok(())
    }
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Application::new().add_process(Spinner::default(), (hz(10), Name::new("spinner"))).run()
}
