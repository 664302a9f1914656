"""Pods through an API server: from the answer to `create` until a watch shows Running, one by one and in bursts."""

import os
import statistics
import subprocess
import threading
import time

ONE_BY_ONE = 20
BURSTS = (50, 100)
LIMIT = 120  # seconds


class Statuses:
    """When a watch first showed each pod Running, and when it was gone."""

    def __init__(self, client):
        from cluster import Watcher  # the build folder is known now
        self.watcher = Watcher(client, "/api/v1/namespaces/default/pods?watch=true")

    def seen(self, name, wanted):
        return next((at for at, kind, pod in self.watcher.of(name) if wanted(kind, pod)), None)

    def wait(self, names, wanted, what):
        deadline = time.monotonic() + LIMIT
        left = list(names)
        times = []
        while left:
            found = [(name, self.seen(name, wanted)) for name in left]
            times += [at for _, at in found if at]
            left = [name for name, at in found if not at]
            if left and time.monotonic() > deadline:
                raise AssertionError(f"not {what} in {LIMIT} s: {left[:5]}")
            time.sleep(0.002)
        return max(times)


def runs(kind, pod):
    return pod["status"].get("phase") == "Running"


def gone(kind, pod):
    return kind == "DELETED"


def measure(build, registry, cpu_ticks, pss_kib):
    os.environ["KEELSON_BUILD"] = str(build)
    from cluster import Cluster, ClusterNode, sleeper
    for command in ("link add uplink type veth peer name beyond", "address add 192.0.2.2/24 dev uplink",
                    "link set beyond up", "link set uplink up", "route add default via 192.0.2.1"):
        subprocess.run(["ip", *command.split()], check=True)
    cluster = Cluster(build).start()
    node = ClusterNode(build, cluster, registry=registry.address, extra_config="maxPods: 110").start()
    found = {}
    try:
        cluster.wait_node_ready("node1")
        statuses = Statuses(cluster.client)

        def create(name):
            pod = sleeper(name)
            pod["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
            cluster.create(pod)

        create("warm")
        statuses.wait(["warm"], runs, "running")
        samples = []
        for n in range(ONE_BY_ONE):
            start = time.monotonic()
            create(f"one{n}")
            samples.append((statuses.wait([f"one{n}"], runs, "running") - start) * 1000)
        found["one"] = statistics.median(samples)
        remove(cluster, statuses, ["warm", *(f"one{n}" for n in range(ONE_BY_ONE))])
        for burst in BURSTS:
            names = [f"burst{burst}-{n}" for n in range(burst)]
            ticks, start = cpu_ticks([node.process.pid]), time.monotonic()
            workers = [threading.Thread(target=lambda part=names[i::4]: [create(name) for name in part]) for i in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            found[f"burst{burst}"] = statuses.wait(names, runs, "running") - start
            found[f"cpu{burst}"] = (cpu_ticks([node.process.pid]) - ticks) / os.sysconf("SC_CLK_TCK")
            if burst == BURSTS[-1]:
                found["pss"] = pss_kib([node.process.pid]) / 1024
            found[f"delete{burst}"] = remove(cluster, statuses, names)
    finally:
        node.stop()
        cluster.stop()
    return found


def remove(cluster, statuses, names):
    start = time.monotonic()
    for name in names:
        cluster.delete("Pod", name, grace=1)
    return statuses.wait(names, gone, "gone") - start


def report(rows, found):
    rows.add("create at the API to Running on a watch, one by one, p50", found["one"], "ms", 50)
    rows.add("burst of 50 through the API, last one Running", found["burst50"], "s", 0.8)
    rows.add("burst of 100 through the API, last one Running", found["burst100"], "s", 1.6)
    rows.add("burst of 100 through the API: CPU seconds of the daemon", found["cpu100"], "s")
    rows.add("100 pods deleted through the API, all gone (2 s are the containers' own)", found["delete100"], "s", 5)
    rows.add("memory (PSS), 100 pods of the API: daemon", found["pss"], "MiB", 35)
