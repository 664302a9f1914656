"""What of an answer can be compared: volatile values become symbols, equal values equal symbols.

A uid is named after its object, the versions of an object are counted, so that "the same object" and "unchanged" are
compared although the values differ at every run. Strings that the conversation itself sent stay as they are. Texts and
some maps that are empty are as good as absent: Go writes them or not by a tag that means nothing to a reader.
"""
import base64
import json
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
MICRO_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z$")
IN_TEXT = (  # volatile values inside sentences
    (re.compile(r"too old resource version: \d+ \(\d+\)"), "too old resource version: <version> (<version>)"),
    (re.compile(r"in record \(\d+\)"), "in record (<version>)"),
    (re.compile(r'(resourceVersion\W{1,6})\d+'), r"\1<version>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
)
TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}\b")
PEM = re.compile(r"^-----BEGIN [A-Z ]+-----")
ABSENT_WHEN_EMPTY = {"annotations", "data", "deprecatedSource", "details", "labels", "lastState", "metadata", "resources", "source", "spec", "state",
                     "status", "user"}
SERVICE_IP = re.compile(r"^10\.96\.\d+\.\d+$")


class Normaliser:
    """One for a conversation: it remembers which values it has seen."""

    def __init__(self, literals, names):
        self.literals = set(literals)  # strings of the requests, as written
        self.names = dict(names)       # value -> "${variable}"
        self.symbols, self.uids, self.versions = {}, {}, {}

    def symbol(self, kind, value):
        """<kind>, <kind 2>, ...: one for each value."""
        known = self.symbols.setdefault(kind, {})
        return known.setdefault(value, f"<{kind}>" if not known else f"<{kind} {len(known) + 1}>")

    def identity(self, uid, name):
        if uid in self.literals:
            return uid
        if uid not in self.uids:
            self.uids[uid] = self.symbol(f"uid of {self.renamed(name)}" if name else "uid", uid)
        return self.uids[uid]

    def version(self, version, uid):
        known = self.versions.setdefault(uid, {})
        return known.setdefault(version, f"<version {len(known) + 1}>")

    def value(self, value):
        if isinstance(value, dict):
            return self.mapping(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return self.text(value) if isinstance(value, str) else value

    def mapping(self, mapping):
        out = {}
        generated = mapping.get("generateName")
        name = mapping.get("name")
        if isinstance(generated, str) and isinstance(name, str) and name.startswith(generated) and name != generated:
            self.names[name] = generated + self.symbol("suffix", name)
        uid = mapping.get("uid")
        if not isinstance(uid, str) or not UUID.fullmatch(uid):
            uid = None
        if uid:
            self.identity(uid, name)  # before those of the objects inside
        for key, value in sorted(mapping.items()):
            if value is None or value == "" or key in ("managedFields", "selfLink"):
                continue
            if key == "uid" and uid:
                out[key] = self.identity(uid, name)
            elif key == "resourceVersion":
                # A list's (and a bookmark's) is that of the whole server: anybody's write moves it.
                out[key] = self.version(value, uid) if uid else "<version>"
            elif key == "continue":
                out[key] = "<continue>"
            elif key == "token" and isinstance(value, str) and value.count(".") == 2:
                out[key] = self.token(value)
            elif key == "certificate" and isinstance(value, str):
                out[key] = "<certificate>"
            else:
                out[key] = self.value(value)
        return {key: out[key] for key in mapping if key in out and not (out[key] == {} and key in ABSENT_WHEN_EMPTY)}

    def text(self, text):
        if text in self.literals:
            return self.renamed(text)
        if TIME.match(text):
            return "<time>"
        if MICRO_TIME.match(text):
            return "<time with fraction>"
        if PEM.match(text):
            return "<pem>"
        if SERVICE_IP.match(text):
            return self.symbol("service ip", text)
        text = UUID.sub(lambda match: self.identity(match.group(), ""), text)
        for pattern, symbol in IN_TEXT:
            text = pattern.sub(symbol, text)
        return self.renamed(TOKEN_VOLUME.sub("kube-api-access-<suffix>", text))

    def renamed(self, text):
        for value in sorted(self.names, key=len, reverse=True):
            text = text.replace(value, self.names[value]) if value else text
        return text

    def token(self, token):
        """The claims of a service account token, times as seconds after its issue."""
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        issued = claims.get("iat", 0)
        for name in ("exp", "nbf"):
            if name in claims:
                claims[name] -= issued
        warn = claims.get("kubernetes.io", {})
        if "warnafter" in warn:
            warn["warnafter"] -= issued
        claims["iat"] = 0
        self.names[claims.pop("iss", "")] = "<issuer>"  # an audience too, when none is asked for
        return {"<claims>": self.value(claims)}


def strings_of(value):
    """All strings in a JSON value: what a conversation sends."""
    if isinstance(value, dict):
        for each in value.values():
            yield from strings_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_of(each)
    elif isinstance(value, str):
        yield value


def differences(expected, found, path=""):
    """Sentences, one for each place where the two differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(set(expected) | set(found)):
            where = f"{path}.{key}" if path else key
            if key not in found:
                yield f"{where}: missing, recorded is {brief(expected[key])}"
            elif key not in expected:
                yield f"{where}: not in the recording: {brief(found[key])}"
            else:
                yield from differences(expected[key], found[key], where)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{path}: {len(found)} entries instead of {len(expected)}: {brief(found)}"
            return
        for index, (left, right) in enumerate(zip(expected, found)):
            yield from differences(left, right, f"{path}[{index}]")
    elif type(expected) is not type(found) or expected != found:
        yield f"{path or 'value'}: {brief(found)} instead of {brief(expected)}"


def brief(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:297] + "..."


def without(value, paths):
    """The value less some dotted paths ("details.causes"; a "*" stands for each entry of a list)."""
    if not paths or not isinstance(value, (dict, list)):
        return value
    value = json.loads(json.dumps(value))
    for path in paths:
        _cut(value, path.split("."))
    return value


def _cut(value, path):
    if path[0] == "*" and isinstance(value, list):
        for each in value:
            if len(path) > 1:
                _cut(each, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        if len(path) == 1:
            del value[path[0]]
        else:
            _cut(value[path[0]], path[1:])
