"""What e2e tests share: the sandbox, Debian's docker-registry with the test images, and a fresh node a test."""

import os
import pathlib
import sys
import unittest

import sandbox
from node import Node, SOURCE

sys.path.insert(0, str(SOURCE / "tests/images"))
import registry as registry_module  # noqa: E402  (its folder is found above)

BUILD = pathlib.Path(os.environ.get("KEELSON_BUILD", SOURCE / "build/dev"))
IMAGES = pathlib.Path(os.environ.get("KEELSON_IMAGES", SOURCE / "build/images"))


class World(unittest.TestCase):
    """One registry a file of tests; one node a test, its folders wiped afterwards."""

    @classmethod
    def setUpClass(cls):
        cls.registry = registry_module.Registry(IMAGES, pathlib.Path(sandbox.folder()) / "registry")
        cls.registry.start()
        cls.registry.push_all()

    @classmethod
    def tearDownClass(cls):
        cls.registry.stop()

    def setUp(self):
        self.nodes = []
        self.node = self.make_node()

    def make_node(self, **options):
        options.setdefault("name", f"node{len(self.nodes) + 1}")
        node = Node(BUILD, registry=self.registry.address, **options)
        self.nodes.append(node)
        return node

    def tearDown(self):
        for node in self.nodes:
            if node.process is None:
                continue
            for file in node.manifests.iterdir():
                file.unlink()
            if node.process.poll() is not None:
                node.start()
            node.wait_for("all pods are gone", lambda: not node.pods(), 60)
            node.stop()
            self.assertEqual(node.process.returncode, 0, node.daemon_log()[-4000:])
            node.wipe()


def run():
    """Runs the calling file's tests in a sandbox."""
    sandbox.enter(lambda: 0 if unittest.main(module="__main__", exit=False, verbosity=2).result.wasSuccessful() else 1)
