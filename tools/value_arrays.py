"""The value index as plain arrays: what is written to disk, mapped into memory and searched.

letters, text_ends: all texts end to end (UTF-8); column_ends: texts of each column, end to end.
numbers, number_columns: all distinct numbers of all columns, ascending, with their column; number_ranges:
least and greatest of each column (NaN: none). moments, moment_columns, moment_ranges: the same for dates
and times, in seconds since 1970, and moment_texts: the number of the stored text (-1 where the database
stores a real date). The rest belongs to trigrams.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .text import plain
from .trigrams import build_trigrams
from .value_reading import ColumnValues

_NONE = np.array([[np.nan, np.nan]])


def build_arrays(found: Iterable[ColumnValues]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The index of columns' values, and the note that goes with it: {"columns": [[table, column]],
    "whole"}."""
    columns: list[list[str]] = []
    texts: list[str] = []
    column_ends: list[int] = []
    numbers: list[np.ndarray] = []
    moments: list[np.ndarray] = []
    moment_texts: list[int] = []
    whole = True
    for values in found:
        columns.append([values.table, values.column])
        own = {text: len(texts) + i for i, text in enumerate(values.texts)} if values.moment_texts else {}
        texts.extend(values.texts)
        column_ends.append(len(texts))
        numbers.append(values.numbers)
        moments.append(values.moments)
        moment_texts.extend(own.get(text, -1) for text in values.moment_texts)
        whole = whole and values.whole
    letters = b"".join(_encoded(text) for text in texts)
    sizes = np.fromiter((len(_encoded(text)) for text in texts), np.int64, len(texts))
    arrays = {
        "letters": np.frombuffer(letters, np.uint8),
        "text_ends": np.cumsum(sizes),
        "column_ends": np.array(column_ends, np.int64),
        **_series("number", numbers, {}),
        **_series("moment", moments, {"moment_texts": np.array(moment_texts, np.int64)}),
    }
    arrays |= build_trigrams(plain(text) for text in texts)
    return arrays, {"columns": columns, "whole": whole}


def text_at(arrays: Mapping[str, np.ndarray], number: int) -> str:
    """The stored text of that number."""
    ends = arrays["text_ends"]
    start = int(ends[number - 1]) if number else 0
    return bytes(arrays["letters"][start : int(ends[number])]).decode("utf-8", "surrogatepass")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _series(
    kind: str, columns: Sequence[np.ndarray], beside: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """All columns' values ascending, with their column and what lies beside them, and each column's range."""
    values = np.concatenate(columns) if columns else np.zeros(0)
    owners = np.repeat(np.arange(len(columns), dtype=np.uint32), [len(column) for column in columns])
    order = np.argsort(values, kind="stable")
    ranges = [[[column[0], column[-1]]] if len(column) else _NONE for column in columns]
    return {
        f"{kind}s": values[order],
        f"{kind}_columns": owners[order],
        f"{kind}_ranges": np.concatenate(ranges) if ranges else np.zeros((0, 2)),
        **{name: array[order] for name, array in beside.items()},
    }
