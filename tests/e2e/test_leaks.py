#!/usr/bin/env python3
"""After fifty pods the machine is as it was before: processes, mounts, links, cgroups, files, rules."""

import os
import pathlib
import subprocess

import sandbox
from world import World, run

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: p{n}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: alpine:latest
    command: ["sleep", "3600"]
    volumeMounts:
    - {{name: disk, mountPath: /disk}}
    - {{name: memory, mountPath: /memory}}
    - {{name: host, mountPath: /host, readOnly: true}}
  volumes:
  - {{name: disk, emptyDir: {{}}}}
  - {{name: memory, emptyDir: {{medium: Memory, sizeLimit: 1Mi}}}}
  - {{name: host, hostPath: {{path: /etc, type: Directory}}}}
"""


def processes(daemon):
    """Live processes of this sandbox but the daemon, what belongs to this test, and zombies on their way."""
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name, state = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2]
        if state != "Z" and int(entry) not in (daemon, os.getpid(), 1):
            found.add(f"{name} {entry}")
    return found


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def snapshot(node):
    nft = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    cgroups = [os.path.join(path, name) for h in sandbox.cgroup_hierarchies()
               for path, names, _ in os.walk(os.path.join(h, sandbox.cgroup_root())) for name in names]
    return {
        "processes": processes(node.process.pid),
        "mounts": pathlib.Path("/proc/self/mountinfo").read_text(),
        "links": sorted(os.listdir("/sys/class/net")),
        "cgroups": sorted(cgroups),
        "rules": nft,
        "run": tree(node.home / "run"),
        "containers": tree(node.home / "state/containers") if (node.home / "state/containers").exists() else [],
        "pods": tree(node.home / "root"),
        "logs": tree(node.home / "logs") if (node.home / "logs").exists() else [],
        "links of logs": tree(node.home / "container-logs") if (node.home / "container-logs").exists() else [],
    }


class Leaks(World):
    def test_fifty_pods_leave_nothing(self):
        node = self.node.start()
        node.apply("warm.yaml", POD.format(n="warm"))  # makes what is made once: bridge, cgroup parents, layers
        node.wait_ready("pwarm")
        node.remove("warm.yaml")
        node.wait_gone("pwarm")
        before = snapshot(node)
        mounts_before = pathlib.Path("/proc/self/mountinfo").read_text()
        node.apply("fifty.yaml", "---".join(POD.format(n=n) for n in range(50)))
        node.wait_for("fifty are Running", lambda: sum(p["status"].get("phase") == "Running" for p in node.pods()) == 50, 120)
        self.assertEqual(pathlib.Path("/proc/self/mountinfo").read_text(), mounts_before)
        addresses = {p["status"]["podIP"] for p in node.pods()}
        self.assertEqual(len(addresses), 50)
        descriptors = len(os.listdir(f"/proc/{node.process.pid}/fd"))
        node.remove("fifty.yaml")
        node.wait_for("all are gone", lambda: not node.pods(), 120)
        # Links die with their namespaces, which the kernel takes down in its own time.
        node.wait_for("the links are gone", lambda: sorted(os.listdir("/sys/class/net")) == before["links"])
        after = snapshot(node)
        for what in before:
            self.assertEqual(after[what], before[what], what)
        self.assertLess(len(os.listdir(f"/proc/{node.process.pid}/fd")), descriptors - 50)

    def test_orphans_of_an_earlier_life_are_cleaned(self):
        node = self.node.start()
        node.apply("p.yaml", POD.format(n=1))
        node.wait_ready("p1")
        node.kill()
        node.remove("p.yaml")
        (node.home / "run/pods/deadbeef").mkdir()
        qos = [top for top in (os.path.join(h, sandbox.cgroup_root(), "kubepods/besteffort") for h in sandbox.cgroup_hierarchies())
               if os.path.isdir(top)]
        self.assertTrue(qos)
        for top in qos:
            os.makedirs(os.path.join(top, "poddeadbeef/abc"))
        (node.home / "state/containers/" / ("f" * 64) / "upper").mkdir(parents=True)
        node.start()
        node.wait_gone("p1")
        node.wait_for("orphans are gone", lambda: not tree(node.home / "run/pods") and
                      not tree(node.home / "state/containers"))
        for top in qos:
            self.assertEqual([d for d in os.listdir(top) if os.path.isdir(os.path.join(top, d))], [])


if __name__ == "__main__":
    run()
