"""Acceptance: a manifest that the models do not understand ends at once, with the sentence why.

The API server refuses such manifests; one can still come from an older or newer schema.
"""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Failure, Phase

from ..observed import Decision, EmitEvent, Observed
from ..standing import describe
from ..verdicts import Verdicts


def decide_accept(observed: Observed, now: datetime) -> Decision | None:
    """Refuse what is not understood; everything else goes on down the chain."""
    if observed.spec is not None:
        return None
    return refuse(observed, now, f"The manifest is not understood: {observed.invalid}")


def refuse(observed: Observed, now: datetime, message: str) -> Decision:
    """End a job that can't be done as it is written, with the sentence why."""
    return Decision(
        policy="refuse",
        actions=(EmitEvent("Warning", "InvalidSpec", message),),
        status=describe(
            observed,
            now,
            phase=Phase.FAILED,
            reason="InvalidSpec",
            message=message,
            verdicts=Verdicts({}),
            failure=Failure(reason="InvalidSpec"),
        ),
    )
