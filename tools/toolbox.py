"""The four tools of Interactive-T2S as LangChain tools over one Database: what a model may call.

    search_column        columns by meaning
    search_value         stored values that resemble a literal
    find_shortest_path   how tables join
    execute_sql          run one SELECT; the observation is the content, the `Result` the artifact

Arguments are validated (pydantic), inputs may be batched, and a bare string is accepted for a list. Nothing
that a model writes raises: bad arguments, unknown names, refusals and engine errors come back as ToolMessages
with status "error" whose text says what to do. Source: arXiv 2408.11062, section 3; formats: observations.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from .cells import excerpt, identifier, neutralise, qualified
from .errors import SqlbergError
from .limits import Limits, Result
from .names import UnknownName, find_columns, find_place, find_table
from .notes import terms_in
from .observations import fit, render_columns, render_error, render_paths, render_result, render_values
from .paths import join_paths
from .schema import Catalog, Table

if TYPE_CHECKING:
    from .database import Database

MAX_QUERIES = 10
"""Queries, values or pairs of tables answered in one call; the rest is named as left out."""

MAX_HITS = 20
"""Largest top_k."""

MAX_PATHS = 3
QUERY_CHARS = 300

Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def make_tools(
    database: Database, *, limits: Limits | None = None, cancel: threading.Event | None = None
) -> list[BaseTool]:
    """search_column, search_value, find_shortest_path and execute_sql over `database`, in this order.

    limits: of execute_sql's queries (None: the database's own). cancel: stops a running query when set.
    The tools hold no state and may be shared between threads; making them is cheap.
    """

    def search_column(queries: list[str], tables: list[str] | None = None, top_k: int = 5) -> str:
        catalog = database.catalog
        asked, notes = _capped(queries, "queries")
        within = _restriction(catalog, tables, notes)
        names = None if within is None else [table.name for table in within]
        answers = []
        for query in asked:
            terms = terms_in(query, catalog)
            meant = " ".join([query, *terms.values()])
            hits = database.columns.search(meant, tables=names, top_k=top_k)
            answers.append((query, [hit.column for hit in hits]))
            notes += [f'("{term}" means here: {neutralise(meaning)})' for term, meaning in terms.items()]
        return fit(render_columns(catalog, answers), list(dict.fromkeys(notes)))

    def search_value(
        values: list[str], tables: list[str] | None = None, columns: list[str] | None = None, top_k: int = 5
    ) -> str:
        catalog = database.catalog
        asked, notes = _capped(values, "values")
        within = _restriction(catalog, tables, notes)
        names = None if within is None else [table.name for table in within]
        places = _column_restriction(catalog, columns, within, notes)
        answers = [
            (value, database.values.search(value, tables=names, columns=places, top_k=top_k))
            for value in asked
        ]
        if not database.values.whole:
            notes.append(
                "(not every stored value is searched: one that is not found here may still be there)"
            )
        return fit(render_values(catalog, answers), notes)

    def find_shortest_path(start: list[str], end: list[str]) -> str:
        catalog = database.catalog
        starts, ends = ([name for text in side if (name := _cut(text))] for side in (start, end))
        pairs = [(one, other) for one in starts for other in ends]
        if not pairs:
            raise UnknownName("start and end each need at least one table or table.column")
        notes = _left_out(len(pairs), "pairs")
        answers = []
        for one, other in dict.fromkeys(pairs[:MAX_QUERIES]):
            (table, column), (end_table, end_column) = find_place(catalog, one), find_place(catalog, other)
            answers.append(
                (
                    qualified(table.name, column.name) if column else identifier(table.name),
                    qualified(end_table.name, end_column.name) if end_column else identifier(end_table.name),
                    join_paths(catalog, table.name, end_table.name, limit=MAX_PATHS),
                )
            )
        return fit(render_paths(answers), notes)

    def execute_sql(sql: str) -> tuple[str, Result]:
        result = database.execute(unfenced(sql), limits=limits, cancel=cancel)
        return render_result(result), result

    return [
        _tool(search_column, SearchColumn),
        _tool(search_value, SearchValue),
        _tool(find_shortest_path, FindShortestPath),
        _tool(execute_sql, ExecuteSQL, response_format="content_and_artifact"),
    ]


def _as_list(given: Any) -> Any:
    """A bare string or number as a list of one; a list that was written as JSON text as that list."""
    if isinstance(given, str):
        if given.lstrip().startswith("["):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                return [given]
        else:
            return [given]
    if isinstance(given, (int, float)):
        given = [given]
    if isinstance(given, (list, tuple)):
        return [str(item) if isinstance(item, (int, float)) else item for item in given]
    return given


def _as_optional_list(given: Any) -> Any:
    """As `_as_list`; an empty list or string is no restriction."""
    return _as_list(given) if given not in (None, "", [], "null", "None") else None


Strings = Annotated[list[str], BeforeValidator(_as_list)]
OptionalStrings = Annotated[list[str] | None, BeforeValidator(_as_optional_list)]
TopK = Annotated[int, BeforeValidator(lambda given: _clamped(given))]


class SearchColumn(BaseModel, extra="forbid"):
    """Find columns by what they mean.

    Gives each column's table, type, key, foreign key, statistics or sample values, and comment. Only columns
    seen in an answer of this tool may be used in SQL. Ask for several meanings in one call.
    """

    queries: Strings = Field(
        description='What a column holds, in plain words, one each: ["name of the singer", "concert year"]'
    )
    tables: OptionalStrings = Field(
        default=None, description="Only search these tables; leave out to search all"
    )
    top_k: TopK = Field(default=5, description=f"Columns per query, 1 to {MAX_HITS}")


class SearchValue(BaseModel, extra="forbid"):
    """Find how a value is spelled in the data and in which column it is stored.

    Tolerates typos, case, accents and partial words. Use it for every name, category or other literal of the
    question before writing SQL, and copy the value verbatim from the answer.
    """

    values: Strings = Field(description='Values to look for, one per item: ["joe sharp", "2014"]')
    tables: OptionalStrings = Field(
        default=None, description="Only search these tables; leave out to search all"
    )
    columns: OptionalStrings = Field(
        default=None, description='Only search these columns, each "table.column"; leave out to search all'
    )
    top_k: TopK = Field(default=5, description=f"Hits per value, 1 to {MAX_HITS}")


class FindShortestPath(BaseModel, extra="forbid"):
    """Find how tables join: the shortest join paths from each start to each end.

    Every join says whether it is a declared foreign key or inferred from names and values. Parallel foreign
    keys between the same tables (home team, away team) give a path each: choose the one the question means.
    """

    start: Strings = Field(description='Tables or columns to start from, each "table" or "table.column"')
    end: Strings = Field(description='Tables or columns to reach, each "table" or "table.column"')


class ExecuteSQL(BaseModel, extra="forbid"):
    """Run one read-only SELECT statement and see its first rows, in the order the database returned them.

    The last statement that ran without error is the answer to the question: select exactly what was asked.
    """

    sql: str = Field(description="One SELECT statement in the database's dialect")


def _tool(function: Callable[..., Any], schema: type[BaseModel], **options: Any) -> BaseTool:
    """A LangChain tool of `function`, described by its schema's docstring, whose errors are observations."""
    return StructuredTool.from_function(
        _observing(function),
        name=function.__name__,
        description=" ".join((schema.__doc__ or "").split()),
        args_schema=schema,
        infer_schema=False,
        handle_tool_error=True,
        handle_validation_error=lambda error: _validation_text(function.__name__, schema, error),
        **options,
    )


def _observing(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """`function` with every error that sqlberg foresees turned into an observation (ToolException)."""

    @wraps(function)
    def observed(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        try:
            return function(*args, **kwargs)
        except SqlbergError as error:
            raise ToolException(render_error(error)) from error

    # LangChain evaluates the annotations at every call, though the schema says it all: a tenth of a call's
    # time.
    observed.__annotations__ = {}
    return observed


def _validation_text(name: str, schema: type[BaseModel], error: Any) -> str:
    """Which argument is wrong and what the tool takes, on one line; never pydantic's own report."""
    problems = []
    if isinstance(error, ValidationError):
        for problem in error.errors(include_url=False, include_input=False)[:3]:
            place = ".".join(str(part) for part in problem["loc"])
            problems.append(f"{place}: {problem['msg']}" if place else problem["msg"])
    takes = ", ".join(
        field_name if field.is_required() else f"{field_name} (optional)"
        for field_name, field in schema.model_fields.items()
    )
    detail = f" ({excerpt('; '.join(problems), 200)})" if problems else ""
    return f"Error: wrong arguments{detail}; {name} takes {takes}"


def _capped(asked: list[str], what: str) -> tuple[list[str], list[str]]:
    """The distinct, non-blank inputs up to the limit, and a note on those left out."""
    distinct = list(dict.fromkeys(query for text in asked if (query := _cut(text))))
    if not distinct:
        raise UnknownName(f"{what} needs at least one text to search for")
    return distinct[:MAX_QUERIES], _left_out(len(distinct), what)


def _cut(text: str) -> str:
    """What of an input is looked at: no question is longer, and no name; a mark for half a character."""
    return text.encode("utf-8", "replace").decode().strip()[:QUERY_CHARS]


def _left_out(count: int, what: str) -> list[str]:
    if count <= MAX_QUERIES:
        return []
    return [f"({count - MAX_QUERIES} {what} left out: at most {MAX_QUERIES} are answered in one call)"]


def _restriction(catalog: Catalog, tables: list[str] | None, notes: list[str]) -> list[Table] | None:
    """The tables to search. Unknown names are noted; when none is known, raises UnknownName."""
    if tables is None:
        return None
    found, unknown = [], []
    for text in tables:
        try:
            found.append(find_table(catalog, _cut(text)))
        except UnknownName as error:
            unknown.append(error)
    return _known(found, unknown, notes)


def _column_restriction(
    catalog: Catalog, columns: list[str] | None, within: list[Table] | None, notes: list[str]
) -> list[str] | None:
    """The columns to search, as "table.column" for ValueIndex; unknown names as in `_restriction`."""
    if columns is None:
        return None
    found, unknown = [], []
    for text in columns:
        try:
            found.extend(
                f"{column.table}.{column.name}" for column in find_columns(catalog, _cut(text), within)
            )
        except UnknownName as error:
            unknown.append(error)
    return _known(found, unknown, notes)


Found = TypeVar("Found")


def _known(found: list[Found], unknown: list[UnknownName], notes: list[str]) -> list[Found]:
    if not found:
        raise unknown[0]
    notes.extend(f"({error})" for error in unknown)
    return found


def _clamped(top_k: Any) -> Any:
    # A larger wish is met as far as it goes: the argument's description tells the range.
    return min(max(top_k, 1), MAX_HITS) if isinstance(top_k, int) else top_k


def unfenced(sql: str) -> str:
    """The statement without a Markdown fence around it, which models like to add."""
    text = sql.strip()
    if len(text) < 6 or not (text.startswith("```") and text.endswith("```")):
        return sql
    language, line_break, statement = text[3:-3].partition("\n")
    language = language.strip()
    return statement.strip() if line_break and (not language or language.isalpha()) else sql
