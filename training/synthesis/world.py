"""What there is to ask about in one database: which columns name, measure, sort or date the rows; real cells.

Read once per database from the catalog, its statistics and a sample of rows; no choice is made here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ...tools.cells import identifier, qualified
from ...tools.errors import SqlbergError
from ...tools.limits import Limits
from ...tools.schema import Column, Join, Table
from ...tools.table_figures import quoted
from ...tools.text import split_name
from .conditions import adjectives_of
from .lexicon import NO, YES
from .wording import Wording, names_of

if TYPE_CHECKING:
    from ...tools.database import Database

SAMPLED_ROWS = 400
MOST_GROUPS = 40
LONGEST_VALUE = 40
READING = Limits(seconds=10.0, rows=SAMPLED_ROWS, cell_chars=200)

_KEY_WORDS = frozenset({"id", "code", "key", "uuid", "guid", "no", "nr"})
_LABEL_WORDS = ("name", "title", "label", "designation", "topic")
_NOT_MEASURED = frozenset(
    {"zip", "zipcode", "postal", "phone", "fax", "telephone", "ssn", "isbn", "latitude", "longitude"}
)
_ISO_DATE = re.compile(r"[12]\d{3}-[01]\d-[0-3]\d")


@dataclass(frozen=True)
class Entity:
    """A table as something to ask about. Each column is in at most one of the groups but `shown`.

    labels: what names a row, best first. measures: numbers that can be compared and averaged. years: numbers
    that are years. dates: dates, also as ISO text. groups: categories. flags: yes or no. shown: all columns a
    person may want to see. cells: sampled values by column, most frequent first.
    """

    table: Table
    labels: tuple[Column, ...] = ()
    measures: tuple[Column, ...] = ()
    years: tuple[Column, ...] = ()
    dates: tuple[Column, ...] = ()
    groups: tuple[Column, ...] = ()
    flags: tuple[Column, ...] = ()
    shown: tuple[Column, ...] = ()
    cells: dict[str, list[Any]] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def times(self) -> tuple[Column, ...]:
        """All that tells when: of several, a question has to say which is meant."""
        return (*self.years, *self.dates)

    def adjectives(self, column: Column) -> tuple[str, str, str, str] | None:
        """`adjectives_of` the column, where no other of the table could be meant as well: the longest product
        is not the one with the longest package.
        """
        found = adjectives_of(column)
        compared = (*self.measures, *self.times)
        return None if any(adjectives_of(c) == found for c in compared if c != column) else found


@dataclass(frozen=True)
class Link:
    """A child's rows belong to a parent's.

    source: FROM of parent and child. key: what tells parents apart, as SQL. join: the key between them; None
    when they are joined through a table between. counted: the number of children, as SQL; through a table
    between, a child comes once for each row there.
    """

    child: Entity
    parent: Entity
    source: str
    key: str
    join: Join | None = None
    counted: str = "count(*)"


class World:
    """The entities of a database and the links between them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.catalog = database.catalog
        self._names = names_of(self.catalog.tables)
        keys = {(j.table, c) for j in self.catalog.joins for c in j.columns}
        keys |= {(j.ref_table, c) for j in self.catalog.joins for c in j.ref_columns}
        tables = [t for t in self.catalog.tables if not t.is_view and t.rows]
        self.entities = {table.name: _entity(table, keys, self._rows(table)) for table in tables}

    @property
    def askable(self) -> list[Entity]:
        """The entities with columns that a person may want to see."""
        return [entity for entity in self.entities.values() if entity.shown]

    def wording(self, rng: random.Random) -> Wording:
        """Words for one question."""
        return Wording(rng, self.catalog.dialect, taken=self._names)

    def _rows(self, table: Table) -> dict[str, list[Any]]:
        """A sample of each column's cells, by frequency."""
        try:
            # Under the policy: what is made of these cells is read by people who may not see others.
            result = self.database.execute(f"SELECT * FROM {quoted(table.name)}", limits=READING)
        except SqlbergError:
            return {}
        columns = {}
        for place, name in enumerate(result.columns):
            counted: dict[Any, int] = {}
            for row in result.rows:
                value = row[place]
                if isinstance(value, (str, int, float)) or hasattr(value, "isoformat"):
                    counted[value] = counted.get(value, 0) + 1
            columns[name] = sorted(counted, key=lambda value: -counted[value])
        return columns

    @cached_property
    def links(self) -> list[Link]:
        """Direct links, and links through a table that joins two others, where no other way joins them."""
        direct = [link for join in self.catalog.joins if (link := self._link(join))]
        joined = {frozenset((join.table, join.ref_table)) for join in self.catalog.joins}
        bridges: dict[frozenset[str], list[tuple[Link, Link]]] = {}
        for one, other in combinations(direct, 2):
            pair = frozenset((one.parent.name, other.parent.name))
            if one.child.name == other.child.name and len(pair) == 2 and pair not in joined:
                # The rows of one parent are children of the other, and the other way round.
                both = (_bridged(one, other), _bridged(other, one))
                bridges.setdefault(pair, []).append(both)
        return direct + [link for ways in bridges.values() if len(ways) == 1 for link in ways[0]]

    def _link(self, join: Join) -> Link | None:
        child, parent = self.entities.get(join.table), self.entities.get(join.ref_table)
        if child is None or parent is None or child is parent or len(join.columns) != 1:
            return None
        if not (child.shown and parent.shown):
            return None
        others = [j for j in self.catalog.joins if {j.table, j.ref_table} == {join.table, join.ref_table}]
        if len(others) > 1:
            return None  # which of two keys is meant cannot be said in general words
        source = f"{identifier(parent.name)} JOIN {identifier(child.name)} ON {_condition(join)}"
        return Link(child, parent, source, qualified(parent.name, join.ref_columns[0]), join)


def _bridged(one: Link, other: Link) -> Link:
    """From the second's parent to the first's, through the child of both."""
    assert other.join
    joined = f"JOIN {identifier(other.parent.name)} ON {_condition(other.join)}"
    counted = f"count(DISTINCT {other.key})"
    return Link(other.parent, one.parent, f"{one.source} {joined}", one.key, counted=counted)


def _condition(join: Join) -> str:
    return " AND ".join(
        f"{identifier(join.table)}.{identifier(a)} = {identifier(join.ref_table)}.{identifier(b)}"
        for a, b in zip(join.columns, join.ref_columns, strict=True)
    )


def _entity(table: Table, keys: set[tuple[str, str]], cells: dict[str, list[Any]]) -> Entity:
    sorts: dict[str, list[Column]] = {name: [] for name in ("measures", "years", "dates", "groups", "flags")}
    labels: list[Column] = []
    shown: list[Column] = []
    rows = table.rows or 0
    for column in table.columns:
        values = cells.get(column.name, [])
        is_key = (table.name, column.name) in keys or column.name in table.primary_key
        if values and not is_key:
            if sort := _sort_of(column, values, rows):
                sorts[sort].append(column)
            elif _is_text(values) and max(len(v) for v in values) <= LONGEST_VALUE:
                labels.append(column)
        if values and (not is_key or column.name in table.primary_key):
            shown.append(column)
    # A size label or a job title is called a name, but many rows have the same.
    telling = [c for c in sorts["groups"] if _is_label(c) and (c.statistics.distinct or 0) * 2 > rows]
    named = [*(c for c in labels if _is_label(c)), *telling]
    ordered = tuple(dict.fromkeys([*named, *labels]))
    groups = tuple(c for c in sorts["groups"] if c not in telling)
    return Entity(
        table,
        ordered,
        tuple(sorts["measures"]),
        tuple(sorts["years"]),
        tuple(sorts["dates"]),
        groups,
        tuple(sorts["flags"]),
        tuple(shown),
        cells,
    )


def _sort_of(column: Column, values: Sequence[Any], rows: int) -> str:
    """What a column that is no key is good for; empty when only for naming."""
    words = set(split_name(column.name))
    texts = {str(value).strip().lower() for value in values}
    if len(texts) <= 2 and len(values) >= 2 and (texts <= YES | NO):
        return "flags"
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    if numbers and words & {"year", "yr"} and all(1000 <= value <= 2200 for value in values):
        return "years"
    if numbers and not words & (_KEY_WORDS | _NOT_MEASURED) and len(values) > 2:
        return "measures"
    if column.kind == "date" or all(_ISO_DATE.match(str(value)) for value in values):
        return "dates"
    short = _is_text(values) and all(len(value) <= LONGEST_VALUE for value in values)
    if short and 2 <= len(values) <= MOST_GROUPS and (len(values) < 0.8 * rows or len(values) <= 4):
        return "groups"
    return ""


def _is_text(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) and value.strip() for value in values)


def _is_label(column: Column) -> bool:
    words = split_name(column.name)
    return bool(words) and any(word in _LABEL_WORDS or word.endswith("name") for word in words)
