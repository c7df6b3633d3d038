//! Shows USB devices that come and go, and pings those that one asks for: `-- --ping 1209:0001`. Ends by
//! Ctrl-C, or after `-- --seconds 10`.

use polycephaly::prelude::*;
use std::time::Duration;

/// Prints what it hears.
#[derive(Component, Default)]
struct Watch {
    pings: Vec<UsbMatch>,
}

impl Process for Watch {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on_usb(Self::usb);
        cx.watch_usb(UsbMatch::new());
        for matching in self.pings.drain(..) {
            cx.ping_usb(UsbPing::new(matching))?;
        }
        println!("watching");
        Ok(())
    }
}

impl Watch {
    fn usb(&mut self, event: &Event, _: &mut Context<Self>) -> Result {
        let seconds = event.time().as_secs_f64();
        match UsbEvent::of(event) {
            Some(UsbEvent::Connected(device) | UsbEvent::Disconnected(device)) => {
                println!("{seconds:9.3} s  {} {device}", event.name());
            }
            Some(UsbEvent::Pong(UsbPong { device, round_trip, data, .. })) => {
                println!("{seconds:9.3} s  pong {device}: {data:02x?} after {round_trip:.0?}");
            }
            Some(UsbEvent::CommsError(UsbTrouble { device, fault, .. })) => {
                println!("{seconds:9.3} s  comms_error {device}: {fault}");
            }
            Some(UsbEvent::DeviceError(UsbTrouble { device, fault, .. })) => {
                println!("{seconds:9.3} s  device_error {device}: {fault}");
            }
            _ => println!("{seconds:9.3} s  {event}"),
        }
        Ok(())
    }
}

const HELP: &str = "usb_watch [--ping VENDOR:PRODUCT]... [--seconds N]: watches USB for N seconds, or until Ctrl-C";

fn arguments() -> Result<(Watch, Option<Duration>), lexopt::Error> {
    use lexopt::prelude::*;
    let (mut watch, mut time, mut parser) = (Watch::default(), None, lexopt::Parser::from_env());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("ping") => watch.pings.push(parser.value()?.parse()?),
            Long("seconds") => time = Some(Duration::from_secs(parser.value()?.parse()?)),
            Short('h') | Long("help") => {
                println!("{HELP}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok((watch, time))
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_target(false).init();
    let (watch, time) = arguments().unwrap_or_else(|error| {
        eprintln!("{error}\n{HELP}");
        std::process::exit(2)
    });
    let application = Application::new().add_main(watch, hz(50));
    let exit = if let Some(time) = time { application.run_for(time) } else { application.run() };
    print!("{}", exit.report());
    exit
}
