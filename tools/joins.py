"""Joins that no foreign key declares, inferred from names, kinds and values; always marked as inferred.

First by name (join_names.py), then by value: a column is a candidate for another table's key when the names
say so, the kinds agree and the key is unique. It is kept when at least 95 % of its distinct values (1 000 at
most) are found in the key; the plainest names need only half of them, since keys that nobody enforces have
orphans. Where either side has no values, only the plainest names are believed, and little.

Covered: single columns; role prefixes (`home_team_id` ~ `teams.id`); columns that refer to their own table
(`manager_id`); views as the referring side; tables that hold several rows per key (`team` by year and
`team_id`), unsurely. Not covered: composite keys, keys whose names share nothing, and other joins between two
columns neither of which is unique.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .errors import LimitExceeded, QueryError
from .join_names import KeyNames, NameMatch, names_exactly
from .kinds import declared_kind
from .limits import Result
from .schema import Catalog, Column, Join, Table
from .table_figures import Source, quoted

Read = Callable[[str], Result]

CONTAINED = 0.95
"""Share of the referring column's distinct values that must be found in the key."""
CONTAINED_PLAIN = 0.5
"""The same where the names leave no doubt (`NameMatch.plain`)."""
VALUES_COMPARED = 1_000
JOIN_SECONDS = 60.0
WITHOUT_VALUES = 0.5
"""Factor on the confidence of a join that no value supports."""

_FEW_VALUES, _FEW_FACTOR = 4, 0.8  # so few values may be contained by chance
_ESTIMATE_ERROR = 0.8  # distinct counts of big tables are estimates
_PAIRS_AT_ONCE = 25
_CANDIDATES_PER_COLUMN = 3


def infer_joins(
    catalog: Catalog,
    read: Read,
    *,
    row_filters: Mapping[str, str] | None = None,
    seconds: float = JOIN_SECONDS,
) -> tuple[Join, ...]:
    """Joins beside the catalog's own, the surest first per column and at most one per column.

    row_filters: SQL condition by table name, obeyed by the comparison of values. seconds: after that long the
    candidates not yet compared are dropped.
    """
    candidates = _candidates(catalog)
    shares = _contained_shares(read, catalog, candidates, row_filters or {}, time.monotonic() + seconds)
    best: dict[tuple[str, str], tuple[float, Join]] = {}
    for candidate, share in zip(candidates, shares, strict=True):
        confidence = _confidence(candidate, share)
        if confidence is None:
            continue
        side, ref = candidate.column, candidate.key
        join = Join(side.table, (side.name,), ref.table, (ref.name,), "inferred", round(confidence, 3))
        place = (side.table, side.name)
        if place not in best or confidence > best[place][0]:
            best[place] = (confidence, join)
    return tuple(_one_way(join for _, join in best.values()))


@dataclass(frozen=True)
class _Candidate:
    """A column whose name may refer to a key. `has_values`: both sides hold some."""

    column: Column
    key: Column
    match: NameMatch
    has_values: bool


def _candidates(catalog: Catalog) -> list[_Candidate]:
    """Pairs worth comparing, by name and kind: few, however many tables there are."""
    tables = [table for table in catalog.tables if not table.is_view]
    names = KeyNames((table, _unique_columns(table), _repeated_keys(table)) for table in tables)
    # A key declared to its own table under another table's name is an old slip: the name may say better.
    declared = {
        (join.table, join.columns[0])
        for join in catalog.joins
        if len(join.columns) == 1 and join.table != join.ref_table
    }
    joined = {pair for join in catalog.joins for pair in _column_pairs(join)}
    loose = catalog.dialect == "sqlite"
    found = []
    for table in catalog.tables:
        for column in table.columns:
            if (table.name, column.name) in declared or column.kind not in ("number", "text"):
                continue
            fitting = [
                _Candidate(column, key, match, _has_values(column) and _has_values(key))
                for key, match in names.matches(table, column)
                if _comparable(column, key, loose) and _pair(column, key) not in joined
            ]
            fitting.sort(key=lambda candidate: -candidate.match.confidence)
            found.extend(fitting[:_CANDIDATES_PER_COLUMN])
    return found


def _column_pairs(join: Join) -> Iterator[frozenset[tuple[str, str]]]:
    for name, ref_name in zip(join.columns, join.ref_columns, strict=True):
        yield frozenset(((join.table, name), (join.ref_table, ref_name)))


def _pair(column: Column, key: Column) -> frozenset[tuple[str, str]]:
    return frozenset(((column.table, column.name), (key.table, key.name)))


def _unique_columns(table: Table) -> list[Column]:
    """Columns that can be referred to: the primary key, and those that hold no value twice."""
    primary = table.primary_key[0] if len(table.primary_key) == 1 else None
    keys = [column for column in table.columns if column.name == primary]
    rows = table.rows or 0
    for column in table.columns:
        full = column.statistics.null_share == 0 and column.statistics.distinct == rows
        unique = rows > 1 and (full or (column.name,) in table.unique)
        if unique and column.name != primary and column.kind in ("number", "text"):
            keys.append(column)
    return keys


def _repeated_keys(table: Table) -> list[Column]:
    """`team_id` of a table `team` that holds a row per team and year: it identifies, though not rows."""
    if len(table.primary_key) == 1:
        return []
    unique = {column.name for column in _unique_columns(table)}
    return [one for one in table.columns if names_exactly(table, one) and one.name not in unique]


def _has_values(column: Column) -> bool:
    return bool(column.statistics.samples)


def _comparable(column: Column, key: Column, loose: bool) -> bool:
    if column.kind != key.kind:
        return False
    return loose or declared_kind(column.type) == declared_kind(key.type)


def _confidence(candidate: _Candidate, share: float | None) -> float | None:
    """Confidence in a candidate of which `share` of the values is contained (None: not compared)."""
    if share is not None and candidate.match.plain:
        return candidate.match.confidence * share if share >= CONTAINED_PLAIN else None
    if share is not None:
        few = (candidate.column.statistics.distinct or 0) < _FEW_VALUES
        factor = share * (_FEW_FACTOR if few else 1.0)
        return candidate.match.confidence * factor if share >= CONTAINED else None
    if candidate.has_values or not candidate.match.plain:
        return None
    return candidate.match.confidence * WITHOUT_VALUES


def _one_way(joins: Iterable[Join]) -> list[Join]:
    """Of two joins that are each other's reverse (one to one), the surer."""
    kept: dict[frozenset[tuple[str, str]], Join] = {}
    for join in joins:
        ends = next(_column_pairs(join))
        if ends not in kept or join.confidence > kept[ends].confidence:
            kept[ends] = join
    return list(kept.values())


def _contained_shares(
    read: Read,
    catalog: Catalog,
    candidates: Sequence[_Candidate],
    row_filters: Mapping[str, str],
    deadline: float,
) -> list[float | None]:
    """For each candidate the share of its column's distinct values found in the key; None: not compared."""
    shares: list[float | None] = [None] * len(candidates)
    sources = {
        table.name: Source(table, catalog.dialect, row_filters.get(table.name)) for table in catalog.tables
    }
    asked = []
    for place, candidate in enumerate(candidates):
        if candidate.has_values:
            shares[place] = _known_share(candidate)
            if shares[place] is None:
                asked.append(place)
    for start in range(0, len(asked), _PAIRS_AT_ONCE):
        if time.monotonic() > deadline:
            break
        places = asked[start : start + _PAIRS_AT_ONCE]
        compared = _compared(read, sources, [candidates[place] for place in places])
        for place, share in zip(places, compared, strict=True):
            shares[place] = share
    return shares


def _known_share(candidate: _Candidate) -> float | None:
    """The share as the statistics tell it, 0 when they rule it out; None: the data must be asked."""
    column, key = candidate.column.statistics, candidate.key.statistics
    if column.samples_complete and key.samples_complete:
        return len(set(column.samples) & set(key.samples)) / len(column.samples)
    if key.distinct is not None and column.distinct is not None:
        least = CONTAINED_PLAIN if candidate.match.plain else CONTAINED
        compared = min(column.distinct, VALUES_COMPARED)
        if key.distinct < least * compared * _ESTIMATE_ERROR:
            return 0.0
    return None


def _compared(
    read: Read, sources: Mapping[str, Source], candidates: Sequence[_Candidate]
) -> list[float | None]:
    """Shares of some candidates in one statement; one by one when it fails or takes too long."""
    branches = []
    for number, candidate in enumerate(candidates):
        branches.append(_share_sql(sources, candidate, number))
    try:
        rows = read(" UNION ALL ".join(branches)).rows
    except (QueryError, LimitExceeded):
        if len(candidates) == 1:
            return [None]
        return [share for one in candidates for share in _compared(read, sources, [one])]
    found = {int(number): (values, hits) for number, values, hits in rows}
    return [
        (hits or 0) / values if values else None
        for values, hits in (found[number] for number in range(len(candidates)))
    ]


def _share_sql(sources: Mapping[str, Source], candidate: _Candidate, number: int) -> str:
    """Distinct values of the column, and how many of them the key holds."""
    column, key = candidate.column, candidate.key
    value, target = quoted(column.name), quoted(key.name)
    values = (
        f"SELECT DISTINCT {value} AS v FROM {sources[column.table].sql} "
        f"WHERE {value} IS NOT NULL LIMIT {VALUES_COMPARED}"
    )
    keys = f"SELECT {target} FROM {sources[key.table].sql} WHERE {target} IS NOT NULL"
    return (
        f"SELECT {number} AS i, count(*) AS n, sum(CASE WHEN v IN ({keys}) THEN 1 ELSE 0 END) AS hits "
        f"FROM ({values}) AS x"
    )
