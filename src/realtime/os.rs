//! What operating systems offer of it, and what to do where they refuse.

pub(super) use policy::{Saved, restore_policy, save_policy, set_policy};
pub(super) use rest::{
    cpus, cpus_withheld, lock_memory, online_cpus, set_cpus, set_timer_slack, stack_room, timer_slack,
};

/// What a caller's thread surely has, if nothing can be learnt about it.
const LEAST_ROOM: usize = 512 << 10;

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod policy {
    use super::super::Policy;
    use thread_priority::unix::{
        RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
        thread_schedule_policy_param,
    };
    use thread_priority::{Error, ThreadPriority};

    /// How a thread was scheduled.
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Saved {
        policy: ThreadSchedulePolicy,
        priority: ThreadPriority,
    }

    pub(in super::super) fn save_policy() -> Result<Saved, String> {
        let known = thread_schedule_policy_param(thread_native_id());
        let (policy, params) =
            known.map_err(|error| format!("how the thread is scheduled now can't be learnt: {error}"))?;
        let mut priority = ThreadPriority::from_posix(params);
        if let ThreadSchedulePolicy::Normal(_) = policy
            && cfg!(target_os = "linux")
        {
            priority = of_niceness(policy)?;
        }
        Ok(Saved { policy, priority })
    }

    /// Whatever that crate takes for the thread's present niceness: set back with an ordinary policy, it would else be
    /// lost, and less of it needs a right.
    fn of_niceness(policy: ThreadSchedulePolicy) -> Result<ThreadPriority, String> {
        let nice = super::rest::niceness()?;
        let mut all = (0..=99).filter_map(|priority| ThreadPriority::try_from(priority).ok());
        all.find(|priority| matches!(priority.to_posix(policy), Ok(known) if known == nice))
            .ok_or_else(|| format!("a thread of niceness {nice} could not be set back"))
    }

    pub(in super::super) fn restore_policy(Saved { policy, priority }: Saved) -> Result<(), String> {
        set_thread_priority_and_policy(thread_native_id(), priority, policy).map_err(|error| error.to_string())
    }

    pub(in super::super) fn set_policy(policy: Policy, priority: u8) -> Result<(), String> {
        let policy = ThreadSchedulePolicy::Realtime(match policy {
            Policy::Fifo => RealtimeThreadSchedulePolicy::Fifo,
            Policy::RoundRobin => RealtimeThreadSchedulePolicy::RoundRobin,
        });
        let value = ThreadPriority::try_from(priority).map_err(str::to_owned)?;
        set_thread_priority_and_policy(thread_native_id(), value, policy).map_err(|error| match error {
            Error::OS(number) => {
                let error = std::io::Error::from_raw_os_error(number);
                if error.kind() == std::io::ErrorKind::PermissionDenied {
                    super::rest::no_right_to_priority(priority)
                } else {
                    error.to_string()
                }
            }
            other => other.to_string(),
        })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod policy {
    use super::super::Policy;

    /// Nothing is changed, so nothing is kept.
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Saved;

    pub(in super::super) fn save_policy() -> Result<Saved, String> {
        Ok(Saved)
    }

    pub(in super::super) fn restore_policy(_: Saved) -> Result<(), String> {
        Ok(())
    }

    pub(in super::super) fn set_policy(_: Policy, _: u8) -> Result<(), String> {
        Err("this library sets real-time priorities on Linux and macOS only".into())
    }
}

#[cfg(target_os = "linux")]
mod rest {
    use super::super::Ranges;
    use rustix::io::Errno;
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, getpid, getpriority_process, getrlimit};
    use rustix::thread::{
        CpuSet, current_timer_slack, gettid, sched_getaffinity, sched_setaffinity, set_current_timer_slack,
    };
    use std::collections::BTreeSet;
    use std::num::NonZeroU64;

    /// A limit as people write it.
    fn limit(resource: Resource) -> String {
        getrlimit(resource).current.map_or("unlimited".into(), |limit| limit.to_string())
    }

    pub(super) fn no_right_to_priority(priority: u8) -> String {
        format!(
            "it needs the capability CAP_SYS_NICE, or a limit RLIMIT_RTPRIO of at least {priority}, which is {} now. Give it \
             one of these: `setcap cap_sys_nice+ep PROGRAM`, `LimitRTPRIO={priority}` in its systemd unit, or the line `USER \
             - rtprio {priority}` in /etc/security/limits.conf and a new login. If it has that, its control group has no \
             real-time budget (cpu.rt_runtime_us)",
            limit(Resource::Rtprio)
        )
    }

    pub(in super::super) fn lock_memory() -> Result<(), String> {
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|error| match error {
            Errno::PERM | Errno::NOMEM | Errno::AGAIN => format!(
                "it needs the capability CAP_IPC_LOCK, or a limit RLIMIT_MEMLOCK above the size of the whole program, which \
                 is {} now. Give it one of these: `setcap cap_ipc_lock+ep PROGRAM`, `LimitMEMLOCK=infinity` in its systemd \
                 unit, or the line `USER - memlock unlimited` in /etc/security/limits.conf and a new login",
                limit(Resource::Memlock)
            ),
            other => other.to_string(),
        })
    }

    /// Of the calling thread.
    pub(super) fn niceness() -> Result<i32, String> {
        getpriority_process(None).map_err(|error| error.to_string())
    }

    pub(in super::super) fn online_cpus() -> Option<Ranges> {
        Ranges::read(&std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?)
    }

    /// Those that this thread may run on.
    pub(in super::super) fn cpus() -> Result<BTreeSet<usize>, String> {
        let set = sched_getaffinity(None).map_err(|error| error.to_string())?;
        Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
    }

    pub(in super::super) fn set_cpus(cpus: &BTreeSet<usize>) -> Result<(), String> {
        let mut set = CpuSet::new();
        for &cpu in cpus {
            if cpu >= CpuSet::MAX_CPU {
                return Err(format!("CPU {cpu} is beyond the {} that can be asked for", CpuSet::MAX_CPU));
            }
            set.set(cpu);
        }
        sched_setaffinity(None, &set).map_err(|error| match error {
            Errno::INVAL => cpus_withheld(&Ranges::of(cpus.iter().copied()).to_string()),
            other => other.to_string(),
        })
    }

    pub(in super::super) fn cpus_withheld(missing: &str) -> String {
        format!(
            "the program's control group withholds {missing}: allow them by `AllowedCPUs=` in its systemd unit, or in \
             cpuset.cpus of its group"
        )
    }

    pub(in super::super) fn timer_slack() -> Option<u64> {
        current_timer_slack().ok()
    }

    /// In nanoseconds, from 1 on.
    pub(in super::super) fn set_timer_slack(nanos: u64) -> Result<(), String> {
        set_current_timer_slack(NonZeroU64::new(nanos)).map_err(|error| error.to_string())
    }

    /// How much of the stack of a thread that others have made may be touched.
    pub(in super::super) fn stack_room() -> usize {
        if gettid() != getpid() {
            return super::LEAST_ROOM;
        }
        // The rest is for what stands on it already, and for the application.
        let limit = getrlimit(Resource::Stack).current.unwrap_or(64 << 20);
        usize::try_from(limit / 2).unwrap_or(usize::MAX)
    }
}

#[cfg(not(target_os = "linux"))]
mod rest {
    use super::super::Ranges;
    use std::collections::BTreeSet;

    const LINUX_ONLY: &str = "this library does that on Linux only";

    #[cfg_attr(not(target_os = "macos"), allow(dead_code))]
    pub(super) fn no_right_to_priority(_: u8) -> String {
        "the system refuses it: it needs the right to, such as that of root".into()
    }

    #[cfg_attr(not(target_os = "macos"), allow(dead_code))]
    pub(super) fn niceness() -> Result<i32, String> {
        Err(LINUX_ONLY.into())
    }

    pub(in super::super) fn lock_memory() -> Result<(), String> {
        Err(LINUX_ONLY.into())
    }

    pub(in super::super) fn online_cpus() -> Option<Ranges> {
        None
    }

    pub(in super::super) fn cpus() -> Result<BTreeSet<usize>, String> {
        Err(LINUX_ONLY.into())
    }

    pub(in super::super) fn set_cpus(_: &BTreeSet<usize>) -> Result<(), String> {
        Err(LINUX_ONLY.into())
    }

    pub(in super::super) fn cpus_withheld(_: &str) -> String {
        LINUX_ONLY.into()
    }

    pub(in super::super) fn timer_slack() -> Option<u64> {
        None
    }

    pub(in super::super) fn set_timer_slack(_: u64) -> Result<(), String> {
        Err(LINUX_ONLY.into())
    }

    pub(in super::super) fn stack_room() -> usize {
        super::LEAST_ROOM
    }
}
