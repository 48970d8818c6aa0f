"""From a sketch's items to the prompt's: which output ids the network should write at a turn."""

from __future__ import annotations

from collections.abc import Sequence

from ...models.embedded.items import CONSTANTS, KEYWORD_IDS, KEYWORDS, Item, Token
from ...models.embedded.prompt import Prompt


class Unreadable(ValueError):
    """The target names something that the prompt does not hold."""


def resolve(target: Sequence[Token], prompt: Prompt) -> list[int]:
    """Output ids of `target`: keywords by number, items as `len(KEYWORDS)` + their place in the prompt.

    A literal is the cell seen in the column it is compared with, else any equal literal, else a constant.
    Raises `Unreadable`.
    """
    return [KEYWORD_IDS[token] if isinstance(token, str) else _point(token, prompt) for token in target]


def _point(wanted: Item, prompt: Prompt) -> int:
    if wanted.kind == "value":
        return _literal(wanted, prompt)
    for index, item in enumerate(prompt.items):
        if item.kind == wanted.kind and _place(item) == _place(wanted) and item.index == wanted.index:
            return len(KEYWORDS) + index
    raise Unreadable(f"{wanted.kind} {wanted.text}")


def _literal(wanted: Item, prompt: Prompt) -> int:
    equal = [
        i for i, item in enumerate(prompt.items) if item.kind == "value" and _same(item.value, wanted.value)
    ]
    # Exactly this column's cell first, then this column's in other case, then whatever is equal.
    equal.sort(
        key=lambda i: (_place(prompt.items[i]) != _place(wanted), prompt.items[i].value != wanted.value)
    )
    best = prompt.items[equal[0]] if equal else None
    constant = str(wanted.value)
    if constant in CONSTANTS and (best is None or _place(best) != _place(wanted) or not best.table):
        in_question = best is not None and not best.table
        if not in_question:
            return KEYWORD_IDS[constant]
    if best is None:
        raise Unreadable(f"literal {wanted.value!r}")
    return len(KEYWORDS) + equal[0]


def _place(item: Item) -> tuple[str, str]:
    return item.table, item.column


def _same(a: object, b: object) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold() == b.casefold()
    try:
        return float(str(a)) == float(str(b))
    except ValueError:
        return False


def spans_of(literals: Sequence[str], words: Sequence[str], fuzzy: float = 0.8) -> list[tuple[int, int]]:
    """The words (first, last) of the question that mean each literal, where some resemble it closely
    enough.
    """
    from rapidfuzz import fuzz

    found = []
    for literal in literals:
        best = (0.0, 0, 0)
        for first in range(len(words)):
            for last in range(first, min(first + 8, len(words))):
                text = " ".join(words[first : last + 1]).casefold()
                score = fuzz.ratio(text, literal.casefold()) / 100
                if score > best[0]:
                    best = (score, first, last)
        if best[0] >= fuzzy:
            found.append((best[1], best[2]))
    return list(dict.fromkeys(found))
