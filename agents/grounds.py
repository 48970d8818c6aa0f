"""What an answer's SQL rests on: the schema it reads, its literals and joins, what its joins do to rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..tools.evidence import JoinEvidence, LiteralEvidence, gather_evidence
from ..tools.joinhealth import join_health
from ..tools.limits import Result
from ..tools.schema import Catalog
from ..tools.shape_reading import UnreadableQuery, query_shapes
from .answer import Origin
from .confidence import Doubts
from .deadline import beside
from .results import is_empty

if TYPE_CHECKING:
    from ..tools.database import Database


@dataclass(frozen=True)
class Grounds:
    """ordered: the statement orders its rows. evidence, notes, doubts: empty when not looked up."""

    origin: Origin
    ordered: bool = False
    evidence: tuple[LiteralEvidence | JoinEvidence, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: Doubts = field(default_factory=Doubts)


def grounds_of(
    database: Database, sql: str, result: Result, *, explain: bool, cancel: threading.Event | None = None
) -> Grounds:
    """Looks up what `sql` rests on. explain: also its literals and joins, which costs a few queries."""
    guarded = database.check(sql)
    catalog = database.catalog
    origin = Origin(
        database=database.name,
        dialect=database.dialect,
        tables=guarded.tables,
        schema=schema_of(catalog, guarded.tables),
        schema_fingerprint=schema_fingerprint(catalog, guarded.tables),
        policy=database.policy.digest(),
        limits=dataclasses.asdict(database.limits),
    )
    doubts = Doubts(empty=is_empty(result.rows))
    if not explain:
        return Grounds(origin, guarded.ordered, doubts=doubts)
    try:
        shapes = query_shapes(sql, database)
    except UnreadableQuery as error:
        note = f"What the SQL rests on was not looked at: {error}."
        return Grounds(origin, guarded.ordered, notes=(note,), doubts=doubts)
    # Both mostly wait for queries, so they do it together.
    evidence_of = beside(lambda _: gather_evidence(shapes, database, cancel=cancel))
    health = join_health(shapes, database, cancel=cancel)
    evidence = evidence_of()
    origins = Counter(join.origin for join in evidence.joins)
    return Grounds(
        dataclasses.replace(origin, looked_up=True),
        guarded.ordered,
        evidence=(*evidence.literals, *evidence.joins),
        notes=tuple(dict.fromkeys((*health.notes, *evidence.unchecked, *health.unchecked))),
        doubts=dataclasses.replace(
            doubts,
            missing_literals=sum(literal.found is False for literal in evidence.literals),
            unknown_joins=origins["none"],
            inferred_joins=origins["inferred"],
        ),
    )


def schema_of(catalog: Catalog, tables: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """table -> column -> declared type, of the given tables that the catalog has."""
    found = [table for name in tables if (table := catalog.table(name))]
    return {table.name: {column.name: column.type for column in table.columns} for table in found}


def schema_fingerprint(catalog: Catalog, tables: Sequence[str]) -> str:
    """A digest of the given tables' columns, types, keys and declared joins; data does not change it."""
    found = sorted((table for name in tables if (table := catalog.table(name))), key=lambda table: table.name)
    names = {table.name for table in found}
    facts = [
        [
            [table.name, list(table.primary_key), [[column.name, column.type] for column in table.columns]]
            for table in found
        ],
        sorted(
            [join.table, list(join.columns), join.ref_table, list(join.ref_columns)]
            for join in catalog.joins
            if join.origin == "declared" and join.table in names and join.ref_table in names
        ),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
