"""Following a VideoJob in the terminal until it ends: live where there is a terminal, else by lines.

Used by the demo. Reads the resource and nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from kubernetes import client, watch
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

_TERMINAL = ("Succeeded", "Failed", "Rejected")


def follow(namespace: str, name: str, *, timeout_seconds: int = 600) -> dict[str, Any]:
    """Show how it goes; the resource as it ended.

    Raises:
        TimeoutError: if it has not ended in time.
    """
    console = Console(stderr=False)
    if not console.is_terminal:
        return _follow_by_lines(namespace, name, timeout_seconds)
    with Live(console=console, refresh_per_second=8) as live:
        for body in changes(namespace, name, timeout_seconds):
            live.update(_table(body))
            if ended(body):
                return body
    raise TimeoutError(f"{namespace}/{name} has not ended after {timeout_seconds} s")


def _follow_by_lines(namespace: str, name: str, timeout_seconds: int) -> dict[str, Any]:
    last = ""
    for body in changes(namespace, name, timeout_seconds):
        line = _line(body.get("status", {}))
        if line != last:
            print(line, flush=True)
            last = line
        if ended(body):
            return body
    raise TimeoutError(f"{namespace}/{name} has not ended after {timeout_seconds} s; last: {last}")


def changes(namespace: str, name: str, timeout_seconds: int) -> Iterator[dict[str, Any]]:
    """Every state the resource is seen in; a watch that ends early is taken up again."""
    api = client.CustomObjectsApi()
    until = time.monotonic() + timeout_seconds
    where = ("videojob.dev", "v1alpha1", namespace, "videojobs")
    while (left := int(until - time.monotonic())) > 0:
        events = watch.Watch().stream(
            api.list_namespaced_custom_object,
            *where,
            field_selector=f"metadata.name={name}",
            timeout_seconds=left,
        )
        for event in events:
            yield event["object"]


def ended(body: dict[str, Any]) -> bool:
    """Whether it is over, well or not."""
    return body.get("status", {}).get("phase") in _TERMINAL


def _line(status: dict[str, Any]) -> str:
    progress = status.get("progress", {})
    words = [f"  {status.get('phase', 'New'):<10}", f"{progress.get('percent', 0):>3} %"]
    if "etaSeconds" in progress:
        words.append(f"ETA {progress['etaSeconds']} s")
    words += [progress[key] for key in ("stage", "step") if key in progress]
    words.append(status.get("message", ""))
    return "  ".join(words)


def _table(body: dict[str, Any]) -> Table:
    status = body.get("status", {})
    progress = status.get("progress", {})
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"[bold]{status.get('phase', 'New')}[/]",
        ProgressBar(total=100, completed=progress.get("percent", 0), width=32),
        f"{progress.get('percent', 0)} %",
        f"ETA {progress['etaSeconds']} s" if "etaSeconds" in progress else "",
        progress.get("stage", ""),
        progress.get("step", ""),
        f"{progress['fps']:.0f} fps" if "fps" in progress else "",
    )
    table.add_row("", status.get("message", ""))
    return table


if __name__ == "__main__":
    from kubernetes import config

    config.load_kube_config()
    sys.exit(0 if ended(follow(sys.argv[1], sys.argv[2])) else 1)
