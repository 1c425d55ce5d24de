"""Leadership: one Lease; whoever holds it reconciles, the others wait warm.

Used only when the chart runs several replicas. Losing the lease ends the process: there is no state to
save. Until it has ended, the fence keeps it from writing: it closes before the lease runs out.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from .errors import ClusterError, Conflict, Gone
from .patience import bear
from .world import World

log = structlog.get_logger()

_DURATION_SECONDS = 10
_RENEW_SECONDS = 2
_LOOK_SECONDS = 1
"""How often one that waits looks: so long is nobody leading at most, past the lease."""
_SURE_SECONDS = _DURATION_SECONDS - 2 * _RENEW_SECONDS
"""How long after asking for the lease it is surely ours: others wait for longer than that."""


class LeaseLostError(Exception):
    """Somebody else leads, or the lease could not be renewed in time."""


async def lead(world: World, stop: asyncio.Event) -> None:
    """Return once this replica leads (or is told to stop).

    Raises:
        DeafError: after half an hour without an answer.
    """
    seen, since = "", time.monotonic()
    heard_at = since
    while not stop.is_set():
        try:
            lease = await world.cluster.get_lease(world.settings.namespace, world.settings.lease)
            heard_at, version = time.monotonic(), lease["metadata"]["resourceVersion"]
            if version != seen:
                seen, since = version, heard_at
            # By our own clock alone: clocks of replicas may differ.
            free = not lease["spec"].get("holderIdentity")
            if free or time.monotonic() - since > _DURATION_SECONDS:
                await _take(lease, world)
                log.info("leading")
                return
        except Gone:
            with suppress(Conflict):  # another replica was faster
                await _create(world)
        except Conflict:
            pass  # another replica was faster
        except ClusterError as error:
            log.warning("can't read the lease", error=str(error))
            bear(error, heard_at, time.monotonic())
        await asyncio.sleep(_LOOK_SECONDS)


async def hold_lease(world: World) -> None:
    """Renew while the process runs; give the lease back when cancelled.

    Raises:
        LeaseLostError: as soon as this replica can't be sure to lead.
    """
    fence = world.cluster.fence
    try:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            left = fence.open_until - time.monotonic()
            try:
                async with asyncio.timeout(left):  # no answer is as bad as a refusal
                    await _renew(world)
            except (ClusterError, TimeoutError) as error:
                if time.monotonic() >= fence.open_until:
                    raise LeaseLostError("the lease could not be renewed in time") from error
    except asyncio.CancelledError:
        await _release(world)
        raise


async def _renew(world: World) -> None:
    lease = await world.cluster.get_lease(world.settings.namespace, world.settings.lease)
    if (holder := lease["spec"].get("holderIdentity")) != world.settings.pod_name:
        raise LeaseLostError(f"{holder} leads now")
    await _take(lease, world)


async def _take(lease: dict[str, Any], world: World) -> None:
    """Write that this replica leads, and move the fence; time counts from before the question."""
    asked = time.monotonic()
    await world.cluster.put_lease(_held(lease, world))
    world.cluster.fence.open_until = asked + _SURE_SECONDS


async def _release(world: World) -> None:
    try:
        lease = await world.cluster.get_lease(world.settings.namespace, world.settings.lease)
        if lease["spec"].get("holderIdentity") == world.settings.pod_name:
            lease["spec"]["holderIdentity"] = ""
            await world.cluster.put_lease(lease)
    except ClusterError as error:
        log.info("lease not given back; it runs out by itself", error=str(error))


async def _create(world: World) -> None:
    await world.cluster.create_lease(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": world.settings.lease, "namespace": world.settings.namespace},
            "spec": {"leaseDurationSeconds": _DURATION_SECONDS},
        }
    )


def _held(lease: dict[str, Any], world: World) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {
        **lease["spec"],
        "holderIdentity": world.settings.pod_name,
        "leaseDurationSeconds": _DURATION_SECONDS,
        "renewTime": now,
    }
    if lease["spec"].get("holderIdentity") != world.settings.pod_name:
        spec["acquireTime"] = now
        spec["leaseTransitions"] = lease["spec"].get("leaseTransitions", 0) + 1
    return {**lease, "spec": spec}
