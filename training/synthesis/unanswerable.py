"""Questions that a database cannot answer: they ask for a quality or a thing that it does not hold.

Made like the answerable ones, with one table or column called by the name of something foreign to the whole
schema: "What is the average blood pressure of the singers?".
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...tools.text import split_name, stem
from .generator import TRIES, as_typed, draft_of
from .lexicon import FOREIGN_MEASURES, FOREIGN_QUALITIES, FOREIGN_THINGS, SYNONYMS
from .wording import plural
from .world import World

if TYPE_CHECKING:
    from ...tools.database import Database


@dataclass(frozen=True)
class Unanswerable:
    """A question, and the words in it for what the database does not hold."""

    question: str
    missing: str


def unanswerable(database: Database, count: int, seed: int = 0) -> Iterator[Unanswerable]:
    """Up to `count` different questions that the database cannot answer; the same for the same seed."""
    world = World(database)
    entities = world.askable
    measures, qualities, things = (
        [name for name in names if not _resembles(name, world)]
        for names in (FOREIGN_MEASURES, FOREIGN_QUALITIES, FOREIGN_THINGS)
    )
    seen: set[str] = set()
    for number in range(count * TRIES if entities else 0):
        if len(seen) == count:
            return
        rng = random.Random(f"{seed}-unanswerable-{number}")
        wording = world.wording(rng)
        entity = rng.choice(entities)
        if things and rng.random() < 0.3:
            missing = rng.choice(things)
            wording.call_table(entity.name, missing)
        else:
            column = rng.choice([*entity.shown, *entity.measures, *entity.measures])
            pool = measures if column in entity.measures else qualities
            if not pool:
                continue
            missing = rng.choice(pool)
            wording.call_column(column, missing)
        draft = draft_of(world, rng, wording)
        said = next((w for w in (plural(missing), missing) if draft and w in draft.question), "")
        if draft is None or not said or draft.question.casefold() in seen:
            continue
        seen.add(draft.question.casefold())
        yield Unanswerable(as_typed(draft.question, rng), said)


def _resembles(name: str, world: World) -> bool:
    """Whether a word of the name, or of what it is also called, stands in the schema."""
    words = {stem(word) for said in (name, *SYNONYMS.get(name, ())) for word in said.split()}
    catalog = world.catalog
    names = [table.name for table in catalog.tables] + [column.name for column in catalog.columns()]
    schema = {stem(word) for text in names for word in split_name(text)}
    for word, others in SYNONYMS.items():
        if stem(word) in schema:
            schema |= {stem(part) for other in others for part in other.split()}
    return bool(words & schema)
