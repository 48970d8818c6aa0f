"""Which nodes of a syntax tree the guard knows: an allow-list of sqlglot's classes, and of the text in them.

Covered: queries and the expressions of analytics in the guard's dialects (dialects.py). A node of any other
class, a function off the dialect's list (functions.py), or text that would be written out unquoted without
being a plain word refuses the statement. Names of tables and columns are not looked at here: see resolver.py.
"""

from __future__ import annotations

import json
import re

from rapidfuzz import fuzz, process
from sqlglot import exp

from .cells import excerpt
from .dialects import SubstringFrom, TrimFrom, UnaryPlus
from .errors import QueryRefused
from .functions import SCALAR_FUNCTIONS, TABLE_FUNCTIONS

_QUERIES = """
Select Union Intersect Except Subquery Values Tuple With CTE From Join Table TableAlias Lateral Unnest Where
Group Having Qualify Order Ordered Limit Offset Fetch LimitOptions Distinct GroupingSets Rollup Cube Pivot
PivotAlias UnpivotColumns TableSample Star Alias
"""
_OPERATORS = """
And Or Not Xor EQ NEQ GT GTE LT LTE Is NullSafeEQ NullSafeNEQ Between In Any All Exists Like ILike Glob
Match RegexpLike SimilarTo StartsWith Escape Collate Add Sub Mul Div IntDiv Mod Pow Neg DPipe BitwiseAnd
BitwiseOr BitwiseXor BitwiseNot BitwiseLeftShift BitwiseRightShift Paren JSONExtract JSONExtractScalar
ArrayContainsAll ArrayContainedBy ArrayOverlaps AtTimeZone
"""
_EXPRESSIONS = """
Identifier Column Dot Literal Null Boolean RawString HexString Concat Var Interval Case If Cast TryCast
DataType DataTypeParam ColumnDef Array Struct Map ToMap PropertyEQ Kwarg Bracket Slice Lambda Comprehension
PositionalColumn Anonymous Extract CurrentDate CurrentTime CurrentTimestamp Localtime Localtimestamp Window
WindowSpec Filter WithinGroup IgnoreNulls RespectNulls
"""
KNOWN: frozenset[type[exp.Expr]] = frozenset(
    (
        UnaryPlus,
        TrimFrom,
        SubstringFrom,
        *(getattr(exp, n) for n in (_QUERIES + _OPERATORS + _EXPRESSIONS).split()),
    )
)
"""Exact classes; a subclass is not allowed with its parent."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WORDS = re.compile(r"[A-Za-z_][A-Za-z_ ]*", re.ASCII)
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][+-]?\d+)?", re.ASCII)
_HEX = re.compile(r"([0-9a-fA-F]{2})*", re.ASCII)
_TYPE = re.compile(r"[A-Za-z_][\w ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?\s*", re.ASCII)

_OTHER_TYPES = frozenset({"bignum", "varint", "time_ns", "timetz", "bitstring", "oid"})

_WITH_STRUCTURE = frozenset({"from_json", "from_json_strict", "json_transform", "json_transform_strict"})
_STRUCTURE_TYPE = re.compile(r"([A-Za-z]\w*)(\(\s*\d+\s*(,\s*\d+\s*)?\))?(\[\d*\])*", re.ASCII)
_STRUCTURE_TYPES = frozenset(
    """
    bigint bit bitstring blob bool boolean bpchar bytea char date datetime dec decimal double float float4
    float8 hugeint int int1 int2 int4 int8 integer interval json long null numeric real short signed smallint
    string text time timestamp timestamp_ms timestamp_ns timestamp_s timestamptz timetz tinyint ubigint
    uhugeint uinteger usmallint utinyint uuid varchar
    """.split()
)
"""Types that DuckDB's from_json and its like may be told by name."""

_LISTS_VALUES = frozenset({"enum_first", "enum_last", "enum_range", "enum_range_boundary", "typeof"})
"""Functions of DuckDB that list the values of an enumeration, those of hidden rows included."""

_INSTEAD = {
    "Into": "SELECT ... INTO writes a table: leave INTO out",
    "Lock": "FOR UPDATE locks rows: leave it out",
    "Placeholder": "parameters (?, $1, :name) have no values here: write the value itself",
    "Parameter": "variables have no values here: write the value itself",
    "SessionParameter": "variables have no values here: write the value itself",
    "ByteString": "write text as a plain string in single quotes",
    "Summarize": "SUMMARIZE is no SELECT: write the aggregates out, such as min(x), max(x), count(x)",
    "Describe": "DESCRIBE is no SELECT: column search shows tables and columns",
    "HistoricalData": "tables can be read as they are now only: leave AT (...) out",
}


def check_nodes(tree: exp.Expr, dialect: str, *, types_tell: bool = True) -> None:
    """Raise QueryRefused unless all nodes, functions and texts of `tree` are known.

    Quotes, in place, every identifier that is not a plain word. types_tell: functions may list the values of
    an enumeration.
    """
    for node in tree.walk():
        kind = type(node)
        if kind not in KNOWN:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
            raise QueryRefused(_INSTEAD.get(kind.__name__, f"{words} is not allowed in a query here"))
        if kind is exp.Select and not node.expressions:
            raise QueryRefused("SELECT lists no columns; write SELECT column, ... FROM table")
        if kind is exp.Identifier:
            if not node.args.get("quoted") and not _PLAIN.fullmatch(node.name):
                node.set("quoted", True)
        elif kind is exp.Anonymous:
            _check_function(node, dialect, types_tell)
        elif kind is exp.Literal:
            if not node.is_string and not _NUMBER.fullmatch(node.name):
                raise QueryRefused(
                    f"{_shown(node.name)} is not a number: write digits, or text in single quotes"
                )
        elif kind is not exp.RawString:
            _check_texts(node)
            if kind is exp.DataType and dialect == "duckdb" and node.this == exp.DType.USERDEFINED:
                _check_type(node)


def _check_function(node: exp.Expr, dialect: str, types_tell: bool) -> None:
    name = node.name
    if dialect == "duckdb" and name.lower() in _WITH_STRUCTURE:
        _check_structure(node)
    if dialect == "duckdb" and not types_tell and name.lower() in _LISTS_VALUES:
        raise QueryRefused(f"function {name} is not available where an access policy holds; leave it out")
    in_from = isinstance(node.parent, (exp.Table, exp.Lateral)) and node.arg_key == "this"
    allowed = (TABLE_FUNCTIONS if in_from else SCALAR_FUNCTIONS)[dialect]
    if name.isascii() and name.lower() in allowed:
        return
    near = process.extract(name[:64].lower(), allowed, scorer=fuzz.ratio, limit=2, score_cutoff=75)
    if near:
        hint = f"did you mean {' or '.join(hit[0] for hit in near)}?"
    elif in_from:
        hint = f"FROM takes tables of this database, subqueries and {', '.join(sorted(allowed))}"
    else:
        hint = "write it with functions that only compute from their arguments"
    raise QueryRefused(f"function {_shown(name)} is not available here; {hint}")


def _check_type(node: exp.Expr) -> None:
    """A type that sqlglot does not know: only DuckDB's own (an enumeration of the database lists a column's
    values)."""
    if node.text("kind").lower() not in _OTHER_TYPES:
        raise QueryRefused(
            f"type {_shown(node.text('kind'))} is not available here; cast to a type such as VARCHAR"
        )


def _check_structure(node: exp.Expr) -> None:
    """The types that are told to from_json and its like, in JSON: DuckDB's own (see `_check_type`)."""
    structure = node.expressions[-1] if node.expressions else None
    if isinstance(structure, exp.Literal) and structure.is_string and _is_plain(structure.name):
        return
    raise QueryRefused(
        f"{node.name.lower()} takes a structure of plain types in single quotes, such as "
        """'{"name": "VARCHAR", "tags": ["VARCHAR"]}'; for other types, cast what it gives"""
    )


def _is_plain(structure: str) -> bool:
    try:
        left = [json.loads(structure, object_pairs_hook=lambda pairs: [value for _, value in pairs])]
    except ValueError:
        return False
    while left:
        part = left.pop()
        if isinstance(part, list):
            left.extend(part)
            continue
        found = _STRUCTURE_TYPE.fullmatch(part) if isinstance(part, str) else None
        if found is None or found[1].lower() not in _STRUCTURE_TYPES:
            return False
    return True


def _check_texts(node: exp.Expr) -> None:
    """Text outside names and literals is written out as it is, so it must be plain words."""
    for key, value in node.args.items():
        if not isinstance(value, str):
            continue
        pattern = _WORDS
        if isinstance(node, exp.DataType):
            pattern = _TYPE
        elif isinstance(node, exp.HexString):
            pattern = _HEX
        if not pattern.fullmatch(value):
            raise QueryRefused(
                f"{_shown(value)} ({key} of {type(node).__name__}) is not understood; leave it out"
            )


def _shown(text: str) -> str:
    return excerpt(text, 60)
