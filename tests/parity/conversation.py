"""Plays one conversation; what is done with each answer (recorded, or compared) is the caller's.

See README.md for the format.
"""
import json
import random
import re
import string

from normalise import Normaliser, strings_of
from peer import MAX_BODY, Unavailable, Watch, parsed

VARIABLE = re.compile(r"\$\{([a-z_0-9]+)\}")
FRAME_SECONDS = 10.0
QUIET_SECONDS = 0.4
HEADERS = ("content-type", "retry-after", "warning", "www-authenticate")


class Broken(Exception):
    """A conversation that cannot go on: a set-up step failed, or a value to keep is not there."""


class Player:
    def __init__(self, conversation, peer, quiet=QUIET_SECONDS):
        self.quiet = quiet
        run = "".join(random.choices(string.ascii_lowercase, k=8))
        self.conversation = conversation
        self.peer = peer
        self.variables = {"run": run, "ns": f"parity-{run}", "node": peer.credentials["node"]}
        steps = conversation.get("setup", []) + conversation["steps"]
        literals = [text for step in steps for text in strings_of(step.get("request", {}).get("body"))]
        self.normaliser = Normaliser((self.filled(text, strict=False) for text in literals), {run: "${run}"})
        self.watches = {}

    def play(self, handle):
        """handle(step, found) gets each step of the conversation and what was found, normalised."""
        try:
            for step in self.conversation.get("setup", []):
                self.prepare(step)
            for step in self.conversation["steps"]:
                found = self.act(step)
                if found is not None:
                    handle(step, found)
        finally:
            for watch in self.watches.values():
                watch.close()
            for step in self.conversation.get("teardown", []):
                try:
                    self.peer.ask(self.filled(step["request"], strict=False))
                except (OSError, Unavailable):
                    pass

    def prepare(self, step):
        if "hook" in step:
            self.peer.hook(step["hook"])
            return
        status, _, body = self.peer.ask(self.filled(step["request"]))
        if status >= 300 and status not in step.get("fine", [409]):
            raise Broken(f"set-up step {step.get('what', step['request']['path'])!r} got {status}: {json.dumps(body)[:500]}")
        if status < 300:
            self.keep(step, body)

    def act(self, step):
        if "hook" in step:
            self.peer.hook(step["hook"])
            return None
        if "close" in step:
            self.watches.pop(step["close"]).close()
            return None
        if "frames_of" in step:
            return self.frames(step)
        if "watch" in step:
            return self.watch(step)
        status, headers, body = self.peer.ask(self.filled(step["request"]))
        self.keep(step, body)
        return self.answer(status, headers, body)

    def answer(self, status, headers, body):
        kept = {name: headers[name].split(";")[0] for name in HEADERS if headers.get(name)}
        return {"status": status, "headers": kept, "body": self.normaliser.value(body)}

    def watch(self, step):
        connection, response = self.peer.open(self.filled(step["request"]))
        if response.status != 200:
            body = parsed(response.read(MAX_BODY))
            connection.close()
            return self.answer(response.status, response.headers, body)
        self.watches[step["watch"]] = Watch(connection, response)
        found = self.answer(response.status, response.headers, None)
        del found["body"]
        return found

    def frames(self, step):
        count = step.get("count")  # absent: until the server ends the watch
        seconds = self.quiet if count == 0 else step.get("seconds", FRAME_SECONDS)
        watch = self.watches[step["frames_of"]]
        frames = watch.take(1 if count == 0 else count, seconds, step.get("bookmarks", False))
        if frames and "keep" in step:
            self.keep(step, frames[-1])
        if "sorted" in step:
            frames.sort(key=lambda frame: frame["object"]["metadata"].get("name", "\x7f"))
        return {"frames": [self.normaliser.value(frame) for frame in frames]}

    def keep(self, step, body):
        for name, path in step.get("keep", {}).items():
            value = body
            for part in path.split("."):
                try:
                    value = value[int(part)] if isinstance(value, list) else value[part]
                except (KeyError, IndexError, TypeError, ValueError):
                    raise Broken(f"step {step.get('what')!r}: nothing at {path} in {json.dumps(body)[:500]}") from None
            self.variables[name] = value

    def filled(self, value, strict=True):
        if isinstance(value, dict):
            return {key: self.filled(each, strict) for key, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each, strict) for each in value]
        if not isinstance(value, str):
            return value

        def replace(match):
            if match[1] not in self.variables:
                if strict:
                    raise Broken(f"no value was kept for {match[0]}")
                return match[0]
            return str(self.variables[match[1]])
        return VARIABLE.sub(replace, value)
