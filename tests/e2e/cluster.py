"""A control plane for e2e tests: the stand-in of tests/fakes/api_server, or the one that KUBECONFIG names if
KEELSON_E2E_CLUSTER=real says so too (a KUBECONFIG that happens to be set must not make anybody's cluster a test bed).
On a real one the node's own kubeconfig is KEELSON_NODE_KUBECONFIG, and only what a test created is deleted."""

import base64
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading
import time
import urllib.parse

import sandbox
from node import Node
from world import BUILD, World

PATHS = {  # kind -> (group and version, plural, namespaced)
    "Pod": ("api/v1", "pods", True),
    "Node": ("api/v1", "nodes", False),
    "Namespace": ("api/v1", "namespaces", False),
    "ConfigMap": ("api/v1", "configmaps", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "Event": ("api/v1", "events", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices", True),
    "RuntimeClass": ("apis/node.k8s.io/v1", "runtimeclasses", False),
    "CertificateSigningRequest": ("apis/certificates.k8s.io/v1", "certificatesigningrequests", False),
    "TokenReview": ("apis/authentication.k8s.io/v1", "tokenreviews", False),
}
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    def __init__(self, code, status):
        self.code, self.status = code, status
        self.reason = status.get("reason", "") if isinstance(status, dict) else ""
        super().__init__(f"{code}: {status.get('message') if isinstance(status, dict) else status}")


class Client:
    """One user of one API server: a connection a request, so that no test sees another's."""

    def __init__(self, kubeconfig, folder):
        text = pathlib.Path(kubeconfig).read_text()

        def field(name):
            found = re.search(rf"^\s*-?\s*{name}:\s*\"?([^\s\"]+)", text, re.M)
            return found.group(1) if found else None

        def material(name):
            data, file = field(f"{name}-data"), field(name)
            if data:
                path = pathlib.Path(folder) / f"{pathlib.Path(kubeconfig).name}.{name}"
                path.touch(0o600)
                path.write_bytes(base64.b64decode(data))
                return str(path)
            return str(pathlib.Path(kubeconfig).parent / file) if file else None

        self.url = urllib.parse.urlparse(field("server"))
        self.token = field("token")
        self.tls = ssl.create_default_context(cafile=material("certificate-authority"))
        certificate, key = material("client-certificate"), material("client-key")
        if certificate:
            self.tls.load_cert_chain(certificate, key)

    def open(self, method, path, body=None, content_type="application/json", timeout=30):
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port or 443, context=self.tls, timeout=timeout)
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def request(self, method, path, body=None, content_type="application/json", timeout=30):
        connection, response = self.open(method, path, body, content_type, timeout)
        try:
            text = response.read()
        finally:
            connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text.decode(errors="replace")
        if response.status >= 300:
            raise ApiError(response.status, answer)
        return answer


class Watcher:
    """Collects the events of a watch on a thread of its own, with the time of each: [(monotonic, type, object)]."""

    def __init__(self, client, path):
        self.events = []
        self.error = None
        self._connection, self._response = client.open("GET", path, timeout=600)
        if self._response.status != 200:
            raise ApiError(self._response.status, json.loads(self._response.read()))
        self._socket = self._connection.sock
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            while line := self._response.readline():
                event = json.loads(line)
                self.events.append((time.monotonic(), event["type"], event["object"]))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.error = error

    def of(self, name):
        return [event for event in list(self.events) if event[2].get("metadata", {}).get("name") == name]

    def stop(self):
        try:
            self._socket.shutdown(2)
        except OSError:
            pass
        self._thread.join(timeout=10)
        self._connection.close()


class Cluster:
    """The API server under test and an administrator's client of it. `real` says which kind; tests that need faults
    of the stand-in skip themselves on a real one."""

    def __init__(self, build=BUILD, nodes=("node1",), flags=()):
        self.folder = pathlib.Path(sandbox.folder()) / "cluster"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.real = os.environ.get("KEELSON_E2E_CLUSTER") == "real"
        self.build, self.nodes, self.flags = pathlib.Path(build).resolve(), list(nodes), list(flags)
        self.kubeconfig = pathlib.Path(os.environ["KUBECONFIG"]) if self.real else self.folder / "admin.kubeconfig"
        self.process = self.client = None
        self.port = 0
        self.created = []  # (kind, name, namespace), to be deleted again

    # ---- the server ----

    def start(self):
        if not self.real:
            ready = self.folder / "port"
            ready.unlink(missing_ok=True)
            command = [str(self.build / "tests/fakes/fake-api-server"), "--dir", str(self.folder), "--listen", "0.0.0.0",
                       "--port", str(self.port), *self.flags]
            for name in self.nodes:
                command += ["--node", name]
            with open(self.folder / "log", "ab") as log:
                self.process = subprocess.Popen(command, stdout=log, stderr=log)
            self.wait_for("the stand-in listens", lambda: self._alive() and ready.exists(), 20)
            self.port = int(ready.read_text())
        self.client = Client(self.kubeconfig, self.folder)
        return self

    def _alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"fake-api-server ended with {self.process.returncode}:\n{self.log()}")
        return True

    def log(self):
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def node_kubeconfig(self, name):
        if self.real:
            return os.environ.get("KEELSON_NODE_KUBECONFIG", str(self.kubeconfig))
        return str(self.folder / f"node-{name}.kubeconfig")

    def bootstrap_kubeconfig(self):
        return str(self.folder / "bootstrap-kubelet.conf")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)

    def restart(self):
        """Killed and started again on the same port, with its objects and without its history of changes."""
        time.sleep(0.2)  # what was answered is on disk 50 ms later at most
        self.kill()
        return self.start()

    def chaos(self, **wish):
        return self.client.request("POST", "/fake/chaos", wish)

    def requests(self, part=""):
        """How often each "METHOD path" was asked."""
        return {line: count for line, count in self.client.request("GET", "/fake/requests").items() if part in line}

    # ---- objects ----

    @staticmethod
    def path(kind, name=None, namespace="default", subresource=None, **query):
        prefix, plural, namespaced = PATHS[kind]
        path = f"/{prefix}"
        if namespaced and namespace:
            path += f"/namespaces/{namespace}"
        path += f"/{plural}"
        for part in (name, subresource):
            path += f"/{part}" if part else ""
        query = {key: value for key, value in query.items() if value is not None}
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    def create(self, thing, subresource=None):
        kind, meta = thing["kind"], thing.get("metadata", {})
        name, namespace = meta.get("name"), meta.get("namespace", "default")
        made = self.client.request("POST", self.path(kind, name if subresource else None, namespace, subresource), thing)
        if not subresource:
            self.created.append((kind, made["metadata"]["name"], namespace))
        return made

    def clean(self):
        """Deletes what create() made."""
        for kind, name, namespace in self.created:
            self.delete(kind, name, namespace, grace=1 if kind == "Pod" else None)
        self.created.clear()

    def get(self, kind, name, namespace="default"):
        """The object, or None."""
        try:
            return self.client.request("GET", self.path(kind, name, namespace))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind, namespace="default", fields=None, labels=None):
        return self.client.request("GET", self.path(kind, None, namespace, fieldSelector=fields,
                                                    labelSelector=labels))["items"]

    def patch(self, kind, name, patch, namespace="default", subresource=None, how=STRATEGIC):
        return self.client.request("PATCH", self.path(kind, name, namespace, subresource), patch, how)

    def put(self, thing):
        meta = thing["metadata"]
        return self.client.request("PUT", self.path(thing["kind"], meta["name"], meta.get("namespace")), thing)

    def delete(self, kind, name, namespace="default", grace=None):
        body = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            return self.client.request("DELETE", self.path(kind, name, namespace), body)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def bind(self, pod, node, namespace="default"):
        return self.client.request("POST", self.path("Pod", pod, namespace, "binding"),
                                   {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": pod},
                                    "target": {"kind": "Node", "name": node}})

    def watch(self, kind, namespace="default", **query):
        return Watcher(self.client, self.path(kind, None, namespace, watch="1", **query))

    # ---- pods ----

    def pod(self, name, namespace="default"):
        return self.get("Pod", name, namespace)

    def phase(self, name):
        pod = self.pod(name)
        return pod and pod["status"].get("phase")

    def status(self, name, container):
        pod = self.pod(name) or {"status": {}}
        return next((s for s in pod["status"].get("containerStatuses", []) if s["name"] == container), None)

    @staticmethod
    def condition(thing, kind):
        conditions = (thing or {}).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), None)

    def is_ready(self, name):
        found = self.condition(self.pod(name), "Ready")
        return bool(found and found["status"] == "True")

    # ---- waiting ----

    def wait_for(self, what, condition, seconds=30):
        """Asks until it holds; what happened is in the failure. A server that does not answer is asked again."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = condition()
            except (OSError, http.client.HTTPException) as error:
                found, last = None, error
            else:
                last = None
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not in {seconds} s: {what} (last error: {last})\n{self._picture()}")
            time.sleep(0.05)

    def _picture(self):
        try:
            pods = self.list("Pod", None)
        except (OSError, http.client.HTTPException, ApiError, AttributeError) as error:
            return f"{error}\n{self.log()[-2000:]}"
        return json.dumps([{"name": p["metadata"]["name"], "meta": p["metadata"], "status": p["status"]} for p in pods],
                          indent=1)[-8000:] + self.log()[-2000:]

    def wait_phase(self, name, phase, seconds=30):
        self.wait_for(f"{name} is {phase}", lambda: self.phase(name) == phase, seconds)

    def wait_ready(self, name, seconds=30):
        self.wait_for(f"{name} is Ready", lambda: self.is_ready(name), seconds)

    def wait_gone(self, name, seconds=60):
        self.wait_for(f"{name} is gone", lambda: self.pod(name) is None, seconds)

    def wait_node_ready(self, name, seconds=60):
        def ready():
            found = self.condition(self.get("Node", name), "Ready")
            return found and found["status"] == "True"
        self.wait_for(f"node {name} is Ready", ready, seconds)


class ClusterNode(Node):
    """A node that has joined a cluster."""

    def __init__(self, build, cluster, **options):
        super().__init__(build, **options)
        self.cluster = cluster

    def command(self):
        words = [word for word in super().command() if word != "--standalone"]
        if "--cert-dir" not in words:  # the server's own certificate is kept there
            words += ["--cert-dir", str(self.home / "pki")]
        return [*words, "--kubeconfig", self.cluster.node_kubeconfig(self.name)]


def sleeper(name, node="node1", grace=1, command=("sleep", "3600"), namespace="default", **spec):
    """A pod of one container for `node` (None: unscheduled)."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
           "spec": {"terminationGracePeriodSeconds": grace,
                    "containers": [{"name": "c", "image": "alpine:latest", "command": list(command)}], **spec}}
    if node:
        pod["spec"]["nodeName"] = node
    return pod


class ClusterWorld(World):
    """One registry a file, one control plane and one node a test."""

    cluster_flags = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # What a machine has: a link with an address and a default route. Nothing is behind it.
        for command in ("link add uplink type veth peer name beyond", "address add 192.0.2.2/24 dev uplink",
                        "link set beyond up", "link set uplink up",
                        "route add default via 192.0.2.1"):
            subprocess.run(["ip", *command.split()], check=True)

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["ip", "link", "delete", "uplink"], check=True)
        super().tearDownClass()

    def setUp(self):
        self.cluster = Cluster(flags=self.cluster_flags).start()
        super().setUp()

    def make_node(self, **options):
        options.setdefault("name", f"node{len(self.nodes) + 1}")
        node = ClusterNode(BUILD, self.cluster, registry=self.registry.address, **options)
        self.nodes.append(node)
        return node

    def joined(self):
        """The node, started and Ready."""
        self.node.start()
        self.cluster.wait_node_ready(self.node.name)
        return self.node

    def only_stand_in(self):
        if self.cluster.real:
            self.skipTest("needs faults that only the stand-in makes")

    def tearDown(self):
        if not self.cluster.real and self.cluster.process.poll() is not None:
            self.cluster.start()
        for node in self.nodes:
            if node.process is None:
                continue
            for file in node.manifests.iterdir():
                file.unlink()
            if node.process.poll() is not None:
                node.start()
        self.cluster.clean()
        super().tearDown()
        self.cluster.stop()
        if not self.cluster.real:
            for file in self.cluster.folder.iterdir():
                file.unlink()
