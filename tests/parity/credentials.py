"""Who speaks in a conversation: identities "admin", "node" (of the node parity-node), "bootstrap", "nobody".

Credentials are one of
- a folder as the stand-in makes it: admin.kubeconfig, node-parity-node.kubeconfig, bootstrap-kubelet.conf, parity-nobody.kubeconfig;
- a kubeconfig of an administrator, who impersonates the others;
- a JSON file, for what these two cannot say:
    {"server": "https://127.0.0.1:6443", "ca": "ca.crt",   (a file; absent: the server's certificate is not verified)
     "identities": {"admin": {"token": "..."}, "node": {"certificate": "node.crt", "key": "node.key"} (files),
                    "nobody": {"token": "...", "impersonate": "parity-nobody", "groups": ["x"]}},
     "hooks": {"compact": ["program", "argument"]},         (or a request: {"method": ..., "path": ..., "body": ...})
     "lacks": {"controllers": "a reason"}}                  (needs of conversations that the server does not meet)
"""
import base64
import json
import os
import re
import subprocess

NODE = "parity-node"
IMPERSONATED = {
    "node": (f"system:node:{NODE}", ["system:nodes"]),
    "bootstrap": ("system:bootstrap:abcdef", ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"]),
    "nobody": ("parity-nobody", ["parity:nobodies"]),
}
FOLDER = {"admin": "admin.kubeconfig", "node": f"node-{NODE}.kubeconfig", "bootstrap": "bootstrap-kubelet.conf",
          "nobody": "parity-nobody.kubeconfig"}
STAND_IN_HOOKS = {"compact": {"method": "POST", "path": "/fake/chaos", "body": {"compact": True}}}
FIELDS = ("server", "token", "certificate-authority", "certificate-authority-data", "client-certificate",
          "client-certificate-data", "client-key", "client-key-data")
FIELD = re.compile(rf"^[\s-]*({'|'.join(FIELDS)}):\s*[\"']?([^\s\"']+)", re.M)


def read(path):
    """{"server", "ca": PEM, "node", "identities", "hooks", "lacks"}: all that a Peer needs."""
    if os.path.isdir(path):
        return _of_folder(path)
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except ValueError:
        data = {}
    return _of_file(data, os.path.dirname(path)) if "identities" in data else _of_kubeconfig(path)


def _of_folder(folder):
    found = {"node": NODE, "identities": {}, "hooks": STAND_IN_HOOKS, "lacks": {}}
    for name, file in FOLDER.items():
        if os.path.exists(os.path.join(folder, file)):
            found["server"], found["ca"], found["identities"][name] = _kubeconfig(os.path.join(folder, file))
    if "admin" not in found["identities"]:
        raise FileNotFoundError(f"{folder} has no {FOLDER['admin']}")
    return found


def _of_kubeconfig(path):
    server, ca, admin = _kubeconfig(path)
    identities = {name: dict(admin, impersonate=user, groups=groups) for name, (user, groups) in IMPERSONATED.items()}
    return {"server": server, "ca": ca, "node": NODE, "identities": dict(identities, admin=admin), "hooks": {}, "lacks": {}}


def _of_file(data, folder):
    identities = {}
    for name, given in data["identities"].items():
        identities[name] = dict(given, **{key: _text(folder, given[key]) for key in ("certificate", "key") if key in given})
    ca = _text(folder, data["ca"]) if "ca" in data else ""
    return {"server": data.get("server", ""), "ca": ca, "node": data.get("node", NODE), "identities": identities,
            "hooks": data.get("hooks", {}), "lacks": data.get("lacks", {})}


def _kubeconfig(path):
    """(server, CA, identity). Python has no YAML: a file of one cluster and one user is scanned, others need kubectl."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    fields = FIELD.findall(text)
    if text.lstrip().startswith("{") or len(fields) != len(dict(fields)):
        done = subprocess.run(["kubectl", "config", "view", "--raw", "--flatten", "--minify", "-o", "json", "--kubeconfig", path],
                              check=True, capture_output=True, text=True, timeout=20)
        config = json.loads(done.stdout)
        fields = {**config["clusters"][0]["cluster"], **config["users"][0]["user"]}
    else:
        fields = dict(fields)
    folder = os.path.dirname(path)

    def pem(name):
        if name + "-data" in fields:
            return base64.b64decode(fields[name + "-data"]).decode()
        return _text(folder, fields[name]) if name in fields else ""
    identity = {"token": fields["token"]} if "token" in fields else {"certificate": pem("client-certificate"), "key": pem("client-key")}
    return fields["server"], pem("certificate-authority"), identity


def _text(folder, path):
    with open(os.path.join(folder, path), encoding="utf-8") as file:
        return file.read()
