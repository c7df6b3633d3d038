"""Boots the guest, plugs devices into it by QEMU's monitor, and compares what usb_watch prints with what has happened.

A guest that does not come up is booted a second time. A wrong event is a failure at once.
"""

import argparse
import glob
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import initramfs

BOOT, WAIT = 120, 60  # seconds
START = time.monotonic()


class NotUp(Exception):
    """The guest has not come up."""


class Wrong(Exception):
    """Something else has happened than should have."""


def say(*words):
    print(f"[{time.monotonic() - START:6.1f}]", *words, flush=True)


class Guest:
    def __init__(self, kernel, files):
        for path in "monitor", "serial":
            if os.path.exists(path):
                os.unlink(path)
        with open("stick.img", "wb") as stick:
            stick.truncate(1 << 20)
        command = """qemu-system-x86_64 -accel tcg -M pc -cpu max -m 256 -smp 1 -nodefaults -no-user-config -display none
            -no-reboot -net none -serial stdio -qmp unix:monitor,server=on,wait=off
            -chardev socket,id=line,path=serial,server=on,wait=off
            -blockdev driver=file,filename=stick.img,node-name=stick
            -device qemu-xhci,id=hub -device usb-tablet,bus=hub.0,serial=COLD""".split()
        command += ["-kernel", kernel, "-initrd", files, "-append"]
        command.append("console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off nokaslr random.trust_cpu=on")
        self.lines, self.at, self.change = [], 0, threading.Condition()
        pipe = subprocess.PIPE
        self.machine = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.machine.stdout:
            line = line.decode(errors="replace").rstrip()
            with self.change:
                self.lines.append(line)
                self.change.notify_all()
        with self.change:
            self.lines.append("<the guest has ended>")
            self.change.notify_all()

    def expect(self, pattern, seconds=WAIT, error=Wrong):
        """Waits for a line behind the last that was waited for."""
        end = time.monotonic() + seconds
        with self.change:
            while True:
                while self.at < len(self.lines):
                    line = self.lines[self.at]
                    self.at += 1
                    if re.search(pattern, line):
                        return line
                    if line == "<the guest has ended>":
                        raise error(f"the guest has ended before {pattern!r}")
                left = end - time.monotonic()
                if left <= 0:
                    raise error(f"no {pattern!r} within {seconds} s")
                self.change.wait(left)

    def run(self, command):
        self.machine.stdin.write(command.encode() + b"\n")
        self.machine.stdin.flush()

    def connect(self):
        monitor = socket.socket(socket.AF_UNIX)
        monitor.connect("monitor")
        self.monitor = monitor.makefile("rw")
        self.monitor.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.monitor.write(json.dumps(request) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                raise Wrong(f"{command} {arguments}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def end(self):
        self.machine.kill()
        self.machine.wait()


def boot(kernel, files):
    for attempt in 1, 2:
        guest = Guest(kernel, files)
        try:
            guest.expect("guest ready", BOOT, NotUp)
            guest.connect()
            say("the guest is up")
            return guest
        except (NotUp, OSError) as error:
            say(f"boot {attempt} failed: {error}")
            print("\n".join("    | " + line for line in guest.lines[-15:]))
            guest.end()
    raise NotUp("the guest does not come up")


class Scenario:
    """What is done to the bus, and what usb_watch is to print of it."""

    def __init__(self, guest):
        self.guest, self.expected = guest, []

    def heard(self, event, device, text=""):
        self.expected.append((event, device))
        line = self.guest.expect(rf" s  {event} {device}.*{text}")
        say(line)

    def plug(self, driver, device, serial, **more):
        self.guest.ask("device_add", driver=driver, id="plugged", bus="hub.0", serial=serial, **more)
        self.heard("connected", device, serial)

    def unplug(self, device, serial):
        self.guest.ask("device_del", id="plugged")
        self.heard("disconnected", device, serial)

    def play(self):
        guest = self.guest
        guest.run("usb_watch --ping 1209:0001 --ping 0403:6001 & watch=$!")
        guest.expect("^watching")
        self.heard("connected", "0627:0001", "COLD")
        say("-- without udev there are no events: the list finds them")
        self.plug("usb-kbd", "0627:0001", "LISTED")
        self.unplug("0627:0001", "LISTED")
        guest.run("udev")
        guest.expect("^udev runs")
        say("-- with udev")
        self.plug("usb-kbd", "0627:0001", "KEYS")
        self.unplug("0627:0001", "KEYS")
        self.plug("usb-serial", "0403:6001", "ROBOT-42", chardev="line", **{"always-plugged": True})
        say(guest.expect(r" s  pong 0403:6001.*\[0[01], 00\]"))
        self.unplug("0403:6001", "ROBOT-42")
        self.plug("usb-storage", "46f4:0001", "STICK", drive="stick")
        self.unplug("46f4:0001", "STICK")
        say("-- ten times")
        for _ in range(10):
            self.plug("usb-tablet", "0627:0001", "TABLET")
            self.unplug("0627:0001", "TABLET")
        say("-- a device that stalls, fails and is silent")
        guest.run("device")
        self.heard("connected", "1209:0001", "R-1")
        troubles = ["stall", "stall", "fault", "fault", "did not answer", "did not answer"]
        for event, text in [("pong", "00, 00")] * 2 + [("comms_error", text) for text in troubles] + [("pong", "00, 00")]:
            self.heard(event, "1209:0001", text)
        self.heard("disconnected", "1209:0001")
        self.heard("connected", "1209:0001", "R-1")
        self.heard("pong", "1209:0001", "00, 00")
        self.heard("pong", "1209:0001", "00, 00")
        self.heard("disconnected", "1209:0001")
        # A shell has its background jobs ignore SIGINT.
        guest.run("kill -TERM $watch")
        self.check_report(guest.expect(r"^USB: \d+ event"))
        self.check_events()
        say("-- as nobody")
        guest.run("nobody /bin/usb_watch '--ping 0627:0001 --seconds 60'")
        say(guest.expect(r" s  device_error 0627:0001.*it can't be opened: .*(errno 13|[Pp]ermission)"))

    def check_report(self, line):
        say(line)
        kinds = "event", "of them known", "device", "change", "error"
        events, known, at_first, by_list, errors = (int(re.search(rf"(\d+) {kind}", line).group(1)) for kind in kinds)
        changes = len([event for event, _ in self.expected if event.endswith("connected")])
        # One was there, one was plugged and unplugged without udev. Later the list may be faster than udev now and then.
        by_event = events - known
        if errors or by_event + at_first + by_list != changes or not (changes - 3) / 2 < by_event <= changes - 3:
            raise Wrong(f"{changes} changes, all but 3 since udev runs, and this report: {line}")

    def check_events(self):
        """All that was printed: nothing more, and nothing in another order."""
        lines = [re.search(r"^ *\d+\.\d+ s  (\w+) (\w{4}:\w{4})", line) for line in self.guest.lines]
        found = [line.groups() for line in lines if line and line.groups() != ("pong", "0403:6001")]
        if found != self.expected:
            raise Wrong(f"\n{found}\nwas printed, and this was to be:\n{self.expected}")
        say(f"{len(found)} events, each as it should be")


def main():
    parser = argparse.ArgumentParser()
    for name in "kernel", "udev", "watch", "device":
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    # The machine must not outlive a time-out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("FAILED: it takes too long"))
    files = "initramfs.img"
    initramfs.build(arguments.kernel, arguments.udev, arguments.watch, arguments.device, files)
    try:
        guest = boot(glob.glob(f"{arguments.kernel}/boot/vmlinuz-*")[0], files)
    except NotUp as error:
        sys.exit(f"FAILED: {error}")
    try:
        Scenario(guest).play()
        say("all as it should be")
    except Wrong as error:
        print("\n".join("    | " + line for line in guest.lines[-40:]))
        sys.exit(f"FAILED: {error}")
    finally:
        guest.end()


if __name__ == "__main__":
    main()
