//! Shows signals: some bound to callbacks, for a while or for good, the others at their defaults. Sends them to itself, and
//! ends by SIGTERM; or try `kill -USR1`, Ctrl-Z and `fg`, Ctrl-C.

use polycephaly::prelude::*;
use std::process::Command;

#[derive(Component, Default)]
struct Main {
    heard: u32,
}

/// Has the system send this program a signal.
fn send(signal: Signal) -> Result {
    let kill = format!("kill -{} {}", signal.number(), std::process::id());
    let status = Command::new("sh").args(["-c", &kill]).status()?;
    if status.success() { Ok(()) } else { Err("there is no kill")? }
}

impl Process for Main {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on_signal(["SIGUSR1", "usr2"], Self::heard)?;
        for binding in cx.signals() {
            println!("{:8} owners {:?}, default {:?}", binding.signal, binding.owners, binding.default);
        }
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        match cx.now().as_millis() / 100 {
            1 => send("USR1".parse()?)?,
            2 => send("USR2".parse()?)?,
            3 => {
                // For a while Ctrl-C means something else; then all is as it was.
                cx.backup_signals();
                cx.on_signal([Signal::INT], |_, signal, _| {
                    println!("not now, {signal}");
                    Ok(())
                })?;
                send(Signal::INT)?;
            }
            5 => {
                cx.restore_signals()?;
                send(Signal::TERM)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        let cause = cx.cause().ok_or("there is no cause")?;
        println!("{} heard; {cause}, number {:?}", self.heard, cause.signal().map(Signal::number));
        Ok(())
    }
}

impl Main {
    fn heard(&mut self, signal: Signal, _: &mut Context<Self>) -> Result {
        self.heard += 1;
        println!("{signal} is number {}", signal.number());
        Ok(())
    }
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Application::new().add_main(Main::default(), hz(10)).run()
}
