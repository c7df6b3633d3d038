//! A host program with handlers of its own.

use super::*;
use signal_hook::flag::register;
use signal_hook::low_level::raise;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// All but what would stop the program.
const BOUND: [&str; 7] = ["HUP", "INT", "QUIT", "CONT", "TERM", "USR1", "USR2"];

type Heard = Vec<(i32, Arc<AtomicBool>)>;

/// Raises all these signals. Which of the host's handlers have run.
fn raise_all(names: &[&str], host: &Heard) -> Vec<i32> {
    names.iter().for_each(|name| raise(signal_number(name).unwrap()).unwrap());
    host.iter().filter(|(_, heard)| heard.swap(false, SeqCst)).map(|(number, _)| *number).collect()
}

#[derive(Component)]
struct Guest {
    host: Heard,
    heard: Vec<Signal>,
    part: u32,
}

impl Guest {
    fn heard(&mut self, signal: Signal, _: &mut Context<Self>) -> Result {
        self.heard.push(signal);
        Ok(())
    }

    fn has_heard(&mut self, names: &[&str]) -> bool {
        let all = self.heard.len() >= names.len();
        if all {
            self.heard.sort();
            let mut wanted: Vec<Signal> = names.iter().map(|name| name.parse().unwrap()).collect();
            wanted.sort();
            assert_eq!(std::mem::take(&mut self.heard), wanted);
        }
        all
    }
}

impl Process for Guest {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on_signal(ALL, Self::heard)?;
        cx.backup_signals();
        assert!(raise_all(&BOUND, &self.host).is_empty(), "the host hears nothing");
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if self.part == 0 && self.has_heard(&BOUND) {
            assert_eq!(cx.remove_signals(ALL)?, 8);
            let given_back = ["USR1", "USR2"].map(|name| signal_number(name).unwrap());
            assert_eq!(raise_all(&["USR1", "USR2"], &self.host), given_back, "they have no default");
            assert!(cx.restore_signals()?);
            assert!(raise_all(&["USR1", "INT"], &self.host).is_empty());
            self.part = 1;
        } else if self.part == 1 && self.has_heard(&["INT", "USR1"]) {
            cx.die("all heard");
        }
        Ok(())
    }
}

pub(super) fn rounds() -> i32 {
    let numbers = ALL.map(|name| signal_number(name).unwrap());
    let host: Heard = numbers.map(|number| (number, Arc::default())).into();
    for (number, heard) in &host {
        register(*number, heard.clone()).unwrap();
    }
    let caught = masks();
    for _ in 0..3 {
        assert_eq!(raise_all(&ALL, &host), numbers, "the host's own");
        let guest = Guest { host: host.clone(), heard: Vec::new(), part: 0 };
        let exit = Application::new().add_process(guest, (hz(1000), named("guest"))).run();
        exit.assert_clean();
        assert_eq!(raise_all(&ALL, &host), numbers, "the host's own again");
        assert_eq!(masks(), caught);
        println!("round is well");
    }
    std::process::exit(0)
}
