"""What the model reads after a tool call: the four tools' results as compact text. Pure functions, no I/O.

The formats are a contract (the embedded model parses them), one line per hit:

    # "name of the singer"
    singer.Name TEXT -- e.g. 'Joe Sharp', 'Timbaland' (6 distinct)

    # "joe sharp"
    singer.Name = 'Joe Sharp' -- exact

    # singer to concert
    1. singer JOIN concert ON concert.Singer_ID = singer.Singer_ID (foreign key)

    2 rows, 2 columns
    Name | Country
    Joe Sharp | Netherlands
    Timbaland | NULL

Unlike the reference code of Interactive-T2S (arXiv 2408.11062), rows keep the database's order and its NULLs,
the row count is always told, and so is every cut. All that comes from the database is neutralised (cells.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .cells import cell, excerpt, identifier, is_verbatim, literal, neutralise, qualified, shorten
from .errors import LimitExceeded, NotPermitted, QueryCancelled, QueryRefused
from .limits import Result
from .schema import Catalog, Column, Join, Statistics

if TYPE_CHECKING:
    from .paths import JoinPath
    from .values import ValueHit

ROWS_SHOWN = 20
ROWS_CHARS = 1500
HEADER_CHARS = 800
CELL_CHARS = 60
CATEGORICAL_CHARS = 400
SAMPLES_SHOWN = 3
SAMPLES_CHARS = 120
LITERAL_CHARS = 200
COMMENT_CHARS = 120
ERROR_CHARS = 600
OBSERVATION_CHARS = 12_000


def render_columns(catalog: Catalog, answers: Sequence[tuple[str, Sequence[Column]]]) -> str:
    """Answers of search_column: for each query its columns, best first. A column is shown once per call."""
    shown: set[tuple[str, str]] = set()
    lines = []
    for query, columns in answers:
        lines.append(_title(query))
        fresh = [column for column in columns if (column.table, column.name) not in shown]
        lines.extend(column_line(catalog, column) for column in fresh)
        if not columns:
            lines.append("no column matches")
        elif not fresh:
            lines.append("(already shown above)")
        shown.update((column.table, column.name) for column in fresh)
    return "\n".join(lines)


def column_line(catalog: Catalog, column: Column) -> str:
    """`table.column TYPE [key] [-> table.column] [-- statistics] [-- comment]`."""
    line = f"{qualified(column.table, column.name)} {neutralise(column.type) or 'ANY'}"
    table = catalog.table(column.table)
    if table is not None and column.name in table.primary_key:
        line += " key"
    references = _references(catalog, column)
    if references:
        line += " -> " + ", ".join(references)
    for note in (statistics_text(column), _comment(column.comment)):
        if note:
            line += f" -- {note}"
    return line


def statistics_text(column: Column) -> str:
    """The column's statistics in a few words; empty when nothing is known of it."""
    statistics = column.statistics
    if statistics.distinct == 0 or statistics.null_share >= 1:
        return "no data"
    return ", ".join(part for part in (_values_text(column, statistics), _null_text(statistics)) if part)


def render_values(catalog: Catalog, answers: Sequence[tuple[str, Sequence[ValueHit]]]) -> str:
    """Answers of search_value: for each value the stored values that resemble it, as SQL comparisons."""
    lines = []
    for value, hits in answers:
        lines.append(_title(value))
        lines.extend(_value_line(catalog, hit) for hit in hits)
        if not hits:
            lines.append("no stored value resembles this")
    return "\n".join(lines)


def render_paths(answers: Sequence[tuple[str, str, Sequence[JoinPath]]]) -> str:
    """Answers of find_shortest_path: for each pair (start, end: SQL names) its paths, shortest first."""
    lines = []
    for start, end, paths in answers:
        lines.append(f"# {start} to {end}")
        lines.extend(f"{number}. {path_text(path)}" for number, path in enumerate(paths, 1))
        if not paths:
            lines.append(f"not connected: no foreign key or inferred join leads from {start} to {end}")
    return "\n".join(lines)


def path_text(path: JoinPath) -> str:
    """A join path as a FROM clause, each join followed by its origin: `(foreign key)` or `(inferred)`."""
    text = identifier(path.tables[0])
    for table, join in zip(path.tables[1:], path.joins, strict=True):
        text += f" JOIN {identifier(table)} ON {join_condition(join)} ({join_origin(join)})"
    return text


def join_condition(join: Join) -> str:
    """`a.x = b.y`, referring side first; the pairs of a composite key are joined by AND."""
    return " AND ".join(
        f"{qualified(join.table, column)} = {qualified(join.ref_table, ref_column)}"
        for column, ref_column in zip(join.columns, join.ref_columns, strict=True)
    )


def join_origin(join: Join) -> str:
    return "foreign key" if join.origin == "declared" else "inferred"


def render_result(result: Result) -> str:
    """The answer of execute_sql: counts, header, the first rows in their order, and every cut."""
    rows_read, columns_read = len(result.rows), len(result.columns)
    rows = _total(result, "rows", rows_read)
    columns = _total(result, "columns", columns_read)
    header, width = _header(result)
    lines = [f"{_count(rows, 'row')}, {_count(columns, 'column')}", header]
    used, shown, shortened = 0, 0, False
    for row in result.rows[:ROWS_SHOWN]:
        cells = [cell(value, CELL_CHARS) for value in row[:width]]
        line = " | ".join(cells)
        if shown and used + len(line) > ROWS_CHARS:
            break
        lines.append(line)
        used += len(line) + 1
        shown += 1
        shortened = shortened or any(text.rstrip("'").endswith("…") for text in cells)
    if shown < rows_read:
        lines.append(f"(first {shown} of {rows.replace('+', ' or more')} rows shown)")
    if width < columns_read:
        lines.append(f"(first {width} of {columns_read} columns shown)")
    if shortened:
        lines.append(f"(cells longer than {CELL_CHARS} characters end in …)")
    lines.extend(f"({cut})" for cut in result.cuts)
    return "\n".join(lines)


def fit(observation: str, notes: Sequence[str] = ()) -> str:
    """An observation in at most OBSERVATION_CHARS characters, whole lines, then its notes, one a line."""
    notes = list(notes)
    if len(observation) > OBSERVATION_CHARS:
        kept = observation[:OBSERVATION_CHARS].rpartition("\n")[0]
        missing = observation.count("\n") - kept.count("\n")
        notes.append(f"({_count(str(missing), 'line')} left out: ask for less in one call)")
        observation = kept
    return "\n".join([observation, *notes])


def render_error(error: Exception) -> str:
    """An error as an observation: `Not permitted: ...`, `Refused: ...`, `Stopped: ...` or `Error: ...`."""
    if isinstance(error, NotPermitted):
        label = "Not permitted"
    elif isinstance(error, QueryRefused):
        label = "Refused"
    elif isinstance(error, (LimitExceeded, QueryCancelled)):
        label = "Stopped"
    else:
        label = "Error"
    # Engines append the statement with a caret under it; the model has just written the statement itself.
    message = str(error).split("\n\nLINE ")[0]
    return f"{label}: {excerpt(' '.join(message.split()), ERROR_CHARS)}"


def _title(query: str) -> str:
    return f'# "{excerpt(query, LITERAL_CHARS)}"'


def _references(catalog: Catalog, column: Column) -> list[str]:
    """Columns that this one refers to by a declared foreign key, as SQL names."""
    return list(
        dict.fromkeys(
            qualified(join.ref_table, ref_name)
            for join in catalog.joins
            if join.origin == "declared" and join.table == column.table
            for name, ref_name in zip(join.columns, join.ref_columns, strict=True)
            if name == column.name
        )
    )


def _values_text(column: Column, statistics: Statistics) -> str:
    distinct = "" if statistics.distinct is None else f" ({statistics.distinct} distinct)"
    if column.kind in ("number", "date") and statistics.minimum is not None:
        low, high = _short_literal(statistics.minimum), _short_literal(statistics.maximum)
        return (low if low == high else f"{low} to {high}") + distinct
    samples = [_short_literal(value) for value in statistics.samples]
    if not samples:
        return distinct.strip().strip("()")
    complete = ", ".join(samples)
    if statistics.samples_complete and len(complete) <= CATEGORICAL_CHARS:
        return f"values: {complete}"
    text = samples[0]
    for sample in samples[1:SAMPLES_SHOWN]:
        if len(text) + len(sample) > SAMPLES_CHARS:
            break
        text += f", {sample}"
    return f"e.g. {text}{distinct}"


def _null_text(statistics: Statistics) -> str:
    share = statistics.null_share
    if share <= 0:
        return ""
    if share < 0.005:
        return "<1% null"
    return ">99% null" if share > 0.995 else f"{share:.0%} null"


def _comment(comment: str) -> str:
    return excerpt(" ".join(comment.split()).replace(" -- ", " – "), COMMENT_CHARS)


def _value_line(catalog: Catalog, hit: ValueHit) -> str:
    text = literal(hit.value)
    note = hit.match
    if note == "within":
        table = catalog.table(hit.table)
        column = table.column(hit.column) if table else None
        if column is not None and column.statistics.minimum is not None:
            low, high = _short_literal(column.statistics.minimum), _short_literal(column.statistics.maximum)
            note = f"within {low} to {high}"
        if isinstance(hit.value, str):  # a day, month or year
            note += " (compare with a range)"
    if len(text) > LITERAL_CHARS:
        text = _short_literal(hit.value, LITERAL_CHARS)
        note += " (shortened: compare with LIKE)"
    elif not is_verbatim(hit.value):
        note += " (not verbatim: compare with LIKE)"
    return f"{qualified(hit.table, hit.column)} = {text} -- {note}"


def _short_literal(value: object, width: int = CELL_CHARS) -> str:
    """A literal of at most about `width` characters: a long string is cut inside its quotes."""
    return literal(shorten(value, width)) if isinstance(value, str) else literal(value)


def _header(result: Result) -> tuple[str, int]:
    """The header line and how many columns fit it."""
    names: list[str] = []
    used = 0
    for name in result.columns:
        text = cell(name, CELL_CHARS)
        if names and used + len(text) > HEADER_CHARS:
            break
        names.append(text)
        used += len(text) + 3
    return " | ".join(names), len(names)


def _total(result: Result, what: str, read: int) -> str:
    """How many there are: exact, or `1000+` when the database was not asked for the rest."""
    for cut in result.cuts:
        if cut.what == what:
            return f"{read}+" if cut.of is None else str(cut.of)
    return str(read)


def _count(number: str, noun: str) -> str:
    return f"1 {noun}" if number == "1" else f"{number} {noun}s"
