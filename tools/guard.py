"""The guard: let through one SELECT over permitted tables, and nothing else that a model or a person writes.

    guard("select * from staff", catalog, policy).sql
    # SELECT * FROM (SELECT "id", "name" FROM "staff") AS staff

The text is parsed in the database's dialect (dialects.py), every node and function must be on an allow-list
(grammar.py, functions.py), every table and column must be in the catalog and visible under the policy
(resolver.py), restricted tables are replaced by subqueries (rewrite.py), and what runs is written anew from
the tree, without comments. Pure: no I/O, no state.

Covered: everything that is not understood is refused, within 100 ms whatever the text (its length, tokens,
nesting and the parser's steps are bounded), and a refusal says in one line what to write instead. A hidden
name and one that does not exist are answered alike.
Not covered: time, memory and size of the result (sandbox.py); the engine's own rights, which are the real
boundary (engines/): the guard is the polite message in front of it, and the only place where hidden columns
and rows are kept back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.tokens import Token, TokenType  # pyright: ignore[reportPrivateImportUsage]

from .cells import excerpt
from .dialects import TooMuchWork, faithful_dialect
from .errors import QueryRefused, SqlbergError
from .grammar import check_nodes
from .policy import AccessPolicy
from .resolver import Resolver
from .rewrite import restrict
from .schema import Catalog

MAX_CHARACTERS = 50_000
MAX_PIECES = 8_000
MAX_TOKENS = 1_500
MAX_NESTING = 40
MAX_CHAINING = 4_000
"""The bounds that keep the guard below 100 ms: characters; words and signs before and after the text is cut
into tokens (before that, those in strings and comments count too); nested brackets; and calls written as
`x.f()`, times tokens, since sqlglot copies `x` for each."""

_STARTS = frozenset({"SELECT", "WITH", "VALUES", "FROM", "TABLE", "PIVOT", "UNPIVOT", "("})
_WRITES = frozenset("INSERT UPDATE DELETE MERGE REPLACE CREATE ALTER DROP TRUNCATE COPY CALL SET".split())
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_PIECE = re.compile(r"\w+|[^\w\s]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Guarded:
    """A statement that may run.

    sql: regenerated from the tree, comments dropped, restricted tables replaced.
    tables: the catalog's tables it reads, in order of first mention.
    ordered: whether its rows come in a promised order (a top-level ORDER BY).
    """

    sql: str
    tables: tuple[str, ...]
    ordered: bool


def guard(sql: str, catalog: Catalog, policy: AccessPolicy = AccessPolicy()) -> Guarded:
    """What of `sql` may run on the database of `catalog`.

    catalog: holds only what the policy shows. Raises NotPermitted for tables and columns that are not
    visible, QueryRefused for everything else that is not one understood SELECT.
    """
    try:
        dialect = faithful_dialect(catalog.dialect)
    except KeyError:
        raise QueryRefused(f"queries in the dialect {catalog.dialect!r} cannot be checked yet") from None
    try:
        tree = _parse(sql, dialect)
        restricted = policy != AccessPolicy() and catalog.has_enumerations
        check_nodes(tree, catalog.dialect, types_tell=not restricted)
        resolver = Resolver(catalog, policy, sql)
        resolver.resolve(tree)
        restrict(resolver.uses, policy, catalog.dialect)
        text = dialect.generate(
            tree, copy=False, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
        )
    except SqlbergError:
        raise
    except (RecursionError, TooMuchWork):
        raise QueryRefused("the query is nested too deeply; write it in fewer levels, with WITH") from None
    except ParseError as error:
        raise QueryRefused(_syntax_message(error, sql)) from None
    except SqlglotError as error:
        reason = _line(str(error).partition("\n")[0])
        raise QueryRefused(f"the query cannot be read: {reason}; write one plain SELECT") from None
    except Exception as error:  # fail closed: a fault in the parser must not become a hole
        raise QueryRefused(
            f"the query is not understood ({type(error).__name__}); write it more simply"
        ) from error
    return Guarded(text, tuple(dict.fromkeys(use.table.name for use in resolver.uses)), _is_ordered(tree))


def _parse(sql: str, dialect: Dialect) -> exp.Expr:
    if len(sql) > MAX_CHARACTERS:
        raise QueryRefused(f"the query is longer than {MAX_CHARACTERS} characters; write a shorter one")
    if _CONTROL.search(sql):
        raise QueryRefused("the query holds control characters; write it as plain text")
    if len(sql) > MAX_PIECES and len(_PIECE.findall(sql)) > MAX_PIECES:
        raise QueryRefused("the query has too many words and signs; write a shorter one")
    tokens = dialect.tokenize(sql)
    _check_size(tokens)
    first = next((t.text.upper() for t in tokens if t.token_type != TokenType.SEMICOLON), "")
    if not first:
        raise QueryRefused("the query is empty; write SELECT ... FROM ...")
    if first not in _STARTS:
        raise QueryRefused(
            f"only one SELECT statement runs here, not {_line(first)}; ask for rows with SELECT ... FROM ..."
        )
    if any(t.token_type == TokenType.SEMICOLON != after.token_type for t, after in pairwise(tokens)):
        raise QueryRefused("only one statement runs at a time; send what follows the ';' on its own")
    if any(_ends_in_a_word(token, after) for token, after in pairwise(tokens)):
        raise QueryRefused(
            "a number ends in letters or underscores; write 1000, not 1_000, and AS before a name"
        )
    statements = [s for s in dialect.parser().parse(tokens, sql) if s and not isinstance(s, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], (exp.Query, exp.Values, exp.Pivot)):
        raise QueryRefused("only a SELECT statement runs here; write SELECT ... FROM ...")
    return statements[0]


def _ends_in_a_word(token: Token, after: Token) -> bool:
    """Whether a number goes over into a name (`1_000`): sqlglot would read `1 AS _000`."""
    together = token.token_type == TokenType.NUMBER and after.start == token.end + 1
    return together and re.match(r"[^\W\d]", after.text) is not None


def _check_size(tokens: list[Token]) -> None:
    """Refuse early what would cost the parser long."""
    if len(tokens) > MAX_TOKENS:
        raise QueryRefused(
            f"the query has more than {MAX_TOKENS} words and signs; write a shorter one, with WITH or JOIN"
        )
    depth = chained = 0
    for index, token in enumerate(tokens):
        if token.token_type in _OPENING:
            depth += 1
            chained += index > 1 and tokens[index - 2].token_type == TokenType.DOT
            if depth > MAX_NESTING:
                raise QueryRefused(
                    f"the query nests more than {MAX_NESTING} brackets; write it in fewer levels"
                )
        elif token.token_type in _CLOSING:
            depth -= 1
    if chained * len(tokens) > MAX_CHAINING:
        raise QueryRefused("the query chains too many calls with dots; write f(x) instead of x.f()")


def _is_ordered(tree: exp.Expr) -> bool:
    while isinstance(tree, exp.Subquery) and not tree.args.get("order"):
        tree = tree.this
    return bool(tree.args.get("order"))


def _syntax_message(error: ParseError, sql: str) -> str:
    if any(word in _WRITES for word in re.findall(r"[A-Z]+", sql.upper())):
        hint = "only reading is possible: write one SELECT, without statements that change anything"
    else:
        hint = "write one SELECT in this database's dialect"
    detail = error.errors[0] if error.errors else {}
    near, line, column = detail.get("highlight"), detail.get("line"), detail.get("col")
    place = f" near {_line(str(near))!r} (line {line}, column {column})" if near else ""
    what = str(detail.get("description") or "").split("<class")[0].strip() or "something is missing"
    return f"syntax error{place}: {_line(what)}; {hint}"


def _line(text: str) -> str:
    return excerpt(text.strip(), 80)
