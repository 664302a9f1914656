#!/usr/bin/env python3
"""Every example manifest that needs no control plane or Service works unmodified."""

import time
import urllib.error
import urllib.request

from node import EXAMPLES
from world import World, run


def fetch(address, port=80, seconds=20):
    """The page there. A container without a readiness probe is ready before its server listens: refusals are asked again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


class Examples(World):
    def test_the_smallest_pod_serves_its_page(self):
        self.node.start().apply_example("pod.yaml")
        self.node.wait_ready("pod-example")
        pod = self.node.pod("pod-example")
        address = pod["status"]["podIP"]
        self.assertTrue(address.startswith("10.244.0."), address)
        self.assertIn("nginx", fetch(address))
        self.assertEqual(pod["metadata"]["name"], "pod-example-node1")
        self.assertEqual(pod["status"]["qosClass"], "BestEffort")

    def test_two_containers_share_a_volume_and_a_network(self):
        self.node.start().apply_example("pod-multi-container.yaml")
        self.node.wait_ready("multi-container-example")
        address = self.node.pod("multi-container-example")["status"]["podIP"]
        page = self.node.wait_for("the page has a date", lambda: fetch_or_none(address))
        self.assertRegex(page, r"UTC \d{4}|\d{4}")
        inside = self.node.ctl("exec", "multi-container-example", "-c", "content", "--", "wget", "-qO-", "http://127.0.0.1/")
        self.assertIn(page.splitlines()[0], inside)

    def test_command_arguments_and_environment(self):
        self.node.start().apply_example("pod-env.yaml")
        self.node.wait_phase("env-example", "Succeeded")
        self.assertEqual(self.node.ctl("logs", "env-example"), "isAwesome\n")
        state = self.node.status("env-example", "nginx")["state"]["terminated"]
        self.assertEqual((state["exitCode"], state["reason"]), (0, "Completed"))

    def test_config_and_secret_reach_environment_and_files_and_follow_changes(self):
        self.node.start().apply_example("config-and-secret.yaml")
        self.node.wait_ready("configured")
        said = self.node.wait_for("it speaks", lambda: self.node.ctl("logs", "configured"))
        self.assertEqual(said, "lives=3 pass=s3cr3t\n")
        inside = lambda *command: self.node.ctl("exec", "configured", "--", *command)  # noqa: E731
        self.assertEqual(inside("cat", "/config/player.lives", "/secret/password"), "3s3cr3t")
        self.assertEqual(inside("stat", "-L", "-c", "%a %u", "/config/ui.properties", "/secret/password"),
                         "644 0\n400 0\n")
        self.assertRegex(inside("readlink", "/secret/..data"), r"^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+\n$")
        self.assertEqual(inside("stat", "-f", "-c", "%T", "/secret"), "tmpfs\n")
        self.assertNotEqual(self.node.try_ctl("exec", "configured", "--", "touch", "/config/x").returncode, 0)
        self.assertNotEqual(self.node.try_ctl("exec", "configured", "--", "touch", "/secret/x").returncode, 0)
        started = self.node.status("configured", "app")["containerID"]
        text = (EXAMPLES / "config-and-secret.yaml").read_text()
        self.node.apply("config-and-secret.yaml", text.replace('lives: "3"', 'lives: "4"').replace("s3cr3t", "new"))
        self.node.wait_for("the files change", lambda: inside("cat", "/config/player.lives", "/secret/password") == "4new")
        self.assertEqual(self.node.status("configured", "app")["containerID"], started)
        self.node.kill()
        self.node.start()
        self.assertEqual(inside("cat", "/config/player.lives", "/secret/password"), "4new")
        self.assertEqual(self.node.status("configured", "app")["containerID"], started)

    def test_a_node_selector_that_does_not_fit_is_refused(self):
        self.node.start().apply_example("pod-labels-node-selector.yaml")
        self.node.wait_phase("pod-label-example", "Failed")
        status = self.node.pod("pod-label-example")["status"]
        self.assertEqual(status["reason"], "NodeAffinity")
        self.assertTrue(status["message"].startswith("Pod was rejected: "), status["message"])

    def test_a_node_selector_that_fits_runs(self):
        self.node.flags = ["--node-labels", "gpu=nvidia"]
        self.node.start().apply_example("pod-labels-node-selector.yaml")
        self.node.wait_ready("pod-label-example")

    def test_a_memory_limit_kills(self):
        self.node.start().apply_example("resources.yaml")
        self.node.wait_phase("limited", "Failed", 60)
        state = self.node.status("limited", "eater")["state"]["terminated"]
        self.assertEqual((state["exitCode"], state["reason"]), (137, "OOMKilled"))
        self.assertEqual(self.node.pod("limited")["status"]["qosClass"], "Burstable")

    def test_all_three_kinds_of_probes_make_a_pod_ready(self):
        self.node.start().apply_example("probes.yaml")
        self.node.wait_ready("probes")
        status = self.node.status("probes", "web")
        self.assertEqual((status["started"], status["ready"], status["restartCount"]), (True, True, 0))
        self.node.kill()
        self.node.start()
        self.node.wait_ready("probes")
        again = self.node.status("probes", "web")
        self.assertEqual((again["containerID"], again["restartCount"]), (status["containerID"], 0))
        self.node.ctl("exec", "probes", "--", "rm", "/usr/share/nginx/html/index.html")
        self.node.wait_for("its liveness probe restarts it", lambda: self.node.status("probes", "web")["restartCount"] == 1)
        self.node.wait_ready("probes")
        self.assertIn("Container web failed liveness probe, will be restarted", self.node.ctl("describe", "pod", "probes"))

    def test_a_post_start_hook_that_fails_restarts_its_container(self):
        self.node.start().apply_example("lifecycle-events.yaml")
        self.node.wait_for("it is restarted", lambda: self.restarts("lifecycle-demo", "lifecycle-demo-container") > 0, 60)
        told = self.node.ctl("describe", "pod", "lifecycle-demo")
        self.assertIn("FailedPostStartHook", told)
        self.assertIn("PostStartHook failed", told)
        status = self.node.status("lifecycle-demo", "lifecycle-demo-container")
        self.assertFalse(status["ready"])
        self.assertIn(status["state"].get("waiting", {}).get("reason"),
                      ("PostStartHookError", "CrashLoopBackOff", "ContainerCreating"))

    def test_hooks_run_in_their_container_and_in_their_order(self):
        lifecycle = """{postStart: {exec: {command: [sh, -c, 'sleep 1; echo started > /share/hook']}},
                     preStop: {exec: {command: [sh, -c, 'echo stopping > /share/hook; sleep 2']}}}"""
        self.node.start().apply("hooks.yaml", f"""
apiVersion: v1
kind: Pod
metadata: {{name: hooks}}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: app
    image: alpine
    command: [sh, -c, "trap 'echo signal >> /share/hook; exit' TERM; while :; do sleep 0.1; done"]
    volumeMounts: [{{name: share, mountPath: /share}}]
    lifecycle: {lifecycle}
  volumes: [{{name: share, hostPath: {{path: {self.node.home}/share, type: DirectoryOrCreate}}}}]
""")
        self.node.wait_ready("hooks")
        said = self.node.home / "share/hook"
        self.assertEqual(said.read_text(), "started\n")
        self.node.remove("hooks.yaml")
        self.node.wait_gone("hooks")
        self.assertEqual(said.read_text(), "stopping\nsignal\n")

    def restarts(self, pod, container):
        status = self.node.status(pod, container)
        return status["restartCount"] if status else 0

    def test_both_colours_of_blue_green_serve(self):
        self.node.start().apply_example("blue-green.yaml")
        for colour in ("blue", "green"):
            self.node.wait_ready(f"web-{colour}")
            address = self.node.pod(f"web-{colour}")["status"]["podIP"]
            page = self.node.wait_for("httpd answers", lambda: fetch_or_none(address))
            self.assertEqual(page, f"{colour}\n")


def fetch_or_none(address):
    try:
        return fetch(address)
    except OSError:
        return None


if __name__ == "__main__":
    run()
