#!/usr/bin/env python3
"""make demo-cluster: a node joins a control plane (the stand-in of tests/fakes/api_server), and kubectl runs pods on
it. Everything runs in namespaces and folders of its own; nothing of it is left behind."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import sandbox
from node import SOURCE

sys.path.insert(0, str(SOURCE / "tests/images"))
import registry as registry_module  # noqa: E402

WEB = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"terminationGracePeriodSeconds": 5,
             "volumes": [{"name": "page", "configMap": {"name": "page"}}],
             "containers": [{"name": "nginx", "image": "nginx:stable-alpine",
                             "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
                             "volumeMounts": [{"name": "page", "mountPath": "/usr/share/nginx/html"}]}]}}
PAGE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "page"},
        "data": {"index.html": "served from a ConfigMap\n"}}


def say(text):
    print(f"\n\033[1m== {text}\033[0m", flush=True)


class Demo:
    def __init__(self, cluster):
        self.cluster = cluster
        self.kubectl_program = shutil.which("kubectl")

    def kubectl(self, *arguments, **options):
        """Shows a kubectl command; without kubectl nothing is shown, and what it says comes from our own client."""
        if self.kubectl_program is None:
            return
        print("$ kubectl " + " ".join(arguments), flush=True)
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig), "HOME": str(self.cluster.folder)}
        subprocess.run([self.kubectl_program, *arguments], env=environment, check=True, timeout=60, **options)

    def apply(self, thing):
        name = thing["metadata"]["name"]
        if self.kubectl_program is None:
            print(f"(no kubectl here) creating {thing['kind']} {name}", flush=True)
            return self.cluster.create(thing)
        file = self.cluster.folder / f"{name}.json"
        file.write_text(json.dumps(thing, indent=2))
        return self.kubectl("apply", "--validate=false", "-f", str(file))  # the stand-in has no OpenAPI


def main():
    from cluster import Cluster, ClusterNode  # the build folder is known now
    build, images = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    registry = registry_module.Registry(images, pathlib.Path(sandbox.folder()) / "registry")
    registry.start()
    registry.push_all()

    say("a stand-in API server on loopback, with a scheduler that knows one node")
    cluster = Cluster(build, flags=["--bind-all-to", "node1"]).start()
    demo = Demo(cluster)
    print(cluster.log(), end="")
    demo.kubectl("version")

    say("keelson joins it with the node's kubeconfig")
    node = ClusterNode(build, cluster, registry=registry.address)
    print("$ " + " ".join(node.command()))
    node.start()
    cluster.wait_node_ready("node1")
    demo.kubectl("get", "nodes", "-o", "wide")

    say("a ConfigMap and a pod that serves it")
    started = time.monotonic()
    demo.apply(PAGE)
    demo.apply(WEB)
    cluster.wait_ready("web", 60)
    print(f"Ready after {time.monotonic() - started:.2f} s, its image pulled on the way")
    demo.kubectl("get", "pods", "-o", "wide")
    address = cluster.pod("web")["status"]["podIP"]
    print(f"$ curl http://{address}/\n" + subprocess.run(["curl", "-sf", f"http://{address}/"], check=True, timeout=20,
                                                        capture_output=True, text=True).stdout, end="")
    demo.kubectl("describe", "pod", "web")

    say("the API server is killed and comes back: the pod does not notice")
    before, status = node.container_pids(), cluster.status("web", "nginx")
    cluster.restart()
    cluster.wait_node_ready("node1")
    assert node.container_pids() == before and cluster.status("web", "nginx") == status
    demo.kubectl("get", "pods")

    say("kill -9 of the daemon: neither does it notice that")
    node.kill()
    node.start()
    assert node.container_pids() == before
    cluster.wait_ready("web")
    demo.kubectl("get", "pods")

    say("kubectl delete: the object goes when the containers have ended")
    if demo.kubectl_program:
        demo.kubectl("delete", "pod", "web")
    else:
        cluster.delete("Pod", "web")
    cluster.wait_gone("web")
    node.wait_for("no container is left", lambda: not node.container_pids(), 20)
    demo.kubectl("get", "events")
    node.stop()
    cluster.stop()
    registry.stop()
    say("done; nothing is left of it")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: demo_cluster.py BUILD IMAGES")
    os.environ["KEELSON_BUILD"] = sys.argv[1]
    sandbox.enter(main)
