//! Coming from Polycephaly for Python: where everything went.
//!
//! The same words mean the same things: a process is born, lives so many times a second, and dies; it has a run level, a
//! mailbox, filters, locks, child threads, events and signals. What differs is how it runs. There, each process is a thread or
//! an OS process that sleeps after each life; here, processes of one frequency tick together on a *head*, by deadlines that do
//! not drift, and a hook is lent a [`Context`] for all that it may do. Nothing in a tick blocks: what waits does so on a child
//! thread, or is called back.
//!
//! The right column names the tests that show it.
//!
//! # The class `Process`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | subclass with `birth`, `life`, `death` | a component that implements [`Process`]; also [`prepare`](Process::prepare) and [`safe_stop`](Process::safe_stop) | the state is the component itself, so that plain systems can query it | `tests/lifecycle.rs` |
//! | `__init__(*args, **kwargs)`, `args`, `kwargs` | the component's own fields, given to [`add_process`](Application::add_process) | typed at compile time | `tests/names.rs` |
//! | `_active` | [`Context::is_active`]; on a thread [`Thread::is_active`] | | `tests/lifecycle.rs` |
//! | `_application` | [`Context::application`] | | `tests/heads.rs` |
//! | `_callbacks` | [`Context::on_event`] | | `tests/event.rs` |
//! | `_currFrame` | [`Context::frame`] | counted from the tick's number, so that dropped ticks show | `tests/frequency.rs` |
//! | `_locks` | [`Context::locks`] | | `tests/lock.rs` |
//! | `_messenger` | the [`Context`] itself, [`Address`], and [`ApplicationHandle::mail`] elsewhere | | `tests/mail.rs` |
//! | `_ppill` | [`Application::poison_pill`]: a UUID unless set | urgent mail, so that a full box can't hold it up | `tests/mail.rs` |
//! | `_ranMailman` | none: the mailman runs before every life | it can't be forgotten | `tests/delivery.rs` |
//! | `_runLevel` | [`Context::run_level`] | | `tests/run_level.rs` |
//! | `_runtime` | the bundle: [`Frequency`], [`MailboxSize`](crate::mailbox::MailboxSize), [`Autostart`](crate::lifecycle::Autostart) … as components | any system can read them | `tests/regroup.rs` |
//! | `_setupEvents`, `_setupFilters`, `_setupVariables` | none: `birth` adds what it wants | | `tests/filter.rs` |
//! | `_signalsBak`, `_signalsUsed` | [`Context::backup_signals`]; [`Context::signals`] is empty while none is bound | | `tests/signals.rs` |
//! | `_threads` | [`Context::threads`] | | `tests/thread.rs` |
//! | `name` | [`Context::name`] | unique over all heads, without regard to case | `tests/names.rs` |
//! | `nameMain` | [`Context::main_name`] | `None` where there is no main process | `tests/names.rs` |
//! | `paths` | not carried over: `std::env` | | |
//! | `signalEnd` | [`Context::cause`] and [`Cause::signal`](crate::cause::Cause::signal) | every cause is told, not signals alone | `tests/interrupt.rs` |
//!
//! # `actions`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `die(message, **kwargs)` | [`Context::die`] | this life goes on to its end | `tests/lifecycle.rs` |
//! | `cleanup()` | none: the end of main ends the application, by falling rank of [`Depends`](crate::lifecycle::Depends) | all of one rank at once, with a deadline each and in total; there, one by one | `tests/ending.rs` |
//! | `ebrake(reason)` | [`Context::ebrake`] | a flag seen between any two lives of every head, not a mail; `safe_stop` everywhere before any death | `tests/ebrake.rs` |
//!
//! # `events`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `birth()`, `life()`, `death()` | [`Process::birth`], [`life`](Process::life), [`death`](Process::death) | each may fail: its [`Supervision`](crate::supervision::Supervision) says what follows | `tests/fault.rs` |
//! | `registerCallbacks(**kwargs)` | [`Context::on_event`], one by one | | `tests/event.rs` |
//! | `callbackEvent(event, ...)` | [`Thread::emit`], [`Context::emit`], or an [`Emitter`](crate::emitter::Emitter) anywhere | the callback runs on the owner's `&mut self` in its next tick: no lock is needed | `tests/event.rs` |
//!
//! # `info`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `_procInfoSkel()` | none | answered at once from the address book, without mail to main | `tests/directory.rs` |
//! | `activeSubProcesses()` | [`Context::active_processes`] | | `tests/directory.rs` |
//! | `getApp()` | [`Context::application`] | | `tests/heads.rs` |
//! | `getParameter(name)` | [`Context::process`], and a query of the components | | `tests/directory.rs` |
//! | `isActive(i)` | [`Context::is_active`]; to set it, [`Context::die`] | it can't be undone | `tests/lifecycle.rs` |
//! | `listProcessInstances()` | [`Context::processes`] | | `tests/directory.rs` |
//! | `listRecipients()` | [`Context::recipients`] | | `tests/directory.rs` |
//! | `runLevel(i)` | [`Context::run_level`], [`Context::set_run_level`] | a move that makes no sense is an error | `tests/start_stop.rs`, `tests/run_level.rs` |
//! | `runLevels(i)` | [`RunLevel::ALL`](crate::run_level::RunLevel::ALL), `RunLevel::try_from(1)`, `"buildup".parse()` | | `tests/run_level.rs` |
//!
//! # `locking`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `addLocks(*args)` | [`Context::add_locks`] | a name that is there already is an error | `tests/lock.rs` |
//! | `getLocks(*args)` | [`Context::try_lock`], [`Context::lock_within`]; on a thread [`Thread::lock`] | a tick must not wait without limit; the order of two locks is checked in debug builds | `tests/lock.rs` |
//!
//! # `setup`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `main(*args, **kwargs)` | none: the frequency groups of a head tick all its processes | by absolute deadlines; there, each slept 1/f after its work | `tests/tick.rs` |
//!
//! # `signals`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `signals(cb, *keys)` | [`Context::on_signal`] | one binding leaves the other defaults in place; any process may bind | `tests/interrupt.rs` |
//! | `sigTrap(sigNum, currFrame)` | the defaults of what nobody binds: [`Application::signals`] | no frame: Rust has none | `tests/interrupt.rs` |
//! | `backupSignals()`, `restoreSignals()` | [`Context::backup_signals`], [`Context::restore_signals`] | | `tests/signals.rs` |
//! | `currSignals(*args)` | [`Context::signals`], [`ApplicationHandle::signals`] | | `tests/signals.rs` |
//! | `signalsDict(k)` | [`signal_name`](crate::signal::signal_name), [`signal_number`](crate::signal::signal_number), [`Signal::all`](crate::signal::Signal::all) | | `src/signal.rs` |
//! | `signalsUsed(i)` | `!cx.signals().is_empty()` | it can't be set apart from what it says | `tests/signals.rs` |
//!
//! # `threading`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `addChildThread(name, method, daemon, start)` | [`Context::add_thread`], or a [`ChildThread`](crate::thread::ChildThread) for the options | | `tests/thread.rs` |
//! | `launchThreads()` and methods called `_thread_…` | [`Process::threads`], [`Context::launch_threads`] | declared, not found by name | `tests/thread.rs` |
//! | `getChildThread(name)` | [`Context::thread`], [`Context::start_thread`] | an unknown one is an error that lists those there are | `tests/thread.rs` |
//! | `getChildThreads(*args)`, `listChildThreadsLives(*args)` | [`Context::threads`], [`Context::threads_named`], with their state | | `tests/thread.rs` |
//! | `removeChildThreads(*args)` | [`Context::remove_threads`]: removed, still running, no such thread | | `tests/thread.rs` |
//! | `childThreadJanitor()` | none: those that have ended are reaped in each tick | | `tests/thread.rs` |
//! | `joinChildThreads()` | none: death waits for them, with a deadline, and names who does not end | | `tests/thread.rs` |
//!
//! # `timing`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `currentFrame()` | [`Context::frame`] | from 1; below 1 Hz it is 1 | `tests/frequency.rs` |
//! | `currentTimeFrame()` | [`Context::time_frame`] | | `tests/tick.rs` |
//! | `frequency(i)` | [`Context::frequency`], [`Context::set_frequency`] | an exact fraction; the first new tick is strictly later | `tests/regroup.rs` |
//! | `freqSleep(multiplier)` | [`Thread::freq_sleep`], on child threads | without drift; a process does not sleep, it is called | `tests/thread.rs` |
//! | `lightSleeper(sleep, callback, conditional)` | [`Thread::light_sleep`], on child threads | looked at every 5 ms and when woken; there, once a second | `tests/thread.rs` |
//!
//! # Messages
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | message queues by lower-cased name | mailboxes, found in any case and kept as written | bounded: a full one tells its sender | `tests/mailbox_policies.rs` |
//! | filters on subject, body and headers; one fall-through | [`Filter`](crate::filter::Filter); several fall-throughs | two of them crashed the mailman there | `tests/mail.rs` |
//! | `waitForReply()` | [`Context::ask_then`], [`Context::ask`]; blocking on a thread: [`Thread::ask`] | the queue is not drained and refilled; there, it was polled once a second | `tests/ask.rs` |
//! | relay | [`Context::forward`] | into a full box it comes back; there, it was lost | `tests/mail.rs` |

#![allow(unused_imports)] // named by the links above

use crate::application::Application;
use crate::context::Context;
use crate::frequency::Frequency;
use crate::handle::ApplicationHandle;
use crate::post::Address;
use crate::process::Process;
use crate::thread::Thread;
