"""Label changes: the codec's are not the cloak's, and intervals hold what they should."""

from __future__ import annotations

import pytest

from videojob_worker.labels import Labels, Seen, summarise


def labels(*numbers: int) -> Labels:
    return {str(at): number for at, number in enumerate(numbers)}


def test_the_cloak_is_blamed_for_what_the_codec_left_alone() -> None:
    before = labels(1, 1, 1, 1, 2, 2, 2, 2)
    control = labels(1, 1, 1, 1, 2, 2, 9, 9)
    cloaked = labels(1, 1, 1, 8, 8, 8, 8, 8)
    told = summarise(Seen(before, control, cloaked))
    assert told["frames"] == 8
    assert told["codecOnly"]["changed"] == 0.25
    assert told["cloakedAndCodec"]["changed"] == 0.625
    assert told["difference"]["changed"] == 0.375
    assert told["ofThoseTheCodecLeft"]["frames"] == 6
    assert told["ofThoseTheCodecLeft"]["changed"] == 0.5


def test_frames_that_are_not_in_all_films_do_not_count() -> None:
    told = summarise(Seen(labels(1, 2, 3), labels(1, 2), labels(1, 2, 3)))
    assert told["frames"] == 2


def test_where_the_codec_changed_all_nothing_is_claimed() -> None:
    told = summarise(Seen(labels(1, 1), labels(2, 2), labels(3, 3)))
    assert told["ofThoseTheCodecLeft"] == {"frames": 0, "changed": None, "interval": None}


def test_intervals_are_narrow_where_all_is_alike_and_wide_where_frames_come_in_scenes() -> None:
    def interval(cloaked: list[int]) -> tuple[float, float]:
        same = labels(*[0] * 64)
        low, high = summarise(Seen(same, same, labels(*cloaked)))["cloakedAndCodec"]["interval"]
        return low, high

    assert interval([1] * 64) == (1, 1)
    mixed, scenes = interval([0, 1] * 32), interval([0, 0, 0, 0, 1, 1, 1, 1] * 8)
    assert mixed == (0.5, 0.5)  # each block of neighbours is half and half
    assert scenes[0] < 0.4
    assert scenes[1] > 0.6
    assert interval([0, 0, 0, 0, 1, 1, 1, 1] * 8) == scenes  # equal films, equal reports


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_frames_are_enough_to_say_little(count: int) -> None:
    told = summarise(Seen(*(labels(*range(at, at + count)) for at in (0, 0, 1))))
    assert told["cloakedAndCodec"] == {"frames": count, "changed": 1.0, "interval": [1.0, 1.0]}
