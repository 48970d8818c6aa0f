"""What the joins of an answer did to its rows, in short plain sentences.

Four checks, computed with a few bounded queries under the same guard and limits:
- rows that an inner join left out (NULL or no match on the other side),
- fan-out: a join that repeats rows before SUM, AVG or COUNT adds them up, also from a SELECT around it,
- which of several foreign keys between the same two tables was used (home team, away team),
- tables combined without any join condition.

Not covered: joins inside correlated subqueries, and what fanout.py leaves out. What could not be checked is
said in `JoinHealth.unchecked`, never passed over as healthy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cells import identifier, qualified
from .fanout import aggregates_of, may_repeat, repeated_rows
from .flattening import Flat, flattened
from .join_keys import is_single_row, is_unique, known_joins
from .probe import Probe, Unchecked
from .query_shape import Edge, QueryShape
from .schema import Catalog, Join
from .shape_reading import conjuncts

if TYPE_CHECKING:
    from .database import Database

MAX_STATEMENTS = 8
SECONDS = 2.0


@dataclass(frozen=True)
class JoinHealth:
    """`notes`: what is worth knowing, most telling first. `unchecked`: what could not be checked, and why."""

    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def join_health(
    shapes: Sequence[QueryShape], database: Database, *, cancel: threading.Event | None = None
) -> JoinHealth:
    """Check the joins of a statement that ran, taken apart (shape_reading.py). Raises only QueryCancelled."""
    catalog = database.catalog
    probe = Probe(database, statements=MAX_STATEMENTS, seconds=SECONDS, cancel=cancel)
    notes: list[str] = []
    unchecked: list[str] = []
    joined = [shape for shape in shapes if len(shape.sources) > 1]
    for shape in joined:
        notes.extend(_unjoined(shape))
        for check in (repeated_rows, _lost_rows):
            try:
                if shape.correlated:
                    raise Unchecked("the subquery depends on the query around it")
                notes.extend(check(shape, catalog, probe))
            except Unchecked as error:
                unchecked.append(f"The join of {shape.listed()} was not checked further: {error}.")
    for flat in flattened(shapes):
        if len(flat.shape.sources) > 1 and _adds_up(flat):
            try:
                notes.extend(_repeated_within(flat, catalog, probe))
            except Unchecked as error:
                unchecked.append(f"The join of {flat.shape.listed()} was not checked further: {error}.")
    notes.extend(_parallel_keys(joined, catalog))
    return JoinHealth(tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(unchecked)))


def _adds_up(flat: Flat) -> bool:
    """Whether the outer SELECT aggregates over rows of the subquery."""
    read = [flat.outer.aliases_in(aggregate) for aggregate in aggregates_of(flat.outer)]
    return any(not aliases or flat.alias in aliases for aliases in read)


def _repeated_within(flat: Flat, catalog: Catalog, probe: Probe) -> Iterator[str]:
    """Aggregates over rows that the joins of a subquery repeat."""
    if flat.shape.correlated:
        raise Unchecked("the subquery depends on the query around it")
    if flat.whole:
        yield from repeated_rows(flat.shape, catalog, probe)
    elif any(may_repeat(flat.shape, catalog, alias) for alias in flat.shape.sources):
        raise Unchecked("a query around it joins its rows once more, or names what cannot be traced")


def _unjoined(shape: QueryShape) -> Iterator[str]:
    """Base tables that nothing ties together: every pair of their rows is combined."""
    groups = [{alias} for alias, source in shape.sources.items()]
    ties = [{edge.left, edge.right} for edge in shape.edges]
    ties += [shape.aliases_in(condition) for condition in shape.conditions]
    for join in shape.select.args.get("joins") or []:
        ties += [shape.aliases_in(condition) for condition in conjuncts(join.args.get("on"))]
    for tie in ties:
        touched = [group for group in groups if group & tie]
        groups = [group for group in groups if not group & tie] + ([set().union(*touched)] if touched else [])
    # One row (a total, a setting) may be combined with everything on purpose.
    alone = [
        sorted(shape.label(alias) for alias in group)
        for group in groups
        if not all(is_single_row(shape.sources[alias]) for alias in group)
    ]
    if len(alone) > 1 and not any("" in tie for tie in ties):
        names = " and ".join(", ".join(group) for group in sorted(alone))
        yield f"{names} are combined without a join condition: every row of one with every row of the other."


def _lost_rows(shape: QueryShape, catalog: Catalog, probe: Probe) -> Iterator[str]:
    """For each inner join and each side whose loss matters: how many of its rows found no partner."""
    for edge in shape.edges:
        if edge.side != "inner":
            continue
        for one, other, pairs in (
            (edge.left, edge.right, edge.pairs),
            (edge.right, edge.left, tuple((theirs, ours) for ours, theirs in edge.pairs)),
        ):
            columns = [theirs for _, theirs in pairs]
            refers = _refers(shape, edge, one, catalog)
            if refers is None:  # no known key: the side whose rows match one row of a table refers to it
                partner = shape.sources[other]
                refers = partner.table is not None and is_unique(partner, columns, catalog)
            if refers or _is_counted(shape, one):
                yield from _loss(shape, probe, one, other, pairs)


def _refers(shape: QueryShape, edge: Edge, one: str, catalog: Catalog) -> bool | None:
    """Whether `one` is the side that refers to the other; None when no known join tells.

    A row that refers to a missing partner always matters.
    """
    joins = known_joins(shape, edge, catalog)
    return any(join.table == shape.sources[one].name for join in joins) if joins else None


def _is_counted(shape: QueryShape, one: str) -> bool:
    """Whether the SELECT groups by this source or aggregates over it: there a row that nothing refers to
    matters, because a group or an amount disappears with it.
    """
    group = shape.select.args.get("group")
    if group is not None and one in shape.aliases_in(group):
        return True
    return any(one in shape.aliases_in(aggregate) for aggregate in aggregates_of(shape))


def _loss(
    shape: QueryShape,
    probe: Probe,
    one: str,
    other: str,
    pairs: Sequence[tuple[str, str]],
) -> Iterator[str]:
    keys = [shape.column(one, ours) for ours, _ in pairs]
    their_keys = [shape.column(other, theirs) for _, theirs in pairs]
    empty = " OR ".join(f"{key} IS NULL" for key in keys)
    present = " AND ".join(f"{key} IS NOT NULL" for key in their_keys)
    place = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    partners = f"SELECT {', '.join(their_keys)} FROM {shape.sql(shape.sources[other].node)} WHERE {present}"
    conditions = [shape.sql(condition) for condition in shape.conditions_on(one)]
    where = f" WHERE {' AND '.join(f'({condition})' for condition in conditions)}" if conditions else ""
    source = f"{shape.sql(shape.sources[one].node)}{where}"
    lost = f"({empty} OR {place} NOT IN ({partners}))"
    # Mostly nothing is lost, and to see that is cheaper than to count.
    any_lost = f"SELECT 1 FROM {source} {'AND' if conditions else 'WHERE'} {lost} LIMIT 1"
    if probe.first_row(shape.with_clause + any_lost) is None:
        return
    # Counted in two steps: not every engine takes a subquery inside an aggregate.
    counted = (
        f"{shape.with_clause}SELECT COUNT(*), SUM(CASE WHEN state = 1 THEN 1 ELSE 0 END),"
        f" SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END) FROM (SELECT CASE WHEN {empty} THEN 1"
        f" WHEN {place} IN ({partners}) THEN 0 ELSE 2 END AS state"
        f" FROM {source}) AS checked"
    )
    row = probe.first_row(counted)
    total, nulls, unmatched = (int(value or 0) for value in row or (0, 0, 0))
    columns = " or ".join(identifier(shape.sources[one].column(ours)) for ours, _ in pairs)
    yield _loss_text(shape.label(one), shape.label(other), columns, total, nulls, unmatched, bool(conditions))


def _loss_text(
    name: str, partner: str, columns: str, total: int, nulls: int, unmatched: int, filtered: bool
) -> str:
    which = f"the {total} rows of {name} that meet the conditions" if filtered else f"{total} rows of {name}"
    lost = nulls + unmatched
    has, is_ = ("has", "is") if lost == 1 else ("have", "are")
    if nulls and unmatched:
        causes = f"{nulls} without {columns}, {unmatched} without a match"
        return f"{lost} of {which} {is_} left out of the join with {partner}: {causes}."
    cause = f"no {columns}" if nulls else f"no match in {partner}"
    return f"{lost} of {which} {has} {cause} and {is_} left out."


def _parallel_keys(shapes: Sequence[QueryShape], catalog: Catalog) -> Iterator[str]:
    """Foreign keys between two joined tables, where the statement uses some and there are others."""
    used = {join for shape in shapes for edge in shape.edges for join in known_joins(shape, edge, catalog)}
    for join in sorted(used, key=lambda join: (join.table, join.columns)):
        others = [
            other
            for other in catalog.joins
            if other not in used
            and (other.table, other.ref_table) == (join.table, join.ref_table)
            and (other.origin == "declared" or join.origin == "inferred")
        ]
        if others:
            unused = ", ".join(_key(other) for other in others)
            verb = "also refer" if len(others) > 1 else "also refers"
            verb_used = "were" if len(others) > 1 else "was"
            target = identifier(join.ref_table)
            yield f"{target} is joined by {_key(join)}; {unused} {verb} to {target} and {verb_used} not used."


def _key(join: Join) -> str:
    return ", ".join(qualified(join.table, column) for column in join.columns)
