"""What the network reads at one turn: the situation as tokens, and the items it may point at.

Layout: `[CLS] question [SEP] table : column = value , column > table , … [SEP] table : …`, `>` telling the
table that a column refers to where its name does not. Names are split into words (`Song_release_year` reads
"song release year"). Beside its word piece, each token carries three small marks: its role, how well it
matches the question (the schema-linking relation of IRNet and RAT-SQL, told once per token), and whether it
is a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .items import Item
from .reading import SeenColumn, SeenValue, Situation
from .spelling import QUESTION_WORDS, corrected

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ROLES = ("special", "question", "table", "text", "number", "date", "unknown", "value", "earlier")
MATCHES = ("none", "partial", "exact", "value", "number", "table", "column")
KEYS = ("none", "primary", "foreign")

MAX_TOKENS = 400
MAX_QUESTION_WORDS = 70
MAX_TABLES = 24
MAX_VALUES = 12
VALUES_PER_COLUMN = 3
LISTED_VALUES = 6
LISTED_LENGTH = 24
VALUE_PIECES = 8

WORD = re.compile(r"\d+(?:[.,:/-]\d+)*(?:st|nd|rd|th)?|\w+(?:['’]\w+)?|[^\w\s]")
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?\Z")
NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
} | {"once": 1, "twice": 2, "hundred": 100, "thousand": 1000, "million": 1_000_000}
STOP_WORDS = frozenset(
    """a an the of in on at to for from by with and or is are was were be been do does did have has had that
    this these those it its their there which who whom whose what when where how many much all each every any
    some me show list give find tell return display please not no than more less most least as also both
    between per name names id ids number""".split()
)


@dataclass
class Prompt:
    """One turn's input.

    pieces, roles, matches, keys: one id per token, equally long. items: what can be pointed at;
    spans[i]: the token positions of items[i]. dates, wordy: the columns that hold dates, and words. islands:
    the tables that keys connect each with, over others too. kin: the (table, column)s that keys link each
    with.
    """

    pieces: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    matches: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    dates: set[Item] = field(default_factory=set)
    wordy: set[Item] = field(default_factory=set)
    islands: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kin: Mapping[tuple[str, str], frozenset[tuple[str, str]]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[tuple[int, ...] | tuple[Item, ...], ...]:
        """Equal for equal prompts alone."""
        return (*map(tuple, (self.pieces, self.roles, self.matches, self.keys)), tuple(self.items))

    def add(
        self, pieces: Sequence[int], role: str, match: str = "none", key: str = "none"
    ) -> tuple[int, int]:
        """Append tokens with their marks; returns their span."""
        start = len(self.pieces)
        self.pieces += pieces
        self.roles += [ROLES.index(role)] * len(pieces)
        self.matches += [MATCHES.index(match)] * len(pieces)
        self.keys += [KEYS.index(key)] * len(pieces)
        return start, len(self.pieces)

    def point(self, item: Item, span: tuple[int, int]) -> None:
        if span[1] > span[0]:
            self.items.append(item)
            self.spans.append(span)


class PromptWriter:
    """Writes prompts with the tokenizer of the weights (WordPiece, lower-cased)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.cls, self.sep = tokenizer.encode("").ids  # an empty text is its two marks: [CLS] [SEP]
        self.pieces = lru_cache(100_000)(self._pieces)

    def _pieces(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def write(self, situation: Situation) -> Prompt:
        """The prompt of a situation, at most `MAX_TOKENS` long: what comes late in the search is left out
        first.
        """
        words = WORD.findall(situation.question)[:MAX_QUESTION_WORDS]
        read = self._as_meant(words, situation)
        linking = Linking(read, situation)
        prompt = Prompt(
            islands=_groups((join.table, join.ref_table) for join in situation.joins),
            kin=_groups(ends for join in situation.joins for ends in join.ends),
        )
        prompt.add([self.cls], "special")
        positions = self._question(prompt, words, read, linking, situation.earlier_words)
        self._literals(prompt, words, positions, situation)
        tables = _chosen_tables(situation, linking)
        columns = {table: [c for c in situation.columns if c.table == table] for table in tables}
        values = _chosen_values(situation)
        prompt.add([self.sep], "special")
        for number, table in enumerate(tables):
            left = MAX_TOKENS - 8 * (len(tables) - number) - len(prompt.pieces)
            self._table(prompt, table, columns[table], values, linking, max(left, 0))
        return prompt

    def _as_meant(self, words: Sequence[str], situation: Situation) -> list[str]:
        """The words with slips of the pen set right, where that is sure."""
        unknown = [w for w in words if len(self.pieces(w)) > 1 and w.isalpha()]
        if not unknown:
            return list(words)
        named = {word for name in _names(situation) for word in spoken(name).split()}
        known = QUESTION_WORDS | {form for word in named for form in (word, word + "s")}
        values = {w.lower() for v in situation.values for w in WORD.findall(str(v.value))}
        meant = {w: corrected(w, known) for w in unknown if w.lower() not in known | values}
        return [meant.get(word, word) for word in words]

    def _question(
        self, prompt: Prompt, words: Sequence[str], read: Sequence[str], linking: Linking, earlier: int
    ) -> list[tuple[int, int]]:
        """The question's words as they are `read`; what they name stays as it was typed."""
        positions = []
        for index, (word, meant, match) in enumerate(zip(words, read, linking.words, strict=True)):
            role = "earlier" if index < earlier else "question"
            positions.append(prompt.add(self.pieces(meant), role, match))
            prompt.point(Item("word", text=word, index=index), positions[-1])
        return positions

    def _literals(
        self, prompt: Prompt, words: Sequence[str], positions: Sequence[tuple[int, int]], situation: Situation
    ) -> None:
        """Numbers of the question, and the spans that were looked up, can be written as they stand."""
        for word, span in zip(words, positions, strict=True):
            number = as_number(word)
            if number is not None:
                prompt.point(Item("value", text=word, value=number), span)
        folded = [word.casefold() for word in words]
        for tool, arguments in situation.calls:
            asked = arguments.get("values", []) if tool == "search_value" else []
            for text in dict.fromkeys([asked] if isinstance(asked, str) else asked):
                target = [word.casefold() for word in WORD.findall(str(text))]
                for start in range(len(folded) - len(target) + 1):
                    if target and folded[start : start + len(target)] == target:
                        span = positions[start][0], positions[start + len(target) - 1][1]
                        prompt.point(Item("value", text=str(text), value=str(text)), span)
                        break

    def _table(
        self,
        prompt: Prompt,
        table: str,
        columns: Sequence[SeenColumn],
        values: Sequence[SeenValue],
        linking: Linking,
        left: int,
    ) -> None:
        span = prompt.add(self.pieces(spoken(table)), "table", linking.name(table))
        prompt.point(Item("table", text=table, table=table), span)
        prompt.add(self.pieces(":"), "special")
        limit = len(prompt.pieces) + left
        for column in columns:
            pieces = self.pieces(spoken(column.name))
            if len(prompt.pieces) + len(pieces) + 1 > limit:
                break
            key = "primary" if column.is_key else "foreign" if column.refers_to else "none"
            role = _role(column)
            span = prompt.add(pieces, role, linking.name(column.name), key)
            item = Item("column", text=column.name, table=table, column=column.name)
            prompt.point(item, span)
            if role == "date":
                prompt.dates.add(item)
            if role == "text" and column.holds_words:
                prompt.wordy.add(item)
            if column.refers_to and not set(stems(column.refers_to)) <= set(stems(column.name)):
                prompt.add(self.pieces(">"), "special")
                prompt.add(self.pieces(spoken(column.refers_to)), "table", linking.name(column.refers_to))
            for value in (v for v in values if (v.table, v.column) == (table, column.name)):
                pieces = self.pieces(str(value.value))[:VALUE_PIECES]
                if len(prompt.pieces) + len(pieces) + 2 > limit:
                    break
                prompt.add(self.pieces("="), "special")
                match = "value" if value.match in ("exact", "similar", "partial") else "none"
                span = prompt.add(pieces, "value", match)
                prompt.point(
                    Item("value", text=str(value.value), table=table, column=column.name, value=value.value),
                    span,
                )
            prompt.add(self.pieces(","), "special")
        prompt.add([self.sep], "special")


class Linking:
    """How the words of a question and the names of a schema match, by stems."""

    def __init__(self, words: Sequence[str], situation: Situation) -> None:
        self.stems = [stem(word) for word in words]
        self.content = {
            s for word, s in zip(words, self.stems, strict=True) if word.lower() not in STOP_WORDS
        }
        tables = {s for table in situation.tables for s in stems(table.name)}
        columns = {s for column in situation.columns for s in stems(column.name)}
        values = {stem(w) for v in situation.values for w in WORD.findall(str(v.value))}
        self.words = [
            self._word(word, s, tables, columns, values) for word, s in zip(words, self.stems, strict=True)
        ]

    def _word(self, word: str, stemmed: str, tables: set[str], columns: set[str], values: set[str]) -> str:
        if as_number(word) is not None:
            return "number"
        if stemmed not in self.content or len(stemmed) < 2:
            return "none"
        if stemmed in tables:
            return "table"
        if stemmed in columns:
            return "column"
        return "value" if stemmed in values else "none"

    def name(self, name: str) -> str:
        """ "exact" when the whole name stands in the question, "partial" when a content word of it does."""
        parts = stems(name)
        width = len(parts)
        if any(self.stems[start : start + width] == parts for start in range(len(self.stems) - width + 1)):
            return "exact"
        return "partial" if self.content.intersection(parts) else "none"


@lru_cache(100_000)
def spoken(name: str) -> str:
    """A name as words: `SongReleaseYear`, `song_release_year` -> "song release year"."""
    words = re.sub(r"[_\W]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).strip().lower()
    return words or name


@lru_cache(100_000)
def stem(word: str) -> str:
    """A light stem: enough to match plurals and simple inflections ("cities" and "city", "hired" and
    "hire").
    """
    word = word.lower()
    for ending, replacement in (
        ("ies", "y"),
        ("sses", "ss"),
        ("es", "e"),
        ("s", ""),
        ("ing", ""),
        ("ed", "e"),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + replacement
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@lru_cache(100_000)
def _stems(name: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in spoken(name).split())


def stems(name: str) -> list[str]:
    """The stems of a name's words."""
    return list(_stems(name))


def as_number(word: str) -> int | float | None:
    """The number a word of a question stands for."""
    if word.lower() in NUMBER_WORDS:
        return NUMBER_WORDS[word.lower()]
    digits = re.sub(r"(?<=\d)(st|nd|rd|th)\Z", "", word)
    if not NUMBER.match(digits):
        return None
    digits = digits.replace(",", "")
    return float(digits) if "." in digits else int(digits)


def _groups(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, frozenset[Any]]:
    """For each thing of the pairs, all that they connect it with, itself too."""
    from networkx import Graph, connected_components

    groups = map(frozenset, connected_components(Graph(list(pairs))))
    return {thing: group for group in groups for thing in group}


def _names(situation: Situation) -> list[str]:
    return [table.name for table in situation.tables] + [column.name for column in situation.columns]


def _role(column: SeenColumn) -> str:
    if not column.type:
        return "unknown"
    if column.is_date or re.search(r"date|time", column.type, re.IGNORECASE):
        return "date"
    numeric = column.is_number or re.search(r"int|real|floa|doub|dec|num|bit", column.type, re.IGNORECASE)
    return "number" if numeric else "text"


def _chosen_tables(situation: Situation, linking: Linking) -> list[str]:
    """The database's tables, in its order; of very many those that were found, that match, or that bridge
    these.
    """
    tables = [table.name for table in situation.tables]
    if len(tables) <= MAX_TABLES:
        return tables
    found = list(dict.fromkeys(column.table for column in situation.columns if column.type))
    matched = [table for table in tables if linking.name(table) != "none"]
    near = [
        other
        for join in situation.joins
        for table, other in ((join.table, join.ref_table), (join.ref_table, join.table))
        if table in found
    ]
    chosen = set(list(dict.fromkeys([*found, *matched, *near]))[:MAX_TABLES])
    return [table for table in tables if table in chosen]


def _chosen_values(situation: Situation) -> list[SeenValue]:
    """Cells that were found, best matches first, then the short lists of values of columns that were
    found.
    """
    order = {"exact": 0, "similar": 1, "partial": 2}
    found = sorted((v for v in situation.values if v.match in order), key=lambda v: order[v.match])
    chosen: list[SeenValue] = []
    for value in found:
        same = [v for v in chosen if (v.table, v.column) == (value.table, value.column)]
        if len(chosen) < MAX_VALUES and len(same) < VALUES_PER_COLUMN and value not in chosen:
            chosen.append(value)
    have = {(v.table, v.column, str(v.value)) for v in chosen}
    for column in situation.columns:
        if len(column.values) <= LISTED_VALUES and all(len(v) <= LISTED_LENGTH for v in column.values):
            for text in column.values:
                if (column.table, column.name, text) not in have:
                    chosen.append(SeenValue(column.table, column.name, text, "listed"))
    return chosen
