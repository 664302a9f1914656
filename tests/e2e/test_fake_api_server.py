#!/usr/bin/env python3
"""The stand-in API server as a program: TLS, users, watches, faults, restarts. No node."""

import base64
import http.client
import subprocess
import unittest

import sandbox
from cluster import ApiError, Client, Cluster, sleeper


class FakeApiServer(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(flags=["--bookmark-seconds", "1"]).start()
        if self.cluster.real:
            self.skipTest("this is about the stand-in")

    def tearDown(self):
        self.cluster.stop()
        for file in self.cluster.folder.iterdir():
            file.unlink()

    def client(self, file):
        return Client(self.cluster.folder / file, self.cluster.folder)

    def test_certificates_and_tokens_say_who_asks(self):
        self.client("node-node1.kubeconfig").request("GET", "/api/v1/nodes")
        self.client("bootstrap-kubelet.conf").request("GET", Cluster.path("CertificateSigningRequest"))
        nobody = self.client("bootstrap-kubelet.conf")
        nobody.token = None
        nobody.request("GET", "/version")
        for token, code in ((None, 403), ("abcdef.wrong", 401)):
            nobody.token = token
            with self.assertRaises(ApiError) as refused:
                nobody.request("GET", "/api/v1/nodes")
            self.assertEqual(refused.exception.code, code)
        with self.assertRaises(ApiError) as refused:
            self.client("node-node1.kubeconfig").request("POST", "/fake/chaos", {})
        self.assertEqual(refused.exception.code, 403)

    def test_a_watch_tells_changes_and_bookmarks(self):
        watcher = self.cluster.watch("Pod", fieldSelector="spec.nodeName=node1", allowWatchBookmarks="true")
        self.cluster.create(sleeper("web", node=None))
        self.cluster.create(sleeper("other", node="elsewhere"))
        self.cluster.bind("web", "node1")
        self.cluster.delete("Pod", "web", grace=0)
        self.cluster.wait_for("its end", lambda: any(kind == "DELETED" for _, kind, _ in watcher.events))
        self.assertEqual([kind for _, kind, _ in watcher.of("web")], ["ADDED", "MODIFIED", "DELETED"])
        self.assertEqual(watcher.of("other"), [])
        self.cluster.wait_for("a bookmark", lambda: any(kind == "BOOKMARK" for _, kind, _ in watcher.events), 10)
        watcher.stop()

    def test_a_watch_ends_with_its_timeout(self):
        watcher = self.cluster.watch("Pod", timeoutSeconds=1)
        watcher._thread.join(timeout=10)
        self.assertFalse(watcher._thread.is_alive())
        self.assertIsNone(watcher.error)
        watcher.stop()

    def test_faults_on_demand(self):
        self.cluster.chaos(failNext=2, failCode=500, failPath="/nodes")
        for _ in range(2):
            with self.assertRaises(ApiError) as failed:
                self.cluster.list("Node")
            self.assertEqual(failed.exception.code, 500)
        self.assertEqual(self.cluster.list("Node"), [])
        self.cluster.chaos(failNext=1, failCode=429, failPath="")
        connection, response = self.cluster.client.open("GET", "/api/v1/nodes")
        self.assertEqual((response.status, response.getheader("Retry-After")), (429, "1"))
        connection.close()
        watcher = self.cluster.watch("Pod")
        self.cluster.chaos(cut=True)
        watcher._thread.join(timeout=10)
        self.assertFalse(watcher._thread.is_alive())
        watcher.stop()
        watcher = self.cluster.watch("Pod")
        self.cluster.chaos(duplicate=1)
        self.cluster.create(sleeper("twice"))
        self.cluster.wait_for("it is told twice", lambda: len(watcher.of("twice")) == 2)
        watcher.stop()

    def test_a_paused_server_answers_later(self):
        keep, response = self.cluster.client.open("POST", "/fake/chaos", {"pause": True})
        response.read()
        keep.close()
        with self.assertRaises(OSError):
            self.cluster.client.request("GET", "/api/v1/nodes", timeout=0.5)
        self.cluster.chaos(pause=False)
        self.assertEqual(self.cluster.list("Node"), [])

    def test_a_restart_keeps_the_objects_and_forgets_the_changes(self):
        made = self.cluster.create(sleeper("web"))
        self.cluster.create(sleeper("later"))
        port = self.cluster.port
        self.cluster.restart()
        self.assertEqual(self.cluster.port, port)
        self.assertEqual(self.cluster.pod("web")["metadata"]["uid"], made["metadata"]["uid"])
        watcher = self.cluster.watch("Pod", resourceVersion=made["metadata"]["resourceVersion"])
        self.cluster.wait_for("410", lambda: [o for _, kind, o in watcher.events if kind == "ERROR" and o["code"] == 410])
        watcher.stop()

    def test_a_certificate_request_is_approved_and_signed(self):
        folder = self.cluster.folder
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", folder / "k", "-out", folder / "r", "-subj", "/O=system:nodes/CN=system:node:n9"],
                       check=True, capture_output=True)
        self.client("bootstrap-kubelet.conf").request("POST", Cluster.path("CertificateSigningRequest"), {
            "metadata": {"name": "csr-1"},
            "spec": {"request": base64.b64encode((folder / "r").read_bytes()).decode(),
                     "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                     "usages": ["digital signature", "client auth"]}})
        request = self.cluster.get("CertificateSigningRequest", "csr-1")
        self.assertEqual(request["spec"]["username"], "system:bootstrap:abcdef")
        (folder / "c").write_bytes(base64.b64decode(request["status"]["certificate"]))
        client = self.client("bootstrap-kubelet.conf")
        client.token = None
        client.tls.load_cert_chain(folder / "c", folder / "k")
        client.request("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn9")
        with self.assertRaises(ApiError) as refused:
            client.request("GET", "/api/v1/pods")
        self.assertEqual(refused.exception.code, 403)
        subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.crt", folder / "c"], check=True, capture_output=True)

    def test_refused_connections(self):
        self.cluster.chaos(refuse=True)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.cluster.list("Node")


if __name__ == "__main__":
    sandbox.enter(lambda: 0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)
