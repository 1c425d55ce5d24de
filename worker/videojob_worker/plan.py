"""From steps and a film to passes: which ffmpeg processes to run, and what must come of them.

Called by ``run.py`` once the film is validated. Pure: equal steps, film and budget give equal
passes; it neither runs nor reads anything.

All steps share one pass, in which the film is decoded once; those that compare what it made with
the film share a second one. Where some of them may fail, it is also planned how to go on without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import ceil
from pathlib import Path

from videojob_api.status import Warn
from videojob_api.steps import Step
from videojob_api.videojob import Limits

from . import costs
from .budget import Budget
from .cautions import cautions
from .commands import build_command, numbered
from .companions import Companion
from .encoders import CPU, Device
from .errors import NodeDiskFull, NotDoable
from .graph import Graph, Programme, is_encoded, seconds_of, source_programme
from .looks import Feed, build_feeds
from .media import MediaInfo
from .nodes import Filtered, Level, Meter, Node
from .outputs import PlannedOutput
from .scratch import Scratch
from .spans import span_of
from .steps import StepKind, kind_of
from .video import VideoEncoding
from .vmaf import build_vmaf_command
from .whitelists import input_url

LISTENINGS = 3
"""At most so often sound is measured before anything is made of it."""


@dataclass(frozen=True)
class Pass:
    """One ffmpeg process and all that is known of it beforehand."""

    name: str
    graph: Graph
    source: Path
    limits: Limits
    argv: tuple[str, ...]
    software_argv: tuple[str, ...] | None
    """The same without the GPU's decoder, where that is asked for: it may fail on the way."""
    kinds: tuple[StepKind, ...]
    """The steps at work in it."""
    outputs: tuple[PlannedOutput, ...]
    encodings: tuple[tuple[VideoEncoding, int, int], ...]
    """Video encodings with the numbers of their output and stream in the command."""
    folders: tuple[Path, ...]
    """Must exist before it runs."""
    feeds: tuple[Feed, ...]
    """What must be made while it runs."""
    companions: tuple[Companion, ...]
    """What must run beside it."""
    decodes_all_frames: bool
    """False when it looks at key frames, or at sound alone."""
    reads_all: bool
    """False when nothing is made of the film's end."""
    expected_frames: int | None
    """Of the first video output."""
    expected_seconds: Fraction
    max_seconds: int
    """Reading stops there."""
    timeout_seconds: float
    weight: float
    """Estimated CPU seconds: its share of the whole."""
    memory_bytes: int
    """Estimated, at its peak."""
    scratch_bytes: int
    """Estimated size of what it writes."""

    instead: tuple[Pass, ...] = ()
    """If it fails: the steps that may, each by itself, and then the others. Empty where that would be
    the same again."""

    @property
    def may_fail(self) -> bool:
        """Whether the input goes on without it."""
        return bool(self.kinds) and all(kind.may_fail for kind in self.kinds)

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """All that is run at once: the pass, what shows the film to who feeds it, what compares."""
        looks = (feed.look.argv for feed in self.feeds if feed.look)
        return (self.argv, *looks, *(companion.argv for companion in self.companions))

    @property
    def film_input(self) -> int:
        """The film's number among the inputs of the command."""
        inputs = [value for key, value in pairwise(self.argv) if key == "-i"]
        return inputs.index(input_url(self.source))

    @property
    def finishing_weight(self) -> float:
        """Estimated CPU seconds of what its steps do after it."""
        return sum(kind.finishing_cpu_seconds for kind in self.kinds)

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps in it."""
        return tuple(kind.name for kind in self.kinds)


@dataclass(frozen=True)
class Measure:
    """A pass over the sound alone, for steps that want to know how loud it is."""

    stage: Pass
    meters: tuple[Filtered, ...]
    again: Callable[[Mapping[Node, Level]], Plan]
    """The same plan with what was heard. It may ask to listen again: what a limiter leaves of the
    loudness is known only when its gain is, and so is a stretch of sound with babble over it."""


@dataclass(frozen=True)
class Plan:
    """All passes, in order."""

    passes: tuple[Pass, ...]
    warnings: tuple[Warn, ...]
    measure: Measure | None = None
    """What is done before all passes: until then gains are not known, and the plan is provisional."""

    @property
    def stages(self) -> tuple[Pass, ...]:
        """All that is run."""
        before = () if self.measure is None else (self.measure.stage,)
        return (*before, *self.passes)

    @property
    def weights(self) -> tuple[float, ...]:
        """Estimated CPU seconds of each pass and of its finish, in turn."""
        before = () if self.measure is None else (self.measure.stage.weight,) * LISTENINGS
        return (*before, *(w for p in self.passes for w in (p.weight, p.finishing_weight)))


def build_plan(
    steps: Sequence[Step],
    media: MediaInfo,
    scratch: Scratch,
    budget: Budget,
    device: Device = CPU,
    *,
    limits: Limits | None = None,
    extras: frozenset[str] = frozenset(),
    levels: Mapping[Node, Level] | None = None,
    seed: bytes = b"",
) -> Plan:
    """Plan everything.

    Args:
        steps: those that are not done yet, each after the one that it is ``from``.
        media: the validated film.
        scratch: where files go.
        budget: threads, memory and space.
        device: chooses the encoders, and the decoder of the film.
        limits: what may be read; the defaults if None.
        extras: which of the filters and programs that steps want, and not every worker has, are there.
        levels: how loud sound is, as far as that was measured.
        seed: what is left to chance follows from it.

    Raises:
        NotDoable: if the budget is too small, naming what is needed.
        NodeDiskFull: if it would do, but for the node's disk.
    """
    if not steps:
        return Plan((), ())
    known = dict(levels or {})
    making = Graph(media, seed, extras=extras, levels=known)
    comparing = Graph(media, seed, extras=extras)
    kinds, told = _contribute(
        steps, lambda kind: comparing if kind.compares else making, media, scratch
    )
    late = [kind for kind in kinds if kind.compares and comparing.ends]
    graphs = [(making, [kind for kind in kinds if kind not in late])]
    graphs += [(comparing, late)] if late else []
    estimated_bytes = sum(costs.estimate_bytes(graph) for graph, _ in graphs)
    if budget.scratch_bytes is not None and estimated_bytes > budget.scratch_bytes:
        found = (
            f"The results may take {costs.in_words(estimated_bytes)} of scratch space and "
            f"{costs.in_words(budget.scratch_bytes)} are free"
        )
        if estimated_bytes <= (budget.scratch_limit_bytes or 0):
            raise NodeDiskFull(f"{found} on this node; give nodes more ephemeral storage.")
        limited = budget.scratch_limit_bytes is not None
        more = "raise limits.maxBytes, which that follows" if limited else "make room there"
        raise NotDoable(f"{found}; {more}, or ask for fewer or smaller renditions.")
    build = partial(
        _build_pass, scratch=scratch, budget=budget, device=device, limits=limits or Limits()
    )
    passes = tuple(
        replace(
            build(graph, tuple(those)),
            instead=tuple(build(*part) for part in _set_apart(those, steps, graph, scratch)),
        )
        for graph, those in graphs
        if those
    )
    all_warnings = (*cautions(making, device), *told)
    if not making.unmeasured:
        return Plan(passes, all_warnings)

    def again(heard: Mapping[Node, Level]) -> Plan:
        return build_plan(
            *(steps, media, scratch, budget, device),
            limits=limits,
            extras=extras,
            levels={**known, **heard},
            seed=seed,
        )

    meters = tuple(Filtered(Meter(), (node,)) for node in making.unmeasured)
    listening = Graph(media, meters=list(meters))
    stage = build(listening, ())
    return Plan(passes, all_warnings, Measure(replace(stage, kinds=passes[0].kinds), meters, again))


def _contribute(
    steps: Sequence[Step],
    graph_of: Callable[[StepKind], Graph],
    media: MediaInfo,
    scratch: Scratch,
) -> tuple[tuple[StepKind, ...], tuple[Warn, ...]]:
    """Let each step add to its graph; who can't and may fail is left out, with a warning."""
    source = source_programme(media)
    yielded: dict[str, Programme | None] = {}
    kinds, warnings = [], []
    taken_from = {step.from_ for step in steps}
    for step in steps:
        kind = kind_of(step)(step, scratch)
        kind.is_leaf = step.name not in taken_from
        taken = yielded[step.from_] if step.from_ else source
        try:
            if taken is None:
                raise NotDoable(f"Step {step.from_!r}, which it is from, was left out.")
            yielded[step.name] = kind.contribute(graph_of(kind), taken)
        except NotDoable as error:
            if not step.may_fail:
                raise
            yielded[step.name] = None
            warnings.append(kind.warn("StepLeftOut", str(error)))
        else:
            kinds.append(kind)
            for late in kind.afterwards:
                late.contribute(graph_of(late), taken)
                kinds.append(late)
    return tuple(kinds), (*warnings, *(warning for kind in kinds for warning in kind.warnings))


def _set_apart(
    together: Sequence[StepKind], steps: Sequence[Step], whole: Graph, scratch: Scratch
) -> list[tuple[Graph, tuple[StepKind, ...]]]:
    """Each step that may fail by itself, and then the others: they may want what those make."""
    must = frozenset(kind.name for kind in together if not kind.may_fail)
    parts = []
    for kind in together:
        if not kind.may_fail:
            continue
        part = _take_part(frozenset({kind.name}), steps, whole, scratch)
        if part[0].makes_nothing:
            must |= {kind.name}
        else:
            parts.append(part)
    parts += [_take_part(must, steps, whole, scratch)] if must else []
    return parts if len(parts) > 1 else []


def _take_part(
    names: frozenset[str], steps: Sequence[Step], whole: Graph, scratch: Scratch
) -> tuple[Graph, tuple[StepKind, ...]]:
    """A graph with what some of the steps want; what the others do to the film is in it if needed."""
    wanted, rest = (
        Graph(whole.media, whole.seed, extras=whole.extras, levels=whole.levels) for _ in range(2)
    )
    kinds, _ = _contribute(
        steps, lambda kind: wanted if kind.name in names else rest, whole.media, scratch
    )
    return wanted, tuple(kind for kind in kinds if kind.name in names)


def _build_pass(
    graph: Graph,
    kinds: tuple[StepKind, ...],
    scratch: Scratch,
    budget: Budget,
    device: Device,
    limits: Limits,
) -> Pass:
    media = graph.media
    threads = costs.affordable_threads(graph, budget)
    ends_at = _ends_at(graph)
    # A film may run longer than its container says, but not as long as a gap of hours would have
    # it. The check rejects what reaches this far.
    max_seconds = (
        ceil(media.duration * Fraction(3, 2)) + 60 if ends_at is None else ceil(ends_at) + 10
    )
    cpu_seconds = costs.estimate_cpu_seconds(graph)
    timeout_seconds = 300 + 50 * cpu_seconds
    beside = costs.threads_beside(graph, threads)
    encodings = numbered(graph)
    write = partial(
        build_command,
        *(graph, scratch.source),
        threads=threads,
        max_seconds=max_seconds,
        max_pixels=limits.max_pixels,
    )
    argv = write(device=device)
    in_software = write(device=replace(device, decodes=False)) if device.decodes else argv
    return Pass(
        name=_name(kinds),
        graph=graph,
        source=scratch.source,
        limits=limits,
        argv=argv,
        software_argv=in_software if in_software != argv else None,
        kinds=kinds,
        outputs=tuple(output for kind in kinds for output in kind.outputs()),
        encodings=encodings,
        folders=tuple(
            dict.fromkeys(
                [
                    *(file.path.parent for file in graph.files),
                    *(pictures.folder for pictures in graph.pictures),
                    *(readings.folder for readings in graph.readings),
                ]
            )
        ),
        feeds=build_feeds(
            *(graph, scratch.source),
            threads=threads,
            max_seconds=max_seconds,
            max_pixels=limits.max_pixels,
            timeout_seconds=timeout_seconds,
        ),
        companions=tuple(
            Companion(build_vmaf_command(c, beside), c.source, c.pipes, c.frame_bytes)
            for c in graph.comparisons
        ),
        decodes_all_frames=graph.decodes_all_frames,
        expected_frames=_expected_frames(graph, encodings),
        reads_all=ends_at is None,
        expected_seconds=max(
            (seconds_of(node, media) for node in graph.ends), default=media.duration
        ),
        max_seconds=max_seconds,
        timeout_seconds=timeout_seconds,
        weight=cpu_seconds,
        memory_bytes=costs.estimate_memory(graph, threads),
        scratch_bytes=costs.estimate_bytes(graph),
    )


def _name(kinds: tuple[StepKind, ...]) -> str:
    """Of the pass and its log."""
    if not kinds:
        return "measure"
    if len(kinds) == 1:
        return kinds[0].name
    return "compared" if kinds[0].compares else "fused"


def _expected_frames(
    graph: Graph, encodings: tuple[tuple[VideoEncoding, int, int], ...]
) -> int | None:
    video = graph.media.video
    if video is None or not encodings:
        return None
    rate = encodings[0][0].frame_rate or video.frame_rate
    seconds = seconds_of(encodings[0][0].picture.node, graph.media)
    return max(1, round(seconds * rate))


def _ends_at(graph: Graph) -> Fraction | None:
    """When nothing more is needed of the film, where that is before its end."""
    passing = [e for e in graph.encodings if not is_encoded(e)]
    ends = [span_of(node).end for node in graph.ends]
    latest = max((end for end in ends if end is not None), default=None)
    if passing or None in ends or latest is None or latest >= graph.media.duration:
        return None
    return latest
