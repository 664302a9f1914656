"""Debian's docker-registry on a free loopback port, with a throw-away storage folder.

As a module: Registry(images, storage).start(), .push_all(), .address, .names(), .stop().
As a program: registry.py IMAGES STORAGE [--empty] prints "host:port" and serves until its standard input ends.
"""
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time

from oci_image import Archive

START_SECONDS = 20
CONFIG = """\
version: 0.1
log: {{level: info, formatter: text, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:0"}}
"""


class Registry:
    """One registry process. `images` holds the OCI archives and, unless it is installed, the docker-registry program
    (make_images.sh puts both there); `storage` is made and filled by it and is the caller's to remove."""

    def __init__(self, images, storage):
        self.images, self.storage = pathlib.Path(images), pathlib.Path(storage)
        self.address = None
        self._process = None
        self._pushed = []

    @staticmethod
    def program(images):
        """The program's path, or None."""
        own = pathlib.Path(images) / "docker-registry"
        return str(own) if own.exists() else shutil.which("docker-registry")

    def start(self):
        program = self.program(self.images)
        if program is None:
            raise RuntimeError(f"no docker-registry in {self.images} or PATH: run tests/images/make_images.sh {self.images}")
        self.storage.mkdir(parents=True, exist_ok=True)
        config = self.storage / "config.yml"
        config.write_text(CONFIG.format(storage=self.storage / "data"))
        self._process = subprocess.Popen([program, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"})
        # It listens on a port of the kernel's choice and says which in its log.
        seen, deadline = "", time.monotonic() + START_SECONDS
        while not (match := re.search(r"listening on ([0-9.]+:[0-9]+)", seen)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stderr], [], [], left)[0]:
                self.stop()
                raise RuntimeError(f"docker-registry did not start: {seen[-2000:]}")
            piece = self._process.stderr.read1(65536)
            if not piece:
                self.stop()
                raise RuntimeError(f"docker-registry ended: {seen[-2000:]}")
            seen += piece.decode(errors="replace")
        self.address = match[1]
        # Nobody reads its log from here on: a full pipe would stop it.
        self._drain = subprocess.Popen(["cat"], stdin=self._process.stderr, stdout=subprocess.DEVNULL)
        self._process.stderr.close()
        return self

    def push_all(self):
        """Pushes every archive of the images folder under its own name."""
        for path in sorted(self.images.glob("*.tar")):
            archive = Archive(path)
            archive.push(self.address)
            self._pushed.append(archive.name)

    def names(self):
        return list(self._pushed)

    def stop(self):
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if getattr(self, "_drain", None):
            self._drain.wait(10)
        self._process = None


def main():
    registry = Registry(sys.argv[1], sys.argv[2]).start()
    try:
        if "--empty" not in sys.argv[3:]:
            registry.push_all()
        sys.stdout.write(registry.address + "\n")  # one write: the reader takes one line
        sys.stdout.flush()
        sys.stdin.buffer.read()
    finally:
        registry.stop()


if __name__ == "__main__":
    main()
