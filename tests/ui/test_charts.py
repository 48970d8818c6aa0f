"""Charts by the shape of a result."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlberg.tools.limits import Result
from sqlberg.ui.web.charts import MARKS, MOST_ROWS, Chart, first_chart, fitting, kinds, spec, told_rows


def result(columns: str, *rows: tuple[Any, ...]) -> Result:
    return Result(tuple(columns.split()), list(rows))


SALES = result("country revenue", ("Chile", Decimal("9.50")), ("Peru", 3), ("Oman", None))
MONTHS = result("month revenue", *((date(2024, n, 1), 10 * n) for n in range(1, 13)))


@pytest.mark.parametrize(
    ("found", "chart"),
    [
        (SALES, Chart("bar", 0, 1)),
        (MONTHS, Chart("line", 0, 1)),
        (result("day n", ("2024-01-02", 1), ("2024-01-03", 2)), Chart("line", 0, 1)),
        (
            result("day shop n", *((date(2024, 1, n), s, n) for n in (1, 2) for s in "ab")),
            Chart("line", 0, 2, 1),
        ),
        (result("year shop n", (2023, "a", 1), (2024, "a", 2), (2023, "b", 3)), Chart("point", 1, 0)),
        (result("region shop n", *((r, s, 1) for r in "xyz" for s in "ab")), Chart("bar", 0, 2, 1)),
        (result("height weight", (1.5, 60), (1.8, 80)), Chart("point", 0, 1)),
        (result("customer_id total", (17, 3), (18, 4)), Chart("bar", 0, 1)),
        (result("n", (1,), (2,)), None),
        (result("country n", ("Chile", 1)), None),
        (result("name town", ("a", "b"), ("c", "d")), None),
        (result("name n", *((str(n), n) for n in range(100))), None),
    ],
)
def test_the_shape_of_a_result_chooses_the_chart(found: Result, chart: Chart | None):
    assert first_chart(found) == chart


def test_columns_are_numbers_times_or_names():
    rows = [(1, "2024-05-01 10:00:00", 1.5, True, None, "2024-13-01")]
    assert kinds(Result(("order_id", "at", "x", "flag", "empty", "text"), rows)) == [
        "name",
        "time",
        "number",
        "name",
        "name",
        "name",
    ]


def test_names_of_columns_and_cells_cannot_be_read_as_anything_else():
    strange = result("a.b[0] </script>", ("<img src=x onerror=alert(1)>", float("nan")), ("datum.x", 2.0))
    made = spec(Chart("bar", 0, 1), strange)
    json.dumps(made, allow_nan=False)
    assert made["encoding"]["x"]["field"] == "c0"
    assert made["encoding"]["x"]["title"] == "a.b[0]"
    assert made["data"]["values"][0] == {"c0": "<img src=x onerror=alert(1)>", "c1": None}


@pytest.mark.parametrize("mark", MARKS)
def test_every_chart_is_valid_vega_lite(mark: Any):
    altair = pytest.importorskip("altair", reason="charts need the chat extra")
    for found in (SALES, MONTHS):
        altair.Chart.from_dict(spec(Chart(mark, 0, 1), found)).to_dict()


def test_many_rows_are_cut_and_the_cut_is_told():
    many = result("x y", *((n, n) for n in range(MOST_ROWS + 5)))
    assert len(spec(Chart("point", 0, 1), many)["data"]["values"]) == MOST_ROWS
    assert told_rows(many) == "the chart shows the first 2,000 of 2,005 rows"
    assert told_rows(SALES) == ""


def test_colours_that_cannot_be_told_apart_are_left_out():
    many = result("a b c", *((n, n, f"n{n}") for n in range(30)))
    assert fitting(Chart("point", 0, 1, 2), many) == Chart("point", 0, 1)
    assert fitting(Chart("point", 0, 1, 2), result("a b c", (1, 2, "x"), (2, 3, "y"))).colour == 2
