"""Images that hold nothing but a static binary, made without any builder.

Called for pause, CoreDNS and MinIO. An image is a tar archive in the form of `docker save`,
which Docker, kind and containerd all take. The same inputs give the same bytes. Must not run
anything: what needs commands run has a Dockerfile.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import container_engine
from places import IMAGES

_USER = "65532:65532"


@dataclass(frozen=True)
class ScratchImage:
    """What goes into one such image."""

    name: str
    files: Mapping[str, Path]
    """Path in the image → file on this machine."""
    entrypoint: list[str]
    folders: list[str] = field(default_factory=lambda: ["tmp"])
    env: Mapping[str, str] = field(default_factory=dict)

    def reference(self) -> str:
        """The image's name with a tag that is a hash of all of it."""
        digest = hashlib.sha256(repr((self.entrypoint, self.folders, dict(self.env))).encode())
        for path, source in sorted(self.files.items()):
            digest.update(f"{path}\0{source.stat().st_mode}\0".encode())
            with source.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return container_engine.reference(self.name, digest.hexdigest())


def ensure_archive(image: ScratchImage) -> Path:
    """The archive of the image, written now if it is not there yet."""
    reference = image.reference()
    path = IMAGES / f"{image.name}-{reference.rpartition(':')[2]}.tar"
    if path.exists():
        return path
    IMAGES.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    layer = IMAGES / f".{image.name}.layer"
    _write_layer(image, layer)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = json.dumps(_build_config(image, digest)).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(scratch, "w") as archive:
        archive.add(layer, "layer.tar", recursive=False)
        for name, content in (
            (config_name, config),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    layer.unlink()
    scratch.rename(path)
    return path


def _build_config(image: ScratchImage, layer_digest: str) -> dict[str, object]:
    return {
        "architecture": container_engine.architecture(),
        "os": "linux",
        "config": {
            "User": _USER,
            "Entrypoint": image.entrypoint,
            "Env": [f"{name}={value}" for name, value in image.env.items()],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }


def _write_layer(image: ScratchImage, target: Path) -> None:
    with tarfile.open(target, "w") as layer:
        folders = {str(parent) for path in image.files for parent in Path(path).parents}
        for name in sorted({*folders, *image.folders} - {".", "/"}):
            entry = tarfile.TarInfo(name.strip("/"))
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o1777 if name in image.folders else 0o755
            layer.addfile(entry)
        for path, source in sorted(image.files.items()):
            entry = tarfile.TarInfo(path.strip("/"))
            entry.size = source.stat().st_size
            entry.mode = source.stat().st_mode & 0o755
            with source.open("rb") as file:
                layer.addfile(entry, file)
