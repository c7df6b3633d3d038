//! What the operating system does about a signal: the one handler of this library, and what was there before it.
//!
//! The handler writes the signal's number into a pipe, whose other end a thread of the library reads; a handler may do
//! hardly anything else. What was there before is kept, and put back.
#![allow(unsafe_code)]

use crate::suspension;
use crate::switchboard::LOST;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// What was done about a signal before it was taken.
pub(super) struct Former(libc::sigaction);

impl Former {
    /// Whether the program was to take no notice of the signal.
    pub(super) fn ignores(&self) -> bool {
        self.0.sa_sigaction == libc::SIG_IGN
    }
}

/// Where the handler writes: -1 until there is something.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The OS process that has opened it. A copy of it that is about to run another program has the same pipe, and signals of
/// its own.
static OPENER: AtomicI32 = AtomicI32::new(0);
/// Signals that the pipe had no room for: a bit each, so that none is forgotten, only how often it came.
static OVERFLOW: AtomicU64 = AtomicU64::new(0);

extern "C" fn handle(number: libc::c_int) {
    // What it interrupts may be about to look at its own error.
    let errno = errno::errno();
    if number == libc::SIGCONT {
        note_resumption();
    }
    let pipe: RawFd = PIPE.load(Relaxed);
    let (byte, bit) = (number as u8, 1 << (number - 1));
    // SAFETY: both functions may be called in a signal handler. The byte is alive during the call; the descriptor is that
    // of a stream that is never closed, as `open` has got it for ever.
    let is_full =
        unsafe { libc::getpid() == OPENER.load(Relaxed) && libc::write(pipe, ptr::from_ref(&byte).cast(), 1) != 1 };
    if is_full && OVERFLOW.fetch_or(bit, Relaxed) & bit != 0 {
        LOST.fetch_add(1, Relaxed);
    }
    errno::set_errno(errno);
}

/// Elsewhere the clock may take a lock, so that the reader of the pipe must look at it.
fn note_resumption() {
    #[cfg(target_os = "linux")]
    suspension::note();
}

/// Has the handler write into `pipe` from now on.
pub(super) fn open(pipe: &'static UnixStream) {
    OPENER.store(std::process::id() as i32, Relaxed);
    PIPE.store(pipe.as_raw_fd(), Relaxed);
}

/// Takes the signals that the pipe had no room for.
pub(super) fn overflow() -> impl Iterator<Item = i32> {
    let bits = OVERFLOW.swap(0, Relaxed);
    (1..=64).filter(move |number| bits & 1 << (number - 1) != 0)
}

fn empty() -> libc::sigaction {
    // SAFETY: it is made of numbers, and of function pointers that may be null: all zeros are one of its values.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == handle as *const () as libc::sighandler_t
}

/// `sigaction` itself: what was there before, after putting `new` in its place.
fn exchange(signal: i32, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = empty();
    // SAFETY: `new` is null or points to an action that is alive, as `old` does; and what is put in place is the handler
    // above, or what the system itself has said was there.
    let failed = unsafe { libc::sigaction(signal, new.map_or(ptr::null(), ptr::from_ref), &raw mut old) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(old) }
}

/// Whether the program has been told to take no notice of a signal, as `nohup` does.
pub(super) fn is_ignored(signal: i32) -> io::Result<bool> {
    Ok(Former(exchange(signal, None)?).ignores())
}

/// Takes a signal. What was there before comes back; `None` when it was this library already.
pub(super) fn take(signal: i32) -> io::Result<Option<Former>> {
    let mut ours = empty();
    ours.sa_sigaction = handle as *const () as libc::sighandler_t;
    ours.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // While it writes no other may come in between on the same thread, or the later would be written first.
    // SAFETY: the set is alive. It can't fail for a valid address.
    unsafe { libc::sigfillset(&raw mut ours.sa_mask) };
    let old = exchange(signal, Some(&ours))?;
    Ok((!is_ours(&old)).then_some(Former(old)))
}

/// Puts back what was there. `false` when somebody else has taken the signal meanwhile: that stays.
pub(super) fn give_back(signal: i32, former: &Former) -> io::Result<bool> {
    let ours = is_ours(&exchange(signal, None)?);
    if ours {
        exchange(signal, Some(&former.0))?;
    }
    Ok(ours)
}

/// Stops all threads of this OS process; comes back when it has been told to go on.
pub(super) fn stop() {
    // SAFETY: it has no other requirements than a valid number. The signal goes to this very thread, so that it does not
    // come back before it has stopped.
    unsafe { libc::raise(libc::SIGSTOP) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    static HEARD: AtomicU32 = AtomicU32::new(0);

    extern "C" fn foreign(_: libc::c_int) {
        HEARD.fetch_add(1, SeqCst);
    }

    fn raise(signal: i32) {
        // SAFETY: each caller has a handler in place.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    fn install(signal: i32, handler: libc::sighandler_t) {
        let mut action = empty();
        action.sa_sigaction = handler;
        exchange(signal, Some(&action)).unwrap();
    }

    fn install_foreign(signal: i32) {
        install(signal, foreign as *const () as libc::sighandler_t);
    }

    /// One test for all, as the pipe and the actions are those of the whole program.
    #[test]
    fn a_signal_is_written_down_while_it_is_taken_and_what_was_there_comes_back() {
        let (mut read, write) = UnixStream::pair().unwrap();
        write.set_nonblocking(true).unwrap();
        static WRITE: OnceLock<UnixStream> = OnceLock::new();
        open(WRITE.get_or_init(|| write));
        let signal = libc::SIGUSR2;
        install_foreign(signal);
        for round in 1..=3 {
            raise(signal);
            assert_eq!(HEARD.load(SeqCst), round, "the foreign handler is there");
            let former = take(signal).unwrap().expect("it was not ours");
            assert!(take(signal).unwrap().is_none(), "it is ours already");
            errno::set_errno(errno::Errno(7));
            raise(signal);
            assert_eq!(errno::errno().0, 7, "what it interrupts sees nothing of it");
            let mut byte = [0];
            read.read_exact(&mut byte).unwrap();
            assert_eq!((i32::from(byte[0]), HEARD.load(SeqCst)), (signal, round));
            assert!(give_back(signal, &former).unwrap());
        }
        // Who has taken it after us keeps it.
        install(signal, libc::SIG_IGN);
        assert!(is_ignored(signal).unwrap());
        let former = take(signal).unwrap().unwrap();
        assert!(former.ignores());
        install_foreign(signal);
        assert!(!give_back(signal, &former).unwrap());
        raise(signal);
        assert_eq!(HEARD.load(SeqCst), 4);
        // A full pipe: the handler does not wait, and counts.
        let before = LOST.load(Relaxed);
        take(signal).unwrap();
        let mut raised = 0;
        while LOST.load(Relaxed) == before && raised < 10_000_000 {
            raise(signal);
            raised += 1;
        }
        assert_eq!(LOST.load(Relaxed), before + 1);
        assert_eq!(overflow().collect::<Vec<_>>(), [signal], "it came twice more, and is heard of once");
        assert_eq!(overflow().count(), 0);
        assert!(give_back(signal, &former).unwrap());
        assert!(is_ignored(signal).unwrap());
        assert!(take(libc::SIGKILL).is_err());
    }
}
