"""Words that SQL takes for a name only in quotes: one list for the tools and the models that write SQL."""

from __future__ import annotations

RESERVED = frozenset(
    """
    add all alter analyse analyze and anti any array as asc asof asymmetric at authorization autoincrement
    between binary both by case cast check collate collation column commit concurrently constraint create
    cross cube current_date current_time current_timestamp default deferrable delete desc describe distinct
    do drop else end escape except exists false fetch for force foreign freeze from full glob grant group
    having ilike in index initially inner insert install intersect into is isnull join lambda lateral
    leading left like limit lock map natural not nothing notnull null offset on only or order outer overlaps
    partitioned_by pivot pivot_longer pivot_wider placing positional primary qualify raise references regexp
    returning revoke right rlike rollback rollup select semi set show similar some summarize symmetric table
    tablesample then to trailing transaction true uncache union unique unpack unpivot update using values
    variadic verbose when where window with xor
    """.split()
)
"""Words, in lower case, that DuckDB, SQLite or the guard's parser takes for grammar where a name is meant."""
