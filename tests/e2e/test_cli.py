#!/usr/bin/env python3
"""keelson's and keelctl's command lines, as a person uses them."""

import json
import os
import pty
import re
import select
import subprocess
import tempfile

from world import IMAGES, World, run

POD = """
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: alpine:latest
    command: ["/bin/sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2; exec sleep 3600"]
    env: [{name: COLOUR, value: blue}]
"""


class Keelctl(World):
    def setUp(self):
        super().setUp()
        self.node.start().apply("shell.yaml", POD)
        self.node.wait_ready("shell")

    def test_get_pods_prints_as_kubectl_does(self):
        lines = self.node.ctl("get", "pods").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"])
        self.assertEqual(lines[1].split()[:4], ["shell-node1", "1/1", "Running", "0"])
        self.assertIn("10.244.0.", self.node.ctl("get", "pods", "-o", "wide"))
        self.assertIn("kind: Pod", self.node.ctl("get", "pods", "shell", "-o", "yaml"))
        self.assertEqual(self.node.ctl("get", "pods", "-o", "name"), "pod/shell-node1\n")
        missing = self.node.try_ctl("get", "pods", "nothere")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("nothere", missing.stderr)

    def test_describe_and_timeline_tell_the_steps(self):
        text = self.node.ctl("describe", "pod", "shell")
        for part in ("Name:", "Conditions:", "Ready", "Events:", "Started", "Pulled"):
            self.assertIn(part, text)
        self.assertRegex(self.node.ctl("timeline", "shell"), r"StartContainer.*ok")

    def test_logs_with_their_options(self):
        everything = self.node.ctl("logs", "shell")
        self.assertEqual(everything, "line 1\nline 2\nline 3\nline 4\nline 5\noops\n")
        self.assertEqual(self.node.ctl("logs", "shell", "--tail", "2"), "line 5\noops\n")
        self.assertEqual(self.node.ctl("logs", "shell", "--tail", "0"), "")
        self.assertEqual(self.node.ctl("logs", "shell", "--limit-bytes", "9"), everything[:9])
        self.assertRegex(self.node.ctl("logs", "shell", "--timestamps"), r"^\d{4}-\d\d-\d\dT[\d:.]+Z line 1\n")
        bad = self.node.try_ctl("logs", "shell", "--tail", "many")
        self.assertEqual(bad.returncode, 1)
        self.assertIn("tailLines", bad.stderr)
        self.assertIn("previous terminated container", self.node.try_ctl("logs", "-p", "shell").stderr)

    def test_logs_follow_to_the_end(self):
        follow = subprocess.Popen([str(self.node.build / "agent/keelctl"), "--socket", str(self.node.socket), "logs", "-f",
                                   "shell"], stdout=subprocess.PIPE, text=True)
        self.assertEqual(follow.stdout.readline(), "line 1\n")
        self.node.remove("shell.yaml")
        self.assertTrue(follow.stdout.read().endswith("oops\n"))
        follow.stdout.close()
        self.assertEqual(follow.wait(timeout=30), 0)

    def test_exec_carries_input_output_and_exit_code(self):
        self.assertEqual(self.node.ctl("exec", "shell", "--", "sh", "-c", "echo $COLOUR"), "blue\n")
        self.assertEqual(self.node.ctl("exec", "-i", "shell", "--", "cat", input="to and fro\n"), "to and fro\n")
        failed = self.node.try_ctl("exec", "shell", "--", "sh", "-c", "echo e >&2; exit 42")
        self.assertEqual((failed.returncode, failed.stderr), (42, "e\n"))
        nothing = self.node.try_ctl("exec", "shell", "--", "/no/such/program")
        self.assertNotEqual(nothing.returncode, 0)
        self.assertIn("no such file", nothing.stderr)

    def test_exec_moves_much_data_whole(self):
        data = os.urandom(3 << 20).hex()
        self.assertEqual(self.node.ctl("exec", "-i", "shell", "--", "cat", input=data), data)

    def test_exec_with_a_terminal(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(str(self.node.build / "agent/keelctl"),
                     ["keelctl", "--socket", str(self.node.socket), "exec", "-it", "shell", "--", "sh"])
        seen = b""
        sent = False
        while True:
            ready, _, _ = select.select([terminal], [], [], 20)
            self.assertTrue(ready, seen)
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
            if not sent and b"#" in seen:
                os.write(terminal, b"tty && echo sum=$((40+2)); exit 5\n")
                sent = True
        self.assertIn(b"/dev/pts/", seen)
        self.assertIn(b"sum=42", seen)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5)

    def test_a_lost_client_ends_its_command(self):
        client = subprocess.Popen([str(self.node.build / "agent/keelctl"), "--socket", str(self.node.socket), "exec",
                                   "shell", "--", "sh", "-c", "echo here; sleep 1000 & sleep 2000"],
                                  stdout=subprocess.PIPE, text=True)
        self.assertEqual(client.stdout.readline(), "here\n")
        client.kill()
        client.wait()
        client.stdout.close()
        self.node.wait_for("its children are gone", lambda: "sleep 1000" not in self.node.ctl("exec", "shell", "--", "ps"))

    def test_top_health_network_and_completion(self):
        self.assertIn("shell-node1", self.node.ctl("top"))
        self.assertIn("STRAND", self.node.ctl("get", "health"))
        self.assertIn("default/shell-node1", self.node.ctl("get", "network"))
        self.assertIn("complete -F", self.node.ctl("completion", "bash"))

    def test_images_are_imported_listed_and_removed(self):
        archive = next(IMAGES.glob("*alpine*.tar"))
        self.node.ctl("image", "import", str(archive), "--name", "example.test/imported:1")
        names = re.findall(r"^(\S+) +(\S+)", self.node.ctl("images"), re.M)
        self.assertTrue(any("alpine" in name or "imported" in name for name, _ in names), names)
        self.node.ctl("image", "pull", "nginx:stable-alpine")
        self.assertIn("nginx", self.node.ctl("images"))
        self.node.ctl("image", "rm", "nginx:stable-alpine")
        self.assertNotIn("nginx", self.node.ctl("images"))
        missing = self.node.try_ctl("image", "pull", "nosuch:1")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("nosuch", missing.stderr)
        with tempfile.NamedTemporaryFile() as junk:
            junk.write(b"not an archive" * 100)
            junk.flush()
            self.assertEqual(self.node.try_ctl("image", "import", junk.name).returncode, 1)


class Keelson(World):
    def refuses(self, *flags):
        result = subprocess.run([*self.node.command(), *flags], capture_output=True, text=True, timeout=20)
        self.assertNotEqual(result.returncode, 0)
        return result.stderr

    def test_unknown_flags_and_wrong_types_are_refused_by_name(self):
        self.assertIn("--no-such-flag", self.refuses("--no-such-flag"))
        self.assertIn("--max-pods", self.refuses("--max-pods", "many"))
        self.assertIn("--node-labels", self.refuses("--node-labels", "novalue"))
        self.assertIn("clusterDNS", self.refuses("--cluster-dns", "not-an-address"))

    def test_configuration_is_checked(self):
        text = self.node.config.read_text()
        good = subprocess.run([*self.node.command(), "--check-config"], capture_output=True, text=True, timeout=20)
        self.assertEqual(good.returncode, 0, good.stderr)
        self.node.config.write_text(text.replace("clusterDomain", "madeUpField: 1\nclusterDomain"))
        warned = subprocess.run([*self.node.command(), "--check-config"], capture_output=True, text=True, timeout=20)
        self.assertEqual(warned.returncode, 0)
        self.assertIn("madeUpField", warned.stderr)
        self.node.config.write_text(text.replace("clusterDomain", "maxPods: lots\nclusterDomain"))
        self.assertIn("maxPods", self.refuses("--check-config"))
        self.node.config.write_text(text.replace("runDir", "rumDir"))
        self.assertIn("rumDir", self.refuses("--check-config"))
        self.node.config.write_text(text)

    def test_a_second_daemon_is_refused(self):
        self.node.start()
        self.assertIn("another keelson", self.refuses())


if __name__ == "__main__":
    run()
