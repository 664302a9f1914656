#!/usr/bin/env python3
"""What a node says of itself to a control plane."""

import os
import platform
import time

from cluster import ClusterWorld, sleeper
from world import run


class ClusterNode(ClusterWorld):
    def test_a_node_registers_itself_whole(self):
        self.joined()
        node = self.cluster.get("Node", "node1")
        labels, status = node["metadata"]["labels"], node["status"]
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        for label, value in (("kubernetes.io/hostname", "node1"), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", machine),
                             ("beta.kubernetes.io/os", "linux"), ("beta.kubernetes.io/arch", machine)):
            self.assertEqual(labels[label], value)
        conditions = {c["type"]: c for c in status["conditions"]}
        self.assertEqual({kind: c["status"] for kind, c in conditions.items()},
                         {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"})
        self.assertEqual(conditions["Ready"]["reason"], "KubeletReady")
        for condition in conditions.values():
            self.assertTrue(condition["lastHeartbeatTime"] and condition["lastTransitionTime"] and condition["message"])
        addresses = {a["type"]: a["address"] for a in status["addresses"]}
        self.assertEqual(addresses["Hostname"], "node1")
        self.assertIn("InternalIP", addresses)
        for amounts in (status["capacity"], status["allocatable"]):
            self.assertEqual(amounts["pods"], "110")
            for resource in ("cpu", "memory", "ephemeral-storage"):
                self.assertIn(resource, amounts)
        self.assertEqual(status["capacity"]["cpu"], str(os.cpu_count()))
        info = status["nodeInfo"]
        self.assertRegex(info["kubeletVersion"], r"^v1\.36\.\d+")
        self.assertRegex(info["containerRuntimeVersion"], r"^keelson://")
        self.assertEqual((info["operatingSystem"], info["architecture"]), ("linux", machine))
        for field in ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"):
            self.assertIn(field, info)
        self.assertIn("Port", status["daemonEndpoints"]["kubeletEndpoint"])

    def test_its_lease_is_renewed(self):
        self.joined()
        lease = self.cluster.wait_for("a lease", lambda: self.cluster.get("Lease", "node1", "kube-node-lease"))
        self.assertEqual(lease["spec"]["holderIdentity"], "node1")
        self.assertEqual(lease["spec"]["leaseDurationSeconds"], 40)
        self.assertEqual(lease["metadata"]["ownerReferences"][0]["uid"], self.cluster.get("Node", "node1")["metadata"]["uid"])
        self.cluster.wait_for("its renewal", lambda: self.cluster.get("Lease", "node1", "kube-node-lease")["spec"]["renewTime"]
                              > lease["spec"]["renewTime"], 20)

    def test_an_unchanged_node_is_quiet(self):
        self.only_stand_in()
        self.joined()
        time.sleep(5)  # images and the first pods of information settle
        writes = lambda: sum(self.cluster.requests("PATCH /api/v1/nodes/node1/status").values())  # noqa: E731
        before = writes()
        time.sleep(25)  # two periods of 10 s
        self.assertLessEqual(writes() - before, 1)

    def test_its_pods_have_addresses_of_its_range(self):
        self.joined()
        cidr = self.cluster.get("Node", "node1")["spec"]["podCIDR"]
        self.cluster.create(sleeper("web"))
        self.cluster.wait_ready("web")
        self.assertTrue(self.cluster.pod("web")["status"]["podIP"].startswith(cidr.rsplit(".", 1)[0] + "."))

    def test_a_kill_changes_no_condition(self):
        node = self.joined()
        before = self.cluster.get("Node", "node1")
        node.kill()
        node.start()
        time.sleep(3)
        after = self.cluster.get("Node", "node1")
        self.assertEqual(after["metadata"]["uid"], before["metadata"]["uid"])
        self.assertEqual({c["type"]: (c["status"], c["lastTransitionTime"]) for c in after["status"]["conditions"]},
                         {c["type"]: (c["status"], c["lastTransitionTime"]) for c in before["status"]["conditions"]})

    def test_what_others_set_on_the_node_stays(self):
        node = self.joined()
        self.cluster.patch("Node", "node1", {"metadata": {"labels": {"team": "a"}}, "spec": {
            "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}], "unschedulable": True}})
        node.kill()
        node.start()
        self.cluster.wait_node_ready("node1")
        time.sleep(2)
        found = self.cluster.get("Node", "node1")
        self.assertEqual(found["metadata"]["labels"]["team"], "a")
        self.assertTrue(found["spec"]["unschedulable"])
        self.assertIn("k", [t["key"] for t in found["spec"]["taints"]])

    def test_a_node_object_that_was_deleted_comes_back(self):
        self.joined()
        first = self.cluster.get("Node", "node1")["metadata"]["uid"]
        self.cluster.delete("Node", "node1")
        self.node.kill()
        self.node.start()  # upstream registers at its start only
        self.cluster.wait_for("it is registered again", lambda: (n := self.cluster.get("Node", "node1")) and
                              n["metadata"]["uid"] != first, 60)
        self.cluster.wait_node_ready("node1")


if __name__ == "__main__":
    run()
