"""One column's kind and statistics, from its values. Pure functions, no SQL.

Used with all values of small tables (`value_statistics`), and with what the database counted of bigger ones
(`kind_and_range`, `samples_of`, `estimated_distinct`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from .kinds import is_numeral, plain_value, settled_kind
from .schema import Column, Kind, Statistics

CATEGORIES = 20
"""A column of at most this many distinct values, all short, is categorical: all its values are kept."""
CATEGORY_CHARS = 40
SAMPLES = 8
"""Sample values kept of a column that is not categorical."""
SAMPLE_CHARS = 200

_CONTENT_VALUES = 2_000
"""Distinct values looked at to settle what a column holds."""


def value_statistics(column: Column, values: Sequence[Any], *, enforced: bool = False) -> Column:
    """The column with its kind and statistics settled from all its `values` (Python values, NULL as None).

    enforced: the declared type can be relied on (kinds.is_enforced).
    """
    present = [value for value in values if value is not None]
    null_share = 1 - len(present) / len(values) if values else 0.0
    if any(isinstance(value, list | dict | bytes | bytearray) for value in present):
        return replace(column, kind="other", statistics=Statistics(null_share=null_share))
    # NaN is equal to nothing, itself neither: counted as it is, each would be a value of its own.
    counts = Counter(
        math.nan if isinstance(value, float) and math.isnan(value) else value for value in present
    )
    kind, low, high = kind_and_range(column.kind, list(counts), enforced=enforced)
    samples, complete = samples_of([value for value, _ in counts.most_common(CATEGORIES)], len(counts))
    return replace(
        column,
        kind=kind,
        statistics=Statistics(null_share, len(counts), low, high, samples, complete),
    )


def kind_and_range(declared: Kind, values: Sequence[Any], *, enforced: bool = False) -> tuple[Kind, Any, Any]:
    """Kind, least and greatest value of a column from its distinct non-null values.

    Only numbers and dates have a range; stray values of another kind are left out of it.
    """
    kind = declared if enforced else settled_kind(declared, values[:_CONTENT_VALUES])
    fit: Iterable[Any]
    if kind == "number":
        fit = [number for value in values if (number := number_of(value)) is not None]
    elif kind == "date":
        fit = [plain for value in values if isinstance(plain := plain_value(value), str)]
    else:
        fit = ()
    return (kind, plain_value(min(fit)), plain_value(max(fit))) if fit else (kind, None, None)


def samples_of(ranked: Sequence[Any], distinct: int) -> tuple[tuple[Any, ...], bool]:
    """Values to show, most frequent first, and whether they are all there are (a categorical column).

    ranked: the most frequent values (`CATEGORIES` of them, or all); distinct: how many there are.
    """
    plain = [value for value in map(plain_value, ranked) if value is not None]
    short = all(len(str(value)) <= CATEGORY_CHARS for value in plain)
    if distinct <= CATEGORIES and short and len(plain) == distinct:
        return tuple(plain), True
    return tuple(_shortened(value) for value in plain[:SAMPLES]), False


def number_of(value: Any) -> int | float | Decimal | None:
    """The value as a finite number, also from text that spells one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not is_numeral(value):
            return None
        if value.strip().lstrip("+-").isdecimal():
            return int(value)  # a float holds no more than 15 of its digits for sure
        value = float(value)
        value = int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, int | float | Decimal) and math.isfinite(value):
        return value
    return None


def estimated_distinct(groups: int, singles: int, sampled: int, rows: int) -> int:
    """Distinct values among `rows`, from a sample of `sampled` with `groups` distinct, `singles` seen once.

    The guaranteed-error estimator of Charikar, Chaudhuri, Motwani and Narasayya (PODS 2000), section 4:
    sqrt(rows / sampled) * singles + (groups - singles).
    """
    if sampled == 0:
        return 0
    estimate = math.sqrt(rows / sampled) * singles + (groups - singles)
    return max(groups, min(round(estimate), rows))


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > SAMPLE_CHARS:
        return value[: SAMPLE_CHARS - 1] + "…"
    return value
