#!/usr/bin/env python3
"""Pods do not notice the daemon: it is killed, and the next one goes on."""

import json
import os

from world import World, run

COUNTER = """
apiVersion: v1
kind: Pod
metadata: {name: counter}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: count
    image: alpine:latest
    command: ["/bin/sh", "-c", "i=0; while true; do i=$((i+1)); echo $i; usleep 2000; done"]
"""

TWO = """
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: stays
    image: alpine:latest
    command: ["sleep", "3600"]
  - name: leaves
    image: alpine:latest
    command: ["/bin/sh", "-c", "while ! [ -e /go/now ]; do usleep 20000; done; exit 7"]
    volumeMounts: [{name: go, mountPath: /go}]
  volumes:
  - name: go
    emptyDir: {}
"""

CRASHER = """
apiVersion: v1
kind: Pod
metadata: {name: crasher}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: crash
    image: alpine:latest
    command: ["/bin/sh", "-c", "echo life; exit 3"]
"""


def first_processes(node):
    """The oldest pid of each container's cgroup."""
    return {path: min(pids) for path, pids in node.container_pids().items()}


LINGERING = """
apiVersion: v1
kind: Pod
metadata: {name: lingering}
spec:
  terminationGracePeriodSeconds: GRACE
  containers:
  - name: app
    image: alpine:latest
    command: ["/bin/sh", "-c", "trap 'echo told; exit 0' TERM; echo up; while :; do usleep 20000; done"]
    lifecycle:
      postStart: {exec: {command: ["/bin/sh", "-c", "echo begun >> /hooks"]}}
      preStop: {exec: {command: ["/bin/sh", "-c", "echo left >> /hooks; sleep 3600"]}}
"""


class Restart(World):
    def linger(self, grace):
        """A pod in the middle of its preStop hook, which hangs."""
        self.node.start().apply("lingering.yaml", LINGERING.replace("GRACE", str(grace)))
        self.node.wait_ready("lingering")
        self.node.remove("lingering.yaml")
        self.node.wait_for("its hook runs", lambda: "left" in self.hooks_seen())

    def hooks_seen(self):
        return self.node.try_ctl("exec", "lingering", "--", "cat", "/hooks").stdout

    def test_kill_9_in_a_pre_stop_hook_does_not_put_off_the_end(self):
        self.linger(3)
        self.assertTrue(self.processes_of_containers())
        self.node.kill()
        self.node.wait_for("the shim ends it by itself", lambda: not self.processes_of_containers(), 15)
        self.node.start()
        self.node.wait_for("it is gone", lambda: not self.node.pods(), 20)

    def test_kill_9_in_a_pre_stop_hook_runs_it_again_and_no_other(self):
        self.linger(600)
        self.node.kill()
        self.node.start()
        self.node.wait_for("its hook runs again", lambda: self.hooks_seen() == "begun\nleft\nleft\n", 20)
        self.node.ctl("exec", "lingering", "--", "killall", "sleep")  # the hook ends, badly
        self.node.wait_for("it is gone", lambda: not self.node.pods(), 30)

    def processes_of_containers(self):
        return [path for path in self.node.container_pids() if path.count("/") >= 2]

    def test_kill_9_leaves_the_same_processes_and_a_complete_log(self):
        node = self.node.start()
        node.apply("counter.yaml", COUNTER)
        node.wait_ready("counter")
        before, pod_before = first_processes(node), node.pod("counter")
        links = os.listdir("/sys/class/net")
        for _ in range(3):
            node.kill()
            node.start()
        node.wait_ready("counter")
        pod = node.pod("counter")
        self.assertEqual(first_processes(node), before)
        self.assertEqual(sorted(os.listdir("/sys/class/net")), sorted(links))
        self.assertEqual(pod["status"]["podIP"], pod_before["status"]["podIP"])
        self.assertEqual(pod["status"]["containerStatuses"], pod_before["status"]["containerStatuses"])
        self.assertEqual(pod["status"]["conditions"], pod_before["status"]["conditions"])
        numbers = [int(line) for line in node.ctl("logs", "counter").split()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_an_exit_while_the_daemon_is_dead_is_reported(self):
        node = self.node.start()
        node.apply("two.yaml", TWO)
        node.wait_ready("two")
        pids = node.container_pids()
        uid = node.pod("two")["metadata"]["uid"]
        node.kill()
        (node.home / f"root/pods/{uid}/volumes/kubernetes.io~empty-dir/go/now").touch()
        node.start()
        node.wait_for("its end is seen", lambda: "terminated" in (node.status("two", "leaves") or {"state": {}})["state"])
        state = node.status("two", "leaves")["state"]["terminated"]
        self.assertEqual((state["exitCode"], state["reason"]), (7, "Error"))
        self.assertEqual(node.status("two", "leaves")["restartCount"], 0)
        left = node.container_pids()
        self.assertEqual(len(left), 1)
        self.assertLess(set(left), set(pids))
        self.assertEqual(node.phase("two"), "Running")

    def test_restart_counts_and_back_off_survive(self):
        node = self.node.start()
        node.apply("crasher.yaml", CRASHER)
        node.wait_for("it crashed twice", lambda: (node.status("crasher", "crash") or {}).get("restartCount", 0) >= 1
                      and "waiting" in node.status("crasher", "crash")["state"])
        status = node.status("crasher", "crash")
        self.assertEqual(status["state"]["waiting"]["reason"], "CrashLoopBackOff")
        self.assertEqual(status["lastState"]["terminated"]["exitCode"], 3)
        self.assertEqual(node.ctl("logs", "--previous", "crasher"), "life\n")
        node.kill()
        node.start()
        again = node.wait_for("it is known again", lambda: node.status("crasher", "crash"))
        self.assertEqual(again["restartCount"], status["restartCount"])
        self.assertEqual(again["state"], status["state"])

    def test_a_manifest_removed_while_the_daemon_is_dead_is_deleted(self):
        node = self.node.start()
        node.apply("counter.yaml", COUNTER)
        node.wait_ready("counter")
        node.kill()
        node.remove("counter.yaml")
        node.start()
        node.wait_gone("counter")
        node.wait_for("its processes are gone", lambda: not node.container_pids())
        self.assertEqual(json.loads(node.ctl("get", "network", "-o", "json"))["items"], [])

    def test_a_lost_shim_gets_a_new_sandbox(self):
        node = self.node.start()
        node.apply("counter.yaml", COUNTER)
        node.wait_ready("counter")
        uid = node.pod("counter")["metadata"]["uid"]
        shim = int((node.home / f"run/pods/{uid}/shim.pid").read_text().split()[0])
        os.kill(shim, 9)
        node.wait_for("it was restarted", lambda: (node.status("counter", "count") or {}).get("restartCount") == 1)
        node.wait_ready("counter")
        self.assertEqual(len(node.container_pids()), 1)
        reasons = [event["reason"] for event in node.view("counter")["events"]]
        self.assertIn("SandboxChanged", reasons)


if __name__ == "__main__":
    run()
