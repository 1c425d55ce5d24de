"""Stretches of the film, and which of them arrives at a node. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .nodes import Compare, Cut, CutSound, Filtered, Node, TakeTurns


@dataclass(frozen=True)
class Span:
    """A stretch of the film."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    """None: to the film's own end."""

    def within(self, length: Fraction) -> Fraction:
        """How much of a film of some length lies in it."""
        end = length if self.end is None else min(self.end, length)
        return max(Fraction(0), end - self.start)

    def cut(self, start: Fraction, end: Fraction | None) -> Span:
        """A stretch of this stretch."""
        ends = [e for e in (self.end, None if end is None else self.start + end) if e is not None]
        return Span(self.start + start, min(ends, default=None))


def span_of(node: Node) -> Span:
    """How much of the film arrives at a node: what is mixed in or laid over does not count."""
    if not isinstance(node, Filtered):
        return Span()
    # What is compared with the film is a rendition of ours: a stretch already.
    film = node.parents[-1] if isinstance(node.filter, Compare | TakeTurns) else node.parents[0]
    span = span_of(film)
    if isinstance(node.filter, Cut | CutSound):
        return span.cut(node.filter.start, node.filter.end)
    return span
