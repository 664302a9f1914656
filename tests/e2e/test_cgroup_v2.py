#!/usr/bin/env python3
"""Pure cgroup v2 on the oldest supported kernel, in a virtual machine."""

import re
import tempfile
import unittest

import vm
from world import BUILD, IMAGES

SCRIPT = r"""
cat > /etc/config.yaml <<X
apiVersion: keelson.dev/v1alpha1
kind: KeelsonConfiguration
shim: /usr/bin/keelson-shim
X
# until_true SECONDS COMMAND...
until_true() { n=$(($1 * 5)); shift; while [ $n -gt 0 ]; do "$@" && return; n=$((n - 1)); usleep 200000; done; echo "NEVER: $*"; }
answers() { keelctl get pods -A >/dev/null 2>&1; }
keelson --standalone --config /etc/config.yaml & daemon=$!
until_true 60 answers
keelctl image import /root/alpine.tar
cat > /etc/kubernetes/manifests/pods.yaml <<X
apiVersion: v1
kind: Pod
metadata: {name: limited}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: alpine:latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "cat /proc/self/cgroup; exec sleep 1000"]
    resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 200m, memory: 32Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: eater}
spec:
  restartPolicy: Never
  containers:
  - name: e
    image: alpine:latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "tail /dev/zero"]
    resources: {requests: {memory: 16Mi}, limits: {memory: 32Mi}}
X
both() { keelctl get pods | grep -q "eater.*OOMKilled" && keelctl get pods | grep -q "limited.*1/1.*Running"; }
until_true 60 both
keelctl get pods
echo "LOG $(keelctl logs limited)"
keelctl exec limited -- sh -c 'exit 42'; echo "EXEC $?"
for d in /sys/fs/cgroup/kubepods/burstable/pod*/*/; do [ "$(cat $d/cgroup.procs)" ] && echo "LIMITS $(cat $d/cpu.weight) $(cat $d/cpu.max) $(cat $d/memory.max) $(cat $d/memory.oom.group)"; done
echo "BEFORE $(cat /sys/fs/cgroup/kubepods/burstable/pod*/*/cgroup.procs | tr '\n' ' ')"
kill -9 $daemon
keelson --standalone --config /etc/config.yaml &
until_true 60 both
echo "AFTER $(cat /sys/fs/cgroup/kubepods/burstable/pod*/*/cgroup.procs | tr '\n' ' ')"
rm /etc/kubernetes/manifests/pods.yaml
empty() { [ -z "$(keelctl get pods 2>/dev/null)" ]; }
until_true 60 empty
echo "LEFT $(find /sys/fs/cgroup/kubepods /sys/fs/cgroup/keelson/shim -mindepth 1 -type d | grep -v -e 'kubepods/burstable$' -e 'kubepods/besteffort$' | wc -l) $(ls /run/keelson/pods /var/lib/keelson/containers | grep -c '^[0-9a-f]')"
"""


class CgroupV2(unittest.TestCase):
    def test_limits_oom_exec_adoption_and_removal(self):
        with tempfile.TemporaryDirectory(prefix="keelson-vm-") as work:
            console = vm.run(BUILD, IMAGES, work, SCRIPT, [("root/alpine.tar", next(IMAGES.glob("*alpine-latest.tar")))])
        said = {name: text for name, text in re.findall(r"^(LOG|EXEC|LIMITS|BEFORE|AFTER|LEFT) (.*?) *$", console, re.M)}
        self.assertIn("VM-END", console, console)
        self.assertNotIn("NEVER", console, console)
        self.assertEqual(said["LOG"], "0::/", console)
        self.assertEqual(said["EXEC"], "42", console)
        # 100m: 102 shares, by the runtimes' map to weights (opencontainers cgroups 0.0.4); 200m; 32 MiB; one OOM kills all.
        self.assertEqual(said["LIMITS"], "17 20000 100000 33554432 1", console)
        self.assertEqual(said["BEFORE"], said["AFTER"], console)
        self.assertEqual(said["LEFT"], "0 0", console)


if __name__ == "__main__":
    unittest.main(verbosity=2)
