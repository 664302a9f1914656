"""What most nodes run today, as a peer: Debian's containerd, runc and CNI bridge plugin, driven by ctr. Its binaries are unpacked
beside the build, not installed."""

import json
import os
import pathlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "images"))
import debs  # noqa: E402

PACKAGES = ["containerd", "runc", "containernetworking-plugins"]
IMAGE = "docker.io/library/alpine:latest"

CNI = {
    "cniVersion": "0.4.0", "name": "bench",
    "plugins": [{"type": "bridge", "bridge": "cnibench", "isGateway": True, "ipMasq": False, "hairpinMode": True,
                 "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.245.0.0/23"}]], "routes": [{"dst": "0.0.0.0/0"}]}}],
}


def download(cache):
    """Before the sandbox is entered: it has no way out."""
    debs.unpack(cache, PACKAGES)


class Containerd:
    def __init__(self, cache, work, images):
        self.root = pathlib.Path(cache) / "root"
        self.work, self.images = pathlib.Path(work), pathlib.Path(images)
        self.process = None
        self.socket = self.work / "containerd.sock"
        self.environment = dict(os.environ)

    def start(self):
        root = self.root
        for folder in ("root", "state", "upper-etc", "work-etc", "upper-opt", "work-opt"):
            (self.work / folder).mkdir(parents=True, exist_ok=True)
        # runc and libcni keep state in places of their own choosing.
        for folder in ("/run", "/var/lib"):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
        # ctr finds CNI only in /etc/cni and /opt/cni: this mount namespace gets its own.
        for folder in ("etc", "opt"):
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                            f"lowerdir=/{folder},upperdir={self.work}/upper-{folder},workdir={self.work}/work-{folder}",
                            f"/{folder}"], check=True)
        pathlib.Path("/etc/cni/net.d").mkdir(parents=True, exist_ok=True)
        CNI["plugins"][0]["ipam"]["dataDir"] = str(self.work / "cni")
        pathlib.Path("/etc/cni/net.d/10-bench.conflist").write_text(json.dumps(CNI))
        pathlib.Path("/opt/cni").mkdir(parents=True, exist_ok=True)
        pathlib.Path("/opt/cni/bin").symlink_to(root / "usr/lib/cni")
        config = self.work / "config.toml"
        config.write_text(f'version = 2\nroot = "{self.work}/root"\nstate = "{self.work}/state"\n'
                          'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                          f'[grpc]\n  address = "{self.socket}"\n')
        self.environment["PATH"] = f"{root}/usr/bin:{root}/usr/sbin:{os.environ['PATH']}"
        log = open(self.work / "containerd.log", "wb")
        self.process = subprocess.Popen([root / "usr/bin/containerd", "--config", config], env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self._ctr("version", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError("containerd did not come up:\n" + (self.work / "containerd.log").read_text()[-2000:])
            time.sleep(0.1)
        archive = next(self.images.glob("*alpine*.tar"))
        self._ctr("images", "import", "--base-name", "docker.io/library/alpine", str(archive))
        names = self._ctr("images", "ls", "-q").stdout.split()
        if IMAGE not in names:
            self._ctr("images", "tag", names[0], IMAGE)

    def _ctr(self, *arguments, check=True):
        result = subprocess.run([self.root / "usr/bin/ctr", "-a", self.socket, *arguments],
                                env=self.environment, capture_output=True, text=True, timeout=120)
        if check and result.returncode != 0:
            raise RuntimeError(f"ctr {' '.join(arguments)}: {result.stderr}")
        return result

    def run(self, name):
        self._ctr("run", "-d", "--cni", IMAGE, name, "sleep", "36000")

    def run_all(self, names):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.run, names))

    def exec_command(self, name):
        return [str(self.root / "usr/bin/ctr"), "-a", str(self.socket), "task", "exec", "--exec-id", f"e{time.monotonic_ns()}", name, "true"]

    def remove(self, name):
        self._ctr("task", "rm", "-f", name)
        self._ctr("container", "rm", name)

    def remove_all(self, names):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.remove, names))

    def daemon_pids(self):
        return [self.process.pid]

    def shim_pids(self):
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if "containerd-shim" in pathlib.Path(f"/proc/{entry}/cmdline").read_text():
                    found.append(int(entry))
            except OSError:
                pass
        return found

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)
