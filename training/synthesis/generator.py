"""Draws questions over a database, runs their SQL, and keeps those that say something.

Kept: SQL that runs under the guard, gives rows (not only NULL, not a lone 0) and at most `MOST_ROWS` of them,
without repeats where the question asks for things, and no question twice. Draws depend on the seed alone, so
the same database gives the same questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ...tools.errors import SqlbergError
from ...tools.limits import Limits, Result
from .asking import Asking, Draft
from .joined import JOINED_SHAPES, Pair
from .lexicon import QUANTITIES
from .several import SEVERAL_JOINED, SEVERAL_SHAPES
from .single import SHAPES
from .wording import Wording
from .world import Entity, World

if TYPE_CHECKING:
    from ...tools.database import Database

MOST_ROWS = 300
TRIES = 40
"""Draws for each question wanted; a database with little to ask about ends earlier than the count."""
JOINED_SHARE = 0.5
_OF_ITSELF = re.compile(r"\b([a-z]\w*?)(s?) of (?:(?:all|the|its|their|each|every|all the) )?\1s?\b")
"""The "rating of the ratings", which people call the rating; but a film stays "King of Kings"."""
_IMPERATIVES = ("Show", "List", "Find", "Give", "Return", "Count", "Display", "Tell", "Compute", "Calculate")
Shaped = TypeVar("Shaped")
CHECKING = Limits(seconds=5.0, rows=MOST_ROWS + 1)


@dataclass(frozen=True)
class Synthetic:
    """A question whose SQL was run: what it asks for, how many rows answer it, and its number among the
    draws.
    """

    question: str
    sql: str
    shape: str
    rows: int
    draw: int


def synthesize(
    database: Database, count: int, seed: int = 0, *, made: Sequence[Synthetic] = ()
) -> Iterator[Synthetic]:
    """Up to `count` different questions over the database, checked by running their SQL.

    made: those of an earlier call with the same seed; it is gone on with after the last of them.
    """
    world = World(database)
    seen = {one.question.casefold() for one in made}
    found = len(made)
    first = made[-1].draw + 1 if made else 0
    for draw in range(first, count * TRIES if world.askable else 0):
        if found >= count:
            return
        rng = random.Random(f"{seed}-{draw}")
        draft = draft_of(world, rng, world.wording(rng))
        if draft is None:
            continue
        question = as_typed(_OF_ITSELF.sub(r"\1\2", draft.question), rng)
        if question.casefold() in seen:
            continue
        result = checked(database, draft.sql, repeats=draft.repeats)
        if result is None:
            continue
        seen.add(question.casefold())
        found += 1
        yield Synthetic(question, draft.sql, draft.shape, len(result.rows), draw)


def draft_of(world: World, rng: random.Random, wording: Wording) -> Draft | None:
    """One draw: a shape over a table, or over two that are linked."""
    if world.links and rng.random() < JOINED_SHARE:
        link = rng.choice(world.links)
        _call_numbers(link.child, wording)
        pair = Pair(link, Asking(link.child, wording, rng), Asking(link.parent, wording, rng))
        return _drawn((*JOINED_SHAPES, *SEVERAL_JOINED), rng)(pair)
    entities = world.askable
    entity = rng.choices(entities, [len(entity.shown) for entity in entities])[0]
    _call_numbers(entity, wording)
    return _drawn((*SHAPES, *SEVERAL_SHAPES), rng)(Asking(entity, wording, rng))


def _call_numbers(entity: Entity, wording: Wording) -> None:
    """The one number of a table named after it goes by the table's name half of the time: the stars of a
    rating are its "rating".
    """
    if len(entity.measures) == 1 and wording.rng.random() < 0.5:
        name = wording.thing(entity.name).split()[-1]
        if name in QUANTITIES:
            wording.call_column(entity.measures[0], name)


def _drawn(shapes: Sequence[tuple[int, Shaped]], rng: random.Random) -> Shaped:
    """One of the shapes, by their weights."""
    return rng.choices([shape for _, shape in shapes], [weight for weight, _ in shapes])[0]


def checked(database: Database, sql: str, *, repeats: bool = True) -> Result | None:
    """The result, when it is one that a question would be asked for.

    repeats: whether rows may come twice without DISTINCT.
    """
    try:
        result = database.execute(sql, limits=CHECKING)
    except SqlbergError:
        return None
    cells = [value for row in result.rows for value in row]
    if not cells or len(result.rows) > MOST_ROWS or all(value is None for value in cells):
        return None
    if len(cells) == 1 and cells[0] == 0:
        return None
    if not repeats and "DISTINCT" not in sql and len(set(map(repr, result.rows))) < len(result.rows):
        return None
    return result


def as_typed(question: str, rng: random.Random) -> str:
    """The question as people type it: mostly a sentence, at times in small letters or without its mark."""
    question = question[:1].upper() + question[1:]
    if rng.random() < 0.06:
        opening = "Please" if question.startswith(_IMPERATIVES) else rng.choice(("Hi,", "Ok,", "Hello,"))
        question = f"{opening} {question[:1].lower()}{question[1:]}"
    if rng.random() < 0.1:
        question = re.sub(r"^[A-Z](?=[a-z])", lambda found: found[0].lower(), question)
    return re.sub(r"[?.]$", "", question) if rng.random() < 0.12 else question
