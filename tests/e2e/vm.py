"""Debian's cloud kernel in qemu (software emulation) with a small system around keelson: where pure cgroup v2 and the oldest
supported kernel are tested, whatever the host has."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys

from node import SOURCE

sys.path.insert(0, str(SOURCE / "tests/images"))
import debs  # noqa: E402

MODULES = ["overlay", "llc", "stp", "bridge", "veth", "libcrc32c", "nfnetlink", "nf_tables", "nf_defrag_ipv4", "nf_defrag_ipv6",
           "nf_conntrack", "nf_nat", "nft_chain_nat", "nft_masq", "nft_nat", "nft_ct", "nft_fib", "nft_fib_ipv4", "nft_fib_ipv6"]

# The first init moves everything to a tmpfs: pivot_root(2) refuses to leave the initramfs itself.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t tmpfs -o size=80% tmpfs /tmp
for d in bin lib lib64 usr etc var root modules second; do /bin/busybox cp -a /$d /tmp/; done
/bin/busybox mkdir -p /tmp/proc /tmp/sys /tmp/dev /tmp/tmp /tmp/run
exec /bin/busybox switch_root /tmp /second
"""

SECOND = """#!/bin/busybox sh
export PATH=/bin:/usr/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for m in $(cat /modules/order); do insmod /modules/$m.ko; done
ip link set lo up; hostname vm
. /script
echo VM-END
poweroff -f
"""


def kernel(cache):
    """(vmlinuz, folder of modules) of Debian's newest cloud kernel, unpacked beside the build."""
    output = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True).stdout
    if "Depends:" not in output:
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        output = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True).stdout
    package = re.search(r"Depends: (\S+)", output).group(1)
    root = debs.unpack(cache, [package])
    version = package.removeprefix("linux-image-")
    return root / f"boot/vmlinuz-{version}", root / f"lib/modules/{version}"


class Tree:
    """A root file system in a folder, packed as an initramfs."""

    def __init__(self, folder):
        self.root = pathlib.Path(folder)

    def file(self, path, text, mode=0o755):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def copy(self, path, source):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def program(self, path, source):
        self.copy(path, source)
        subprocess.run(["strip", self.root / path], check=True)

    def pack(self, target):
        """The newc form of cpio(5), gzipped."""
        with gzip.open(target, "wb", 1) as out:
            for number, path in enumerate(sorted(self.root.rglob("*")), 1):
                name = str(path.relative_to(self.root)).encode() + b"\0"
                info = path.lstat()
                data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
                fields = [number, info.st_mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
                head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
                out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
            end = b"070701" + b"00000000" * 11 + b"0000000B" + b"00000000" + b"TRAILER!!!\0"
            out.write(end + b"\0" * (-len(end) % 4))


def run(build, images, work, script, files=(), seconds=420):
    """Boots, runs `script` (busybox sh; keelson and keelctl are there), returns the console's text."""
    work = pathlib.Path(work)
    vmlinuz, modules = kernel(images / "vm")
    tree = Tree(work / "vm")
    busybox = debs.unpack(images / "vm", ["busybox-static"]) / "bin/busybox"
    tree.copy("bin/busybox", busybox)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (tree.root / "bin" / applet).symlink_to("busybox")
    for name, source in (("keelson", "agent/keelson"), ("keelctl", "agent/keelctl"), ("keelson-shim", "runtime/keelson-shim")):
        tree.program(f"usr/bin/{name}", build / source)
        if name != "keelson-shim":
            for inside, file in debs.libraries(build / source):
                tree.copy(inside, file)
    for file in pathlib.Path("/usr/lib/locale/C.utf8").rglob("*"):
        if file.is_file():
            tree.copy(str(file), file)
    found = {path.stem: path for path in modules.rglob("*.ko")}
    for name in MODULES:
        tree.copy(f"modules/{name}.ko", found[name])
    tree.file("modules/order", "\n".join(MODULES))
    for folder in ("proc", "sys", "dev", "tmp", "run", "var/lib", "var/log", "root", "lib64", "etc/kubernetes/manifests"):
        (tree.root / folder).mkdir(parents=True, exist_ok=True)
    tree.file("init", INIT)
    tree.file("second", SECOND.replace(". /script", script))
    for path, source in files:
        tree.copy(path, source)
    tree.pack(work / "initrd.gz")
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "2048", "-smp", "2", "-nographic", "-no-reboot", "-kernel", vmlinuz,
               "-initrd", work / "initrd.gz", "-append", "console=ttyS0 quiet panic=-1"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    return result.stdout.decode(errors="replace").replace("\r", "")
