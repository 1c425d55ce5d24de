"""Quantities, and what every model of the contract refuses or passes over."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from videojob_api.base import Model, Quantity, Tolerant, check_inside, parse_quantity
from videojob_api.ending import SigningSecretRef
from videojob_api.videojob import StoreRef
from videojob_api.videostore import ConfigMapKeyRef, SecretRef, VolumeStore


class Strict(Model):
    some_number: float = 0
    some_text: str | None = None


class Lenient(Tolerant):
    some_number: float = 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2Gi", 2 * 1024**3),
        ("2G", 2_000_000_000),
        ("500m", Decimal("0.5")),
        ("1.5Ki", 1536),
        ("3k", 3000),
        ("7Mi", 7 * 1024**2),
        ("5M", 5_000_000),
        ("1T", 10**12),
        ("1Ti", 1024**4),
        ("1431619973939200u", Decimal("1431619973.9392")),
        ("7n", Decimal("7e-9")),
        ("2P", 2 * 10**15),
        ("2E", 2 * 10**18),
        ("1Pi", 1024**5),
        ("1Ei", 1024**6),
        ("1e3", 1000),
        ("2.5E6", 2_500_000),
        ("5e-1", Decimal("0.5")),
        (4, 4),
        ("0", 0),
    ],
)
def test_quantities_are_read_as_numbers(text: str | int, number: Decimal | int) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "2 Gi", "-1", "2GB", "1e999", "many", "2Gi2"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write a number with a unit, such as 500m or 2Gi"):
        parse_quantity(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(text)


@pytest.mark.parametrize("text", ["1e3", "7u", "1Pi"])
def test_what_the_api_server_makes_of_quantities_is_for_no_manifest(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(text)


def test_a_quantity_is_kept_as_it_was_written() -> None:
    assert TypeAdapter(Quantity).validate_python("0.50") == "0.50"
    assert TypeAdapter(Quantity).validate_python(2) == "2"


def test_the_wire_form_is_camel_case_without_nulls() -> None:
    assert Strict(some_number=1).wire() == {"someNumber": 1.0}


def test_both_spellings_are_read() -> None:
    assert Strict.model_validate({"someNumber": 2}) == Strict(some_number=2)


def test_unknown_keys_are_refused_from_people_and_passed_over_from_the_other_side() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Strict.model_validate({"someNumbr": 2})
    assert Lenient.model_validate({"someNumber": 2, "newInVersion9": True}).some_number == 2


def test_values_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Strict().some_number = 3  # type: ignore[misc]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_no_word_for_are_refused(number: str) -> None:
    for model in (Strict, Lenient):
        with pytest.raises(ValidationError, match="finite"):
            model.model_validate_json(f'{{"someNumber": {number}}}')


def test_a_key_can_not_leave_its_prefix() -> None:
    assert check_inside("a/..b/c") == "a/..b/c"
    with pytest.raises(ValueError, match=r"write it without \.\./"):
        check_inside("a/../b")


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (StoreRef, "name"),
        (SecretRef, "name"),
        (ConfigMapKeyRef, "name"),
        (SigningSecretRef, "name"),
        (VolumeStore, "claimName"),
    ],
)
def test_what_kubernetes_lets_have_dots_can_be_named_so(model: type[Model], field: str) -> None:
    assert model.model_validate({field: "team.media"}).wire()[field] == "team.media"
    with pytest.raises(ValidationError, match="pattern"):
        model.model_validate({field: "../media"})
