#!/usr/bin/env python3
"""The manifest folder: bad files, edits, removals."""

import json

from world import World, run

SLEEPER = """
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: %(grace)d
  containers:
  - name: c
    image: alpine:latest
    command: ["/bin/sh", "-c", "echo %(word)s; exec sleep 3600"]
"""


class Manifests(World):
    def errors(self):
        items = json.loads(self.node.ctl("get", "manifests", "-o", "json"))["items"]
        return {item["file"].rsplit("/", 1)[-1]: item["error"] for item in items}

    def test_a_bad_file_is_named_and_disturbs_nobody(self):
        node = self.node.start()
        node.apply("good.yaml", SLEEPER % {"grace": 1, "word": "one"})
        node.apply("syntax.yaml", "kind: [unclosed")
        node.apply("type.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: t}, spec: {containers: [{name: a, image: 7}]}}")
        node.apply("invalid.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: t}, spec: {containers: ["
                   "{name: a, image: x, volumeMounts: [{name: nope, mountPath: /m}]}]}}")
        node.wait_ready("sleeper")
        node.wait_for("all files were read", lambda: len(self.errors()) == 4)
        errors = self.errors()
        self.assertEqual(errors["good.yaml"], "")
        self.assertIn("line 1", errors["syntax.yaml"])
        self.assertIn("spec.containers[0].image: expected a string", errors["type.yaml"])
        self.assertIn("spec.containers[0].volumeMounts[0].name: Not found: \"nope\"", errors["invalid.yaml"])
        for name in ("syntax.yaml", "type.yaml", "invalid.yaml"):
            self.assertIn(name, node.daemon_log())
        self.assertEqual(len(node.pods()), 1)

    def test_a_changed_file_is_a_changed_pod(self):
        node = self.node.start()
        node.apply("s.yaml", SLEEPER % {"grace": 1, "word": "one"})
        node.wait_ready("sleeper")
        first = node.pod("sleeper")["metadata"]["uid"]
        for word in ("two", "three", "four"):  # edits meanwhile collapse to the last
            node.apply("s.yaml", SLEEPER % {"grace": 1, "word": word})
        node.wait_for("the new pod runs", lambda: node.pod("sleeper") and node.pod("sleeper")["metadata"]["uid"] != first
                      and node.phase("sleeper") == "Running")
        node.wait_for("its word is logged", lambda: node.try_ctl("logs", "sleeper").stdout == "four\n")
        self.assertEqual(len(node.container_pids()), 1)

    def test_removal_waits_for_the_grace_period(self):
        node = self.node.start()
        node.apply("s.yaml", """
apiVersion: v1
kind: Pod
metadata: {name: polite}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: c
    image: alpine:latest
    command: ["/bin/sh", "-c", "trap 'echo bye > /out/said; exit 0' TERM; while true; do usleep 10000; done"]
    volumeMounts: [{name: out, mountPath: /out}]
  volumes: [{name: out, hostPath: {path: %s/out, type: DirectoryOrCreate}}]
""" % node.home)
        node.wait_ready("polite")
        node.remove("s.yaml")
        node.wait_gone("polite", 15)
        self.assertEqual((node.home / "out/said").read_text(), "bye\n")

    def test_several_documents_and_json(self):
        node = self.node.start()
        node.apply("two.yaml", SLEEPER % {"grace": 1, "word": "x"} + "---" +
                   (SLEEPER % {"grace": 1, "word": "y"}).replace("name: sleeper", "name: other"))
        node.apply("pod.json", json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "js"},
                                           "spec": {"containers": [{"name": "c", "image": "alpine:latest",
                                                                    "command": ["sleep", "3600"]}],
                                                    "terminationGracePeriodSeconds": 1}}))
        for name in ("sleeper", "other", "js"):
            node.wait_ready(name)


if __name__ == "__main__":
    run()
