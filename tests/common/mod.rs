//! What the tests share: a log, a clock that jumps, and processes whose hooks are closures.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) mod child;
pub(crate) mod logs;
#[cfg(target_os = "linux")]
pub(crate) mod rank;
#[cfg(feature = "usb")]
pub(crate) mod usb;

use polycephaly::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Lines that any hook on any thread can write.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// All lines so far; the log is empty then.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub(crate) fn has_any(&self) -> bool {
        !self.0.lock().unwrap().is_empty()
    }

    /// The first line, which is gone then.
    pub(crate) fn take_first(&self) -> String {
        self.0.lock().unwrap().remove(0)
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|known| *known == line).count()
    }

    pub(crate) fn contains(&self, line: &str) -> bool {
        self.count(line) > 0
    }
}

pub(crate) fn simulated() -> Application {
    Application::new().clock(Clock::simulated())
}

/// Has the runs of a test program in which many die come one at a time: the directory of the OS process remembers the last
/// 4096 dead of all applications, and who is forgotten has no name, in a trace or as a culprit.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn named(name: &str) -> Name {
    Name::new(name.to_owned())
}

/// When tick `k` is due, told with nothing but wide integers.
pub(crate) fn due(frequency: Frequency, k: u64) -> u64 {
    let nanos = u128::from(k) * u128::from(frequency.denom()) * u128::from(SECOND) / u128::from(frequency.numer());
    u64::try_from(nanos).unwrap()
}

/// How many ticks are due before `limit`, by counting them.
pub(crate) fn ticks_before(frequency: Frequency, limit: u64) -> u64 {
    (0..).take_while(|&k| due(frequency, k) < limit).count() as u64
}

/// A component whose hooks are closures: `scripted!(Imu)`, or `scripted!(#[component(storage = "SparseSet")] Imu)`.
macro_rules! scripted {
    ($(#[$meta:meta])* $name:ident) => {
        #[derive(Component, Default)]
        $(#[$meta])*
        pub(crate) struct $name {
            hooks: [Option<Box<dyn FnMut(&mut Context<Self>) -> Result + Send + Sync>>; 4],
        }

        #[allow(dead_code)]
        impl $name {
            pub(crate) fn new() -> Self {
                Self::default()
            }

            fn with<F>(mut self, hook: usize, f: F) -> Self
            where
                F: FnMut(&mut Context<Self>) -> Result + Send + Sync + 'static,
            {
                self.hooks[hook] = Some(Box::new(f));
                self
            }

            pub(crate) fn birth(self, f: impl FnMut(&mut Context<Self>) -> Result + Send + Sync + 'static) -> Self {
                self.with(0, f)
            }

            pub(crate) fn life(self, f: impl FnMut(&mut Context<Self>) -> Result + Send + Sync + 'static) -> Self {
                self.with(1, f)
            }

            pub(crate) fn death(self, f: impl FnMut(&mut Context<Self>) -> Result + Send + Sync + 'static) -> Self {
                self.with(2, f)
            }

            pub(crate) fn safe_stop(
                self,
                f: impl FnMut(&mut Context<Self>) -> Result + Send + Sync + 'static,
            ) -> Self {
                self.with(3, f)
            }

            /// Its life, to be wrapped into another.
            pub(crate) fn take_life(&mut self) -> Box<dyn FnMut(&mut Context<Self>) -> Result + Send + Sync> {
                self.hooks[1].take().expect("it has one")
            }

            fn run(&mut self, hook: usize, cx: &mut Context<Self>) -> Result {
                self.hooks[hook].as_mut().map_or(Ok(()), |f| f(cx))
            }
        }

        impl Process for $name {
            fn birth(&mut self, cx: &mut Context<Self>) -> Result {
                self.run(0, cx)
            }

            fn life(&mut self, cx: &mut Context<Self>) -> Result {
                self.run(1, cx)
            }

            fn death(&mut self, cx: &mut Context<Self>) -> Result {
                self.run(2, cx)
            }

            fn safe_stop(&mut self, cx: &mut Context<Self>) -> Result {
                self.run(3, cx)
            }
        }
    };
}
pub(crate) use scripted;

scripted!(Script);
scripted!(
    #[component(storage = "SparseSet")]
    Sparse
);

/// A process that writes down when it lives, and is otherwise idle.
pub(crate) fn diary(log: &Log) -> Script {
    let [birth, life, death, stop] = [log.clone(), log.clone(), log.clone(), log.clone()];
    Script::new()
        .birth(move |cx| {
            birth.say(format!("{} born", cx.name()));
            Ok(())
        })
        .life(move |cx| {
            life.say(format!("{} {}", cx.name(), cx.now().as_millis()));
            Ok(())
        })
        .death(move |cx| {
            death.say(format!("{} dead", cx.name()));
            Ok(())
        })
        .safe_stop(move |cx| {
            stop.say(format!("{} safe", cx.name()));
            Ok(())
        })
}
