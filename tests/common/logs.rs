//! What the library logs, line by line, told apart by thread: tests run side by side.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

thread_local! {
    // A subscriber for each run would be told of some events only: what interests whom is remembered for all threads.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Logged;

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs something, and hands over the lines that it logs on this thread, from the level INFO up.
pub(crate) fn lines_of<R>(run: impl FnOnce() -> R) -> (R, Vec<String>) {
    static SUBSCRIBER: Once = Once::new();
    let subscribe = || tracing_subscriber::fmt().with_writer(|| Logged).with_ansi(false).without_time().init();
    SUBSCRIBER.call_once(subscribe);
    LOGGED.take();
    let outcome = run();
    (outcome, String::from_utf8(LOGGED.take()).unwrap().lines().map(str::to_owned).collect())
}
