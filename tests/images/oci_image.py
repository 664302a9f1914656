"""OCI images from plain files, with the standard library only: layers, archives, and pushing them to a registry."""
import gzip
import hashlib
import http.client
import io
import json
import tarfile
import urllib.parse

EPOCH = 1700000000  # every file's time: equal input gives equal digests
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    """One layer as a tar in memory, entries in the order of the calls."""

    def __init__(self):
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)

    def _add(self, name, kind, mode, owner=(0, 0), link="", data=b""):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.mtime, entry.linkname = kind, mode, EPOCH, link
        entry.uid, entry.gid = owner
        entry.size = len(data)
        self._tar.addfile(entry, io.BytesIO(data))
        return self

    def directory(self, name, mode=0o755, owner=(0, 0)):
        return self._add(name, tarfile.DIRTYPE, mode, owner)

    def file(self, name, data, mode=0o644, owner=(0, 0)):
        return self._add(name, tarfile.REGTYPE, mode, owner, data=data.encode() if isinstance(data, str) else data)

    def symlink(self, name, target):
        return self._add(name, tarfile.SYMTYPE, 0o777, link=target)

    def hardlink(self, name, target):
        return self._add(name, tarfile.LNKTYPE, 0o755, link=target)

    def whiteout(self, name):
        folder, _, base = name.rpartition("/")
        return self.file(f"{folder}/.wh.{base}" if folder else f".wh.{base}", b"")

    def opaque(self, folder):
        return self.file(f"{folder}/.wh..wh..opq", b"")

    def bytes(self):
        self._tar.close()
        return self._buffer.getvalue()


class Image:
    """An image of one platform. `run` is the "config" object of the OCI image configuration."""

    def __init__(self, name, architecture, layers, run):
        self.name = name  # "library/alpine:latest"
        self.blobs = {}
        diff_ids, descriptors = [], []
        for tar in layers:
            diff_ids.append(digest(tar))
            descriptors.append(self._blob(LAYER, gzip.compress(tar, 6, mtime=0)))
        config = {
            "created": "2023-11-14T22:13:20Z", "os": "linux", "architecture": architecture, "config": run,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "tests/images"} for _ in layers],
        }
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self._blob(CONFIG, json.dumps(config).encode()), "layers": descriptors,
        }).encode()

    def _blob(self, media_type, data):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def write_archive(self, path):
        """An OCI archive, as `skopeo copy ... oci-archive:` or `ctr images export` write it."""
        repository, tag = self.name.rsplit(":", 1)
        index = json.dumps({"schemaVersion": 2, "manifests": [{
            "mediaType": MANIFEST, "digest": digest(self.manifest), "size": len(self.manifest),
            "annotations": {"io.containerd.image.name": f"docker.io/{repository}:{tag}",
                            "org.opencontainers.image.ref.name": tag}}]})
        archive = Layer()
        archive.file("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"})).file("index.json", index)
        archive.directory("blobs").directory("blobs/sha256")
        for data in [*self.blobs.values(), self.manifest]:
            archive.file("blobs/sha256/" + digest(data).split(":")[1], data)
        path.write_bytes(archive.bytes())


class Archive:
    """An OCI archive on disk, read back."""

    def __init__(self, path):
        self._tar = tarfile.open(path)
        self.entry = json.loads(self._read("index.json"))["manifests"][0]
        self.name = self.entry["annotations"]["io.containerd.image.name"].removeprefix("docker.io/")

    def _read(self, name):
        return self._tar.extractfile(name).read()

    def blob(self, digest_of_it):
        return self._read("blobs/sha256/" + digest_of_it.split(":")[1])

    def push(self, address):
        """Pushes to the registry at host:port over plain HTTP (OCI distribution, the monolithic upload)."""
        repository, tag = self.name.rsplit(":", 1)
        manifest = self.blob(self.entry["digest"])
        document = json.loads(manifest)
        connection = http.client.HTTPConnection(address, timeout=60)

        def call(method, target, body=b"", headers=None, expect=(201,)):
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            text = response.read()
            if response.status not in expect:
                raise RuntimeError(f"{method} {target}: {response.status} {text[:300]!r}")
            return response

        for descriptor in [document["config"], *document["layers"]]:
            there = call("HEAD", f"/v2/{repository}/blobs/{descriptor['digest']}", expect=(200, 404))
            if there.status == 200:
                continue
            upload = call("POST", f"/v2/{repository}/blobs/uploads/", expect=(202,)).getheader("Location")
            parts = urllib.parse.urlsplit(upload)
            query = parts.query + ("&" if parts.query else "") + urllib.parse.urlencode({"digest": descriptor["digest"]})
            call("PUT", f"{parts.path}?{query}", self.blob(descriptor["digest"]), {"Content-Type": "application/octet-stream"})
        call("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
        connection.close()
