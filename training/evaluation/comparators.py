"""Whether a predicted result equals the gold one: four comparators, as pure functions over rows.

Covered: the rules by which published text-to-SQL scores are counted.
- `multiset` (the headline): the same rows the same number of times, any order of columns, names ignored, row
  order only where the gold query orders its result; the rule of Spider's test-suite evaluation (Zhong, Yu,
  Klein 2020, arXiv 2010.02840), with numbers to six digits.
- `bird`: equal sets of rows, column order matters; the official execution accuracy of BIRD (Li et al. 2023).
- `columns_subset`: every gold column is found among the predicted ones, numbers within 0.01; Spider 2.0
  (Lei et al. 2024), where extra columns are free.
- `soft_f1`: 0 to 1, cells of rows paired by position; BIRD mini-dev.
Not covered: equal meaning. A query can return the right rows for a wrong reason.

A missing result (error, timeout) and a cut one equal nothing, not even each other. As in the published
evaluators, two results without rows are equal whatever their columns.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from ...tools.limits import Result

Row = Sequence[Any]

NAMES: tuple[str, ...] = ("multiset", "bird", "columns_subset", "soft_f1")
HEADLINE = "multiset"

EXACT = 10**12
"""From here on twelve digits are not the whole number."""

# Column matching gives up, as "not equal", after this many tried pairs. Colour refinement settles real
# results almost without trying; only graphs built to defeat it come near.
_MAX_TRIES = 20_000


def compare(gold: Result | None, predicted: Result | None, *, ordered: bool) -> dict[str, float]:
    """All comparators at once, by name, each 0.0 to 1.0.

    gold, predicted: results of the two queries on the same database; None for an error or a timeout.
    ordered: the gold query has a top-level ORDER BY.
    """
    if gold is None or predicted is None or not gold.complete or not predicted.complete:
        return dict.fromkeys(NAMES, 0.0)
    rows, others = gold.rows, predicted.rows
    return {
        "multiset": float(multiset(rows, others, ordered=ordered)),
        "bird": float(bird(rows, others)),
        "columns_subset": float(columns_subset(rows, others, ordered=ordered)),
        "soft_f1": soft_f1(rows, others),
    }


def bird(gold: Sequence[Row], predicted: Sequence[Row]) -> bool:
    """Equal sets of rows: neither the order of rows nor duplicates count, the order of columns does."""
    return {_hashable(tuple(row)) for row in gold} == {_hashable(tuple(row)) for row in predicted}


def multiset(gold: Sequence[Row], predicted: Sequence[Row], *, ordered: bool) -> bool:
    """Equal multisets (ordered: sequences) of rows under some one-to-one matching of the columns.

    Columns are matched by colour refinement and then a search that assigns the gold columns one by one and
    keeps the rows seen so far equal, so that wide results cost no factorial.
    """
    if len(gold) != len(predicted):
        return False
    if not gold:
        return True
    if len(gold[0]) != len(predicted[0]):
        return False
    rounded = any(_rounds(cell) for rows in (gold, predicted) for row in rows for cell in row)
    left, right = _columns(gold, rounded), _columns(predicted, rounded)
    if ordered:
        # With the rows in order a column is a vector, and equal vectors are interchangeable.
        return Counter(left) == Counter(right)
    return _permuted_equal(left, right)


def columns_subset(gold: Sequence[Row], predicted: Sequence[Row], *, ordered: bool) -> bool:
    """Every gold column equals some predicted column, numbers within 0.01.

    Columns are compared one by one, as in the published evaluator; without an order each is sorted for
    itself.
    """
    if len(gold) != len(predicted):
        return False
    if not gold:
        return True
    wanted, offered = ([list(column) for column in zip(*rows, strict=True)] for rows in (gold, predicted))
    if not ordered:
        wanted, offered = ([sorted(column, key=_sort_key) for column in table] for table in (wanted, offered))
    return all(any(_close(column, other) for other in offered) for column in wanted)


def soft_f1(gold: Sequence[Row], predicted: Sequence[Row]) -> float:
    """Share of cells in common: duplicates dropped, rows paired by position, cells of a pair in any order."""
    left = list(dict.fromkeys(_hashable(tuple(row)) for row in gold))
    right = list(dict.fromkeys(_hashable(tuple(row)) for row in predicted))
    if not left and not right:
        return 1.0
    matched = only_gold = only_predicted = 0.0
    for wanted, offered in zip(left, right, strict=False):
        matched += sum(cell in wanted for cell in offered) / len(wanted)
        only_predicted += sum(cell not in wanted for cell in offered) / len(wanted)
        only_gold += sum(cell not in offered for cell in wanted) / len(wanted)
    only_gold += max(0, len(left) - len(right))
    only_predicted += max(0, len(right) - len(left))
    if not matched:
        return 0.0
    precision = matched / (matched + only_predicted)
    recall = matched / (matched + only_gold)
    return 2 * precision * recall / (precision + recall)


def _columns(rows: Sequence[Row], rounded: bool) -> list[tuple[Hashable, ...]]:
    canonical = partial(_canonical, rounded=rounded)
    return [tuple(map(canonical, column)) for column in zip(*rows, strict=True)]


def _rounds(value: Any) -> bool:
    """Whether this is a number that is compared by its first digits alone."""
    return isinstance(value, (float, Decimal)) and math.isfinite(value) and abs(value) >= EXACT


def _canonical(value: Any, rounded: bool) -> Hashable:
    """The value as compared: numbers to six decimals (large ones to twelve digits), NaN equal to NaN.

    rounded: so are whole numbers, since one of the results has a large number that is not stored as one.
    Without any they are exact: large ones may be ids.
    """
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if math.isnan(number):
            return "NaN", None
        if not math.isfinite(number):
            return number
        return round(number, 6) if abs(number) < 1e6 else float(f"{number:.12g}")
    if rounded and isinstance(value, int) and EXACT <= abs(value) < 10**308:
        return float(f"{float(value):.12g}")
    return _hashable(value, partial(_canonical, rounded=rounded))


def _hashable(value: Any, inner: Any = None) -> Any:
    """Lists and structs as tuples, so that they can be counted; everything else as it is."""
    inner = inner or _hashable
    if isinstance(value, Mapping):
        return tuple((str(key), inner(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(inner(item) for item in value)
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def _permuted_equal(left: list[tuple[Hashable, ...]], right: list[tuple[Hashable, ...]]) -> bool:
    """Whether some matching of `left` columns to `right` columns makes the multisets of rows equal."""
    colours = _refine(left, right)
    if colours is None:
        return False
    left_colours, right_colours = colours
    # Rare colours first: they leave the least choice and split the rows best.
    rarity = Counter(left_colours)
    order = sorted(range(len(left)), key=lambda i: (rarity[left_colours[i]], left_colours[i]))
    tries = 0

    def match(depth: int, left_rows: list[int], right_rows: list[int], free: frozenset[int]) -> bool:
        nonlocal tries
        if depth == len(order):
            return True
        column, colour = left[order[depth]], left_colours[order[depth]]
        seen: set[tuple[Hashable, ...]] = set()
        for j in sorted(free):
            if right_colours[j] != colour or right[j] in seen:
                continue
            seen.add(right[j])
            tries += 1
            if tries > _MAX_TRIES:
                return False
            split = _split(left_rows, column, right_rows, right[j])
            if split is not None and match(depth + 1, *split, free - {j}):
                return True
        return False

    rows = [0] * len(left[0])
    return match(0, rows, rows, frozenset(range(len(right))))


def _split(
    left_rows: list[int], left: tuple[Hashable, ...], right_rows: list[int], right: tuple[Hashable, ...]
) -> tuple[list[int], list[int]] | None:
    """Row classes refined by one more column on each side, or None where the classes no longer balance."""
    classes: dict[Hashable, int] = {}
    new_left = [classes.setdefault(key, len(classes)) for key in zip(left_rows, left, strict=True)]
    new_right = [classes.get(key, -1) for key in zip(right_rows, right, strict=True)]
    return (new_left, new_right) if Counter(new_left) == Counter(new_right) else None


def _refine(
    left: list[tuple[Hashable, ...]], right: list[tuple[Hashable, ...]]
) -> tuple[list[int], list[int]] | None:
    """Colours such that only columns of one colour can match (Weisfeiler–Leman on cells), None: no match at
    all.

    A column's colour says which cells it holds in which kinds of rows; a row's, which cells in which kinds of
    columns. A few rounds tell apart all but symmetric columns.
    """
    sides = (left, right)
    columns = [[0] * len(left), [0] * len(right)]
    rows = [[0] * len(left[0]), [0] * len(left[0])]
    before = 0
    for _ in range(3):
        names: dict[Hashable, int] = {}
        for side, table in enumerate(sides):
            columns[side] = [
                names.setdefault(frozenset(Counter(zip(column, rows[side], strict=True)).items()), len(names))
                for column in table
            ]
        if Counter(columns[0]) != Counter(columns[1]):
            return None
        colours = len(set(columns[0]))
        if colours in (before, len(left)):
            break
        before = colours
        names = {}
        for side, table in enumerate(sides):
            cells = zip(*table, strict=True)
            rows[side] = [
                names.setdefault(frozenset(Counter(zip(row, columns[side], strict=True)).items()), len(names))
                for row in cells
            ]
        if Counter(rows[0]) != Counter(rows[1]):
            return None
    return columns[0], columns[1]


def _close(wanted: Sequence[Any], offered: Iterable[Any]) -> bool:
    return all(_same(one, other) for one, other in zip(wanted, offered, strict=True))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (int, float, Decimal)) and isinstance(other, (int, float, Decimal)):
        one, other = float(one), float(other)
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=0, abs_tol=1e-2)
    return bool(one == other)


def _sort_key(value: Any) -> tuple[int, Any]:
    """NULLs, then numbers by size, then the rest by type and text."""
    if value is None:
        return 0, 0.0
    if isinstance(value, (int, float, Decimal)):
        number = float(value)
        return (1, number) if not math.isnan(number) else (2, 0.0)
    return 3, f"{type(value).__name__}:{value}"
