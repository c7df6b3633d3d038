//! Which ticks run, and when.

use polycephaly::prelude::*;
use std::time::Duration;

#[derive(Component, Default)]
struct Beats {
    seen: Vec<(Duration, u32)>,
}

impl Process for Beats {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        self.seen.push((cx.now(), cx.frame()));
        Ok(())
    }
}

#[test]
fn counts() {
    let mut running = Application::new()
        .clock(Clock::simulated())
        .add_process(Beats::default(), (hz(10), Name::new("b")))
        .add_process(Beats::default(), (hz(3), Name::new("c")))
        .build()
        .unwrap();
    assert!(running.run_for(Duration::from_secs(2)));
    let beats = running.get::<Beats>("B").unwrap();
    assert_eq!(beats.seen.len(), 20);
    assert_eq!(beats.seen[11], (Duration::from_millis(1100), 2));
    assert_eq!(running.get::<Beats>("c").unwrap().seen.len(), 6);
    let exit = running.finish();
    println!("{}", exit.report());
    println!("{}", exit.report().to_json());
}
