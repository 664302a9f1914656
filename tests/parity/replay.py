#!/usr/bin/env python3
"""Plays the recorded conversations to a server and compares: replay.py [--strict] [--all] [--quiet=SECONDS] SERVER_URL CREDENTIALS [CONVERSATION...]

CREDENTIALS: see credentials.py. A conversation that needs what the credentials do not name (an identity, a hook) is skipped
with its reason; so is one that "needs" what the server lacks: "lacks": {"authorization": "reason"} in the credentials
(needs are authorization; controllers: certificates are approved and issued; quiet: no controller writes to nodes, none collects garbage). --strict compares also what a
step calls loose (the wording of messages). --all: one that is skipped has failed. --quiet: how long no frame must come where none is recorded (a server that
answers and tells at once may be given less than the default). Ends with 'N passed, N failed, N skipped'; the exit code is 1 if one failed or none passed.
"""
import json
import pathlib
import sys

from conversation import Broken, Player, QUIET_SECONDS
from normalise import differences, without
from credentials import read
from peer import Peer, Unavailable

HERE = pathlib.Path(__file__).parent / "conversations"


def replay(conversation, peer, strict, quiet):
    """Sentences about what differs."""
    problems = []

    def handle(step, found):
        recorded = {"frames": step["frames"]} if "frames_of" in step else step["answer"]
        loose = [] if strict else step.get("loose", [])
        if "body" in recorded:
            recorded = dict(recorded, body=without(recorded["body"], loose))
            found = dict(found, body=without(found["body"], loose))
        elif "frames" in recorded:
            recorded = {"frames": [without(frame, loose) for frame in recorded["frames"]]}
            found = {"frames": [without(frame, loose) for frame in found["frames"]]}
        problems.extend(f"{step.get('what', '?')}: {each}" for each in differences(recorded, found))
    try:
        Player(conversation, peer, quiet).play(handle)
    except (Broken, OSError, ValueError) as error:
        problems.append(f"stopped: {type(error).__name__}: {error}")
    return problems


def main():
    arguments = [each for each in sys.argv[1:] if not each.startswith("--")]
    options = [each for each in sys.argv[1:] if each.startswith("--")]
    strict = "--strict" in options
    quiet = next((float(each[8:]) for each in options if each.startswith("--quiet=")), QUIET_SECONDS)
    if any(each not in ("--strict", "--all") and not each.startswith("--quiet=") for each in options):
        sys.exit(__doc__)
    if len(arguments) < 2:
        sys.exit(__doc__)
    credentials = read(arguments[1])
    peer = Peer(arguments[0], credentials)
    passed = failed = skipped = 0
    for path in sorted(HERE.glob("*.json")):
        if arguments[2:] and path.stem not in arguments[2:]:
            continue
        conversation = json.loads(path.read_text(encoding="utf-8"))
        lacks = credentials["lacks"]
        reason = next((lacks[need] for need in conversation.get("needs", []) if need in lacks), None)
        if reason is None:
            try:
                problems = replay(conversation, peer, strict, quiet)
            except Unavailable as error:
                reason = str(error)
        if reason is not None:
            skipped += 1
            print(f"SKIP {path.stem}: {reason}")
        elif problems:
            failed += 1
            print(f"FAIL {path.stem} ({conversation['recorded_from']})")
            for problem in problems:
                print(f"  {problem}")
        else:
            passed += 1
            print(f"ok   {path.stem}")
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed or (skipped and "--all" in options) else 0)


if __name__ == "__main__":
    main()
