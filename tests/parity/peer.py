"""The server of a conversation: connections, identities, watches. HTTP/1.1 of the standard library."""
import http.client
import json
import os
import queue
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

TIMEOUT = 20.0
MAX_BODY = 16 << 20


class Unavailable(Exception):
    """The server or the credentials lack what a conversation needs."""


class Peer:
    def __init__(self, server, credentials):
        self.url = urllib.parse.urlsplit(server)
        self.credentials = credentials
        self.contexts = {}

    def context(self, name):
        if self.url.scheme != "https":
            return None
        if name not in self.contexts:
            context = ssl.create_default_context(cadata=self.credentials.get("ca"))
            if not self.credentials.get("ca"):
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            identity = self.identity(name)
            if "certificate" in identity:
                with tempfile.TemporaryDirectory() as folder:  # ssl takes files only
                    names = [os.path.join(folder, each) for each in ("crt", "key")]
                    for each, data in zip(names, (identity["certificate"], identity["key"])):
                        with open(os.open(each, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                            file.write(data.encode())
                    context.load_cert_chain(*names)
            self.contexts[name] = context
        return self.contexts[name]

    def identity(self, name):
        if name == "anonymous":
            return {}
        if name == "stranger":
            return {"token": "no-such-token"}
        if name not in self.credentials["identities"]:
            raise Unavailable(f"the credentials have no identity {name!r}")
        return self.credentials["identities"][name]

    def open(self, request):
        """Sends a request; (connection, response with its head read)."""
        name = request.get("as", "admin")
        identity = self.identity(name)
        port = self.url.port or (443 if self.url.scheme == "https" else 80)
        if self.url.scheme == "https":
            connection = http.client.HTTPSConnection(self.url.hostname, port, timeout=TIMEOUT, context=self.context(name))
        else:
            connection = http.client.HTTPConnection(self.url.hostname, port, timeout=TIMEOUT)
        query = urllib.parse.urlencode(request.get("query", {}))
        path = self.url.path.rstrip("/") + request["path"] + ("?" + query if query else "")
        connection.putrequest(request["method"], path)
        connection.putheader("Accept", request.get("accept", "application/json"))
        if "token" in identity:
            connection.putheader("Authorization", "Bearer " + identity["token"])
        if "impersonate" in identity:
            connection.putheader("Impersonate-User", identity["impersonate"])
            for group in identity["groups"]:
                connection.putheader("Impersonate-Group", group)
        body = None
        if "text" in request:
            body = request["text"].encode()
        elif "body" in request:
            body = json.dumps(request["body"]).encode()
        if body is not None:
            connection.putheader("Content-Type", request.get("type", "application/json"))
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection, connection.getresponse()

    def ask(self, request):
        """(status, headers, body); a body that is no JSON is a string."""
        connection, response = self.open(request)
        try:
            data = response.read(MAX_BODY)
        finally:
            connection.close()
        return response.status, response.headers, parsed(data)

    def hook(self, name):
        action = self.credentials["hooks"].get(name)
        if action is None:
            raise Unavailable(f"the credentials have no hook {name!r}")
        if isinstance(action, list):
            subprocess.run(action, check=True, timeout=120)
        else:
            status, _, body = self.ask(dict(action, **{"as": "admin"}))
            if status >= 300:
                raise Unavailable(f"hook {name!r} got {status}: {body}")


def parsed(data):
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


class Watch:
    """An open watch; a thread reads its lines. At its end comes None."""

    def __init__(self, connection, response):
        self.connection = connection
        self.frames = queue.Queue()
        self.thread = threading.Thread(target=self._read, args=(response,), daemon=True)
        self.thread.start()

    def _read(self, response):
        try:
            while line := response.readline():
                if line.strip():
                    self.frames.put(parsed(line))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # closed by us, or broken: its end either way
        self.frames.put(None)

    def take(self, count, seconds, keep_bookmarks):
        """Up to `count` frames (None: all until the end) within a time; bookmarks in a row are one."""
        until = time.monotonic() + seconds
        out = []
        while count is None or len(out) < count:
            try:
                frame = self.frames.get(timeout=max(0.001, until - time.monotonic()))
            except queue.Empty:
                break
            if frame is None:
                if count is not None:
                    self.frames.put(None)
                break
            bookmark = isinstance(frame, dict) and frame.get("type") == "BOOKMARK"
            if bookmark and (not keep_bookmarks or (out and out[-1].get("type") == "BOOKMARK" and not _initial_end(out[-1]))):
                continue
            out.append(frame)
        return out

    def close(self):
        sock = self.connection.sock
        if sock is not None:
            try:
                sock.shutdown(2)
            except OSError:
                pass
        self.connection.close()
        self.thread.join(TIMEOUT)


def _initial_end(frame):
    return "k8s.io/initial-events-end" in (frame["object"]["metadata"].get("annotations") or {})
