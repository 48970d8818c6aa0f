"""Does a statement say what its question says? A reading of both, by words alone.

A wrong column or a table that is missing leaves words of the question unsaid; a statement that counts where
nothing was to be counted does what nobody asked for. Neither needs the data, so it speaks where candidates
all run. The cue words are English; of questions in other languages only names, values and numbers count.
Ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from ..models.embedded.prompt import STOP_WORDS, WORD, as_number, spoken, stem

Forms = tuple[type[exp.Expr], ...]

SAYING: dict[type[exp.Expr], str] = {
    exp.Count: "number count many total",
    exp.Sum: "total sum",
    exp.Avg: "average mean",
    exp.Max: "maximum max most highest largest greatest latest",
    exp.Min: "minimum min least lowest smallest earliest",
}
"""Words that a function says."""

PATTERNS = (exp.Like, exp.ILike, exp.RegexpLike, exp.Contains, exp.StartsWith, exp.EndsWith)
HIGH = (
    "high|low|old|young|larg|small|long|short|lat|earli|big+|great|new|cheap|near|fast|slow|heavi|light|"
    "strong|weak|rich|poor|warm|cold|hot+|deep|tall|wid"
)


@dataclass(frozen=True)
class Operation:
    """What a question may ask to be done. cues: of its words; forms: of SQL, any of which does it; beside:
    forms that come with it unasked.
    """

    cues: re.Pattern[str]
    forms: Forms
    beside: Forms = ()


def _operation(cues: str, forms: Forms, beside: Forms = ()) -> Operation:
    return Operation(re.compile(rf"\b({cues})\b", re.IGNORECASE), forms, beside)


OPERATIONS = (
    _operation(
        rf"most|least|best|worst|top|fewest|max(imum)?|min(imum)?|({HIGH})est",
        (exp.Limit, exp.Max, exp.Min),
        (exp.Order, exp.Group, exp.Count, exp.Sum),
    ),
    _operation(r"each|every|per", (exp.Group,)),
    _operation(r"average|mean|avg", (exp.Avg,)),
    _operation(r"how many|number of|count", (exp.Count,), (exp.Sum,)),
    _operation(r"total|sum|overall", (exp.Sum, exp.Count)),
    _operation(r"different|distinct|unique", (exp.Distinct, exp.Group)),
    _operation(r"order(ed)? by|in \w+ order|sort(ed)?|ascending|descending|alphabet\w*", (exp.Order,)),
    _operation(r"not|no|without|never|except|excluding|don't|doesn't|didn't", (exp.Not, exp.NEQ, exp.Except)),
    _operation(r"or|either", (exp.Or, exp.Union)),
    _operation(
        rf"(more|less|fewer|({HIGH})e?r) than|at least|at most|over|under|above|below|after|before|between|"
        r"since|until|exceed\w*",
        (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between),
        (exp.Group, exp.Count),
    ),
    _operation(r"contain\w*|includ\w+|substring|letters?|(start|begin|end)(s|ing)? with", PATTERNS),
)


@dataclass(frozen=True)
class Wording:
    """unsaid: words of the question that the statement has in no name, value or function, in their order.
    odd: operations that only one of the two speaks of.
    """

    unsaid: tuple[str, ...] = ()
    odd: int = 0


def wording(question: str, sql: str, dialect: str) -> Wording:
    """How a statement reads beside its question; nothing where it cannot be read."""
    try:
        tree = parse_one(sql, dialect=dialect)
    except (SqlglotError, RecursionError):  # candidates are read whether or not the guard lets them run
        return Wording()
    asked = [one for one in OPERATIONS if one.cues.search(question)]
    meant = tuple(form for one in asked for form in (*one.forms, *one.beside))
    left_out = sum(tree.find(*one.forms) is None for one in asked)
    unasked = sum(
        any(not isinstance(node, meant) for node in tree.find_all(*one.forms))
        for one in OPERATIONS
        if one not in asked
    )
    return Wording(tuple(_unsaid(question, set(_said(tree)))), left_out + unasked)


def _unsaid(question: str, said: set[str]) -> Iterable[str]:
    for one in OPERATIONS:
        question = one.cues.sub(" ", question)
    words = (word for word in WORD.findall(question) if word[0].isalnum() and word.lower() not in STOP_WORDS)
    for rooted, word in {root(word): word for word in words}.items():
        if rooted not in said and str(as_number(word)) not in said:
            yield word


def _said(tree: exp.Expr) -> Iterable[str]:
    """The roots of all that a statement names."""
    for node in tree.walk():
        if isinstance(node, exp.Column | exp.Table):
            yield from map(root, spoken(node.name).split())
        elif isinstance(node, exp.Literal):
            yield from (root(word) for word in WORD.findall(node.name))
            yield node.name
        for words in (SAYING[kind] for kind in SAYING if isinstance(node, kind)):
            yield from map(root, words.split())


def root(word: str) -> str:
    """A stem that "ratings" shares with "rating", and "movies" with "movie"."""
    stemmed = stem(stem(word))
    return stemmed[:-1] + "i" if stemmed.endswith("y") else stemmed
