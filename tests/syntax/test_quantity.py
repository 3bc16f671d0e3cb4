"""Times: exact amounts, their units, and how they are written."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspec.syntax.quantity import UNITS, Time, decimal, match_quantity


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("5 ms", 5, "ms"),
        (" 1s ", 1, "s"),
        ("0.1 ms", Fraction(1, 10), "ms"),
        (".5min", Fraction(1, 2), "min"),
        ("1. s", 1, "s"),
        ("1e-3 s", Fraction(1, 1000), "s"),
        ("-40 steps", -40, "steps"),
        ("+2 us", 2, "us"),
        ("100", 100, ""),
        ("50 %", 50, "%"),
        ("5 parsec", 5, "parsec"),
        ("5 µs", 5, "µs"),
    ],
)
def test_a_number_and_a_word(text: str, amount: Fraction | int, unit: str) -> None:
    assert match_quantity(text) == (amount, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ms",
        "ms 5",
        "5 ms 3",
        "1/2 s",
        "5 + wait",
        "- 5 ms",
        "1e999 s",
        "٣ s",
        "nan s",
        "inf",
        "1" * 64,
        ".",
    ],
)
def test_anything_else(text: str) -> None:
    assert match_quantity(text) is None


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (Time(Fraction(5), "ms"), Fraction(1, 200)),
        (Time(Fraction(3), "us"), Fraction(3, 1_000_000)),
        (Time(Fraction(2), "min"), Fraction(120)),
        (Time(Fraction(1, 3), "s"), Fraction(1, 3)),
        (Time(Fraction(40), "steps"), Fraction(1, 5)),
        (Time(Fraction(1), "step"), Fraction(1, 200)),
    ],
)
def test_seconds(time: Time, seconds: Fraction) -> None:
    assert time.seconds(Fraction(1, 200)) == seconds


def test_every_unit_has_a_length() -> None:
    assert all(Time(Fraction(1), unit).seconds(Fraction(1, 200)) > 0 for unit in UNITS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(-12), "-12"),
        (Fraction(1, 2), "0.5"),
        (Fraction(-1, 200), "-0.005"),
        (Fraction(1001, 1000), "1.001"),
        (Fraction(1, 3), "1/3"),
        (Fraction(-7, 6), "-7/6"),
        (Fraction("1e-20"), "0.00000000000000000001"),
        (Fraction(10**30 + 1, 2), "500000000000000000000000000000.5"),
    ],
)
def test_decimal(value: Fraction, text: str) -> None:
    assert decimal(value) == text


@given(st.fractions())
def test_decimal_is_exact(value: Fraction) -> None:
    assert Fraction(decimal(value)) == value


@given(st.decimals(-1000, 1000, places=6), st.sampled_from(UNITS))
def test_a_written_time_reads_as_the_same(amount: object, unit: str) -> None:
    time = Time(Fraction(str(amount)), unit)
    assert match_quantity(str(time)) == (time.amount, unit)


@given(st.text(max_size=70))
def test_any_text_matches_or_not(text: str) -> None:
    found = match_quantity(text)
    assert found is None or isinstance(found[0], Fraction)
