//! Coming from Polycephaly for Python: where everything went.
//!
//! The same words mean the same things: a process is born, lives so many times a second, and dies; it has a run level, a
//! mailbox, filters, locks, child threads, events and signals. What differs is how it runs. There, each process is a thread or
//! an OS process that sleeps after each life; here, processes of one frequency tick together on a *head*, by deadlines that do
//! not drift, and a hook is lent a [`Context`] for all that it may do. Nothing in a tick blocks: what waits does so on a child
//! thread, or is called back.
//!
//! A process that reads a device on a thread, tells `main` of it, and counts its lives, as it is written here:
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component)]
//! struct Scale { device: u8, lives: u32 }                     // what were self.args and self.kwargs
//!
//! impl Process for Scale {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         let here = std::env::current_exe()?;                // self.paths
//!         assert!(here.is_absolute());
//!         cx.add_locks(["bus"])?;                             // self.addLocks( 'bus' )
//!         cx.on_event("weighed", Self::weighed);              // self.registerCallbacks( weighed=self.weighed )
//!         cx.launch_threads(self)                             // self.launchThreads()
//!     }
//!
//!     fn threads(&mut self) -> Vec<ChildThread> {             // def _thread_reader( self ):
//!         let device = self.device;
//!         let reader = ChildThread::new("reader", move |thread| {
//!             while thread.freq_sleep(1.0) {                  //     while self.isActive(): … self.freqSleep()
//!                 let Some(_bus) = thread.lock("bus")? else { break };
//!                 thread.emit(Event::new("weighed").body(u32::from(device)))?; // self.callbackEvent( 'weighed', … )
//!             }
//!             Ok(())
//!         });
//!         vec![reader]
//!     }
//!
//!     fn life(&mut self, _: &mut Context<Self>) -> Result {
//!         self.lives += 1;
//!         Ok(())
//!     }
//! }
//!
//! impl Scale {
//!     fn weighed(&mut self, event: &Event, cx: &mut Context<Self>) -> Result {
//!         let grams = *event.get::<u32>().ok_or("no number")?;
//!         cx.tell("main", "weight", grams);                   // self.send( 'main', … )
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Component)]
//! struct Main { total: u32 }
//!
//! impl Process for Main {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.add_filter(Filter::new().subject("weight"), Self::add)?; // self.addFilter( subject='weight', callback=self.add )
//!         Ok(())
//!     }
//! }
//!
//! impl Main {
//!     fn add(&mut self, mail: &Mail, _: &mut Context<Self>) -> Result {
//!         self.total += *mail.get::<u32>().ok_or("no number")?;
//!         Ok(())
//!     }
//! }
//!
//! let app = Application::new()
//!     .clock(Clock::simulated())
//!     .add_main(Main { total: 0 }, hz(10))
//!     .add_process(Scale { device: 7, lives: 0 }, (hz(10), Name::new("scale")));
//! let mut running = app.build().unwrap();
//! running.run_for(Duration::from_millis(450));
//! assert_eq!(running.get::<Scale>("scale").unwrap().lives, 5);
//! assert_eq!(running.get::<Main>("main").unwrap().total, 3 * 7); // the fourth is read in the next tick
//! ```
//!
//! In the tables below, the right column names the tests that show it: `lock::name` is the test `name` in `tests/lock.rs`,
//! `src/lock::name` that in `src/lock.rs`, and "above" the program above. `tests/porting.rs` checks that there is a row for
//! each name of the Python package's reference, that each test exists, and that it uses what the row names.
//!
//! # The class `Process`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `class Process` | a component that implements [`Process`] | the state is the component itself, so that plain systems can query it | above |
//! | `class Extend`, one in each module below | the trait, and the methods of [`Context`] | one borrow of all that a hook may do, instead of a base class | above |
//! | `__init__(*args, **kwargs)` | [`Application::add_process`], or [`Context::spawn`] while it runs | the component is made by whoever adds it | `lifecycle::spawned_from_a_process_it_lives_first_at_the_next_grid_point` |
//! | `args`, `kwargs` | the component's own fields | typed at compile time | above |
//! | `_active` | [`Context::is_active`]; on a thread [`Thread::is_active`] | | `start_stop::stopped_and_started_it_keeps_its_state_and_its_name`, `lifecycle::every_single_end_runs_death_once_and_the_others_live_on` |
//! | `_application` | [`Context::application`] | | `heads::a_process_can_hand_its_application_on` |
//! | `_callbacks` | [`Context::on_event`], listed by [`Context::events`] | | `event::one_without_a_callback_is_counted_and_another_callback_takes_the_place_of_the_first` |
//! | `_currFrame` | [`Context::frame`] | counted from the tick's number, so that dropped ticks show | `tick::frames_show_what_was_skipped_and_the_clock_shows_lateness` |
//! | `_locks` | [`Context::locks`] | | `lock::unknown_and_duplicate_names_say_what_there_is` |
//! | `_messenger` | the [`Context`] itself; outside, an [`Address`] or [`ApplicationHandle::mail`] | | `mail::a_question_and_a_ping_come_back` |
//! | `_ppill` | [`Application::poison_pill`]: a UUID unless set; [`Context::send_pill`] | urgent mail, so that a full box can't hold it up | `mail::a_poison_pill_ends_its_recipient_who_says_so`, `names::unknown_names_are_errors_that_list_the_known_ones` |
//! | `_ranMailman` | none: the mailman runs before every life | it can't be forgotten | `delivery::a_chain_of_types_hands_on_within_one_tick` |
//! | `_runLevel` | [`Context::run_level`] | | `start_stop::a_process_restarts_itself_by_its_run_level` |
//! | `_runtime` | the bundle: [`Frequency`], [`MailboxSize`](crate::mailbox::MailboxSize), [`Autostart`](crate::lifecycle::Autostart) … as components | any system can read them, and by inserting another change them | `regroup::inserting_the_component_moves_the_process` |
//! | `_setupEvents()`, `_setupFilters()`, `_setupVariables(args, kwargs)` | none: `birth` adds what it wants; [`Process::prepare`] may come before it | nothing is set up behind one's back | `start_stop::prepare_runs_before_birth_and_side_by_side_where_asked` |
//! | `_signalsBak` | [`Context::backup_signals`] | | `signals::three_rounds_of_backup_bind_and_restore` |
//! | `_signalsUsed` | [`Context::signals`]: whether any has an owner | it can't be set apart from what it says | `signals::three_rounds_of_backup_bind_and_restore` |
//! | `_threads` | [`Context::threads`] | | `thread::names_states_and_removals_have_clear_answers` |
//! | `name` | [`Context::name`] | unique over all heads, without regard to case | `names::a_name_is_found_in_any_case_and_kept_as_written`, `names::main_is_called_main_or_as_its_bundle_says` |
//! | `nameMain` | [`Context::main_name`] | `None` where there is no main process | `names::main_is_called_main_or_as_its_bundle_says` |
//! | `paths` | `std::env::current_exe` and the like | the standard library has them | above |
//! | `signalEnd` | [`Context::cause`] and [`Cause::signal`](crate::cause::Cause::signal) | every cause is told, not signals alone | `signals::unbound_four_of_them_end_the_application_and_the_cause_knows_which` |
//!
//! # `actions`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `die(message, **kwargs)` | [`Context::die`] | this life goes on to its end, and `death` knows the reason | `lifecycle::every_single_end_runs_death_once_and_the_others_live_on` |
//! | `cleanup()` | none: the end of main ends the application, by falling rank of [`Depends`](crate::lifecycle::Depends) | all of one rank at once, with a deadline each and in total; there, one by one | `heads::births_and_deaths_go_by_rank_over_all_heads` |
//! | `ebrake(reason)` | [`Context::ebrake`], [`Process::safe_stop`] | a flag seen between any two lives of every head, not a mail; motors off everywhere before any death | `lifecycle::every_end_of_all_runs_each_death_once_and_safe_stop_before_all_with_the_e_brake`, `lifecycle::the_first_e_brake_is_the_cause_and_the_others_are_listed`, `fault::every_fault_at_every_place_under_every_supervision` |
//!
//! # `events`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `birth()`, `life()`, `death()` | [`Process::birth`], [`Process::life`], [`Process::death`] | each may fail: its [`Supervision`](crate::supervision::Supervision) says what follows | `fault::every_fault_at_every_place_under_every_supervision` |
//! | `registerCallbacks(**kwargs)` | [`Context::on_event`], one by one | | `event::an_event_is_heard_before_the_next_life_with_its_payload` |
//! | `callbackEvent(event, *args, **kwargs)` | [`Thread::emit`], [`Context::emit`], or an [`Emitter`](crate::emitter::Emitter) anywhere | the callback runs on the owner's `&mut self` in its next tick: no lock is needed, and nothing is returned | `event::an_event_is_heard_before_the_next_life_with_its_payload` |
//!
//! # `info`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `_procInfoSkel()` | none | answered at once from the address book, without mail to main | `directory::one_process_is_found_in_any_case_with_all_that_may_be_known` |
//! | `activeSubProcesses()` | [`Context::active_processes`] | | `directory::the_active_are_those_that_live` |
//! | `getApp()` | [`Context::application`] | of all processes, as all are threads' | `heads::a_process_can_hand_its_application_on` |
//! | `getParameter(name)` | [`Context::process`], and a query of the components | | `directory::one_process_is_found_in_any_case_with_all_that_may_be_known` |
//! | `isActive(i)` | [`Context::is_active`]; to set it, [`Context::die`] | it can't be undone | `lifecycle::every_single_end_runs_death_once_and_the_others_live_on` |
//! | `listProcessInstances()` | [`Context::processes`] | | `directory::all_processes_are_listed_in_order_of_birth` |
//! | `listRecipients()` | [`Context::recipients`] | addresses, which one can send to | `directory::recipients_are_addresses_that_mail_can_go_to` |
//! | `runLevel(i)` | [`Context::run_level`], [`Context::set_run_level`] | a move that makes no sense is an error | `start_stop::a_process_restarts_itself_by_its_run_level`, `run_level::each_of_the_81_moves_is_as_the_table_says` |
//! | `runLevels(i)` | [`RunLevel::ALL`](crate::run_level::RunLevel::ALL), `RunLevel::try_from(1)`, `"buildup".parse()` | | `run_level::numbers_are_those_of_the_list`, `run_level::names_are_read_in_any_case` |
//!
//! # `locking`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `addLocks(*args)` | [`Context::add_locks`] | a name that is there already is an error | `lock::unknown_and_duplicate_names_say_what_there_is` |
//! | `getLocks(*args)` | [`Context::try_lock`], [`Context::lock_within`]; on a thread [`Thread::lock`] | a tick must not wait without limit; the order of two locks is checked in debug builds | `lock::a_wait_in_a_tick_takes_time_and_is_bounded`, `lock::a_thread_waits_for_its_owner_and_the_owner_for_its_thread` |
//!
//! # `messaging`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `mailman()` | none: it runs before every life | it can't be forgotten, and reads no more than was there when it began | `delivery::more_than_one_tick_may_read_waits_for_the_next` |
//! | `waitForReply()` | [`Context::ask_then`], [`Context::ask`]; blocking on a thread: [`Thread::ask`] | the queue is not drained and refilled; there, it was polled once a second | `ask::ask_then_calls_back_once_with_the_answer_or_the_reason`, `ask::a_time_out_is_to_the_tick` |
//! | queues by lower-cased name | mailboxes, found in any case and kept as written | bounded: a full one tells its sender | `mailbox_policies::every_policy_with_every_sender`, `names::a_name_is_found_in_any_case_and_kept_as_written` |
//! | filters on subject, body and headers; one fall-through | [`Context::add_filter`], [`Filter`](crate::filter::Filter); several fall-throughs | two of them crashed the mailman there | `mail::fall_through_filters_run_only_where_nothing_else_matched_and_several_may`, `filter::each_condition_is_one_of_the_mail` |
//! | relayed mail | [`Context::forward`] | into a full box it comes back; there, it was lost | `mail::a_relay_keeps_thread_and_sender_and_a_full_box_sends_it_back` |
//!
//! # `setup`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `main(*args, **kwargs)` | none: the frequency groups of a head tick all its processes | by absolute deadlines; there, each slept 1/f after its work | `tick::a_simulated_year_ends_on_the_exact_deadline` |
//!
//! # `signals`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `signals(cb, *keys)` | [`Context::on_signal`] | one binding leaves the other defaults in place; any process may bind | `signals::one_binding_leaves_the_defaults_of_the_others_in_place` |
//! | `sigTrap(sigNum, currFrame)` | the defaults of what nobody binds: [`Application::signals`] | no frame: Rust has none | `interrupt::unbound_four_of_them_end_it_in_order_in_life_and_in_birth`, `interrupt::an_application_that_does_not_listen_leaves_all_of_them_to_the_system` |
//! | `backupSignals()`, `restoreSignals()` | [`Context::backup_signals`], [`Context::restore_signals`] | the host program's own handlers come back as well | `signals::three_rounds_of_backup_bind_and_restore`, `interrupt::three_rounds_and_the_host_programs_own_handlers_come_back` |
//! | `currSignals(*args)` | [`Context::signals`], [`ApplicationHandle::signals`] | | `signals::three_rounds_of_backup_bind_and_restore`, `signals::one_binding_leaves_the_defaults_of_the_others_in_place` |
//! | `signalsDict(k)` | [`signal_name`](crate::signal::signal_name), [`signal_number`](crate::signal::signal_number), [`Signal::all`](crate::signal::Signal::all) | | `src/signal::names_and_numbers_go_there_and_back` |
//! | `signalsUsed(i)` | [`Context::signals`]: whether any has an owner | it can't be set apart from what it says | `signals::three_rounds_of_backup_bind_and_restore` |
//!
//! # `threading`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `addChildThread(name, method, *args, **kwargs)` | [`Context::add_thread`]; [`Context::add_child`] with a [`ChildThread`](crate::thread::ChildThread) for `daemon` and `start` | | `thread_end::death_waits_for_threads_and_names_those_that_do_not_end_but_no_daemons`, `thread::names_states_and_removals_have_clear_answers` |
//! | `launchThreads()` and methods called `_thread_…` | [`Process::threads`], [`Context::launch_threads`] | declared, not found by name | `thread::declared_threads_are_launched_together` |
//! | `getChildThread(threadName)` | [`Context::thread`], [`Context::start_thread`] | an unknown one is an error that lists those there are | `thread::names_states_and_removals_have_clear_answers` |
//! | `getChildThreads(*args)`, `listChildThreadsLives(*args)` | [`Context::threads`], [`Context::threads_named`], with their state | | `thread::names_states_and_removals_have_clear_answers` |
//! | `removeChildThreads(*args)` | [`Context::remove_threads`]: removed, still running, no such thread | | `thread::names_states_and_removals_have_clear_answers` |
//! | `childThreadJanitor()` | none: those that have ended are reaped in each tick | | `thread::a_thousand_are_started_and_reaped_and_their_os_threads_are_gone` |
//! | `joinChildThreads()` | none: death waits for them, with a deadline, and names who does not end | | `thread_end::death_waits_for_threads_and_names_those_that_do_not_end_but_no_daemons` |
//!
//! # `timing`
//!
//! | there | here | why it differs | shown by |
//! |---|---|---|---|
//! | `currentFrame()` | [`Context::frame`] | from 1; below 1 Hz it is 1 | `tick::frames_and_times_on_time`, `frequency::frames_are_counted_through_seconds` |
//! | `currentTimeFrame()` | [`Context::time_frame`] | | `tick::frames_show_what_was_skipped_and_the_clock_shows_lateness` |
//! | `frequency(i)` | [`Context::frequency`], [`Context::set_frequency`] | an exact fraction; the first new tick is strictly later | `regroup::to_and_fro_at_each_life_never_lives_twice_at_one_instant` |
//! | `freqSleep(multiplier)` | [`Thread::freq_sleep`], on child threads | without drift; a process does not sleep, it is called | `thread::no_beat_drifts_and_those_that_pass_are_left_out` |
//! | `lightSleeper(**kwargs)` | [`Thread::light_sleep`], on child threads | looked at every 5 ms and when woken; there, once a second | `thread::a_light_sleep_ends_with_its_condition_within_five_milliseconds` |

#![allow(unused_imports)] // named by the links above

use crate::application::Application;
use crate::context::Context;
use crate::frequency::Frequency;
use crate::handle::ApplicationHandle;
use crate::post::Address;
use crate::process::Process;
use crate::thread::Thread;
