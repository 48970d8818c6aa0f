"""The grammar of sketches: one generator that parses a sketch and says, at each point, which tokens may
follow.

A sketch is SQL without join conditions: `select singer.Name where singer.Age > 20 end`. Joins follow from the
foreign keys (`sql_writer`), unless written out as `on column column` (as for the second of two keys between
the same tables), and so does FROM, which lists only what no column names (much as in NatSQL, Gan et al.,
arXiv 2109.05153). The generator serves decoding (the mask of what may follow) and reading (the tree) alike,
so the two can never disagree.

Covered: SELECT [DISTINCT] of columns, aggregates, arithmetic, years and months of dates; WHERE and HAVING as
flat and/or chains; IN, LIKE, BETWEEN, IS NULL; nested queries in conditions and in FROM; GROUP BY, ORDER BY,
LIMIT; UNION, INTERSECT, EXCEPT. Beside a query, a turn may be words to look up among the values (`lookup`),
to search among the columns (`search`), or that nothing in the database answers (`refuse`).
Not covered: self-joins, correlated queries, window functions, CASE.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from .items import (
    AGGREGATES,
    ARITHMETIC,
    COMPARISONS,
    CONSTANTS,
    DATE_PARTS,
    LIKES,
    SET_OPERATIONS,
    Item,
    Token,
)

Allowed = frozenset[str]
"""Keywords, and the classes of pointers "@word", "@table", "@column", "@value"."""

MAX_DEPTH = 3

TURNS = frozenset({"execute", "lookup", "search", "refuse"})
"""What a turn begins with."""
ROW = frozenset({"@column", *DATE_PARTS})
AGGREGATED = frozenset(AGGREGATES)
OPERAND = ROW | AGGREGATED | {"*"}
LITERAL = frozenset({"@value", *CONSTANTS})


@dataclass(frozen=True)
class Expression:
    """`function` (an aggregate or a part of a date) over `operand` ("*" or a column), then an optional
    arithmetic tail.
    """

    operand: Token
    function: str = ""
    tail: tuple[str, Expression] | None = None


@dataclass(frozen=True)
class Predicate:
    """`connector` ("" for the first) `left` `operator` `right`."""

    connector: str
    left: Expression
    operator: str
    right: tuple[Token | Expression | Query, ...] = ()


@dataclass
class Query:
    """One SELECT, perhaps followed by a set operation with another.

    tables: those that FROM lists; the tables of the query's columns belong to it as well.
    """

    distinct: bool = False
    select: list[Expression] = field(default_factory=list)
    tables: list[Item] = field(default_factory=list)
    source: Query | None = None
    on: list[tuple[Item, Item]] = field(default_factory=list)
    where: list[Predicate] = field(default_factory=list)
    group: list[Expression] = field(default_factory=list)
    having: list[Predicate] = field(default_factory=list)
    order: list[tuple[Expression, bool]] = field(default_factory=list)
    limit: Token | None = None
    set_operation: tuple[str, Query] | None = None


Parser = Generator[Allowed, Token, tuple[Query, Token]]


class SketchError(ValueError):
    """A token that the grammar does not allow at this point."""


def _query(depth: int, stop: str, compared: str = "", width: int = 0) -> Parser:
    """After `select`; returns the query and the token that ended it (`stop`).

    compared: "list" where a value is looked for in it: it has one column. "value" where it stands for one:
    moreover, without an aggregate it has a condition or a limit, and in groups a limit. width: the number of
    its columns, after a set operation.
    """
    query = Query()
    width = width or int(bool(compared))
    one = compared == "value"
    whole = frozenset({stop} if one else {stop, *SET_OPERATIONS})
    token = yield OPERAND | {"distinct"}
    if token == "distinct":
        query.distinct = True
        token = yield OPERAND
    end = frozenset() if one and token not in AGGREGATES else whole
    while True:
        # A query must name a table, by a column at the least.
        named = any(_names_a_column(expression) for expression in query.select)
        number = len(query.select) + 1
        more = frozenset({","}) if number != width else frozenset()
        begun = more | {"from", "where", "group"} if number >= width else more
        follow = begun | _after_where(end) if number >= width else more
        expression, token = yield from _expression(token, follow, None if named else begun)
        query.select.append(expression)
        if token != ",":
            break
        token = yield OPERAND
    if token == "from":
        token = yield from _source(query, depth, _after_where(end))
    if token == "where":
        end = whole
        query.where, token = yield from _conditions(depth, _after_where(end), ROW)
    if token == "group":
        end = frozenset() if one else whole
        while token in ("group", ","):
            token = yield ROW
            function = ""
            if isinstance(token, str):
                function, token = token, (yield frozenset({"@column"}))
            query.group.append(Expression(token, function))
            token = yield frozenset({",", "having"}) | _after_group(end)
        if token == "having":
            query.having, token = yield from _conditions(depth, _after_group(end), ROW | AGGREGATED)
    if token == "order":
        while token in ("order", ","):
            token = yield OPERAND
            expression, token = yield from _expression(token, frozenset({",", "desc"}) | _after_order(end))
            descending = token == "desc"
            if descending:
                token = yield frozenset({","}) | _after_order(end)
            query.order.append((expression, descending))
    if token == "limit":
        query.limit = yield LITERAL
        token = yield whole
    if token in SET_OPERATIONS:
        operation = str(token)
        yield frozenset({"select"})
        right, token = yield from _query(depth, stop, width=len(query.select))
        query.set_operation = (operation, right)
    return query, token


def _after_order(end: Allowed) -> Allowed:
    return end | {"limit"}


def _after_group(end: Allowed) -> Allowed:
    return _after_order(end) | {"order"}


def _after_where(end: Allowed) -> Allowed:
    return _after_group(end) | {"group"}


def _source(query: Query, depth: int, after: Allowed) -> Generator[Allowed, Token, Token]:
    after = after | {"where"}
    token = yield frozenset({"@table", "("} if depth < MAX_DEPTH else {"@table"})
    if token == "(":
        yield frozenset({"select"})
        query.source, _ = yield from _query(depth + 1, ")")
        return (yield after)
    while isinstance(token, Item):
        query.tables.append(token)
        token = yield after | {",", "on"}
        if token == ",":
            token = yield frozenset({"@table"})
    while token == "on":
        left = yield frozenset({"@column"})
        right = yield frozenset({"@column"})
        assert isinstance(left, Item)
        assert isinstance(right, Item)
        query.on.append((left, right))
        token = yield after | {"on"}
    return token


def _expression(
    token: Token, follow: Allowed, bare: Allowed | None = None
) -> Generator[Allowed, Token, tuple[Expression, Token]]:
    """`token` is the expression's first; returns the expression and the token after it.

    bare: what may follow instead where the expression names no column.
    """
    function = ""
    if isinstance(token, str) and (token in AGGREGATES or token in DATE_PARTS):
        function = token
        token = yield frozenset({"@column", "*"}) if function == "count" else frozenset({"@column"})
    operand = token
    if isinstance(operand, Item) or bare is None:
        bare = follow
    token = yield bare.union(ARITHMETIC)
    if isinstance(token, str) and token in ARITHMETIC:
        operator = token
        token = yield OPERAND | LITERAL
        rest, token = yield from _expression(token, follow, bare)
        return Expression(operand, function, (operator, rest)), token
    return Expression(operand, function), token


def _names_a_column(expression: Expression) -> bool:
    tail = expression.tail
    return isinstance(expression.operand, Item) or (tail is not None and _names_a_column(tail[1]))


def _conditions(
    depth: int, after: Allowed, operands: Allowed
) -> Generator[Allowed, Token, tuple[list[Predicate], Token]]:
    """`operands`: what may be compared; aggregates only in HAVING."""
    predicates: list[Predicate] = []
    connector = ""
    operators = frozenset({*COMPARISONS, *LIKES, "between", "in", "not_in", "is_null", "is_not_null"})
    nested = frozenset({"("}) if depth < MAX_DEPTH else frozenset()
    follow = after | {"and", "or"}
    while True:
        token = yield operands
        left, token = yield from _expression(token, operators)
        operator = str(token)
        right: list[Token | Expression | Query] = []
        if operator in ("is_null", "is_not_null"):
            token = yield follow
        elif operator == "between":
            right.append((yield LITERAL))
            right.append((yield LITERAL))
            token = yield follow
        elif operator in LIKES:
            right.append((yield frozenset({"@value"})))
            token = yield follow
        else:
            many = operator in ("in", "not_in")
            token = yield nested | LITERAL if many else nested | LITERAL | operands
            if token == "(":
                yield frozenset({"select"})
                subquery, _ = yield from _query(depth + 1, ")", "list" if many else "value")
                right.append(subquery)
                token = yield follow
            elif many:
                right.append(token)
                token = yield follow | {","}
                while token == ",":
                    right.append((yield LITERAL))
                    token = yield follow | {","}
            else:
                operand, token = yield from _expression(token, follow)
                right.append(operand)
        predicates.append(Predicate(connector, left, operator, tuple(right)))
        if token not in ("and", "or"):
            return predicates, token
        connector = str(token)


def _sketch() -> Parser:
    yield frozenset({"select"})
    query, token = yield from _query(0, "end")
    return query, token


def _words(may_be_none: bool) -> Generator[Allowed, Token, list[tuple[Item, Item]]]:
    """`first last , first last end`: spans of words of the question."""
    spans: list[tuple[Item, Item]] = []
    while True:
        first = yield frozenset({"@word", "end"} if may_be_none and not spans else {"@word"})
        if first == "end":
            return spans
        last = yield frozenset({"@word"})
        assert isinstance(first, Item)
        assert isinstance(last, Item)
        spans.append((first, last))
        if (yield frozenset({",", "end"})) == "end":
            return spans


def classes(token: Token) -> str:
    """The name under which `Allowed` lists this token."""
    return f"@{token.kind}" if isinstance(token, Item) else token


def follow(tokens: Sequence[Token]) -> Allowed | None:
    """What may follow after `tokens` (of a whole turn: `execute select …`, `lookup …`, `search …`,
    `refuse …`); None: it is finished.
    """
    allowed, _ = _run(tokens)
    return allowed


def parse(tokens: Sequence[Token]) -> Query | list[tuple[Item, Item]]:
    """The tree of a finished turn: a query, or the spans of words that it is about. Raises `SketchError`."""
    allowed, tree = _run(tokens)
    if allowed is not None or tree is None:
        raise SketchError("the sketch is not finished")
    return tree


def _run(tokens: Sequence[Token]) -> tuple[Allowed | None, Query | list[tuple[Item, Item]] | None]:
    allowed: Allowed = TURNS
    if not tokens:
        return allowed, None
    if tokens[0] not in allowed:
        raise SketchError(f"a turn cannot begin with {tokens[0]!r}")
    parser = _sketch() if tokens[0] == "execute" else _words(may_be_none=tokens[0] == "refuse")
    allowed = next(parser)
    for position, token in enumerate(tokens[1:], start=1):
        if classes(token) not in allowed:
            raise SketchError(f"{token!r} is not allowed at position {position}")
        try:
            allowed = parser.send(token)
        except StopIteration as finished:
            if position != len(tokens) - 1:
                raise SketchError("the sketch goes on after its end") from None
            value = finished.value
            return None, value[0] if isinstance(value, tuple) else value
    return allowed, None
