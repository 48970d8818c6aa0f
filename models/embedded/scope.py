"""The SELECT that a sketch's next token belongs to, as far as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .items import AGGREGATES, ARITHMETIC, DATE_PARTS, SET_OPERATIONS, Item, Token

_CLAUSES = frozenset({"select", "from", "where", "group", "having", "order", "limit"})


@dataclass
class Scope:
    """One SELECT.

    clause: the keyword of the clause it is in. selected: the whole expressions of its list; begun: what is
    written of the next. tables: those of its columns; listed: those of its FROM. beside: columns that its
    expressions stand beside, where they do: the one looked for in it, or those before INTERSECT or EXCEPT.
    """

    beside: Sequence[Item | None] = ()
    clause: str = ""
    selected: list[list[Token]] = field(default_factory=list)
    begun: list[Token] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)
    listed: list[Item] = field(default_factory=list)

    @property
    def partner(self) -> Item | None:
        """What the expression that is begun stands beside."""
        place = len(self.selected)
        return self.beside[place] if self.clause == "select" and place < len(self.beside) else None

    def take(self, token: Token) -> None:
        """The next token of this SELECT."""
        if self.clause == "select" and token in (",", *_CLAUSES):
            self._close()
        elif self.clause == "select" and token != "distinct":
            self.begun.append(token)
        if isinstance(token, str):
            self.clause = token if token in _CLAUSES else self.clause
        elif token.kind == "column":
            self.tables.add(token.table)
        elif token.kind == "table":
            self.listed.append(token)

    def followed(self, operation: str) -> Scope:
        """The SELECT after a set operation with this one."""
        if self.clause == "select":
            self._close()
        alone = [expression[0] if len(expression) == 1 else None for expression in self.selected]
        beside = [token if isinstance(token, Item) else None for token in alone]
        return Scope(beside if operation != "union" else ())

    def _close(self) -> None:
        self.selected.append(self.begun)
        self.begun = []


def scope_of(tokens: Sequence[Token]) -> Scope:
    """The SELECT that the tokens of a turn end in."""
    scopes = [Scope()]
    for place, token in enumerate(tokens):
        if token == "(":
            scopes.append(Scope(_looked_for(tokens[:place])))
        elif token == ")":
            scopes.pop()
        elif isinstance(token, str) and token in SET_OPERATIONS:
            scopes[-1] = scopes[-1].followed(token)
        else:
            scopes[-1].take(token)
    return scopes[-1]


def _looked_for(tokens: Sequence[Token]) -> list[Item | None]:
    """The column of a condition `column in (`."""
    if len(tokens) < 3 or tokens[-1] not in ("in", "not_in"):
        return []
    before, left = tokens[-3], tokens[-2]
    changed = before in (*AGGREGATES, *DATE_PARTS, *ARITHMETIC)
    return [left] if isinstance(left, Item) and not changed else []
