#!/usr/bin/env python3
"""What pods get from a cluster: ConfigMaps, Secrets, service account tokens, and the API itself."""

import base64
import json
import subprocess

from cluster import ClusterWorld, sleeper
from world import run

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
GATEWAY = r"ip route | sed -n 's/^default via \([0-9.]*\).*/\1/p'"


def config_map(name, data, **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data, **more}


def secret(name, data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


class ClusterConfig(ClusterWorld):
    def run_in(self, pod, *command):
        return self.node.ctl("exec", pod, "--", *command)

    def wait_text(self, pod, path, text, seconds=120):
        self.cluster.wait_for(f"{pod}:{path} is {text!r}", lambda: self.node.try_ctl("exec", pod, "--", "cat", path).stdout == text,
                              seconds)

    def test_environment_and_volumes_come_from_the_cluster_and_volumes_follow(self):
        self.joined()
        self.cluster.create(config_map("settings", {"colour": "red", "app.conf": "one\n"}))
        self.cluster.create(secret("keys", {"password": "s3cret"}))
        pod = sleeper("web", volumes=[
            {"name": "conf", "configMap": {"name": "settings", "items": [{"key": "app.conf", "path": "etc/app.conf"}]}},
            {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}}])
        pod["spec"]["containers"][0] |= {
            "env": [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
                    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
                    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "envFrom": [{"prefix": "ALL_", "configMapRef": {"name": "settings"}}],
            "volumeMounts": [{"name": "conf", "mountPath": "/conf"}, {"name": "keys", "mountPath": "/keys", "readOnly": True}]}
        self.cluster.create(pod)
        self.cluster.wait_ready("web")
        environment = dict(line.split("=", 1) for line in self.run_in("web", "env").splitlines() if "=" in line)
        self.assertEqual((environment["COLOUR"], environment["PASSWORD"], environment["NODE"]), ("red", "s3cret", "node1"))
        self.assertEqual(environment["ALL_colour"], "red")
        self.assertEqual(environment["ADDRESS"], self.cluster.pod("web")["status"]["podIP"])
        self.assertEqual(environment["KUBERNETES_SERVICE_HOST"], self.cluster.get("Service", "kubernetes")["spec"]["clusterIP"])
        self.assertEqual(environment["KUBERNETES_SERVICE_PORT_HTTPS"], "443")
        self.assertEqual(self.run_in("web", "cat", "/conf/etc/app.conf"), "one\n")
        self.assertEqual(self.run_in("web", "cat", "/keys/password"), "s3cret")
        self.assertEqual(self.run_in("web", "stat", "-L", "-c", "%a", "/keys/password").strip(), "400")
        self.cluster.patch("ConfigMap", "settings", {"data": {"app.conf": "two\n"}})
        self.wait_text("web", "/conf/etc/app.conf", "two\n")
        self.cluster.patch("Secret", "keys", {"data": {"password": base64.b64encode(b"other").decode()}})
        self.wait_text("web", "/keys/password", "other")
        self.assertEqual(self.cluster.status("web", "c")["restartCount"], 0)

    def test_a_pod_waits_for_what_it_names_and_optional_is_optional(self):
        self.joined()
        waits = sleeper("waits", volumes=[{"name": "v", "configMap": {"name": "later"}}])
        waits["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
        lacks_key = sleeper("lacks-key")
        lacks_key["spec"]["containers"][0]["env"] = [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "a"}}}]
        optional = sleeper("optional", volumes=[{"name": "v", "secret": {"secretName": "never", "optional": True}}])
        optional["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
        for pod in (waits, lacks_key, optional):
            self.cluster.create(pod)
        self.cluster.wait_ready("optional")
        self.cluster.wait_for("the reason is told", lambda: (s := self.cluster.status("lacks-key", "c")) and
                              s["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError")
        self.assertEqual(self.cluster.phase("waits"), "Pending")
        self.cluster.create(config_map("later", {"a": "1"}))
        self.cluster.wait_ready("waits", 150)
        self.cluster.wait_ready("lacks-key", 150)
        self.assertEqual(self.run_in("waits", "cat", "/v/a"), "1")

    def test_the_service_account_is_mounted_and_its_token_is_the_pods(self):
        self.joined()
        made = self.cluster.create(sleeper("web"))
        self.cluster.wait_ready("web")
        self.assertEqual(self.run_in("web", "cat", f"{ACCOUNT}/namespace"), "default")
        self.assertEqual(self.run_in("web", "cat", f"{ACCOUNT}/ca.crt"),
                         self.cluster.get("ConfigMap", "kube-root-ca.crt")["data"]["ca.crt"])
        token = self.run_in("web", "cat", f"{ACCOUNT}/token")
        claims = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.assertEqual(claims["sub"], "system:serviceaccount:default:default")
        self.assertEqual(claims["kubernetes.io"]["pod"], {"name": "web", "uid": made["metadata"]["uid"]})
        review = self.cluster.client.request("POST", self.cluster.path("TokenReview"), {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}})
        self.assertTrue(review["status"]["authenticated"])
        self.cluster.delete("Pod", "web")
        self.cluster.wait_gone("web")

        def refused():  # a real API server remembers a token that was good for ten seconds
            review = self.cluster.client.request("POST", self.cluster.path("TokenReview"), {
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}})
            return not review["status"].get("authenticated", False)
        self.cluster.wait_for("the token is good no more", refused, 60)

    def test_other_audiences_and_paths_of_projected_tokens(self):
        self.joined()
        pod = sleeper("vault", volumes=[{"name": "t", "projected": {"sources": [
            {"serviceAccountToken": {"path": "vault-token", "audience": "vault", "expirationSeconds": 600}}]}}])
        pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "t", "mountPath": "/t"}]
        self.cluster.create(pod)
        self.cluster.wait_ready("vault")
        claims = self.run_in("vault", "cat", "/t/vault-token").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.assertEqual((claims["aud"], claims["exp"] - claims["iat"]), (["vault"], 600))

    def test_a_pod_reaches_the_api_with_its_token(self):
        self.joined()
        self.cluster.create(sleeper("curious"))
        self.cluster.wait_ready("curious")
        if self.cluster.real:
            server = "https://10.96.0.1:443"
        else:  # the stand-in has no Service of its own: the node's own end of the bridge
            server = f"https://{self.run_in('curious', 'sh', '-c', GATEWAY).strip()}:{self.cluster.port}"
        # busybox's wget knows no elliptic curves, so a curl of this machine goes into the pod's network namespace.
        pid = min(pid for pids in self.node.container_pids().values() for pid in pids)
        token = self.run_in("curious", "cat", f"{ACCOUNT}/token")
        answer = json.loads(subprocess.run(
            ["nsenter", f"--net=/proc/{pid}/ns/net", "curl", "-sk", "-m", "20", "-H", f"Authorization: Bearer {token}",
             f"{server}/api/v1/namespaces/default/pods/curious"], check=True, capture_output=True, text=True).stdout)
        # Who asks is known; whether it may read pods is the cluster's affair.
        who = "system:serviceaccount:default:default"
        self.assertTrue(answer.get("metadata", {}).get("name") == "curious" or who in answer.get("message", ""), answer)


if __name__ == "__main__":
    run()
