"""One node under test: the real daemon, its folders, and keelctl."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import sandbox

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = SOURCE / "tests/e2e/examples"


class Node:
    """Starts and stops keelson in this sandbox. Its folders outlive a kill, as on a real node."""

    def __init__(self, build, registry=None, name="node1", extra_config="", flags=()):
        self.build = pathlib.Path(build).resolve()
        self.home = pathlib.Path(sandbox.folder()) / name
        self.manifests = self.home / "manifests"
        self.name = name
        self.flags = list(flags)
        for folder in ("manifests", "run", "state", "root"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        registries = ""
        if registry:
            registries = f"registries:\n- host: docker.io\n  mirrors: [\"http://{registry}\"]\n"
        self.config = self.home / "config.yaml"
        self.config.write_text(f"""\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: {self.manifests}
podLogsDir: {self.home}/logs
healthzPort: 0
cgroupRoot: /{sandbox.cgroup_root()}
clusterDomain: cluster.local
{extra_config}
---
apiVersion: keelson.dev/v1alpha1
kind: KeelsonConfiguration
runDir: {self.home}/run
stateDir: {self.home}/state
containerLogsDir: {self.home}/container-logs
{registries}""")
        self.socket = self.home / "run/keelson.sock"
        self.process = None

    # ---- the daemon ----

    def command(self):
        return [str(self.build / "agent/keelson"), "--standalone", "--config", str(self.config),
                "--hostname-override", self.name, "--root-dir", str(self.home / "root"),
                "--shim", str(self.build / "runtime/keelson-shim"), *self.flags]

    def start(self):
        self.log = open(self.home / "keelson.log", "ab")
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log)
        self.wait_for("the status socket answers", self._answers, 20)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"keelson ended with {self.process.returncode}:\n{self.daemon_log()}")
        return self.try_ctl("get", "pods", "-A").returncode == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)

    def daemon_log(self):
        return (self.home / "keelson.log").read_text(errors="replace")

    # ---- manifests ----

    def apply(self, file, text):
        """Writes a manifest as an editor does: beside, then renamed."""
        beside = self.manifests / f".{file}.tmp"
        beside.write_text(text)
        beside.rename(self.manifests / file)

    def apply_example(self, name):
        self.apply(name, (EXAMPLES / name).read_text())

    def remove(self, file):
        (self.manifests / file).unlink()

    # ---- keelctl ----

    def try_ctl(self, *arguments, **options):
        return subprocess.run([str(self.build / "agent/keelctl"), "--socket", str(self.socket), *arguments],
                              capture_output=True, text=True, timeout=60, **options)

    def ctl(self, *arguments, **options):
        result = self.try_ctl(*arguments, **options)
        if result.returncode != 0:
            raise AssertionError(f"keelctl {' '.join(arguments)}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def pods(self):
        return json.loads(self.ctl("get", "pods", "-A", "-o", "json"))["items"]

    def pod(self, name, namespace="default"):
        result = self.try_ctl("get", "pods", "-n", namespace, name, "-o", "json")
        return json.loads(result.stdout) if result.returncode == 0 else None

    def phase(self, name):
        pod = self.pod(name)
        return pod["status"].get("phase") if pod else None

    def status(self, pod, container):
        found = self.pod(pod) or {"status": {}}
        for each in found["status"].get("containerStatuses", []):
            if each["name"] == container:
                return each
        return None

    def view(self, name):
        return json.loads(self.ctl("describe", "pod", name, "-o", "json"))

    # ---- waiting ----

    def wait_for(self, what, condition, seconds=30):
        """Asks until it holds; the daemon's log and the pods are in the failure."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                pods = self.try_ctl("get", "pods", "-A", "-o", "json").stdout
                raise AssertionError(f"not in {seconds} s: {what}\n{pods}\n{self.daemon_log()[-8000:]}")
            time.sleep(0.02)

    def wait_phase(self, name, phase, seconds=30):
        self.wait_for(f"{name} is {phase}", lambda: self.phase(name) == phase, seconds)

    def wait_ready(self, name, seconds=30):
        def ready():
            pod = self.pod(name)
            # Before its first look a new daemon shows the conditions it remembers, and nothing else.
            if not pod or not pod["status"].get("containerStatuses"):
                return False
            return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        self.wait_for(f"{name} is Ready", ready, seconds)

    def wait_gone(self, name, seconds=60):
        self.wait_for(f"{name} is gone", lambda: self.pod(name) is None, seconds)

    # ---- looking around ----

    def container_pids(self):
        """The pids of every container's cgroups, by cgroup path."""
        found = {}
        for hierarchy in sandbox.cgroup_hierarchies():
            top = os.path.join(hierarchy, sandbox.cgroup_root(), "kubepods")
            for folder, _, files in os.walk(top):
                pids = open(os.path.join(folder, "cgroup.procs")).read().split() if "cgroup.procs" in files else []
                if pids:
                    found.setdefault(os.path.relpath(folder, top), set()).update(map(int, pids))
        return found

    def wipe(self):
        shutil.rmtree(self.home)
