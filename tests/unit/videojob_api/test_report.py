"""What a worker says: results that fit 4096 bytes whatever is in them, and reports within bounds."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import time
import zlib
from typing import Any

import pytest
from builders import SHA256, a_result, an_output
from pydantic import ValidationError

from videojob_api.report import MAX_TERMINATION_BYTES, Report, Result
from videojob_api.status import InputState

COUNTS = ("index", "input", "state", "reason", "exit_code", "output_count", "output_bytes", "usage")
"""What must never be lost."""

ALPHABETS = (
    "abc xyz",
    "äöüß",
    "日本語の動画",
    "🎬🎞️📽️",
    '"\\/\b\f\n\r\t',
    "\x00\x01\x1f\x7f",
    "\u2028\u2029\ufeff",
    "e\u0301\u200d",
)


def some_text(chance: random.Random, longest: int) -> str:
    alphabet = "".join(chance.sample(ALPHABETS, chance.randint(1, 4)))
    return "".join(chance.choices(alphabet, k=chance.randint(0, longest)))


def some_result(chance: random.Random) -> Result:
    def maybe(value: Any) -> Any:
        return chance.choice([None, value])

    count = chance.choice([0, 1, 3, 30, 600])
    return Result.model_validate(
        {
            "index": chance.randrange(500),
            "input": "in-1",
            "state": chance.choice(list(InputState)),
            "reason": maybe(some_text(chance, 128)),
            "message": maybe(some_text(chance, chance.choice([10, 1000, 9000]))),
            "exitCode": chance.choice([0, 1, 42, 47, 137]),
            "facts": maybe({"durationSeconds": 12.5, "width": 640, "videoCodec": "h264"}),
            "manifestKey": maybe("results/" + some_text(chance, 900)),
            "manifestSha256": SHA256,
            "outputCount": count,
            "outputBytes": chance.randrange(1 << 50),
            "outputs": [
                an_output(number=n, name=some_text(chance, 60)).wire() for n in range(count)
            ],
            "acceleratorUsed": maybe("CPU"),
            "acceleratorReason": maybe(some_text(chance, 400)),
            "usage": maybe({"cpuSeconds": 3.5, "bytesIn": 10}),
            "warnings": [
                {"reason": "R", "message": some_text(chance, 1000)}
                for _ in range(chance.choice([0, 2, 20]))
            ],
            "logKey": maybe("results/" + some_text(chance, 900)),
            "logTail": maybe(some_text(chance, chance.choice([10, 2048, 20000]))),
        }
    )


def test_no_result_is_longer_than_a_termination_message_and_all_read_back_with_their_counts() -> (
    None
):
    chance = random.Random(20260301)  # noqa: S311 (a seeded test)
    shortened = 0
    for _ in range(150):
        result = some_result(chance)
        text = result.to_termination_message()
        assert len(text.encode()) <= MAX_TERMINATION_BYTES
        back = Result.model_validate_json(text)
        for name in COUNTS:
            assert getattr(back, name) == getattr(result, name), name
        shortened += back != result
    assert shortened > 50


def test_a_result_that_fits_is_said_whole() -> None:
    result = a_result(outputs=3, message='He said "no" \\ twice\n', logTail="…")
    assert Result.model_validate_json(result.to_termination_message()) == result


def outputs_apart(count: int) -> list[dict[str, Any]]:
    """Outputs as they are: each with a sum of its own, which can't be compressed."""
    sums = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))
    return [an_output(number=n, sha256=each).wire() for n, each in enumerate(sums)]


def test_some_forty_outputs_have_room_and_what_is_left_out_is_left_out_from_the_end() -> None:
    result = a_result(outputs=0, message="m" * 300).model_copy(
        update={
            "output_count": 100,
            "outputs": Result.model_validate(
                {**a_result().wire(), "outputs": outputs_apart(100)}
            ).outputs,
        }
    )
    text = result.to_termination_message()
    back = Result.model_validate_json(text)
    assert 40 <= len(back.outputs) < 100
    assert back.outputs == result.outputs[: len(back.outputs)]
    assert back.message == result.message
    assert back.output_count == 100
    assert len(text.encode()) > MAX_TERMINATION_BYTES - 100, "there was room for one more"


def test_outputs_that_fit_as_they_are_can_be_read_by_people() -> None:
    assert '"outputs":[{"name"' in a_result(outputs=3).to_termination_message()
    assert "packedOutputs" in a_result(outputs=30).to_termination_message()


def packed(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    "text",
    [
        'no base85 "',
        base64.b85encode(b"not compressed").decode(),
        base64.b85encode(zlib.compress(b"[" + b" " * 1000)[:-4]).decode(),
        packed(b" " * 10_000_000),
        packed(b'{"no": "list"}'),
        packed(b"not JSON"),
        packed(b"[" * 60_000),
        *(packed(b"[" * depth + b"]" * depth) for depth in (600, 950, 1200, 5000, 30_000)),
        7,
        None,
    ],
)
def test_a_worker_that_packs_mischief_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        Result.model_validate({**a_result(outputs=0).wire(), "packedOutputs": text})


def test_what_is_packed_is_cleaned_like_all_else() -> None:
    output = an_output().wire() | {"name": "a\x1b[31mred"}
    wire = {**a_result(outputs=0).wire(), "packedOutputs": packed(json.dumps([output]).encode())}
    (back,) = Result.model_validate(wire).outputs
    assert back.name == "a[31mred"


def test_the_tail_keeps_its_end_and_the_message_its_beginning() -> None:
    tail = Result.model_validate_json(
        a_result(outputs=0, logTail="x" * 9000 + "the end").to_termination_message()
    ).log_tail
    assert tail is not None
    assert tail.endswith("xthe end")
    assert len(tail) > 3000
    message = Result.model_validate_json(
        a_result(outputs=0, message="The start " + "x" * 9000).to_termination_message()
    ).message
    assert message is not None
    assert message.startswith("The start x")


@pytest.mark.parametrize("character", ["é", "日", "🎬", '"', "\\", "\x00", "\n"])
def test_a_cut_never_breaks_a_character_or_an_escape(character: str) -> None:
    for length in (4090, 4096, 5000):
        result = a_result(outputs=0, message=character * length, logTail=character * length)
        back = Result.model_validate_json(result.to_termination_message())
        assert set(back.message or "") <= {character}
        assert set(back.log_tail or "") <= {character}


def test_long_keys_are_left_out_whole_rather_than_cut() -> None:
    result = a_result(
        outputs=0, manifestKey="日" * 2000, logKey="本" * 2000, acceleratorReason="語" * 3000
    )
    back = Result.model_validate_json(result.to_termination_message())
    assert back.manifest_key in (None, result.manifest_key)
    assert back.log_key is None


def test_huge_lists_are_shortened_in_no_time() -> None:
    result = a_result(outputs=5000)
    started = time.perf_counter()
    result.to_termination_message()
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "change",
    [
        {"outputCount": -1},
        {"outputBytes": 1e300},
        {"reason": "R" * 129},
        {"state": "Perfect"},
        {"facts": {"durationSeconds": float("inf")}},
        {"manifestSha256": "short"},
    ],
    ids=str,
)
def test_a_result_that_no_status_could_hold_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_result(**change)


def test_a_result_of_a_newer_worker_is_understood() -> None:
    body = {**a_result().wire(), "bitrate": 7}
    assert Result.model_validate(body) == a_result()


@pytest.mark.parametrize(
    "progress",
    [
        '{"percent": 101, "stage": "Processing"}',
        '{"percent": -1, "stage": "Processing"}',
        '{"percent": NaN, "stage": "Processing"}',
        '{"percent": Infinity, "stage": "Processing"}',
        '{"percent": 5, "stage": "Dreaming"}',
        '{"percent": 5, "stage": "Processing", "etaSeconds": 1e300}',
        '{"percent": 5, "stage": "Processing", "fps": NaN}',
        '{"stage": "Processing"}',
    ],
)
def test_a_report_with_wild_numbers_is_refused(progress: str) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate_json(f'{{"runID":"r","attempt":1,"index":0,"progress":{progress}}}')


@pytest.mark.parametrize("change", [{"index": 500}, {"index": -1}, {"attempt": -1}])
def test_a_report_of_no_possible_input_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate({"runID": "r", "attempt": 1, "index": 0, **change})


@pytest.mark.parametrize("code", [-1, 256, 2**40])
def test_an_exit_code_that_no_process_has_is_refused(code: int) -> None:
    """It would not fit the status that tells of it."""
    with pytest.raises(ValidationError):
        Result.model_validate({**a_result().wire(), "exitCode": code})
