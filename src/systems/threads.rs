//! Child threads and locks at their owner: adding, starting, reaping, and the end.

use crate::bell::{Bell, Wake};
use crate::belongings::Extras;
use crate::context::Context;
use crate::erased::RawContext;
use crate::lock::{DuplicateLock, LockGuard, LockInfo, Taker, UnknownLock};
use crate::post::Address;
use crate::process::Process;
use crate::thread::{
    Child, ChildThread, DuplicateThread, Family, Progress, Removal, Shared, Thread, ThreadInfo, UnknownThread,
};
use bevy_ecs::error::Result;
use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Child threads.
impl<P: Process> Context<'_, P> {
    /// Adds a child thread and starts it. For other wishes, see [`add_child`](Self::add_child).
    ///
    /// # Errors
    /// As [`add_child`](Self::add_child).
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// cx.add_thread("reader", |thread| {
    ///     while thread.freq_sleep(1.0) {
    ///         thread.emit("beat")?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    pub fn add_thread(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        work: impl FnOnce(&Thread) -> Result + Send + 'static,
    ) -> Result {
        self.add_child(ChildThread::new(name, work))
    }

    /// Adds a child thread, and starts it unless it says otherwise. Its owner's death tells it to end, and waits for it
    /// unless it is a daemon.
    ///
    /// # Errors
    /// [`DuplicateThread`] with the thread, when there is one of this name; what the operating system says, when it gives
    /// no thread.
    pub fn add_child(&mut self, child: ChildThread) -> Result {
        self.raw().add_child(child)
    }

    /// Starts a thread that was added without. One that has been started goes on.
    ///
    /// # Errors
    /// [`UnknownThread`] when there is none of this name; what the operating system says, when it gives no thread.
    pub fn start_thread(&mut self, name: &str) -> Result {
        self.raw().start_thread(name)
    }

    /// Adds the threads that the process [declares](Process::threads), and starts all that wait to be started.
    ///
    /// # Errors
    /// As [`add_child`](Self::add_child), at the first that can't be started.
    pub fn launch_threads(&mut self, process: &mut P) -> Result {
        let children = process.threads();
        self.raw().launch_threads(children)
    }

    /// Tells a thread to end, and does not wait for it.
    ///
    /// # Errors
    /// [`UnknownThread`] when there is none of this name.
    pub fn stop_thread(&mut self, name: &str) -> Result<(), UnknownThread> {
        self.raw().child(name)?.shared.stop();
        Ok(())
    }

    /// Has a thread look at once at the condition of its [light sleep](Thread::light_sleep).
    ///
    /// # Errors
    /// [`UnknownThread`] when there is none of this name.
    pub fn wake_thread(&mut self, name: &str) -> Result<(), UnknownThread> {
        self.raw().child(name)?.shared.wake_up();
        Ok(())
    }

    /// All threads of this process, as they were added. Those that have ended are reaped before the next life.
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadInfo> {
        self.known().iter().flat_map(|extras| &extras.children).map(Child::info).collect()
    }

    /// One thread of this process.
    ///
    /// # Errors
    /// [`UnknownThread`] when there is none of this name.
    pub fn thread(&self, name: &str) -> Result<ThreadInfo, UnknownThread> {
        let found = self.threads().into_iter().find(|thread| thread.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| unknown_thread(&self.vitals.address, self.threads(), name))
    }

    /// Takes a thread away that has not been started, or has ended.
    ///
    /// # Errors
    /// [`UnknownThread`] when there is none of this name.
    pub fn remove_thread(&mut self, name: &str) -> Result<Removal, UnknownThread> {
        self.raw().remove_thread(name)
    }

    /// Takes several threads away: one answer each, in order.
    pub fn remove_threads<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Vec<Result<Removal, UnknownThread>> {
        names.into_iter().map(|name| self.remove_thread(name)).collect()
    }

    /// Several threads of this process: one answer each, in order.
    pub fn threads_named<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Vec<Result<ThreadInfo, UnknownThread>> {
        names.into_iter().map(|name| self.thread(name)).collect()
    }
}

impl RawContext<'_> {
    fn add_child(&mut self, child: ChildThread) -> Result {
        let family = self.family();
        self.scope.has_threads.set(true);
        let children = &mut self.own().children;
        if children.iter().any(|known| known.is_called(&child.name) && !known.shared.has_ended()) {
            Err(DuplicateThread { owner: family.owner.name().to_owned(), thread: child })?;
        } else {
            let start = child.start;
            children.push(Child::new(child, &family));
            if start {
                let last = children.len() - 1;
                self.start_child(last)?;
            }
        }
        Ok(())
    }

    fn start_thread(&mut self, name: &str) -> Result {
        let at = self.find_child(name)?;
        self.start_child(at)
    }

    fn start_child(&mut self, at: usize) -> Result {
        let family = self.family();
        let child = &mut self.own().children[at];
        if child.start(&family)? {
            self.vitals.address.0.incidents().threads.lock().started += 1;
        }
        Ok(())
    }

    fn launch_threads(&mut self, children: Vec<ChildThread>) -> Result {
        for child in children {
            self.add_child(child)?;
        }
        for at in 0..self.own().children.len() {
            self.start_child(at)?;
        }
        Ok(())
    }

    fn threads(&self) -> Vec<ThreadInfo> {
        self.known().iter().flat_map(|extras| &extras.children).map(Child::info).collect()
    }

    fn remove_thread(&mut self, name: &str) -> Result<Removal, UnknownThread> {
        let at = self.find_child(name)?;
        let child = &self.own().children[at];
        if matches!(child.shared.progress(), Progress::Running) {
            return Ok(Removal::StillRunning);
        }
        let child = self.own().children.remove(at);
        self.account(child);
        Ok(Removal::Removed)
    }

    fn child(&mut self, name: &str) -> Result<&mut Child, UnknownThread> {
        let at = self.find_child(name)?;
        Ok(&mut self.own().children[at])
    }

    fn find_child(&mut self, name: &str) -> Result<usize, UnknownThread> {
        let at = self.own().children.iter().rposition(|child| child.is_called(name));
        at.ok_or_else(|| unknown_thread(&self.vitals.address, self.threads(), name))
    }

    /// What this process shares with its threads.
    fn family(&mut self) -> Arc<Family> {
        self.vitals.address.0.add_errand();
        let (address, control) = (self.vitals.address.clone(), self.scope.control.clone());
        let frequency = self.scope.frequency(self.vitals);
        self.own().family.get_or_insert_with(|| Family::new(address, control, frequency)).clone()
    }

    /// Takes note of how a thread has ended, if it was ever started. What its owner's supervision is to answer comes back.
    fn account(&mut self, mut child: Child) -> Option<Progress> {
        let progress = child.shared.progress();
        let running = child.running.take()?;
        // It has ended but for its last breath.
        let _ = running.join();
        self.family().reaped();
        let mut count = self.vitals.address.0.incidents().threads.lock();
        count.ended += 1;
        let (process, thread) = (self.vitals.address.name(), &*child.shared.name);
        match &progress {
            Progress::Failed(message) => {
                tracing::error!(process, thread, "{message}");
                count.failed += 1;
                count.last = Some(format!("{thread}: {message}"));
            }
            Progress::Panicked(message) => {
                tracing::error!(process, thread, panic = message, "panicked");
                count.panicked += 1;
                count.last = Some(format!("{thread}: {message}"));
            }
            _ => return None,
        }
        child.supervised.then_some(progress)
    }
}

fn unknown_thread(owner: &Address, threads: Vec<ThreadInfo>, name: &str) -> UnknownThread {
    let known = threads.into_iter().map(|thread| thread.name).collect();
    UnknownThread { owner: owner.name().to_owned(), name: name.to_owned(), known }
}

/// Locks.
impl<P: Process> Context<'_, P> {
    /// Adds locks, which this process shares with its threads.
    ///
    /// # Errors
    /// [`DuplicateLock`] at the first name that is taken, in any case; those before it have been added.
    pub fn add_locks<N: Into<Cow<'static, str>>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<(), DuplicateLock> {
        let family = self.raw().family();
        names.into_iter().try_for_each(|name| family.locks.add(name.into()))
    }

    /// Takes a lock, if nobody holds it.
    ///
    /// # Errors
    /// [`UnknownLock`], which lists the known ones.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// match cx.try_lock("bus")? {
    ///     Some(_bus) => println!("it is ours until the end of this block"),
    ///     None => println!("a thread has it"),
    /// }
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn try_lock(&mut self, name: &str) -> Result<Option<LockGuard>, UnknownLock> {
        self.raw().try_lock(name, Location::caller())
    }

    /// Takes a lock, and waits for it for `time` at most: the whole head waits. `None` when that has passed.
    ///
    /// # Errors
    /// [`UnknownLock`], which lists the known ones.
    #[track_caller]
    pub fn lock_within(&mut self, name: &str, time: Duration) -> Result<Option<LockGuard>, UnknownLock> {
        self.raw().lock_within(name, time, Location::caller())
    }

    /// All locks of this process, and who holds them.
    #[must_use]
    pub fn locks(&self) -> Vec<LockInfo> {
        let family = self.known().and_then(|extras| extras.family.as_ref());
        family.map(|family| family.locks.list()).unwrap_or_default()
    }
}

impl RawContext<'_> {
    fn try_lock(&mut self, name: &str, place: Place) -> Result<Option<LockGuard>, UnknownLock> {
        let family = self.family();
        family.locks.take(name, &Taker { holder: &family.own, place, waker: None })
    }

    fn lock_within(&mut self, name: &str, time: Duration, place: Place) -> Result<Option<LockGuard>, UnknownLock> {
        let family = self.family();
        let timeline = self.scope.control.timeline();
        if !timeline.is_simulated() {
            let bell = Arc::new(Bell::default());
            let waker: Arc<dyn Wake> = bell.clone();
            let park = |until| {
                timeline.sleep_until(Some(until), &bell);
                true
            };
            let taker = Taker { holder: &family.own, place, waker: Some(&waker) };
            return family.locks.take_within(name, &taker, time, timeline, park);
        }
        // Simulated: the threads go on meanwhile, and this life takes as long.
        let (from, flag) = (timeline.now(), Arc::new(Flag::default()));
        let waker: Arc<dyn Wake> = flag.clone();
        let park = |until| {
            self.scope.control.crowd.run_due(until, timeline, || flag.is_up());
            if !flag.lower() {
                timeline.jump_to(until);
            }
            true
        };
        let taker = Taker { holder: &family.own, place, waker: Some(&waker) };
        let taken = family.locks.take_within(name, &taker, time, timeline, park);
        self.scope.beat.consume(timeline.now() - from);
        taken
    }
}

/// Where a lock is taken.
type Place = &'static Location<'static>;

/// Up when somebody has been told to look again.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    fn is_up(&self) -> bool {
        self.0.load(Relaxed)
    }

    fn lower(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

impl Wake for Flag {
    fn wake(&self) {
        self.0.store(true, Relaxed);
    }
}

/// The janitor's part: takes note of the threads that have ended.
#[cold]
pub(crate) fn reap(cx: &mut RawContext<'_>) {
    let ended: Vec<Child> =
        cx.own().children.extract_if(.., |child| child.running.is_some() && child.shared.has_ended()).collect();
    for child in ended {
        let supervised = cx.account(child);
        let culprit = cx.reborrow().culprit("thread");
        match supervised {
            Some(Progress::Failed(message)) => culprit.errs(message),
            Some(Progress::Panicked(message)) => culprit.panicked(&message),
            _ => {}
        }
    }
}

/// The end of all threads, before their owner's death: they are told, and waited for as long as a death may take. Who has
/// not ended then is named.
pub(crate) fn end_all(cx: &mut RawContext<'_>) {
    let Some(Extras { children, family: Some(family), .. }) = cx.known_mut() else { return };
    let (children, family) = (std::mem::take(children), family.clone());
    children.iter().for_each(|child| child.shared.stop());
    let awaited: Vec<Arc<Shared>> = children
        .iter()
        .filter(|child| child.running.is_some() && !child.daemon)
        .map(|child| child.shared.clone())
        .collect();
    if !awaited.is_empty() {
        let time = Duration::from_nanos(cx.scope.control.ending.each());
        family.wait_for(&awaited, Instant::now() + time);
    }
    let process = cx.vitals.address.name().to_owned();
    for child in children {
        if child.running.is_none() || child.shared.has_ended() {
            let _ = cx.account(child);
        } else if !child.daemon {
            let thread = child.shared.name.to_string();
            tracing::error!(process, thread, "has not ended in time, and is left behind");
            cx.vitals.address.0.incidents().threads.lock().left += 1;
            cx.scope.control.ending.note_overdue(&format!("thread {thread:?} of {process:?}"));
        }
    }
    for lock in family.locks.list() {
        if let Some(holder) = lock.holder {
            tracing::warn!(process, lock = lock.name, holder, "is held at the death of its owner");
            cx.vitals.address.0.incidents().held_locks.fetch_add(1, Relaxed);
        }
    }
}
