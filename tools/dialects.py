"""sqlglot's dialects made faithful: what is parsed is written back as it was, never translated.

sqlglot is built to translate, so even from DuckDB to DuckDB it renames functions, rewrites casts, dates and
array indexes. The guard must run what the caller wrote, so its dialects differ from sqlglot's in this way:

- every function call stays a plain call with the name and the arguments as written (`Anonymous`), except the
  few with a grammar of their own (`CAST`, `EXTRACT`, `TRIM(... FROM ...)`, ...);
- SQLite's `CAST` keeps the type as spelled (the spelling decides the affinity), and a unary `+` is kept;
- JSON paths, array indexes and interval amounts are left alone;
- no statement but a query is known to the parser: anything else is a syntax error;
- the parser counts its steps and gives up after `MAX_STEPS` (backtracking must not become a denial of
  service).

Covered: the dialects "duckdb" and "sqlite". Not covered: all others, for which `faithful_dialect` raises
KeyError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from sqlglot import exp, generator, parser
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.sqlite import SQLite
from sqlglot.expressions.core import Expression
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.generators.sqlite import SQLiteGenerator
from sqlglot.parsers.duckdb import DuckDBParser
from sqlglot.parsers.sqlite import SQLiteParser
from sqlglot.tokens import TokenType  # pyright: ignore[reportPrivateImportUsage]

INFIX = "infix"
MAX_STEPS = 4_000
"""Tokens the parser may step over, backtracking included, beyond twice the tokens there are. Then it gives
up."""


class TooMuchWork(Exception):
    """The parser went back and forth over the text too often."""


class UnaryPlus(exp.Unary):
    """`+x`. In SQLite it takes the affinity off a column, so it must not be dropped."""


class TrimFrom(Expression, exp.Func):
    """`TRIM([BOTH | LEADING | TRAILING] [characters] FROM this)`."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": False, "position": False}


class SubstringFrom(Expression, exp.Func):
    """`SUBSTRING(this FROM start [FOR length])`."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "start": False, "length": False}


def _name(self: parser.Parser) -> str:
    """The function's name as written, when the parser stands after its opening bracket."""
    return self._tokens[self._index - 2].text


def _parse_trim(self: parser.Parser) -> exp.Expr:
    name = _name(self)
    position = self._prev.text.upper() if self._match_texts(self.TRIM_TYPES) else None
    args = [] if self._match(TokenType.FROM, advance=False) else self._parse_function_args(alias=True)
    if len(args) < 2 and self._match(TokenType.FROM):
        characters = args[0] if args else None
        return self.expression(TrimFrom(this=self._parse_bitwise(), expression=characters, position=position))
    if position:
        self.raise_error("Expected FROM in TRIM")
    return self.expression(exp.Anonymous(this=name, expressions=args))


def _parse_substring(self: parser.Parser) -> exp.Expr:
    name, args = _name(self), self._parse_function_args(alias=True)
    start = self._parse_bitwise() if self._match(TokenType.FROM) else None
    length = self._parse_bitwise() if self._match(TokenType.FOR) else None
    if (start or length) and len(args) == 1:
        return self.expression(SubstringFrom(this=args[0], start=start, length=length))
    if start or length:
        self.raise_error("Expected one argument before FROM in SUBSTRING")
    return self.expression(exp.Anonymous(this=name, expressions=args))


def _parse_cast_as_spelled(self: parser.Parser) -> exp.Expr:
    this = self._parse_disjunction()
    if not self._match(TokenType.ALIAS):
        self.raise_error("Expected AS after CAST")
    start = self._curr
    depth = 0
    while self._curr and not (depth == 0 and self._curr.token_type == TokenType.R_PAREN):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(self._curr.token_type, 0)
        self._advance()
    kind = self._find_sql(start, self._prev)
    if not re.fullmatch(r"[A-Za-z_][\w ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?\s*", kind, re.ASCII):
        self.raise_error("Expected a type name after CAST(... AS")
    return self.expression(exp.Cast(this=this, to=exp.DataType(this=exp.DType.USERDEFINED, kind=kind)))


def _parse_pivot_statement(self: parser.Parser) -> exp.Expr:
    pivot = self._parse_simplified_pivot(is_unpivot=self._prev.token_type == TokenType.UNPIVOT or None)
    if not self._match_set(self.QUERY_MODIFIER_TOKENS, advance=False):
        return pivot
    # sqlglot knows no ORDER BY and LIMIT after a PIVOT statement.
    return self._parse_query_modifiers(exp.select("*").from_(exp.Subquery(this=pivot), copy=False))


def _parse_typed_literal(self: parser.Parser, this: exp.Expr, kind: exp.DataType) -> exp.Expr:
    """`DATE '2024-01-15'`, and what is done to it. sqlglot takes the type for the last cast of all:
    `TIMESTAMP '...'::DATE` for `('...'::DATE)::TIMESTAMP`."""
    literal = this
    while not isinstance(literal, exp.Literal):
        literal = literal.this
    cast = self.expression(exp.Cast(this=literal.copy(), to=kind))
    if literal is this:
        return cast
    literal.replace(cast)
    return this


def _unary_plus(self: parser.Parser) -> exp.Expr:
    return self.expression(UnaryPlus(this=self._parse_unary()))


def _infix(found: exp.Expr | None) -> exp.Expr | None:
    if isinstance(found, exp.Not):
        found.meta[INFIX] = True
    return found


Parse = Callable[[Any], exp.Expr | None]


class _Shared(parser.Parser):
    """What both parsers have: steps are counted, and a negation knows whether it stood inside (`x NOT IN y`)
    or before (`NOT x IN y`): what binds tighter than it differs.
    """

    _steps = 0

    def _negate_range(self, this: exp.Expr | None = None) -> exp.Expr | None:
        return _infix(super()._negate_range(this))

    def _parse_is(self, this: exp.Expr | None) -> exp.Expr | None:
        return _infix(super()._parse_is(this))

    def _advance(self, times: int = 1) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS + 2 * self._tokens_size:
            raise TooMuchWork
        super()._advance(times)


class _DuckDBParser(_Shared, DuckDBParser):
    FUNCTIONS: ClassVar[dict[str, Callable]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable]] = {
        "CAST": lambda self: self._parse_cast(True),
        "TRY_CAST": lambda self: self._parse_cast(False, safe=True),
        "EXTRACT": lambda self: self._parse_extract(),
        "SUBSTRING": _parse_substring,
        "TRIM": _parse_trim,
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict] = {
        TokenType.CURRENT_DATE: exp.CurrentDate,
        TokenType.CURRENT_TIME: exp.CurrentTime,
        TokenType.CURRENT_TIMESTAMP: exp.CurrentTimestamp,
        TokenType.LOCALTIME: exp.Localtime,
        TokenType.LOCALTIMESTAMP: exp.Localtimestamp,
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Parse]] = {
        "@": lambda self: self.expression(exp.Anonymous(this="abs", expressions=[self._parse_bitwise()])),
        "ANY": lambda self: self.expression(exp.Any(this=self._parse_bitwise())),
        "CASE": lambda self: self._parse_case(),
        "MAP": lambda self: self._parse_map(),
    }
    STATEMENT_PARSERS: ClassVar[dict[TokenType, Parse]] = {
        TokenType.PIVOT: _parse_pivot_statement,
        TokenType.UNPIVOT: _parse_pivot_statement,
        TokenType.SEMICOLON: lambda self: exp.Semicolon(),
    }
    TYPE_LITERAL_PARSERS: ClassVar[dict] = dict.fromkeys(exp.DType, _parse_typed_literal)
    UNARY_PARSERS: ClassVar[dict[TokenType, Parse]] = {
        **DuckDBParser.UNARY_PARSERS,
        TokenType.PLUS: _unary_plus,
    }

    def _parse_star_ops(self) -> exp.Expr | None:
        star = super()._parse_star_ops()
        if isinstance(star, exp.Anonymous):  # `*COLUMNS(...)`, which DuckDB also writes UNPACK(COLUMNS(...))
            return self.expression(exp.Anonymous(this="unpack", expressions=[star]))
        return star

    def _parse_join(self, *args: Any, **options: Any) -> exp.Join | None:
        comma = self._curr.token_type == TokenType.COMMA
        join = super()._parse_join(*args, **options)
        if (
            join
            and not comma
            and not any(join.args.get(key) for key in ("on", "using", "kind", "side", "method"))
        ):
            join.set("kind", "INNER")  # else JOIN without ON, an error, would be written as a comma
        return join


class _SQLiteParser(_Shared, SQLiteParser):
    FUNCTIONS: ClassVar[dict[str, Callable]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable]] = {"CAST": _parse_cast_as_spelled}
    NO_PAREN_FUNCTIONS: ClassVar[dict] = {
        TokenType.CURRENT_DATE: exp.CurrentDate,
        TokenType.CURRENT_TIME: exp.CurrentTime,
        TokenType.CURRENT_TIMESTAMP: exp.CurrentTimestamp,
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Parse]] = {"CASE": lambda self: self._parse_case()}
    ADD_JOIN_ON_TRUE = False
    JOINS_HAVE_EQUAL_PRECEDENCE = (
        False  # else a comma is written as CROSS JOIN, which fixes SQLite's join order
    )
    COLUMN_OPERATORS: ClassVar[dict] = {
        k: v
        for k, v in SQLiteParser.COLUMN_OPERATORS.items()
        if k in (TokenType.DOT, TokenType.ARROW, TokenType.DARROW)
    }
    STATEMENT_PARSERS: ClassVar[dict[TokenType, Parse]] = {TokenType.SEMICOLON: lambda self: exp.Semicolon()}
    UNARY_PARSERS: ClassVar[dict[TokenType, Parse]] = {
        **SQLiteParser.UNARY_PARSERS,
        TokenType.PLUS: _unary_plus,
    }


def _unary_plus_sql(self: generator.Generator, expression: exp.Expr) -> str:
    return f"+{self.sql(expression, 'this')}"


def _trim_sql(self: generator.Generator, expression: exp.Expr) -> str:
    words = (
        expression.text("position"),
        self.sql(expression, "expression"),
        "FROM",
        self.sql(expression, "this"),
    )
    return f"TRIM({' '.join(word for word in words if word)})"


def _substring_sql(self: generator.Generator, expression: exp.Expr) -> str:
    start, length = self.sql(expression, "start"), self.sql(expression, "length")
    rest = (f" FROM {start}" if start else "") + (f" FOR {length}" if length else "")
    return f"SUBSTRING({self.sql(expression, 'this')}{rest})"


def _binary(self: generator.Generator, expression: exp.Binary, sign: str) -> str:
    return self.binary(expression, sign)


_WRITERS: dict[type[exp.Expr], Callable[..., str]] = {
    UnaryPlus: _unary_plus_sql,
    TrimFrom: _trim_sql,
    SubstringFrom: _substring_sql,
}


class _Plain(generator.Generator):
    """Writes as they were read some nodes that sqlglot's generators would translate."""

    def not_sql(self, expression: exp.Not) -> str:
        inner = expression.this
        if not expression.meta.get(INFIX):
            return super().not_sql(expression)
        left = self.sql(inner.this.this if isinstance(inner, exp.Escape) else inner.this)
        word, between = ("IS NOT", " IS ") if isinstance(inner, exp.Is) else ("NOT", " ")
        rest = self.sql(inner).removeprefix(left + between)
        return f"{left} {word} {rest}"

    def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
        return f"{self.sql(expression, 'this')} IGNORE NULLS"

    def respectnulls_sql(self, expression: exp.RespectNulls) -> str:
        return f"{self.sql(expression, 'this')} RESPECT NULLS"

    def extract_sql(self, expression: exp.Extract) -> str:
        return f"EXTRACT({self.sql(expression, 'this')} FROM {self.sql(expression, 'expression')})"

    def collate_sql(self, expression: exp.Collate) -> str:
        return self.binary(expression, "COLLATE")


# Written as operators again: what binds tighter is then for DuckDB to say, as it was for the text read.
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.ArrayOverlaps: "&&",
    exp.BitwiseAnd: "&",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseOr: "|",
    exp.BitwiseRightShift: ">>",
    exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>",
    exp.Pow: "**",
    exp.RegexpLike: "~",
    exp.StartsWith: "^@",
}


class _DuckDBGenerator(_Plain, DuckDBGenerator):
    MULTI_ARG_DISTINCT = True  # else f(DISTINCT a, b) is written as f(DISTINCT (a, b)), of one argument
    TRANSFORMS: ClassVar[dict] = {
        **{
            k: v
            for k, v in DuckDBGenerator.TRANSFORMS.items()
            if k not in (exp.Select, exp.Pivot, exp.Lateral)
        },
        exp.Array: lambda self, e: f"[{self.expressions(e, flat=True)}]",
        **{node: partial(_binary, sign=sign) for node, sign in _OPERATORS.items()},
        **_WRITERS,
    }

    def join_sql(self, expression: exp.Join, join_op: str | None = None) -> str:
        return generator.Generator.join_sql(self, expression, join_op)

    def withingroup_sql(self, expression: exp.WithinGroup) -> str:
        return generator.Generator.withingroup_sql(self, expression)


class _SQLiteGenerator(_Plain, SQLiteGenerator):
    TRANSFORMS: ClassVar[dict] = {
        **{k: v for k, v in SQLiteGenerator.TRANSFORMS.items() if k is not exp.Select},
        exp.Cast: lambda self, e: f"CAST({self.sql(e, 'this')} AS {e.args['to'].text('kind')})",
        **_WRITERS,
    }


class _FaithfulDuckDB(DuckDB):
    INDEX_OFFSET = 0
    Parser = _DuckDBParser
    Generator = _DuckDBGenerator

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


class _FaithfulSQLite(SQLite):
    Parser = _SQLiteParser
    Generator = _SQLiteGenerator

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


_DIALECTS: dict[str, Dialect] = {"duckdb": _FaithfulDuckDB(), "sqlite": _FaithfulSQLite()}


def faithful_dialect(name: str) -> Dialect:
    """The dialect of that sqlglot name. Raises KeyError when there is none."""
    return _DIALECTS[name]
