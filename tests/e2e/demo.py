#!/usr/bin/env python3
"""make demo: one pod from a manifest, shown from its start to the clean machine after it. Everything runs in
namespaces and folders of its own; nothing of it is left behind."""

import os
import pathlib
import subprocess
import sys
import time

import sandbox
from node import EXAMPLES, Node, SOURCE

sys.path.insert(0, str(SOURCE / "tests/images"))
import registry as registry_module  # noqa: E402

POD = "multi-container-example"


def say(text):
    print(f"\n\033[1m== {text}\033[0m", flush=True)


def show(command, **options):
    print("$ " + " ".join(str(part) for part in command), flush=True)
    return subprocess.run([str(part) for part in command], check=True, timeout=60, **options)


def keelctl(node, *arguments):
    print("$ keelctl " + " ".join(arguments), flush=True)
    output = node.ctl(*arguments)
    print(output, end="", flush=True)
    return output


def restarts(node):
    status = node.status(POD, "content")
    return status["restartCount"] if status else 0


def main():
    build = pathlib.Path(sys.argv[1])
    images = pathlib.Path(sys.argv[2])
    work = pathlib.Path(sandbox.folder())

    say("Debian's docker-registry on loopback, with library/nginx:stable-alpine and library/alpine:latest")
    registry = registry_module.Registry(images, work / "registry")
    registry.start()
    registry.push_all()
    print(f"registry at {registry.address}: " + ", ".join(registry.names()))

    say("keelson --standalone, with that registry as the mirror of docker.io")
    node = Node(build, registry=registry.address)
    print("$ " + " ".join(node.command()))
    node.start()

    say(f"a manifest goes into {node.manifests}")
    print((EXAMPLES / "pod-multi-container.yaml").read_text())
    started = time.monotonic()
    node.apply_example("pod-multi-container.yaml")
    node.wait_ready(POD, 60)
    print(f"Ready after {time.monotonic() - started:.2f} s, both images pulled on the way")
    keelctl(node, "get", "pods", "-o", "wide")
    keelctl(node, "timeline", POD)
    address = node.pod(POD)["status"]["podIP"]

    say("its page: nginx serves what the second container writes into the shared emptyDir")
    node.wait_for("the page is there", lambda: subprocess.run(
        ["curl", "-sf", f"http://{address}/"], capture_output=True).returncode == 0)
    show(["curl", "-s", f"http://{address}/"])

    say("logs and exec")
    keelctl(node, "logs", POD, "-c", "nginx", "--tail", "3")
    keelctl(node, "exec", POD, "-c", "content", "--", "sh", "-c", "hostname; ls -l /html")

    say("kill -9 of the daemon: the pod does not notice")
    before = node.container_pids()
    node.kill()
    show(["curl", "-s", "-o", "/dev/null", "-w", "HTTP %{http_code} while no keelson runs\\n", f"http://{address}/"])
    node.start()
    node.wait_ready(POD)
    assert node.container_pids() == before, "the containers are other processes now"
    print("keelson is back: the same container processes, none restarted")
    keelctl(node, "get", "pods")

    say("a container crashes and is restarted")
    victim = next(pid for pids in before.values() for pid in pids
                  if pathlib.Path(f"/proc/{pid}/cmdline").read_text().startswith("/bin/sh"))
    os.kill(victim, 9)
    node.wait_for("it was restarted", lambda: restarts(node) == 1)
    node.wait_ready(POD)
    keelctl(node, "get", "pods")

    say("the manifest is removed: the pod ends gracefully, and the machine is clean")
    node.remove("pod-multi-container.yaml")
    node.wait_gone(POD, 60)
    keelctl(node, "get", "pods")
    left = {"processes in its cgroups": node.container_pids(),
            "links": [name for name in os.listdir("/sys/class/net") if name.startswith("veth")],
            "run folders": os.listdir(node.home / "run/pods"),
            "mounts": [line for line in open("/proc/self/mounts") if str(node.home) in line]}
    for what, found in left.items():
        print(f"  {what} left: {found or 'none'}")
        assert not found, what
    node.stop()
    registry.stop()

    say("done; nothing is left of it")
    print(f"""To keep it running on this machine:
  sudo make install                     # /usr/sbin/keelson, keelctl, the unit and /etc/keelson/config.yaml
  sudo systemctl enable --now keelson   # runs the manifests of /etc/kubernetes/manifests
  sudo cp {EXAMPLES.relative_to(SOURCE)}/pod.yaml /etc/kubernetes/manifests/
  sudo keelctl get pods -o wide""")
    return 0


if __name__ == "__main__":
    sandbox.enter(main)
