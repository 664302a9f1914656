#!/usr/bin/env python3
"""Port 10250 of a joined node, asked directly: who is let in, and what is answered."""

import base64
import http.client
import json
import os
import socket
import ssl
import struct
import urllib.parse

from cluster import ClusterWorld, sleeper
from world import run

PORT = 10250
TALK = ["/bin/sh", "-c", "i=0; while true; do echo line $i; i=$((i+1)); usleep 100000; done"]


class ClusterServer(ClusterWorld):
    def setUp(self):
        super().setUp()
        self.only_stand_in()

    def make_node(self, **options):
        options.setdefault("extra_config", f"authentication: {{x509: {{clientCAFile: {self.cluster.folder}/ca.crt}}}}\n")
        return super().make_node(**options)

    # ---- a client of the node ----

    def tls(self, certificate=True):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            stem = self.cluster.folder / self.cluster.kubeconfig.name
            context.load_cert_chain(f"{stem}.client-certificate", f"{stem}.client-key")
        return context

    def ask(self, path, method="GET", certificate=True, headers=None):
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=self.tls(certificate), timeout=30)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def websocket(self, path, protocol):
        """A connected WebSocket: (socket, bytes that came with the answer)."""
        raw = self.tls().wrap_socket(socket.create_connection(("127.0.0.1", PORT), timeout=30))
        key = base64.b64encode(os.urandom(16)).decode()
        raw.sendall((f"GET {path} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                     f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                     f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = raw.recv(4096)
            self.assertTrue(piece, head)
            head += piece
        head, rest = head.split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
        return raw, rest

    @staticmethod
    def send(raw, payload):
        mask = os.urandom(4)
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
        raw.sendall(b"\x82" + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def exec(self, pod, command, stdin=b"", protocol="v5.channel.k8s.io"):
        """{channel: bytes} of one exec."""
        query = urllib.parse.urlencode([("command", word) for word in command] + [("input", 1), ("output", 1), ("error", 1)])
        raw, data = self.websocket(f"/exec/default/{pod}/c?{query}", protocol)
        if stdin:
            self.send(raw, b"\x00" + stdin)
        self.send(raw, b"\xff\x00")
        got = {}
        try:
            while True:
                while len(data) < 2 or len(data) < self.frame_end(data):
                    piece = raw.recv(65536)
                    if not piece:
                        return got
                    data += piece
                end = self.frame_end(data)
                frame, data = data[:end], data[end:]
                if frame[0] & 0x0f == 8:
                    return got
                payload = frame[2 if frame[1] < 126 else 4 if frame[1] == 126 else 10:]
                if payload:
                    got[payload[0]] = got.get(payload[0], b"") + payload[1:]
        finally:
            raw.close()

    @staticmethod
    def frame_end(data):
        if data[1] < 126:
            return 2 + data[1]
        if data[1] == 126:
            return 4 + struct.unpack(">H", data[2:4])[0] if len(data) >= 4 else 1 << 40
        return 10 + struct.unpack(">Q", data[2:10])[0] if len(data) >= 10 else 1 << 40

    def running(self, name="web", command=("sleep", "3600")):
        self.joined()
        self.cluster.create(sleeper(name, command=command))
        self.cluster.wait_ready(name)

    # ---- the tests ----

    def test_the_node_says_where_it_is_asked_and_lets_in_nobody_without_credentials(self):
        self.joined()
        status = self.cluster.get("Node", self.node.name)["status"]
        self.assertEqual(status["daemonEndpoints"]["kubeletEndpoint"]["Port"], PORT)
        self.assertIn("ExtendWebSocketsToKubelet", status["declaredFeatures"])
        for path in ("/pods", "/healthz", "/metrics", "/exec/default/web/c?command=id&output=1", "/nothing"):
            self.assertEqual(self.ask(path, certificate=False), (401, "Unauthorized"), path)
            self.assertEqual(self.ask(path, certificate=False, headers={"Authorization": "Bearer made-up"})[0], 401, path)
        self.assertEqual(self.ask("/healthz"), (200, "ok"))
        self.assertEqual(self.ask("/nothing")[0], 404)

    def test_logs_are_cut_followed_and_end_with_the_container(self):
        self.running("talker", TALK)
        self.node.wait_for("some lines", lambda: "line 5" in self.ask("/containerLogs/default/talker/c")[1])
        self.assertRegex(self.ask("/containerLogs/default/talker/c?tailLines=2")[1], r"^line \d+\nline \d+\n$")
        self.assertEqual(self.ask("/containerLogs/default/talker/c?limitBytes=4"), (200, "line"))
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=self.tls(), timeout=30)
        connection.request("GET", "/containerLogs/default/talker/c?follow=true&tailLines=1")
        response = connection.getresponse()
        first, second = response.readline(), response.readline()
        self.assertEqual(int(second.split()[1]), int(first.split()[1]) + 1)
        self.cluster.delete("Pod", "talker")
        response.read()  # ends
        connection.close()
        status, text = self.ask("/containerLogs/default/nobody/c")
        self.assertEqual(status, 404, text)
        self.assertFalse(text.startswith("{"), text)

    def test_exec_carries_input_output_and_the_exit_code(self):
        self.running()
        got = self.exec("web", ["cat"], b"hello")
        self.assertEqual(got[1], b"hello")
        self.assertEqual(json.loads(got[3])["status"], "Success")
        got = self.exec("web", ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"])
        self.assertEqual((got[1], got[2]), (b"out\n", b"err\n"))
        status = json.loads(got[3])
        self.assertEqual(status["reason"], "NonZeroExitCode")
        self.assertEqual(status["details"]["causes"], [{"reason": "ExitCode", "message": "7"}])
        self.assertEqual(self.exec("web", ["echo", "old"], protocol="channel.k8s.io")[1], b"old\n")
        self.assertEqual(self.ask("/run/default/web/c?cmd=echo+ran", "POST"), (200, "ran\n"))

    def test_figures_and_lists(self):
        self.running()
        node = json.loads(self.ask("/stats/summary")[1])
        pod = next(p for p in node["pods"] if p["podRef"]["name"] == "web")
        self.assertGreater(pod["memory"]["workingSetBytes"], 0)
        self.assertGreater(node["node"]["cpu"]["usageCoreNanoSeconds"], 0)
        text = self.ask("/metrics/resource")[1]
        for line in ('container_memory_working_set_bytes{container="c",namespace="default",pod="web"}',
                     'pod_cpu_usage_seconds_total{namespace="default",pod="web"}', "node_cpu_usage_seconds_total "):
            self.assertIn("\n" + line, text)
        self.assertIn("\nkubelet_running_pods 1\n", self.ask("/metrics")[1])
        for path in ("/pods", "/runningpods/"):
            self.assertEqual([p["metadata"]["name"] for p in json.loads(self.ask(path)[1])["items"]], ["web"], path)
        self.assertEqual(json.loads(self.ask("/configz")[1])["kubeletconfig"]["kind"], "KubeletConfiguration")
        self.assertEqual(self.ask("/logs/")[0], 405)
        self.assertEqual(self.ask("/checkpoint/default/web/c", "POST")[0], 501)

    def test_clients_that_go_away_leave_nothing(self):
        self.running()
        pid = self.node.process.pid
        before = len(os.listdir(f"/proc/{pid}/fd"))
        commands = len(self.node.container_pids())
        for _ in range(50):
            raw, _ = self.websocket("/exec/default/web/c?command=sleep&command=1000&output=1", "v5.channel.k8s.io")
            raw.close()
        for _ in range(50):
            socket.create_connection(("127.0.0.1", PORT)).close()
        self.node.wait_for("descriptors are given back",
                           lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before and len(self.node.container_pids()) <= commands)


if __name__ == "__main__":
    run()
