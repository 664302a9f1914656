"""A world of its own for a test, the demo or a benchmark: network, mount and pid namespaces, a cgroup
root and a temporary folder. Its end ends every process in it; what is left of it outside is removed."""

import os
import random
import shutil
import subprocess
import sys
import tempfile

MARK = "KEELSON_SANDBOX"  # set inside: "<folder>:<cgroup root>"


def cgroup_hierarchies():
    """Mount points of all cgroup file systems of this host."""
    with open("/proc/self/mounts") as mounts:
        return [line.split()[1] for line in mounts if line.split()[2] in ("cgroup", "cgroup2")]


def remove_cgroups(root):
    """Removes an emptied cgroup tree from every hierarchy, deepest first."""
    for hierarchy in cgroup_hierarchies():
        top = os.path.join(hierarchy, root)
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError as error:
                print(f"cgroup left behind: {folder}: {error}", file=sys.stderr)


def enter(main):
    """Runs main() inside such a world and exits with its result; call it first thing in a script."""
    if MARK not in os.environ:
        sys.exit(_outside())
    # Inside this process is PID 1: it reaps whatever is orphaned here, and only that.
    child = os.fork()
    if child == 0:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        sys.exit(main())
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def folder():
    return os.environ[MARK].split(":")[0]


def cgroup_root():
    return os.environ[MARK].split(":")[1]


def _outside():
    if os.geteuid() != 0:
        print("needs root: namespaces, mounts and cgroups", file=sys.stderr)
        return 1
    work = tempfile.mkdtemp(prefix="keelson-")
    root = f"keelson-{os.getpid()}-{random.randrange(1 << 32):08x}"
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
               "--propagation", "private", sys.executable, *sys.argv]
    try:
        return subprocess.call(command, env={**os.environ, MARK: f"{work}:{root}"})
    except KeyboardInterrupt:
        return 130
    finally:
        remove_cgroups(root)
        shutil.rmtree(work, ignore_errors=True)
