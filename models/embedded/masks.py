"""What may be written next, as masks over one prompt's outputs: what the grammar allows, less what means
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .grammar import SketchError, classes, follow
from .items import AGGREGATES, ARITHMETIC, COMPARISONS, DATE_PARTS, KEYWORD_IDS, KEYWORDS, LIKES, Item, Token
from .prompt import Prompt
from .scope import Scope, scope_of

if TYPE_CHECKING:
    from torch import Tensor

KEYWORD_LIST = tuple(KEYWORDS)
_NEED_VALUE = frozenset(LIKES)
_ORDERINGS = frozenset({"<", "<=", ">", ">=", "between"})
"""What words are not compared by: in one of 1 433 such comparisons of people's train questions they are."""


class Masks:
    """Turns the grammar's `Allowed` into masks over one prompt's outputs."""

    def __init__(self, prompt: Prompt, width: int) -> None:
        import torch

        self.prompt = prompt
        self.width = width
        self.members: dict[str, list[int]] = {}
        for index, item in enumerate(prompt.items):
            self.members.setdefault(classes(item), []).append(len(KEYWORDS) + index)
        self.places = {item: index for index, item in enumerate(prompt.items)}
        self.columns = [item for item in prompt.items if item.kind == "column"]
        self.empty = torch.zeros(self.width, dtype=torch.bool)
        self.cache: dict[frozenset[str], Tensor] = {}

    def token(self, token_id: int) -> Token:
        if token_id < len(KEYWORDS):
            return KEYWORD_LIST[token_id]
        return self.prompt.items[token_id - len(KEYWORDS)]

    def allowed(self, tokens: Sequence[Token], turn: str) -> Tensor:
        """True where the next token may be; never empty, since keywords that lead nowhere are left out."""
        allowed = frozenset({turn}) if turn and not tokens else follow(tokens)
        if allowed is None:
            raise SketchError("a finished sketch was continued")
        if "@value" not in self.members:
            allowed -= _NEED_VALUE
        scope = scope_of(tokens)
        if scope.clause == "from" and len(scope.listed) == len(self.members.get("@table", [])):
            allowed -= {","}
        if tokens and tokens[-1] in self.prompt.wordy and tokens[-2] not in AGGREGATES:
            allowed -= _ORDERINGS
        if allowed not in self.cache:
            mask = self.empty.clone()
            for name in allowed:
                mask[[KEYWORD_IDS[name]] if name in KEYWORD_IDS else self.members.get(name, [])] = True
            self.cache[allowed] = mask
        mask = self.cache[allowed]
        if "@table" in allowed:
            mask = self._without(mask, scope.listed)
        if "@column" in allowed:
            for banned in (self._apart(scope), self._unlike(scope), self._meaningless(scope, tokens)):
                sensible = self._without(mask, banned)
                mask = sensible if bool(sensible.any()) else mask
        if not bool(mask.any()):
            raise SketchError(f"the dialogue holds nothing of {sorted(allowed)}")
        return mask

    def _without(self, mask: Tensor, items: Iterable[Item]) -> Tensor:
        places = [len(KEYWORDS) + self.places[item] for item in items]
        if not places:
            return mask
        mask = mask.clone()
        mask[places] = False
        return mask

    def _apart(self, scope: Scope) -> list[Item]:
        """Columns of tables that no keys connect with those of the same SELECT."""
        if scope.clause == "from":  # ON joins what no keys connect
            return []
        return [column for column in self.columns if not self._near(scope, column)]

    def _near(self, scope: Scope, item: Item) -> bool:
        tables = scope.tables | {table.table for table in scope.listed}
        return not tables or any(item.table in self.prompt.islands.get(t, (t,)) for t in tables)

    def _unlike(self, scope: Scope) -> list[Item]:
        """Columns that hold other things than the one that the expression stands beside: neither the same,
        nor linked by keys, nor of the same name. (So in 1 285 of 1 297 of people's train questions.)
        """
        partner = scope.partner
        if partner is None:
            return []
        kin = self.prompt.kin.get((partner.table, partner.column), frozenset())
        name = partner.column.lower()
        return [c for c in self.columns if c.column.lower() != name and (c.table, c.column) not in kin]

    def _meaningless(self, scope: Scope, tokens: Sequence[Token]) -> set[Item]:
        """Columns that mean nothing here: words and dates to be summed up, words to be the highest, a column
        beside itself, and what the SELECT list has already.
        """
        last = tokens[-1] if tokens else ""
        function = last.split("_")[0] if isinstance(last, str) else ""
        banned = _banned(self.prompt, function) | _itself(tokens)
        if scope.clause != "select":
            return banned
        for *before, operand in scope.selected:
            if isinstance(operand, Item) and before == ([last] if last in AGGREGATES else []):
                banned = banned | {operand}
        return banned


def _banned(prompt: Prompt, function: str) -> set[Item]:
    """The columns that a function means nothing for: in none of the 1 700 calls in people's train questions
    does one stand.
    """
    if function in ("avg", "sum"):
        return prompt.dates | prompt.wordy
    return prompt.wordy if function in ("min", "max") else set()


def _itself(tokens: Sequence[Token]) -> set[Item]:
    """The column to compare or compute with: a row has one value of it, so nothing comes of it twice."""
    if len(tokens) < 3 or tokens[-1] not in (*COMPARISONS, *ARITHMETIC):
        return set()
    before, left = tokens[-3], tokens[-2]
    return {left} if isinstance(left, Item) and before not in (*AGGREGATES, *DATE_PARTS) else set()
