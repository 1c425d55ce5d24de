"""What a Dockerfile takes from its context, read from its text.

Called by `images.py` for the tag of an image, which is a hash of all that goes into it. Pure
but for reading the files; knows only the instructions that this project's Dockerfiles use.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

_NEVER = {"__pycache__", ".git", ".venv"}


def arguments(text: str) -> set[str]:
    """The names of its build arguments."""
    return set(re.findall(r"^ARG\s+(\w+)", text, re.MULTILINE))


def sources(text: str) -> list[str]:
    """Paths and patterns, relative to the context, that it copies or mounts."""
    found = []
    for line in _instructions(text):
        words = shlex.split(line)
        if words[0] in ("COPY", "ADD") and not any(word.startswith("--from") for word in words):
            found += [word for word in words[1:-1] if not word.startswith("--")]
        elif words[0] == "RUN":
            for word in words[1:]:
                if word.startswith("--mount=type=bind") and "from=" not in word:
                    found += re.findall(r"\b(?:source|src)=([^,]+)", word)
    return found


def context_hash(dockerfile: Path, context: Path, *extra: str) -> str:
    """Hex digest over the Dockerfile, what it takes from the context, and anything else given."""
    text = dockerfile.read_text()
    digest = hashlib.sha256("\0".join([text, *extra]).encode())
    for path in sorted({path for source in sources(text) for path in _files(context, source)}):
        executable = bool(path.stat().st_mode & 0o100)
        digest.update(f"\0{path.relative_to(context)}\0{executable}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _instructions(text: str) -> Iterator[str]:
    """Instructions as one line each, comments left out, here-documents passed over."""
    end_word, pending = "", ""
    for line in text.splitlines():
        if end_word:
            end_word = "" if line.strip() == end_word else end_word
            continue
        if line.lstrip().startswith("#") or not line.strip():
            continue
        pending += line.removesuffix("\\") + " "
        if line.endswith("\\"):
            continue
        instruction, pending = pending.strip(), ""
        here = re.search(r"<<-?\s*['\"]?(\w+)", instruction)
        end_word = here.group(1) if here else ""
        # Only COPY, ADD and the options of RUN matter, and shell text may not be shlex's.
        if instruction.startswith("RUN"):
            options = re.match(r"RUN(\s+--\S+)*", instruction)
            instruction = options.group(0) if options else "RUN"
        if instruction.startswith(("COPY", "ADD", "RUN")):
            yield instruction


def _files(context: Path, source: str) -> Iterator[Path]:
    for start in sorted(context.glob(source.strip("/"))) if source.strip("./") else [context]:
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file() and not _NEVER.intersection(path.relative_to(context).parts):
                yield path
