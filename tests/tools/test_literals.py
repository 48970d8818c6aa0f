"""Numbers and dates are read as people write them."""

from __future__ import annotations

import pytest
from sqlberg.tools.literals import parse_number, parse_spans


@pytest.mark.parametrize(
    ("text", "number"),
    [("42", 42), ("-1.5", -1.5), ("$1,200.50", 1200.5), ("12 %", 12), ("1e3", 1000), (".5", 0.5)],
)
def test_numbers_are_read(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "abc", "12 monkeys", "1,2", "2014-01-01", "--3", "1e999999999"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "iso", "precision"),
    [
        ("2014", "2014", "year"),
        ("March 2014", "2014-03", "month"),
        ("2014/3", "2014-03", "month"),
        ("Mar 5, 2014", "2014-03-05", "day"),
        ("5th of March 2014", "2014-03-05", "day"),
        ("2014-03-05", "2014-03-05", "day"),
        ("2014-03-05 10:30", "2014-03-05 10:30:00", "moment"),
        ("31.12.2014", "2014-12-31", "day"),
    ],
)
def test_dates_are_read(text: str, iso: str, precision: str) -> None:
    (span,) = parse_spans(text)
    assert (span.text, span.precision) == (iso, precision)
    assert span.start < span.end


def test_an_ambiguous_date_is_read_both_ways() -> None:
    assert {span.text for span in parse_spans("3/5/2014")} == {"2014-05-03", "2014-03-05"}


@pytest.mark.parametrize("text", ["", "May", "2014-13-01", "30 February 2014", "0000", "1" * 100])
def test_what_is_no_date_has_no_span(text: str) -> None:
    assert parse_spans(text) == []
