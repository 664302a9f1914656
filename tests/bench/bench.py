#!/usr/bin/env python3
"""make bench: the budget of the design, measured on this machine, beside peers of the same run.

bench.py BUILD IMAGES writes BUILD/../bench/report.json, rows {name, value, unit, budget, peer, peer_value, ratio}
(ratio: the peer's value over ours, so more than 1 means that Keelson needs less), and prints them as a table."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import sandbox  # noqa: E402
from node import Node, SOURCE  # noqa: E402
import containerd_peer  # noqa: E402
import joined_bench  # noqa: E402

sys.path.insert(0, str(SOURCE / "tests/images"))
import registry as registry_module  # noqa: E402

ONE_BY_ONE = 20
BURST = 100

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: b{n}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: alpine:latest
    imagePullPolicy: IfNotPresent
    command: ["sleep", "36000"]
"""


class Report:
    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, budget=None, peer=None, peer_value=None):
        ratio = round(peer_value / value, 2) if peer_value and value else None
        self.rows.append({"name": name, "value": round(value, 3), "unit": unit, "budget": budget, "peer": peer,
                          "peer_value": round(peer_value, 3) if peer_value else None, "ratio": ratio})
        print(self.line(self.rows[-1]), flush=True)

    @staticmethod
    def line(row):
        cell = lambda value: "" if value is None else str(value)  # noqa: E731
        return (f"{row['name']:<58} {row['value']:>10} {row['unit']:<5} {cell(row['budget']):>8}  "
                f"{cell(row['peer_value']):>10} {cell(row['ratio']):>7}  {cell(row['peer'])}")

    @staticmethod
    def header():
        return f"{'what':<58} {'value':>10} {'unit':<5} {'budget':>8}  {'peer':>10} {'ratio':>7}  peer"

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.rows, indent=2) + "\n")


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def pss_kib(pids):
    """Proportional set size of these processes together (smaps_rollup, proc(5))."""
    total = 0
    for pid in pids:
        try:
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass  # it ended meanwhile
    return total


def cpu_ticks(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total


def shim_pids():
    """The shims and their log writers of this sandbox."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if pathlib.Path(f"/proc/{entry}/cmdline").read_text().startswith("keelson-shim"):
                found.append(int(entry))
        except OSError:
            pass
    return found


def running(node):
    return sum(pod["status"].get("phase") == "Running" for pod in node.pods())


def idle_cpu_percent(pids, seconds=5.0):
    before, start = cpu_ticks(pids), time.monotonic()
    time.sleep(seconds)
    return (cpu_ticks(pids) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start) * 100


def inside_milliseconds(node, name):
    """From the pod being seen to its first process exec'd, off its own timeline."""
    timeline = node.view(name)["timeline"]
    start = min(parse(entry["at"]) for entry in timeline)
    for entry in timeline:
        if entry["step"].startswith("StartContainer"):
            return (parse(entry["at"]) - start) / 1e6 + entry["tookNanoseconds"] / 1e6
    raise AssertionError(f"no StartContainer in the timeline of {name}: {timeline}")


def parse(rfc3339):
    """Nanoseconds since midnight: enough for differences of seconds."""
    hours, minutes, seconds = rfc3339.rstrip("Z").split("T")[1].split(":")
    whole, _, fraction = seconds.partition(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 10**9 + int(fraction.ljust(9, "0") or 0)


def measure_keelson(node):
    found = {}
    node.apply("warm.yaml", POD.format(n="warm"))
    node.wait_ready("bwarm", 60)
    node.remove("warm.yaml")
    node.wait_gone("bwarm")
    found["pss_0"] = pss_kib([node.process.pid]) / 1024
    outside, inside = [], []
    for n in range(ONE_BY_ONE):
        start = time.monotonic()
        node.apply(f"one{n}.yaml", POD.format(n=n))
        node.wait_for("it runs", lambda n=n: node.phase(f"b{n}") == "Running")
        outside.append((time.monotonic() - start) * 1000)
        inside.append(inside_milliseconds(node, f"b{n}"))
    found["inside_p50"], found["inside_p99"] = statistics.median(inside), percentile(inside, 99)
    found["outside_p50"] = statistics.median(outside)
    command = [str(node.build / "agent/keelctl"), "--socket", str(node.socket), "exec", "b0", "-c", "c", "--", "true"]
    found["exec"] = median_command(command)
    for n in range(ONE_BY_ONE):
        node.remove(f"one{n}.yaml")
    node.wait_for("all are gone", lambda: not node.pods(), 120)
    start = time.monotonic()
    node.apply("burst.yaml", "---".join(POD.format(n=n) for n in range(BURST)))
    node.wait_for("all run", lambda: running(node) == BURST, 120)
    found["burst"] = time.monotonic() - start
    daemon, shims = [node.process.pid], shim_pids()
    found["pss_100_daemon"], found["pss_100_shims"] = pss_kib(daemon) / 1024, pss_kib(shims) / 1024
    found["idle_cpu"] = idle_cpu_percent(daemon + shims)
    node.kill()
    start = time.monotonic()
    node.start()
    node.wait_for("all are adopted", lambda: running(node) == BURST)
    found["adopt"] = time.monotonic() - start
    start = time.monotonic()
    node.remove("burst.yaml")
    node.wait_for("all are gone", lambda: not node.pods(), 120)
    found["delete"] = time.monotonic() - start
    return found


def median_command(command, times=20):
    samples = []
    for _ in range(times):
        start = time.monotonic()
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        samples.append((time.monotonic() - start) * 1000)
    return statistics.median(samples)


def measure_containerd(peer):
    found = {"pss_0": pss_kib(peer.daemon_pids()) / 1024}
    samples = []
    for n in range(ONE_BY_ONE):
        start = time.monotonic()
        peer.run(f"one{n}")
        samples.append((time.monotonic() - start) * 1000)
    found["outside_p50"] = statistics.median(samples)
    found["exec"] = median_command(peer.exec_command("one0"))
    peer.remove_all([f"one{n}" for n in range(ONE_BY_ONE)])
    start = time.monotonic()
    peer.run_all([f"burst{n}" for n in range(BURST)])
    found["burst"] = time.monotonic() - start
    found["pss_100"] = pss_kib(peer.daemon_pids() + peer.shim_pids()) / 1024
    found["idle_cpu"] = idle_cpu_percent(peer.daemon_pids() + peer.shim_pids())
    start = time.monotonic()
    peer.remove_all([f"burst{n}" for n in range(BURST)])
    found["delete"] = time.monotonic() - start
    return found


def peers(build):
    return build.parent / "bench/peers"


def main():
    build, images = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    work = pathlib.Path(sandbox.folder())
    report = Report()
    registry = registry_module.Registry(images, work / "registry")
    registry.start()
    registry.push_all()
    node = Node(build, registry=registry.address, extra_config=f"maxPods: {BURST + 10}").start()
    ours = measure_keelson(node)
    node.stop()
    joined = joined_bench.measure(build, registry, cpu_ticks, pss_kib)
    peer = containerd_peer.Containerd(peers(build), work / "containerd", images)
    peer_name = "containerd + runc + CNI bridge (no kubelet)"
    theirs = {}
    try:
        peer.start()
        theirs = measure_containerd(peer)
    except Exception as error:  # a peer that cannot be had costs its column, not the report
        print(f"no peer: {error}", file=sys.stderr)
        peer_name = None
    finally:
        peer.stop()
    registry.stop()
    print(report.header())
    report.add("pod seen to its process exec'd, image present, p50", ours["inside_p50"], "ms", 15)
    report.add("pod seen to its process exec'd, image present, p99", ours["inside_p99"], "ms", 60)
    report.add("manifest written to Running seen, one by one, p50", ours["outside_p50"], "ms", 50, peer_name, theirs.get("outside_p50"))
    report.add("burst of 100, last one Running", ours["burst"], "s", 1.6, peer_name, theirs.get("burst"))
    report.add("100 pods deleted, all gone", ours["delete"], "s", 3, peer_name, theirs.get("delete"))
    report.add("memory (PSS), 0 pods", ours["pss_0"], "MiB", 25, peer_name, theirs.get("pss_0"))
    report.add("memory (PSS), 100 pods: daemon", ours["pss_100_daemon"], "MiB", 35)
    report.add("memory (PSS), 100 pods: one shim with its log writer", ours["pss_100_shims"] / BURST, "MiB", 0.45)
    report.add("memory (PSS), 100 pods: all", ours["pss_100_daemon"] + ours["pss_100_shims"], "MiB", 80, peer_name, theirs.get("pss_100"))
    report.add("CPU, 100 idle pods", ours["idle_cpu"], "%", 0.5, peer_name, theirs.get("idle_cpu"))
    report.add("exec of true, command to result, p50", ours["exec"], "ms", None, peer_name, theirs.get("exec"))
    report.add("restart with 100 pods: all adopted", ours["adopt"], "s", 1)
    joined_bench.report(report, joined)
    for program in sorted((build / "tests/bench").glob("*_bench")):
        if os.access(program, os.X_OK):
            for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
                row = json.loads(line)
                report.add(row["name"], row["value"], row["unit"], row.get("budget"), row.get("peer"), row.get("peer_value"))
    target = build.parent / "bench/report.json"
    report.save(target)
    print(f"\nwritten to {target}")
    return 0


if __name__ == "__main__":
    if sandbox.MARK not in os.environ:
        containerd_peer.download(peers(pathlib.Path(sys.argv[1]).resolve()))
    sandbox.enter(main)
