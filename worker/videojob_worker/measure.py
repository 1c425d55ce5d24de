"""Listens to the sound before anything is made of it, where a plan asks how loud it is.

Called by ``run.py``. It must not look at pictures, nor leave a file behind.
"""

from __future__ import annotations

from .errors import Unverified
from .ffmpeg import Tools
from .nodes import meter_name
from .passes import run_pass
from .plan import Measure, Plan
from .progress import Leg


def measure(wanted: Measure, tools: Tools, on_progress: Leg) -> Plan:
    """Run the pass that only listens; the plan that is made with what it heard.

    Args:
        wanted: the pass, and its meters.
        tools: runs it.
        on_progress: is told how far it is.

    Raises:
        Unverified: if ffmpeg did not say what it heard.
    """
    heard = run_pass(wanted.stage, tools, on_progress).tally.levels
    if any(meter_name(meter) not in heard for meter in wanted.meters):
        raise Unverified("ffmpeg did not say how loud the sound is; its log may be cut.")
    return wanted.again({meter.parents[0]: heard[meter_name(meter)] for meter in wanted.meters})
