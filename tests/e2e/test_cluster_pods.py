#!/usr/bin/env python3
"""Pods of a control plane: from creation to the last status, through kills, cuts and restarts."""

import json
import re
import time

from cluster import ApiError, ClusterWorld, sleeper
from world import run

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
POLITE = ["/bin/sh", "-c", "trap 'usleep 800000; exit 0' TERM; while true; do usleep 10000; done"]


def containers_of(pod):
    return {s["name"]: s.get("containerID") for s in pod["status"].get("containerStatuses", [])}


class ClusterPods(ClusterWorld):
    def test_a_created_pod_runs_and_every_field_of_its_status_is_there(self):
        self.joined()
        self.cluster.create(sleeper("web", node=None))
        self.cluster.bind("web", "node1")
        self.cluster.wait_ready("web")
        pod = self.cluster.pod("web")
        status, generation = pod["status"], pod["metadata"]["generation"]
        self.assertEqual(status["phase"], "Running")
        self.assertEqual(status["observedGeneration"], generation)
        self.assertEqual(status["qosClass"], "BestEffort")
        self.assertRegex(status["startTime"], TIME)
        self.assertEqual(status["podIPs"], [{"ip": status["podIP"]}])
        self.assertEqual(status["hostIPs"][0]["ip"], status["hostIP"])
        node = self.cluster.get("Node", "node1")
        addresses = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        self.assertIn(status["hostIP"], addresses)
        conditions = {c["type"]: c for c in status["conditions"]}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"):
            self.assertEqual(conditions[kind]["status"], "True", kind)
            self.assertRegex(conditions[kind]["lastTransitionTime"], TIME, kind)
            self.assertEqual(conditions[kind].get("observedGeneration"), generation, kind)
        container = self.cluster.status("web", "c")
        self.assertRegex(container["containerID"], r"^keelson://[0-9a-f]{64}$")
        self.assertIn("alpine", container["image"])
        self.assertRegex(container["imageID"], r"sha256:[0-9a-f]{64}")
        self.assertTrue(container["ready"] and container["started"])
        self.assertEqual((container["restartCount"], container["lastState"]), (0, {}))
        self.assertRegex(container["state"]["running"]["startedAt"], TIME)
        mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
        self.assertTrue(mounts["/var/run/secrets/kubernetes.io/serviceaccount"]["readOnly"])

    def test_a_pod_that_ends_is_succeeded_or_failed_for_good(self):
        self.joined()
        for name, code in (("good", 0), ("bad", 3)):
            self.cluster.create(sleeper(name, command=["/bin/sh", "-c", f"echo last words > /dev/termination-log; exit {code}"],
                                        restartPolicy="Never"))
        self.cluster.wait_phase("good", "Succeeded")
        self.cluster.wait_phase("bad", "Failed")
        ended = self.cluster.status("bad", "c")["state"]["terminated"]
        self.assertEqual((ended["exitCode"], ended["reason"], ended["message"]), (3, "Error", "last words\n"))
        self.assertRegex(ended["containerID"], r"^keelson://")
        self.assertEqual(self.cluster.status("good", "c")["state"]["terminated"]["reason"], "Completed")
        self.assertEqual(self.cluster.condition(self.cluster.pod("good"), "Ready")["reason"], "PodCompleted")

    def test_a_deleted_pod_vanishes_after_its_containers(self):
        node = self.joined()
        self.cluster.create(sleeper("polite", grace=20, command=POLITE))
        self.cluster.wait_ready("polite")
        watcher = self.cluster.watch("Pod", fieldSelector="metadata.name=polite")
        started = time.monotonic()
        self.cluster.delete("Pod", "polite")
        self.assertTrue(self.cluster.pod("polite")["metadata"]["deletionTimestamp"])
        self.cluster.wait_gone("polite", 20)
        self.assertEqual(node.container_pids(), {})
        self.assertGreater(time.monotonic() - started, 0.7)
        last = [o for _, kind, o in watcher.of("polite") if kind == "MODIFIED"][-1]
        self.assertIn("terminated", last["status"]["containerStatuses"][0]["state"])
        self.assertEqual(watcher.of("polite")[-1][1], "DELETED")
        watcher.stop()

    def test_a_pod_deleted_by_force_ends_although_its_object_is_gone(self):
        node = self.joined()
        self.cluster.create(sleeper("forced", grace=30))
        self.cluster.wait_ready("forced")
        self.cluster.delete("Pod", "forced", grace=0)
        self.assertIsNone(self.cluster.pod("forced"))
        node.wait_for("its processes are gone", lambda: not node.container_pids(), 40)
        # The same name again is another pod.
        self.cluster.create(sleeper("forced"))
        self.cluster.wait_ready("forced")

    def test_a_pod_deleted_while_the_daemon_is_down_ends_when_it_is_back(self):
        node = self.joined()
        for name in ("graceful", "forced", "stays"):
            self.cluster.create(sleeper(name))
        for name in ("graceful", "forced", "stays"):
            self.cluster.wait_ready(name)
        kept = containers_of(self.cluster.pod("stays"))
        node.kill()
        self.cluster.delete("Pod", "graceful")
        self.cluster.delete("Pod", "forced", grace=0)
        node.start()
        self.cluster.wait_gone("graceful")
        node.wait_for("only one pod's processes are left", lambda: len(node.container_pids()) == 1, 30)
        self.assertEqual(containers_of(self.cluster.pod("stays")), kept)
        self.assertEqual(self.cluster.status("stays", "c")["restartCount"], 0)

    def test_a_burst_of_a_hundred_pods_runs(self):
        self.joined()
        names = [f"burst-{i}" for i in range(100)]
        watcher = self.cluster.watch("Pod")
        for name in names:
            self.cluster.create(sleeper(name, automountServiceAccountToken=False))
        self.cluster.wait_for("all run", lambda: all(p["status"]["phase"] == "Running" for p in self.cluster.list("Pod")), 180)
        pods = self.cluster.list("Pod")
        self.assertEqual(len({p["status"]["podIP"] for p in pods}), 100)
        self.assertEqual(sum(s["restartCount"] for p in pods for s in p["status"]["containerStatuses"]), 0)
        order = {"Pending": 0, "Running": 1}
        for name in names:  # never a step back
            phases = [order[o["status"]["phase"]] for _, kind, o in watcher.of(name)]
            self.assertEqual(phases, sorted(phases), name)
        watcher.stop()
        for name in names:
            self.cluster.delete("Pod", name)
        self.cluster.wait_for("all are gone", lambda: not self.cluster.list("Pod"), 120)

    def test_a_static_pod_has_a_mirror(self):
        node = self.joined()
        static = sleeper("still", node=None)
        node.apply("still.json", json.dumps(static))
        self.cluster.wait_ready("still-node1")
        mirror = self.cluster.pod("still-node1")
        annotations = mirror["metadata"]["annotations"]
        self.assertEqual(annotations["kubernetes.io/config.source"], "file")
        self.assertEqual(annotations["kubernetes.io/config.mirror"], annotations["kubernetes.io/config.hash"])
        self.assertIn("kubernetes.io/config.seen", annotations)
        owner = mirror["metadata"]["ownerReferences"][0]
        self.assertEqual((owner["kind"], owner["name"], owner["controller"]), ("Node", "node1", True))
        running = node.container_pids()
        self.cluster.delete("Pod", "still-node1", grace=0)  # the pod does not mind
        self.cluster.wait_for("it is mirrored again", lambda: (p := self.cluster.pod("still-node1")) and
                              p["metadata"]["uid"] != mirror["metadata"]["uid"])
        self.cluster.wait_ready("still-node1")
        self.assertEqual(node.container_pids(), running)
        node.remove("still.json")
        self.cluster.wait_gone("still-node1")
        self.assertEqual(node.container_pids(), {})

    def test_pods_do_not_notice_that_the_api_server_is_away(self):
        self.only_stand_in()
        node = self.joined()
        self.cluster.create(sleeper("steady"))
        self.cluster.wait_ready("steady")
        before = containers_of(self.cluster.pod("steady"))
        pids = node.container_pids()
        time.sleep(0.2)
        self.cluster.kill()
        self.assertTrue(node.view("steady"))  # the status socket answers without an API server
        time.sleep(3)
        self.assertEqual(node.container_pids(), pids)
        self.cluster.start()
        self.cluster.create(sleeper("afterwards"))
        self.cluster.wait_ready("afterwards", 60)
        self.assertEqual(containers_of(self.cluster.pod("steady")), before)
        self.cluster.wait_node_ready("node1")

    def test_what_happened_while_the_api_server_was_away_is_told_afterwards(self):
        self.only_stand_in()
        node = self.joined()
        self.cluster.create(sleeper("short", command=["/bin/sh", "-c", "usleep 2500000; exit 4"], restartPolicy="Never"))
        self.cluster.wait_phase("short", "Running")
        time.sleep(0.2)  # what the stand-in answered is on its disk by now: it comes back with all it said
        self.cluster.kill()
        node.wait_for("it ended", lambda: not node.container_pids(), 20)
        self.cluster.start()
        self.cluster.wait_phase("short", "Failed", 60)
        self.assertEqual(self.cluster.status("short", "c")["state"]["terminated"]["exitCode"], 4)

    def test_a_storm_of_kills_changes_no_status_and_doubles_no_container(self):
        node = self.joined()
        names = [f"s{i}" for i in range(4)]
        for name in names:
            self.cluster.create(sleeper(name))
        for name in names:
            self.cluster.wait_ready(name)
        before = {name: self.cluster.pod(name)["status"] for name in names}
        pids = node.container_pids()
        for turn in range(8):
            if turn == 3:
                self.cluster.create(sleeper("late"))  # born in the storm
            if turn == 5:
                self.cluster.delete("Pod", "s3")
            node.kill()
            node.start()
            time.sleep(0.05 * turn)
        self.cluster.wait_ready("late", 60)
        self.cluster.wait_gone("s3")
        for name in names[:3]:
            after = self.cluster.pod(name)["status"]
            self.assertEqual(containers_of({"status": after}), containers_of({"status": before[name]}))
            self.assertEqual([c["lastTransitionTime"] for c in after["conditions"]],
                             [c["lastTransitionTime"] for c in before[name]["conditions"]])
            self.assertEqual(after["containerStatuses"][0]["restartCount"], 0)
        now = node.container_pids()
        self.assertEqual(len(now), 4)
        self.assertEqual({path: p for path, p in now.items() if path in pids}, {path: p for path, p in pids.items() if path in now})
        self.assertEqual(self.cluster.status("late", "c")["restartCount"], 0)

    def create_anyway(self, pod):
        """Against a server whose faults hit this client too."""
        def made():
            try:
                return self.cluster.create(pod)
            except ApiError as error:
                return error.reason == "AlreadyExists"
        self.cluster.wait_for("it is created", made)

    def test_a_hostile_connection_ends_in_the_right_state(self):
        self.only_stand_in()
        node = self.joined()
        self.cluster.chaos(delayMs=30)
        for turn in range(6):
            self.cluster.chaos(failNext=4, failCode=(500, 429, 503)[turn % 3], failPath="/pods", duplicate=2, reorder=1)
            if turn % 2 == 0:
                self.create_anyway(sleeper(f"h{turn}"))
            else:
                self.cluster.chaos(cut=True)
            if turn == 4:
                self.cluster.chaos(compact=True)
        self.cluster.chaos(failNext=0, delayMs=0)
        # An event is held back until another one comes after it.
        for pod in (sleeper("last"), sleeper("unrelated", node="elsewhere")):
            self.create_anyway(pod)
        for name in ("h0", "h2", "h4", "last"):
            self.cluster.wait_ready(name, 90)
        self.assertEqual(len(node.container_pids()), 4)
        self.cluster.delete("Pod", "h0")
        self.cluster.wait_gone("h0")
        self.cluster.delete("Pod", "unrelated", grace=0)

    def test_an_image_that_cannot_be_pulled_is_told_with_events(self):
        self.joined()
        pod = sleeper("nope")
        pod["spec"]["containers"][0]["image"] = "no-such-image:latest"
        self.cluster.create(pod)
        self.cluster.wait_for("it waits", lambda: (s := self.cluster.status("nope", "c")) and
                              s["state"].get("waiting", {}).get("reason") in ("ErrImagePull", "ImagePullBackOff"))
        self.assertEqual(self.cluster.phase("nope"), "Pending")
        self.cluster.wait_for("an event says so", lambda: any(
            e["reason"] == "Failed" and e["type"] == "Warning"
            for e in self.cluster.list("Event", fields="involvedObject.name=nope")))


if __name__ == "__main__":
    run()
