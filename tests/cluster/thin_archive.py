"""Archives that leave out the layers which containerd has already.

Called by `image_build.py` before an import: containerd would write and hash every layer anew,
so that one changed source file cost as much as the whole image. Reads and writes archives only.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"


def write(saved: Path, reference: str, present: Collection[str], target: Path) -> None:
    """Turn an archive of the `docker save` kind into an OCI one without the layers present."""
    with tarfile.open(saved) as source, tarfile.open(target, "w") as archive:
        entry = json.loads(_read(source, "manifest.json"))[0]
        config = _read(source, entry["Config"])
        layers = []
        # A layer that is not compressed is stored under the digest that the config names.
        for name, digest in zip(
            entry["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True
        ):
            member = source.getmember(name)
            if member.issym():
                member = source.getmember(member.linkname)
            layers.append(_descriptor("layer.v1.tar", digest, member.size))
            if digest not in present:
                blob = tarfile.TarInfo(_path(digest))
                blob.size = member.size
                archive.addfile(blob, source.extractfile(member))
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _add_blob(archive, "config.v1+json", config),
            "layers": layers,
        }
        described = _add_blob(archive, "manifest.v1+json", json.dumps(manifest).encode())
        described["annotations"] = {"io.containerd.image.name": reference}
        index = {"schemaVersion": 2, "manifests": [described]}
        _add(archive, "index.json", json.dumps(index).encode())
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    return file.read() if file is not None else b""


def _add_blob(archive: tarfile.TarFile, kind: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _add(archive, _path(digest), content)
    return _descriptor(kind, digest, len(content))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": size}


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
