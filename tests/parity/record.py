#!/usr/bin/env python3
"""Records what a real kube-apiserver answers: record.py CREDENTIALS [CONVERSATION...]

CREDENTIALS: see credentials.py; a kubeconfig of an administrator will do, but for conversations with a hook.
Writes the answers and the version into conversations/*.json. Makes namespaces parity-*, and the node parity-node: take a
cluster that may be thrown away. Conversations that need "controllers" need kube-controller-manager; the others are
best recorded without it, so that nobody else writes to their objects.
"""
import json
import pathlib
import sys

from conversation import Broken, Player
from credentials import read
from peer import Peer, Unavailable
from render import render

HERE = pathlib.Path(__file__).parent / "conversations"


def record(path, peer, version):
    conversation = json.loads(path.read_text(encoding="utf-8"))

    def handle(step, found):
        if "frames" in found:
            step["frames"] = found["frames"]
            wanted = step.get("count")
            if wanted is not None and len(found["frames"]) != wanted:
                raise Broken(f"step {step.get('what')!r}: {len(found['frames'])} frames instead of {wanted}")
        else:
            step["answer"] = found
    Player(conversation, peer).play(handle)
    conversation["recorded_from"] = version
    path.write_text(render(conversation), encoding="utf-8")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    credentials = read(sys.argv[1])
    peer = Peer(credentials["server"], credentials)
    status, _, version = peer.ask({"method": "GET", "path": "/version"})
    if status != 200:
        sys.exit(f"{credentials['server']}: /version got {status}: {version}")
    version = f"kube-apiserver {version['gitVersion']} ({version['goVersion']})"
    failed = 0
    for path in sorted(HERE.glob("*.json")):
        if sys.argv[2:] and path.stem not in sys.argv[2:]:
            continue
        try:
            record(path, peer, version)
            print(f"recorded {path.stem}")
        except (Broken, Unavailable, OSError) as error:
            failed += 1
            print(f"not recorded {path.stem}: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
