"""Debian packages as files: downloaded and unpacked beside the build, never installed, so that no service of theirs
starts on this machine."""

import pathlib
import subprocess


def unpack(cache, packages):
    """The folder that holds the unpacked packages; downloads what is not there yet."""
    cache = pathlib.Path(cache)
    root = cache / "root"
    root.mkdir(parents=True, exist_ok=True)
    for package in packages:
        done = cache / f"{package}.unpacked"
        if done.exists():
            continue
        print(f"   download {package}", flush=True)
        result = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], cwd=cache, capture_output=True, text=True)
        if result.returncode != 0:
            # A machine that has never asked for its lists.
            subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
            subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], cwd=cache, check=True, capture_output=True)
        deb = max(cache.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
        done.touch()
    return root


def libraries(program):
    """The shared libraries of a program, as (path inside an image, file on this machine)."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = []
    for line in output.splitlines():
        words = line.split()
        if "=>" in words:
            if words[2] == "not":
                raise RuntimeError(f"{program} needs {words[0]}, which this machine lacks")
            found.append((words[2], words[2]))
        elif words and words[0].startswith("/"):
            found.append((words[0], words[0]))
    return found
