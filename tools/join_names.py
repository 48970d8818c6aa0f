"""Which column names may refer to which keys: pure name matching, no values.

Names are compared as lists of folded, singular words (`CustomerIDs` → customer, id). A table's own keys are
its primary key and unique columns named after it, with or without a word such as "id" (`customers.id`,
`customers.customer_id`, `airlines.uid`). A column matches a key of another table when it has

1. the key's distinctive name (`customer_id` ~ `customers.customer_id`), also after a role (`src_apid` ~
   `airports.apid`) or before a number (`club_id_1`),
2. the table's name and a key word (`customer_id` ~ `customers.id`), also after a role (`home_team_id` ~
   `teams.id`), or the end of the table's name if no other table ends so (`order_id` ~ `customer_orders.id`),
3. the table's name without a key word (`SourceAirport` ~ `airports.AirportCode`),

and a key of its own table when it names a superior (`manager_id`, `reports_to`), or of a table of people when
its own is of other things (`departments.manager_id` ~ `employees.id`).

Names that any table may have (`id`, `name`, `year`, `type_code`, ...) match nothing by being equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .schema import Column, Table
from .text import singular, split_name

Words = tuple[str, ...]


@dataclass(frozen=True)
class NameMatch:
    """How well two names fit (0 to 1). `plain`: so well that it is believed without any values."""

    confidence: float
    plain: bool = False


class KeyNames:
    """The unique columns of all tables, found by the names that may refer to them."""

    def __init__(self, tables: Iterable[tuple[Table, list[Column], list[Column]]]) -> None:
        """tables: each with its unique columns and its key columns that hold values repeatedly."""
        self._own: dict[str, list[Column]] = {}
        self._people: list[str] = []  # tables of those who may lead others
        self._primary: defaultdict[str, list[Column]] = defaultdict(list)
        self._homes: defaultdict[str, list[Column]] = defaultdict(list)
        self._elsewhere: defaultdict[str, list[tuple[Table, Column]]] = defaultdict(list)
        self._by_table: defaultdict[Words, list[Table]] = defaultdict(list)
        self._by_ending: defaultdict[Words, list[Table]] = defaultdict(list)
        self._by_glued: defaultdict[str, list[Table]] = defaultdict(list)
        self._repeated: defaultdict[str, list[Column]] = defaultdict(list)
        for table, keys, repeated in tables:
            for key in repeated:
                self._repeated["".join(name_words(key.name))].append(key)
            if _PEOPLE & set(name_words(table.name)[-1:]):
                self._people.append(table.name)
            self._own[table.name] = [key for key in keys if is_own_key(table, key)]
            for key in keys:
                name = "".join(name_words(key.name))
                if table.primary_key == (key.name,):
                    self._primary[name].append(key)
                if is_home(table, key):
                    self._homes[name].append(key)
                elif len(self._elsewhere[name]) <= _SAME_NAMES:  # thousands may share a name
                    self._elsewhere[name].append((table, key))
            for form in table_forms(table.name):
                self._by_table[form].append(table)
                self._by_glued["".join(form)].append(table)
                for start in range(1, len(form)):
                    self._by_ending[form[start:]].append(table)

    def matches(self, table: Table, column: Column) -> Iterator[tuple[Column, NameMatch]]:
        """Keys that the column's name may refer to, each with its best match."""
        best: dict[tuple[str, str], tuple[Column, NameMatch]] = {}
        for key, match in self._matches(table, column):
            place = (key.table, key.name)
            if key is not column and (place not in best or match.confidence > best[place][1].confidence):
                best[place] = (key, match)
        yield from best.values()

    def _matches(self, table: Table, column: Column) -> Iterator[tuple[Column, NameMatch]]:
        words = name_words(column.name)
        if len(words) > 2 and words[-1].isdigit():
            words = words[:-1]
        if len(words) == 0:
            return
        yield from self._same_name(table, column, words)
        if table.primary_key == (column.name,) and names_exactly(table, column):
            return  # it identifies its own rows, whatever tables its name ends with
        yield from self._role_and_name(words)
        if table.primary_key != (column.name,) and (_SUPERIORS & set(words) or words == _REPORTS_TO):
            for home in self._homes_of_superiors(table, words):
                yield from ((key, NameMatch(0.75)) for key in self._own.get(home, [])[:1])
        if len(words) > 1 and words[-1] in _KEY_WORDS:
            for key, match in self._named_table(table, column, words[:-1], NameMatch(0.95, plain=True)):
                if _key_words_agree(words, name_words(key.name)):
                    yield key, match
        elif words[-1] not in _MEASURES and not _is_plural(column.name):
            yield from self._named_table(table, column, words, NameMatch(0.88))
            yield from self._glued(table, words)

    def _homes_of_superiors(self, table: Table, words: Words) -> Iterable[str]:
        """The table itself, as a manager of employees is one; people, where the table is of other things."""
        people_elsewhere = self._people and table.name not in self._people
        return self._people if people_elsewhere and _LEADERS & set(words) else [table.name]

    def _same_name(self, table: Table, column: Column, words: Words) -> Iterator[tuple[Column, NameMatch]]:
        """`customer_id` ~ `customers.customer_id`; where no table is the name's home, any unique column."""
        if not _is_distinctive(words):
            return
        name = "".join(words)
        at_home = [key for key in self._homes.get(name, ()) if key.table != table.name]
        if at_home:
            yield from ((key, NameMatch(0.97, plain=True)) for key in at_home)
            return
        if any(key.name == column.name for key in self._own.get(table.name, ())):
            return  # the others refer to this column
        sole_key = table.primary_key == (column.name,)
        targets = [pair for pair in self._elsewhere.get(name, ()) if pair[0] is not table]
        for home, key in targets[:_SAME_NAMES]:
            primary = home.primary_key == (key.name,)
            if primary or words[-1] in _IDENTIFIERS:
                yield key, NameMatch(0.85 if primary and not sole_key else 0.7)
        if not targets:
            repeated = self._repeated.get(name, ())
            yield from ((key, NameMatch(0.6)) for key in repeated if key.table != table.name)

    def _role_and_name(self, words: Words) -> Iterator[tuple[Column, NameMatch]]:
        """`src_apid` ~ `airports.apid`: a role before the name of a primary key."""
        for start in range(1, len(words)):
            if _is_distinctive(words[start:]):
                name = "".join(words[start:])
                yield from ((key, NameMatch(0.8)) for key in self._primary.get(name, ())[:_SAME_NAMES])

    def _named_table(
        self, table: Table, column: Column, stem: Words, exact: NameMatch
    ) -> Iterator[tuple[Column, NameMatch]]:
        """Own keys of the table that the stem names, as a whole, at its end, or by the table's end."""
        for start in range(len(stem)):
            homes = self._by_table.get(stem[start:], [])
            match = exact if start == 0 else NameMatch(exact.confidence - 0.05)
            if not homes:
                homes = self._by_ending.get(stem[start:], [])
                homes = homes if len(homes) == 1 else []
                match = NameMatch(exact.confidence - 0.12 - 0.05 * (start > 0))
            keys = [
                key
                for home in homes
                if start > 0 or home is not table
                for key in self._own.get(home.name, ())
            ]
            if keys:
                yield from ((key, match) for key in keys)
                return

    def _glued(self, table: Table, words: Words) -> Iterator[tuple[Column, NameMatch]]:
        """`customerid` ~ the key of `customers`: words without a boundary between them."""
        joined = "".join(words)
        for word in ("id", "key", "no", "number"):
            stem = joined.removesuffix(word)
            if stem != joined and len(stem) > 2:
                for home in self._by_glued.get(stem, ()):
                    if home is not table:
                        yield from ((key, NameMatch(0.9, plain=True)) for key in self._own[home.name])


def _key_words_agree(words: Words, key_words: Words) -> bool:
    """`team_id` may mean `teams.id` or `teams.uid`, `team_code` hardly; a key without a key word fits any."""
    other = key_words[-1] if key_words else ""
    return other not in _KEY_WORDS or (words[-1] in _IDENTIFIERS) == (other in _IDENTIFIERS)


def is_own_key(table: Table, key: Column) -> bool:
    """Whether a unique column stands for its table: the primary key, or named by the table or a key word."""
    words = name_words(key.name)
    return table.primary_key == (key.name,) or _KEY_WORDS.issuperset(words) or is_home(table, key)


def names_exactly(table: Table, column: Column) -> bool:
    """Whether the column's name is the table's and a key word (`team.team_id`)."""
    words = name_words(column.name)
    return len(words) > 1 and words[-1] in _KEY_WORDS and words[:-1] in table_forms(table.name)


def is_home(table: Table, column: Column) -> bool:
    """Whether the column's name says that it identifies this table's rows (`document_types.type_code`)."""
    words = name_words(column.name)
    stem = words[:-1] if words[-1:] and words[-1] in _KEY_WORDS else words
    for form in table_forms(table.name):
        if stem == form or "".join(words) == "".join(form) + "id":
            return True
        if stem and stem != words and len(stem) < len(form) and form[-len(stem) :] == stem:
            return True
    return False


@lru_cache(maxsize=65536)
def name_words(name: str) -> Words:
    """Words of a name as they are compared: folded, singular, without a final e (campus, campuses)."""
    return tuple(_form(word) for word in split_name(name))


@lru_cache(maxsize=16384)
def table_forms(name: str) -> tuple[Words, ...]:
    """What a table may be called in a column's name: its words, also without a prefix such as `tbl`."""
    words = name_words(name)
    return (words, words[1:]) if len(words) > 1 and words[0] in _TABLE_PREFIXES else (words,)


def _form(word: str) -> str:
    word = singular(word)
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def _forms(text: str) -> frozenset[str]:
    return frozenset(_form(word) for word in text.split())


def _is_plural(name: str) -> bool:
    """A column named by a plural counts things (`home_games`)."""
    words = split_name(name)
    return bool(words) and singular(words[-1]) != words[-1]


def _is_distinctive(words: Words) -> bool:
    """Whether two columns of this name are likely to mean the same thing."""
    if words[-1] in _KEY_WORDS:
        return not (_KEY_WORDS | _ANY_THING).issuperset(words)
    return not (_KEY_WORDS | _ANY_THING | _ATTRIBUTES | _MEASURES).issuperset(words)


_SAME_NAMES = 3

_IDENTIFIERS = _forms("id uid uuid guid key ref identifier ident fk pk sk")
_KEY_WORDS = _IDENTIFIERS | _forms("code no nr num number abbr abbreviation iso")
# Words that identify something only in their own table, even before "id" or "code".
_ANY_THING = _forms(
    "row record line seq sequence serial version type status kind name zip postal phone fax account other "
    "source external reference first last middle full of the in a index"
)
_ATTRIBUTES = _forms(
    "title description comment note text detail category class state flag created updated modified at by on "
    "since until start end from to begin sex gender position order url email address street city country "
    "region area language color colour season result date time location nationality"
)
_MEASURES = _forms(
    "year month day date time count total amount sum quantity qty price cost value rate score rank rating "
    "level size length width height weight age capacity population point round percent share salary budget"
)
_LEADERS = _forms("manager supervisor boss mgr")
_PEOPLE = _forms("employee staff personnel person people worker user member")
_SUPERIORS = _LEADERS | _forms("parent superior superordinate predecessor")
_REPORTS_TO = tuple(_form(word) for word in ("reports", "to"))
_TABLE_PREFIXES = _forms("tbl table dim fact ref lu lookup stg vw t d f")
