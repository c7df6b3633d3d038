//! How late a head wakes up a thousand times a second: beside a bare loop that sleeps until absolute instants, with real-time
//! priority, beside a head that blocks, and on one head with what blocks.

#[cfg(target_os = "linux")]
mod rounds;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    rounds::run("Lateness of ticks at 1000 Hz, beside a bare loop.", &rounds::WAYS)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this bench is for Linux only, whose absolute sleep is its yardstick");
}
