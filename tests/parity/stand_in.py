#!/usr/bin/env python3
"""Starts fake-api-server on a port of the kernel's choice, plays the recorded conversations to it, ends it: stand_in.py PROGRAM [OPTION...]

Everything is in a temporary folder, and the server ends with this process, however that ends. OPTIONs go to replay.py.
"""
import ctypes
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
START_SECONDS, REPLAY_SECONDS, REPLAY = 20.0, 100.0, ["--all", "--quiet=0.05"]
# The recordings are of a server without kube-controller-manager; what needs it (certificates) the stand-in always does.
FLAGS = ["--node", "parity-node", "--user", "parity-nobody", "--no-node-controllers", "--port", "0"]
PR_SET_PDEATHSIG = 1


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def port_of(server, folder):
    until = time.monotonic() + START_SECONDS
    file = folder / "port"
    while time.monotonic() < until and server.poll() is None:
        if file.exists() and (text := file.read_text().strip()):
            return int(text)
        time.sleep(0.01)
    sys.exit(f"the server is not ready within {START_SECONDS} s, its exit code is {server.poll()}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the folder goes, too
    with tempfile.TemporaryDirectory(prefix="keelson-parity-") as name:
        server = subprocess.Popen([sys.argv[1], "--dir", name, *FLAGS], stdout=subprocess.DEVNULL, preexec_fn=end_with_parent)
        try:
            url = f"https://127.0.0.1:{port_of(server, pathlib.Path(name))}"
            code = subprocess.run([sys.executable, str(HERE / "replay.py"), *REPLAY, *sys.argv[2:], url, name],
                                  timeout=REPLAY_SECONDS, preexec_fn=end_with_parent).returncode
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    sys.exit(code)


if __name__ == "__main__":
    main()
