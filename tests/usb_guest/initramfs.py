"""The guest's files: a busybox, a few kernel modules, udev, and the programs under test."""

import glob
import os
import re
import stat
import subprocess

INIT = """#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs run /run
busybox stty -F /dev/console -echo
for module in {modules}; do busybox insmod /mod/$module.ko || echo "no module $module"; done
udev() {{ /lib/systemd/systemd-udevd --daemon && udevadm settle && echo udev runs; }}
nobody() {{ busybox start-stop-daemon -S -c 65534:65534 -x "$1" -- $2; }}
echo guest ready
while read -r line; do eval "$line"; done
"""


def modules_of(folder, wanted):
    """The wanted modules behind those that they need, as their own `depends` say."""
    files = {}
    for at, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".ko"):
                files[name[:-3].replace("-", "_")] = os.path.join(at, name)
    order = []

    def need(name):
        if name in order or name not in files:  # not a file: it is built into the kernel
            return
        with open(files[name], "rb") as module:
            found = re.search(rb"\0depends=([^\0]*)\0", module.read())
        for other in found.group(1).decode().split(",") if found else []:
            if other:
                need(other.replace("-", "_"))
        order.append(name)

    for name in wanted:
        need(name)
    return [(name, files[name]) for name in order]


class Archive:
    """A cpio archive in the form that the kernel reads ("newc")."""

    def __init__(self):
        self.out, self.number, self.seen = bytearray(), 1, set()

    def add(self, name, mode, data=b"", device=(0, 0)):
        if name in self.seen:
            return
        self.seen.add(name)
        folder = os.path.dirname(name)
        if folder:
            self.add(folder, stat.S_IFDIR | 0o755)
        path = name.encode() + b"\0"
        fields = (self.number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        self.out += b"070701" + b"".join(b"%08x" % field for field in fields) + path
        self.out += bytes(-len(self.out) % 4) + data
        self.out += bytes(-len(self.out) % 4)
        self.number += 1

    def file(self, name, source, mode=0o755):
        with open(source, "rb") as file:
            self.add(name, stat.S_IFREG | mode, file.read())

    def program(self, name, source):
        """A program with its shared libraries, where the loader looks for them."""
        self.file(name, source)
        listed = subprocess.run(["ldd", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        for path in re.findall(r"(/\S+) \(0x", listed.stdout):
            folder = "lib64" if "ld-linux" in path else "lib/x86_64-linux-gnu"
            self.file(f"{folder}/{os.path.basename(path)}", os.path.realpath(path))

    def done(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.out)


def build(kernel, udev, watch, device, to):
    modules = modules_of(glob.glob(f"{kernel}/lib/modules/*/kernel")[0], ["xhci_pci", "usbip_core", "vhci_hcd"])
    archive = Archive()
    for name in "proc", "sys", "dev", "run", "tmp", "etc", "bin", "lib", "lib64":
        archive.add(name, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("etc/group", stat.S_IFREG | 0o644, b"root:x:0:\nnogroup:x:65534:\n")
    archive.add("etc/passwd", stat.S_IFREG | 0o644, b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    archive.file("bin/busybox", next(path for path in ("/usr/bin/busybox", "/bin/busybox") if os.path.exists(path)))
    archive.program("bin/udevadm", f"{udev}/bin/udevadm")
    archive.add("lib/systemd/systemd-udevd", stat.S_IFLNK | 0o777, b"/bin/udevadm")
    stripped = "usb_watch.stripped"
    subprocess.run(["strip", "-o", stripped, watch], check=True)
    archive.program("bin/usb_watch", stripped)
    archive.program("bin/device", device)
    for name, path in modules:
        archive.file(f"mod/{name}.ko", path, 0o644)
    init = INIT.format(modules=" ".join(name for name, _ in modules))
    archive.add("init", stat.S_IFREG | 0o755, init.encode())
    with open(to, "wb") as file:
        file.write(archive.done())
