//! Runs in the guest of `tests/usb_guest/run`: a USB device that is this program, plugged by USB/IP into the kernel's virtual
//! host controller. Its answers to GET_STATUS go through a fixed list; then it is unplugged, plugged again, and cut off.
//!
//! Needs root, and the module `vhci_hcd`. It is built by `rustc` alone.

use std::io::{Read, Result, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use std::{fs, net};

const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";

#[derive(Clone, Copy)]
enum Answer {
    Status,
    Stall,
    Fault,
    Silence,
}

/// Negative error numbers, as USB/IP carries them.
const STALL: i32 = -32;
const FAULT: i32 = -71;
const UNLINKED: i32 = -104;

/// A plugged device, as the program sees it.
struct Device {
    port: u32,
    /// Our end of the wire.
    wire: UnixStream,
    /// One for each GET_STATUS.
    asked: Receiver<()>,
}

impl Device {
    fn plug(port: u32, answers: Vec<Answer>) -> Result<Self> {
        let (kernel, wire) = UnixStream::pair()?;
        let (sender, asked) = channel();
        let mut own = wire.try_clone()?;
        thread::spawn(move || serve(&mut own, answers, &sender));
        // Port, socket, bus and device of the other end, and the speed: 3 is "high".
        let line = format!("{port} {} {} 3", kernel.as_raw_fd(), (1 << 16) | (port + 1));
        fs::write(format!("{CONTROLLER}/attach"), line)?;
        Ok(Self { port, wire, asked })
    }

    /// Waits until it has been asked so often.
    fn wait_for(&self, times: usize) {
        for _ in 0..times {
            self.asked.recv().expect("the wire is up");
        }
    }

    fn unplug(self) -> Result<()> {
        fs::write(format!("{CONTROLLER}/detach"), self.port.to_string())
    }

    fn cut(self) -> Result<()> {
        self.wire.shutdown(net::Shutdown::Both)
    }
}

/// Answers requests until the wire is cut. When its list is at its end, it goes on with the status.
fn serve(wire: &mut UnixStream, answers: Vec<Answer>, asked: &Sender<()>) -> Result<()> {
    let mut answers = answers.into_iter();
    let mut head = [0; 48];
    loop {
        wire.read_exact(&mut head)?;
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let (command, direction, length) = (word(0), word(12), word(24) as usize);
        let mut reply = [0; 48];
        reply[4..8].copy_from_slice(&head[4..8]);
        if command == 2 {
            // The host takes back what it asked: that has not been answered.
            reply[3] = 4;
            reply[20..24].copy_from_slice(&UNLINKED.to_be_bytes());
            wire.write_all(&reply)?;
            continue;
        }
        let setup: [u8; 8] = head[40..48].try_into().expect("eight bytes");
        let is_in = direction == 1;
        if !is_in && length > 0 {
            wire.read_exact(&mut vec![0; length])?;
        }
        let is_ping = setup[..2] == [0x80, 0];
        let answer = if is_ping { answers.next().unwrap_or(Answer::Status) } else { Answer::Status };
        let (status, mut data) = match answer {
            Answer::Status => respond(setup),
            Answer::Stall => (STALL, Vec::new()),
            Answer::Fault => (FAULT, Vec::new()),
            Answer::Silence => (0, Vec::new()),
        };
        if !matches!(answer, Answer::Silence) {
            data.truncate(length);
            let done = if is_in { data.len() } else { length };
            reply[3] = 3;
            reply[20..24].copy_from_slice(&status.to_be_bytes());
            reply[24..28].copy_from_slice(&(done as u32).to_be_bytes());
            wire.write_all(&reply)?;
            if is_in {
                wire.write_all(&data)?;
            }
        }
        if is_ping {
            let _ = asked.send(());
        }
    }
}

/// What a device says while the kernel gets to know it.
fn respond(setup: [u8; 8]) -> (i32, Vec<u8>) {
    const DEVICE: [u8; 18] = [18, 1, 0, 2, 0xff, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0, 1, 1, 2, 3, 1];
    const CONFIGURATION: [u8; 18] = [9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 0xff, 0, 0, 0];
    const TEXTS: [&str; 3] = ["Acme", "Arm", "R-1"];
    let text = |text: &str| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [vec![units.len() as u8 + 2, 3], units].concat()
    };
    // Type of request, request, and the high and the low byte of its value.
    match (setup[0], setup[1], setup[3], setup[2]) {
        (0x80, 6, 1, _) => (0, DEVICE.into()),
        (0x80, 6, 2, _) => (0, CONFIGURATION.into()),
        (0x80, 6, 3, 0) => (0, vec![4, 3, 9, 4]),
        (0x80, 6, 3, number @ 1..=3) => (0, text(TEXTS[usize::from(number) - 1])),
        (0x80, 0, ..) => (0, vec![0, 0]),
        (0x00, 9, ..) | (0x01, 11, ..) => (0, Vec::new()),
        _ => (STALL, Vec::new()),
    }
}

fn main() -> Result<()> {
    use Answer::{Fault, Silence, Stall, Status};
    let say = |text: &str| println!("device: {text}");
    let list = vec![Status, Status, Stall, Stall, Fault, Fault, Silence, Silence, Status];
    let asked = list.len();
    let device = Device::plug(0, list)?;
    say("plugged");
    device.wait_for(asked);
    // Let the last answer arrive.
    thread::sleep(Duration::from_millis(300));
    device.unplug()?;
    say("unplugged");
    thread::sleep(Duration::from_secs(2));
    let device = Device::plug(1, Vec::new())?;
    say("plugged again");
    device.wait_for(2);
    thread::sleep(Duration::from_millis(300));
    device.cut()?;
    say("cut off");
    Ok(())
}
