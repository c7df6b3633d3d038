//! The application from outside: from another thread, before or while it runs.

use crate::cause::Cause;
use crate::clock::SpeedError;
use crate::context::{self, Context, UnknownProcess};
use crate::control::Control;
use crate::emitter::Emitter;
use crate::key::{GroupKey, GroupOptions, Target};
use crate::link::UnknownHead;
use crate::mailing::ProcessInfo;
use crate::outside::Outside;
use crate::party::Party;
use crate::post::Address;
use crate::process::Process;
use crate::scope::{self, Change};
use crate::settings::Settings;
use crate::signal::Signal;
use crate::signals;
use crate::switchboard::SignalBinding;
use crate::systems::birth;
use crate::systems::rebirth::{self, Request};
use crate::topic::{Latest, Topic};
use bevy_ecs::world::World;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Who asked, where it was not a process.
const OUTSIDE: &str = "application";

/// A handle to an application, for any thread. What it asks for is done between two ticks; once the application has
/// ended, nothing happens any more. In each World it is a resource, for plain systems that must stop the application.
#[derive(Clone, bevy_ecs::resource::Resource)]
pub struct ApplicationHandle {
    control: Arc<Control>,
}

fn asked(reason: impl Into<String>) -> Arc<Cause> {
    Arc::new(Cause::Stopped { by: OUTSIDE.into(), reason: reason.into() })
}

impl fmt::Debug for ApplicationHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplicationHandle").field("stopping", &self.is_stopping()).finish_non_exhaustive()
    }
}

impl ApplicationHandle {
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// Ends the application in order: the present tick goes on to its end, then all processes die. The first reason
    /// holds. A second request forces the end: nobody is waited for any more, and what hangs is given a second.
    pub fn stop_application(&self, reason: impl Into<String>) {
        self.control.ask_to_stop(Cause::Stopped { by: OUTSIDE.into(), reason: reason.into() });
    }

    /// Pulls the e-brake: no other life begins, every process gets its [`safe_stop`](Process::safe_stop), then all die.
    pub fn ebrake(&self, reason: impl Into<String>) {
        self.control.brake(OUTSIDE, reason.into());
    }

    /// Treats the application as if a signal had come: its callbacks, or else its default. For tests, and for programs that
    /// learn of signals in another way. The OS process is neither stopped by SIGTSTP nor ended at once by a second SIGINT.
    pub fn signal(&self, signal: Signal) {
        signals::inject(&self.control, signal);
    }

    /// All signals that do something in this application: see [`Context::signals`](context::Context::signals).
    #[must_use]
    pub fn signals(&self) -> Vec<SignalBinding> {
        self.control.switchboard.list()
    }

    /// Whether the end has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.control.is_stopping()
    }

    /// Application time.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.control.timeline().now())
    }

    /// Bears a process between two ticks, on the main head or on that of an [`OnHead`](crate::key::OnHead) in the bundle;
    /// it lives first at its group's next due instant. What is refused is logged and counted in the report.
    pub fn spawn<P: Process>(&self, process: P, bundle: impl Settings) {
        self.do_to_world(move |world| birth::bear_on_its_head(world, process, bundle));
    }

    /// Starts a process that rests, after those that it depends on: see [`Context::start`](context::Context::start).
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn start(&self, name: &str) -> Result<(), UnknownProcess> {
        self.request(name, Request::Start)
    }

    /// Stops a process in order; it rests then: see [`Context::stop`](context::Context::stop).
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn stop(&self, name: &str, reason: impl Into<String>) -> Result<(), UnknownProcess> {
        self.request(name, Request::Stop(asked(reason)))
    }

    /// Has a process die and be born again: see [`Context::restart`](context::Context::restart).
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn restart(&self, name: &str, reason: impl Into<String>) -> Result<(), UnknownProcess> {
        self.request(name, Request::Restart(asked(reason)))
    }

    fn request(&self, name: &str, request: Request) -> Result<(), UnknownProcess> {
        let address = self.find(name)?;
        let entity = address.entity();
        address.0.link.call(move |world| rebirth::carry_out(world, entity, request));
        Ok(())
    }

    /// Pauses a process, a group (on each head that has it) or everything until [`resume`](Self::resume). Paused ticks are
    /// counted as such.
    ///
    /// # Errors
    /// [`UnknownProcess`] when a process is meant that does not exist.
    pub fn pause(&self, target: impl Into<Target>) -> Result<(), UnknownProcess> {
        self.set_paused(target.into(), true)
    }

    /// Ends a pause: the next lives are at the next due instants.
    ///
    /// # Errors
    /// [`UnknownProcess`] when a process is meant that does not exist.
    pub fn resume(&self, target: impl Into<Target>) -> Result<(), UnknownProcess> {
        self.set_paused(target.into(), false)
    }

    fn set_paused(&self, target: Target, paused: bool) -> Result<(), UnknownProcess> {
        match target {
            Target::Process(name) => {
                let address = self.find(&name)?;
                let entity = address.entity();
                address.0.link.call(move |world| context::set_paused(world, entity, paused));
            }
            Target::Group(key) => self.change(key, move |key| Change::Pause { key, paused }),
            Target::Application => self.control.paused.store(paused, Relaxed),
        }
        Ok(())
    }

    /// Changes how often a process lives: its next life is at the next due instant of the new frequency, strictly later.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn set_frequency(&self, name: &str, frequency: crate::frequency::Frequency) -> Result<(), UnknownProcess> {
        let address = self.find(name)?;
        let entity = address.entity();
        address.0.link.call(move |world| {
            if let Ok(mut process) = world.get_entity_mut(entity) {
                process.insert(frequency);
            }
        });
        Ok(())
    }

    /// Changes the settings of a frequency group, on each head that has it. What is not mentioned stays.
    pub fn group(&self, key: impl Into<GroupKey>, set: impl FnOnce(GroupOptions) -> GroupOptions) {
        let (key, options) = (key.into(), set(GroupOptions::default()));
        self.change(key, move |key| Change::Options { key, options });
    }

    /// Has each head that knows a group change it; the main head makes it known, if need be.
    fn change(&self, key: GroupKey, what: impl FnOnce(GroupKey) -> Change + Clone + Send + 'static) {
        for link in self.control.links() {
            let (key, what) = (key.clone(), what.clone());
            link.call(move |world| {
                let scope = scope::of(world);
                let known = scope.groups.borrow().iter().any(|group| group.key == key);
                if known || scope.link.head == 0 {
                    scope.change(what(key));
                }
            });
        }
    }

    /// Changes the speed of a [scaled clock](crate::clock::Clock::scaled) from now on. `Ok(false)` when the clock is of
    /// another kind, and nothing has changed.
    ///
    /// # Errors
    /// [`SpeedError`] unless `speed` is from 0.000001 to 1000000.
    pub fn set_speed(&self, speed: f64) -> Result<bool, SpeedError> {
        let changed = self.control.timeline().set_speed(speed)?;
        self.control.ring();
        self.control.wake_children();
        Ok(changed)
    }

    /// Does something to the World of the main head, between two ticks.
    pub fn do_to_world(&self, call: impl FnOnce(&mut World) + Send + 'static) {
        self.control.main_link().call(call);
    }

    /// Does something to the World of a head, between two ticks.
    ///
    /// # Errors
    /// [`UnknownHead`] when no head has this name.
    pub fn do_to_head(&self, head: &str, call: impl FnOnce(&mut World) + Send + 'static) -> Result<(), UnknownHead> {
        self.control.link_of(head)?.call(call);
        Ok(())
    }

    /// The names of all heads, the main one first.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.control.links().iter().map(|link| link.name.to_string()).collect()
    }

    /// The address of a process, by its name in any case.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn address_of(&self, name: &str) -> Result<Address, UnknownProcess> {
        self.find(name)
    }

    /// Every process of the application, in order of birth.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.control.post.addresses().iter().map(ProcessInfo::of).collect()
    }

    /// The latest value of a type that a process has published: for plain systems and other threads.
    #[must_use]
    pub fn latest<T: Send + Sync + 'static>(&self) -> Option<Latest<T>> {
        self.control.topics.latest()
    }

    /// The topic of a type, looked up once.
    #[must_use]
    pub fn topic<T: Send + Sync + 'static>(&self) -> Topic<T> {
        self.control.topics.topic()
    }

    /// Something to send mail from, on one thread that is no process. Make it once and keep it.
    #[must_use]
    pub fn mail(&self) -> Outside {
        Outside { ids: self.control.new_ids(), control: self.control.clone(), sender: Party::NOBODY }
    }

    /// What emits events to a process, for threads and devices that work for it.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn emitter(&self, name: &str) -> Result<Emitter, UnknownProcess> {
        Ok(Emitter::new(self.find(name)?, self.control.clone()))
    }

    fn find(&self, name: &str) -> Result<Address, UnknownProcess> {
        self.control.post.get(name).ok_or_else(|| UnknownProcess::new(&self.control, name))
    }
}

impl<P: Process> Context<'_, P> {
    /// The application from outside, to be given to other threads.
    #[must_use]
    pub fn application(&self) -> ApplicationHandle {
        ApplicationHandle::new(self.scope.control.clone())
    }
}
