//! Births that take long, one after the other and side by side, in an OS process of its own.

mod common;

use common::{Script, child, named};
use polycephaly::prelude::*;
use std::sync::{Arc, Barrier};

/// Takes longer than a second to be ready. Those side by side wait for each other, too: none would ever be alone.
#[derive(Component)]
struct Slow(Arc<Barrier>);

impl Process for Slow {
    fn prepare(&mut self) -> Result {
        self.0.wait();
        std::thread::sleep(Duration::from_millis(1100));
        Ok(())
    }
}

/// Not a test of its own: what the child does.
#[test]
fn program() {
    let Some(_) = child::kind() else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let (alone, both) = (Arc::new(Barrier::new(1)), Arc::new(Barrier::new(2)));
    let exit = Application::new()
        .signals(false)
        .add_process(Slow(alone), named("alone"))
        .add_process(Slow(both.clone()), (named("left"), ParallelBirth))
        .add_process(Slow(both), (named("right"), ParallelBirth))
        .add_process(Script::new(), named("quick"))
        .run_for(Duration::ZERO);
    println!("slow births {}", exit.report().slow_births);
    std::process::exit(exit.code().into());
}

#[test]
fn each_is_named_whether_alone_or_side_by_side() {
    let outcome = child::run("program", "-");
    assert!(outcome.status.success() && outcome.out.contains("slow births 3"), "{}{}", outcome.out, outcome.err);
    let named = |name: &str| outcome.err.matches(&format!("its birth took long process=\"{name}\"")).count();
    assert_eq!(["alone", "left", "right", "quick"].map(named), [1, 1, 1, 0], "{}", outcome.err);
}
