//! Shows a system daemon: CPU load at 10 Hz, memory at 2 Hz, network traffic at 1 Hz, and a line about them at 0.5 Hz.
//! Ends by Ctrl-C, or after `-- --seconds 10`. What it logs is set as usual: `RUST_LOG=polycephaly=debug`.

#[cfg(target_os = "linux")]
mod daemon {
    use polycephaly::prelude::*;
    use procfs::{Current, CurrentSI, KernelStats, Meminfo, net};
    use std::time::Duration;

    /// How busy the cores are: 0 to 1.
    #[derive(Component, Default)]
    struct Cpu {
        ticks: (u64, u64),
        load: f64,
        peak: f64,
    }

    impl Process for Cpu {
        fn life(&mut self, _: &mut Context<Self>) -> Result {
            let cpu = KernelStats::current()?.total;
            let idle = cpu.idle + cpu.iowait.unwrap_or(0);
            let busy = cpu.user + cpu.nice + cpu.system + cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0);
            let before = std::mem::replace(&mut self.ticks, (busy, idle));
            // The first life has nothing to compare with, and the kernel's own count of waiting may go down.
            let (busy, idle) = (busy.saturating_sub(before.0), idle.saturating_sub(before.1));
            if before != (0, 0) && busy + idle > 0 {
                self.load = busy as f64 / (busy + idle) as f64;
                self.peak = self.peak.max(self.load);
            }
            Ok(())
        }
    }

    /// Memory in bytes.
    #[derive(Component, Default)]
    struct Memory {
        used: u64,
        total: u64,
    }

    impl Process for Memory {
        fn life(&mut self, _: &mut Context<Self>) -> Result {
            let info = Meminfo::current()?;
            self.total = info.mem_total;
            self.used = info.mem_total - info.mem_available.unwrap_or(info.mem_free).min(info.mem_total);
            Ok(())
        }
    }

    /// Traffic of all interfaces but the loop-back, in bytes.
    #[derive(Component, Default)]
    struct Network {
        counters: Option<[u64; 2]>,
        per_second: [f64; 2],
    }

    impl Process for Network {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            let outside = net::dev_status()?.into_values().filter(|device| device.name != "lo");
            let now = outside.fold([0, 0], |[got, sent], device| [got + device.recv_bytes, sent + device.sent_bytes]);
            if let Some(before) = self.counters.replace(now) {
                // An interface that goes away takes its counters with it.
                self.per_second = [0, 1].map(|i| now[i].saturating_sub(before[i]) as f64 / cx.dt().as_secs_f64());
            }
            Ok(())
        }
    }

    /// A plain system may look into any process: the component is its state.
    fn tell(mut cpu: Single<&mut Cpu>, memory: Single<&Memory>, network: Single<&Network>) {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let peak = std::mem::take(&mut cpu.peak);
        let [got, sent] = network.per_second.map(|bytes| bytes / 1000.0);
        print!("cpu {:3.0} %, peak {:3.0} %   ", cpu.load * 100.0, peak * 100.0);
        print!("memory {:.2} of {:.2} GiB   ", gib(memory.used), gib(memory.total));
        println!("network {got:.1} kB/s in, {sent:.1} kB/s out");
    }

    pub(crate) fn watch(time: Option<Duration>) -> Exit {
        let sentinel = Application::new()
            .add_process(Cpu::default(), hz(10))
            .add_process(Memory::default(), hz(2))
            .add_process(Network::default(), hz(1))
            .add_systems(hz(0.5), tell)
            // Half a period on, so that there is something to tell.
            .group(hz(0.5), |group| group.phase(Duration::from_secs(1)));
        let exit = if let Some(time) = time { sentinel.run_for(time) } else { sentinel.run() };
        print!("{}\n{}", exit.cause(), exit.report());
        exit
    }
}

#[cfg(target_os = "linux")]
const HELP: &str = "sentinel [--seconds N]: watches CPU, memory and network for N seconds, or until Ctrl-C";

#[cfg(target_os = "linux")]
fn arguments() -> Result<Option<std::time::Duration>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut time, mut parser) = (None, lexopt::Parser::from_env());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => time = Some(std::time::Duration::from_secs(parser.value()?.parse()?)),
            Short('h') | Long("help") => {
                println!("{HELP}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(time)
}

#[cfg(target_os = "linux")]
fn main() -> polycephaly::exit::Exit {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let time = arguments().unwrap_or_else(|error| {
        eprintln!("{error}\n{HELP}");
        std::process::exit(2)
    });
    daemon::watch(time)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the sentinel reads Linux's /proc, which this system does not have");
    std::process::exit(2);
}
