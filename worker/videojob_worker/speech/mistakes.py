"""How many words one transcript gets wrong of another: the word error rate.

Used by the step. Pure. numpy is imported here, so it is imported late.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np

_NOT_OF_A_WORD = re.compile(r"[^\w']+|_")


@dataclass(frozen=True)
class Mistakes:
    """Words that were left out, put in or mistaken."""

    errors: int
    words: int
    """That were said."""

    @property
    def rate(self) -> float | None:
        """For each that was said; more than 1 where much was put in, and none where nothing was said."""
        return round(self.errors / self.words, 3) if self.words else None


def count_mistakes(said: str, heard: str) -> Mistakes:
    """The fewest changes that make one text of the other (Levenshtein's distance, in words).

    Case and punctuation are no words; a script without spaces is taken letter by letter.
    """
    wanted, got = split_words(said), split_words(heard)
    numbers: dict[str, int] = {}
    first, second = (
        np.array([numbers.setdefault(word, len(numbers)) for word in text], dtype=np.int64)
        for text in (wanted, got)
    )
    places = np.arange(len(second) + 1)
    row = places
    for word in first:
        # Each place from above or from both sides' words; then from the left, all at once.
        reached = np.minimum(row[1:] + 1, row[:-1] + (second != word))
        reached = np.concatenate(([row[0] + 1], reached))
        row = np.minimum.accumulate(reached - places) + places
    return Mistakes(int(row[-1]), len(wanted))


def split_words(text: str) -> list[str]:
    """Words without case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    words: list[str] = []
    for part in _NOT_OF_A_WORD.split(plain):
        stripped = part.strip("'")
        is_one = not any(_stands_alone(letter) for letter in stripped)
        words += [stripped] if is_one and stripped else list(stripped)
    return words


def _stands_alone(letter: str) -> bool:
    """Chinese and Japanese put no spaces between words."""
    return "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff"
