//! What a process does with mail: sending, replying, passing on, filters, topics.

use crate::context::{Context, UnknownProcess};
use crate::draft::{Content, Draft, Nothing};
use crate::erased::{self, AnyProcess, Callback, Calls, Plainly, RawContext};
use crate::filter::{DuplicateFilter, Filter, FilterId, Longer};
use crate::mail::Mail;
use crate::mailbox::MailCount;
use crate::post::Address;
use crate::process::Process;
use crate::recipient::{Many, Recipient, To};
use crate::run_level::RunLevel;
use crate::send::{SendError, Sent};
use crate::subject::Subject;
use crate::topic::{Latest, Topic};
use bevy_ecs::error::Result;
use std::any::Any;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

/// Calls a function with the body of a mail, if that is a `T`.
struct Typed<P, T>(PhantomData<(P, T)>);

impl<P: Process, T: Any + Send + Sync> Calls<Mail> for Typed<P, T> {
    type Function = fn(&mut P, &T, &mut Context<'_, P>) -> Result;

    #[inline(always)]
    fn call(function: Self::Function, process: &mut AnyProcess<'_>, mail: &Mail, cx: &mut RawContext<'_>) -> Result {
        let Some(body) = mail.get::<T>() else { return Ok(()) };
        let (process, cx) = erased::typed(process, cx);
        function(process, body, cx)
    }
}

/// Sending.
impl<P: Process> Context<'_, P> {
    /// Sends a mail; what is refused is counted, and goes to the application's dead-letter hook.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// cx.tell("pilot", "pose", [0.5_f64, 2.0]);
    /// # }
    /// ```
    #[inline]
    pub fn tell<T: Recipient, V: Any + Send + Sync>(&mut self, to: T, subject: impl Into<Subject>, body: V) {
        if let Err(error) = self.send(Mail::to(to).subject(subject).body(body)) {
            self.undeliverable(error);
        }
    }

    /// Sends a mail and tells how that went.
    ///
    /// # Errors
    /// [`SendError`] with the draft, when nobody has this name, or the mailbox is full or closed. With `?`, back-pressure
    /// becomes a failure of this life. In a life of a [`Parallel`](crate::parallel::Parallel) type, only the first: what is
    /// refused later is counted, and goes to the dead-letter hook.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// let draft = Mail::to("pilot").subject("pose").body([0.5_f64, 2.0]).header("unit", "m").urgent();
    /// if let Err(refused) = cx.send(draft) {
    ///     println!("{refused}"); // and the draft is in it
    /// }
    /// # }
    /// ```
    #[inline(always)]
    pub fn send<T: Recipient, B: Content>(&mut self, draft: Draft<T, B>) -> Result<Sent, SendError> {
        if let Some(thread) = draft.answers() {
            self.settle_debt(thread);
        }
        self.post(draft)
    }

    /// Sends a mail to many, who share its body: one result each, in order.
    pub fn send_all<B: Content>(&mut self, draft: Draft<Many<'_>, B>) -> Vec<Result<Sent, SendError>> {
        let party = self.vitals.address.party();
        draft.share().each(&self.scope.control.post, party).map(|draft| self.post(draft)).collect()
    }

    /// Answers a mail: to its sender, in its thread, about the same. For more than a body, send [`Mail::reply`].
    ///
    /// # Errors
    /// [`SendError`] with the draft. The reply to an [`ask`](Self::ask) is never refused for want of room.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// cx.add_filter(Filter::new().subject("square"), |_, mail, cx| {
    ///     let number = *mail.get::<f64>().ok_or("no number")?;
    ///     cx.reply(mail, number * number)?;
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    pub fn reply<V: Any + Send + Sync>(&mut self, mail: &Mail, body: V) -> Result<Sent, SendError> {
        self.send(mail.reply().body(body))
    }

    /// Passes on the mail that this callback reads, when it returns: in the same thread, from the same sender, with this
    /// process as relayer. Where that is refused, this process gets it back as [`failed`](Mail::failed).
    /// Outside of a mail's callback, there is nothing to pass on.
    pub fn forward<'a>(&mut self, to: impl Into<To<'a>>) {
        self.scope.forwards.push(to.into().keep());
    }

    /// Gives a foreign message (from a socket, a device, anything) to this process's own filters on a route, at its next
    /// mailman. The route need not exist yet.
    pub fn deliver<T, B: Content>(&mut self, route: impl Into<Cow<'static, str>>, draft: Draft<T, B>) {
        let mail = draft.land(self.stamp(), self.vitals.address.party());
        let at = self.route(route.into());
        self.raw().own().routed.push((at, mail));
        self.vitals.address.0.add_errand();
        self.scope.list_ready(self.vitals.lane, self.vitals.address.party());
    }

    fn settle_debt(&mut self, thread: u64) {
        if let Some(common) = self.raw().known_mut() {
            common.owed.retain(|draft| draft.answers() != Some(thread));
        }
    }

    fn route(&mut self, route: Cow<'static, str>) -> usize {
        let routes = &mut self.vitals.private.own().routes;
        routes.iter().position(|(known, _)| *known == route).unwrap_or_else(|| {
            routes.push((route, Default::default()));
            routes.len() - 1
        })
    }
}

/// Filters.
impl<P: Process> Context<'_, P> {
    /// Calls back for each mail that meets all conditions of the filter; a filter without any condition is fall-through,
    /// and runs only where nothing else matched. All that match run, in order of adding. It holds from the next mail on.
    ///
    /// # Errors
    /// [`DuplicateFilter`] when this process has a filter of this id.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// cx.add_filter(Filter::new().subject(regex("pose|speed")?).sender("imu"), |_, mail, _| {
    ///     println!("{mail}");
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    pub fn add_filter(
        &mut self,
        filter: Filter,
        call: fn(&mut P, &Mail, &mut Context<'_, P>) -> Result,
    ) -> Result<FilterId, DuplicateFilter> {
        self.raw().add_filter(filter, Callback::new::<Plainly<P>>(call))
    }

    /// Adds a filter on a route of this process's own, for what it [`deliver`](Self::deliver)s.
    ///
    /// # Errors
    /// [`DuplicateFilter`] when this route has a filter of this id.
    pub fn add_filter_on(
        &mut self,
        route: impl Into<Cow<'static, str>>,
        filter: Filter,
        call: fn(&mut P, &Mail, &mut Context<'_, P>) -> Result,
    ) -> Result<FilterId, DuplicateFilter> {
        let at = self.route(route.into());
        self.vitals.private.own().routes[at].1.add(filter, Callback::new::<Plainly<P>>(call), &Longer::default())
    }

    /// Calls back for each mail whose body is a `T`, and hands it over typed.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// struct Pose(f64, f64);
    /// cx.on::<Pose>(|_, Pose(x, y), _| {
    ///     println!("at {x}, {y}");
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn on<T: Any + Send + Sync>(&mut self, call: fn(&mut P, &T, &mut Context<'_, P>) -> Result) -> FilterId {
        let callback = Callback::new::<Typed<P, T>>(call);
        let added = self.raw().add_filter(Filter::new().typed::<T>(), callback);
        added.expect("a filter without an id is never a duplicate")
    }

    /// Takes a filter away, by its id. It holds at once. `None` when there is none.
    pub fn remove_filter(&mut self, id: &str) -> Option<Filter> {
        self.vitals.filters.remove(id)
    }

    /// All filters of this process's mailbox, in order.
    pub fn filters(&self) -> Vec<(FilterId, &Filter)> {
        self.vitals.filters.iter().collect()
    }
}

impl RawContext<'_> {
    fn add_filter(&mut self, filter: Filter, call: Callback<Mail>) -> Result<FilterId, DuplicateFilter> {
        let first = self.scope.first_filters.borrow();
        // A branch of the scope may not know of it: then it is not shared.
        match first.get(self.vitals.address.0.kind as usize) {
            Some(none) => self.vitals.filters.add(filter, call, none),
            None => self.vitals.filters.add(filter, call, &Longer::default()),
        }
    }
}

/// Topics.
impl<P: Process> Context<'_, P> {
    /// Makes `value` the latest of its type, for all processes on all heads.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// struct Speed(f64);
    /// cx.publish(Speed(1.5));
    /// let speed = cx.latest::<Speed>().map(|speed| speed.0);
    /// # }
    /// ```
    pub fn publish<T: Send + Sync + 'static>(&mut self, value: T) {
        let (now, publisher) = (self.scope.now(), &self.vitals.address);
        match self.branch() {
            None => self.scope.control.topics.publish(value, now, publisher),
            Some(branch) => {
                let publisher = publisher.clone();
                branch.act(move |scope| scope.control.topics.publish(value, now, &publisher));
            }
        }
    }

    /// The latest value of a type, with its age and publisher. Under [`Delivery::NextTick`](crate::mail::Delivery::NextTick),
    /// the latest that was published before this tick started.
    #[must_use]
    pub fn latest<T: Send + Sync + 'static>(&self) -> Option<Latest<T>> {
        self.scope.control.topics.latest_at(self.scope.now())
    }

    /// The latest value of a type, if it is at most so old: for "no command for 50 ms: stop".
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// struct Speed(f64);
    /// let speed = cx.latest_within::<Speed>(Duration::from_millis(50)).map_or(0.0, |speed| speed.0);
    /// # }
    /// ```
    #[must_use]
    pub fn latest_within<T: Send + Sync + 'static>(&self, age: Duration) -> Option<Latest<T>> {
        self.latest().filter(|latest: &Latest<T>| latest.age(self.now()) <= age)
    }

    /// The topic of a type, looked up once: for readers in every life.
    #[must_use]
    pub fn topic<T: Send + Sync + 'static>(&self) -> Topic<T> {
        self.scope.control.topics.topic()
    }
}

/// What may be known of a process.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its name.
    pub name: String,
    /// Its level.
    pub run_level: RunLevel,
    /// Errors of its hooks so far.
    pub errors: u64,
    /// Panics of its hooks so far.
    pub panics: u64,
    /// Births after the first.
    pub restarts: u64,
    /// What went through its mailbox so far.
    pub mail: MailCount,
}

impl ProcessInfo {
    pub(crate) fn of(address: &Address) -> Self {
        Self {
            name: address.name().to_owned(),
            run_level: address.run_level(),
            errors: address.0.tally(|incidents| &incidents.errors),
            panics: address.0.tally(|incidents| &incidents.panics),
            restarts: address.0.tally(|incidents| &incidents.rebirths),
            mail: address.mail_count(),
        }
    }
}

/// The directory.
impl<P: Process> Context<'_, P> {
    /// Every process of the application, in order of birth.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.scope.control.post.addresses().iter().map(ProcessInfo::of).collect()
    }

    /// The processes that live and are not about to die, in order of birth.
    #[must_use]
    pub fn active_processes(&self) -> Vec<ProcessInfo> {
        self.processes().into_iter().filter(|process| process.run_level.is_running()).collect()
    }

    /// The addresses of all that take mail, in order of birth.
    #[must_use]
    pub fn recipients(&self) -> Vec<Address> {
        self.scope.control.post.addresses()
    }

    /// What may be known of one process.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn process(&self, name: &str) -> Result<ProcessInfo, UnknownProcess> {
        self.address_of(name).map(|address| ProcessInfo::of(&address))
    }

    /// The address of a process, by its name in any case: for sending without a look-up.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn address_of(&self, name: &str) -> Result<Address, UnknownProcess> {
        let found = self.scope.control.post.get(name);
        found.ok_or_else(|| UnknownProcess::new(&self.scope.control, name))
    }

    /// Sends the poison pill: its recipient dies in order, and answers `halting`.
    ///
    /// # Errors
    /// [`SendError`] when nobody has this name, or it is ending already.
    pub fn send_pill<T: Recipient>(&mut self, to: T) -> Result<Sent, SendError> {
        let pill = self.scope.control.pill().clone();
        self.send::<T, Nothing>(Mail::to(to).subject(pill).urgent())
    }
}
