"""Results as files: what was text stays text, whoever opens it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO

import pyarrow.parquet
import pytest
from sqlberg.tools.export import json_value
from sqlberg.tools.limits import Result
from sqlberg.ui.web.downloads import FORMATS, as_csv, as_excel, as_parquet

ROWS = [
    ('=HYPERLINK("http://evil")', 1, Decimal("9.50"), date(2024, 1, 2), True),
    ("+1+cmd|' /C calc'!A0", -3, None, date(1800, 1, 1), False),
    ("bell \x07 and\nline", 10**18, Decimal("1"), None, None),
]
RESULT = Result(("note", "n", "n", "day", "=1+1"), ROWS)


def test_a_spreadsheet_runs_nothing_of_it():
    openpyxl = pytest.importorskip("openpyxl", reason="Excel files need the chat extra")
    sheet = openpyxl.load_workbook(BytesIO(as_excel(RESULT))).active
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert [cell.value for cell in sheet[2]] == [ROWS[0][0], 1, 9.5, datetime(2024, 1, 2), True]
    assert [sheet["A1"].value, sheet["E1"].value] == ["note", "=1+1"]
    assert sheet["B4"].value == str(10**18)
    assert sheet["D3"].value == "1800-01-01"
    assert sheet["A4"].value == "bell  and\nline"


def test_times_with_a_zone_are_told_in_utc():
    openpyxl = pytest.importorskip("openpyxl", reason="Excel files need the chat extra")
    moment = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
    sheet = openpyxl.load_workbook(BytesIO(as_excel(Result(("at",), [(moment,)])))).active
    assert sheet["A2"].value == moment.replace(tzinfo=None)


EAST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    "value", [time(1, 2, tzinfo=EAST), datetime(1, 1, 1, tzinfo=EAST), Decimal("Infinity"), Decimal("NaN")]
)
def test_what_a_sheet_has_no_type_for_is_text_and_a_file_in_any_format(value: object):
    openpyxl = pytest.importorskip("openpyxl", reason="Excel files need the chat extra")
    result = Result(("at",), [(value,)])
    cell = openpyxl.load_workbook(BytesIO(as_excel(result))).active["A2"]
    assert (cell.data_type, cell.value) == ("s", str(json_value(value)))
    assert pyarrow.parquet.read_table(BytesIO(as_parquet(result))).column("at").null_count == 0


def test_csv_is_marked_and_harmless():
    text = as_csv(RESULT).decode("utf-8-sig")
    assert text.splitlines()[1].startswith("\"'=HYPERLINK")
    assert "'+1+cmd" in text


def test_parquet_keeps_types_and_tells_columns_of_one_name_apart():
    table = pyarrow.parquet.read_table(BytesIO(as_parquet(RESULT)))
    assert table.column_names == ["note", "n", "n_2", "day", "=1+1"]
    assert table.column("day").to_pylist() == [date(2024, 1, 2), date(1800, 1, 1), None]


def test_an_empty_result_is_a_file_too():
    pytest.importorskip("openpyxl", reason="Excel files need the chat extra")
    assert all(make(Result(("a",), [])) for make in FORMATS.values())
