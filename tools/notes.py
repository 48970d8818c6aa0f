"""What people know of a database and its catalog does not say: descriptions, terms, which joins hold.

    notes = read_notes(Path("shop.notes.json"))
    database.notes = notes                      # tools, prompts and searches go by them from now on

A description stands where a column's or table's comment does, so the column search finds by it and models
read it. A term (`active customer`) is explained wherever a search speaks of it, and the search looks for what
it means as well; whoever may not see a table or column that it names is not told of it. An inferred join
that a person confirms counts as sure, one that is rejected is gone. Declared keys are the database's own and
stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import SqlbergError
from .schema import Catalog, Column, Join, Table

LONGEST = 400
"""Characters of a description or of a meaning."""
_WORD = re.compile(r"\w+")


class Notes(BaseModel):
    """tables: descriptions by name; columns: by "table.column"; terms: what words of the house mean, told in
    words or SQL; confirmed, rejected: inferred joins, as `join_text` writes them. Case does not matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: dict[str, str] = {}
    columns: dict[str, str] = {}
    terms: dict[str, str] = {}
    confirmed: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Changes with any of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def applied(self, catalog: Catalog, hidden: Iterable[Sequence[str]] = ()) -> Catalog:
        """The catalog as people know it. Notes about what it does not hold are passed over, and terms that
        name what is hidden (`catalog.hidden_names`): all names of one of its entries.
        """
        tables = {name.lower(): text for name, text in self.tables.items()}
        columns = {name.lower(): text for name, text in self.columns.items()}
        confirmed, rejected = ({text.lower() for text in told} for told in (self.confirmed, self.rejected))
        names = [[_spelt(name) for name in one] for one in hidden]

        def described(column: Column) -> Column:
            text = columns.get(f"{column.table}.{column.name}".lower())
            return replace(column, comment=_short(text)) if text else column

        def known(table: Table) -> Table:
            text = tables.get(table.name.lower())
            found = replace(table, columns=tuple(described(column) for column in table.columns))
            return replace(found, comment=_short(text)) if text else found

        def held(join: Join) -> Join:
            sure = join.origin == "inferred" and join_text(join).lower() in confirmed
            return replace(join, confidence=1.0) if sure else join

        return replace(
            catalog,
            tables=tuple(known(table) for table in catalog.tables),
            joins=tuple(
                held(join)
                for join in catalog.joins
                if join.origin == "declared" or join_text(join).lower() not in rejected
            ),
            terms={
                term: _short(meaning)
                for term, meaning in self.terms.items()
                if term.strip() and not _names_any(f"{term} {meaning}", names)
            },
        )


def join_text(join: Join) -> str:
    """`orders.customer_id = customers.id`."""
    pairs = zip(join.columns, join.ref_columns, strict=True)
    return " and ".join(f"{join.table}.{one} = {join.ref_table}.{other}" for one, other in pairs)


def terms_in(text: str, catalog: Catalog) -> dict[str, str]:
    """The terms of the catalog that a text speaks of, with their meanings."""
    said = _words(text)
    return {term: meaning for term, meaning in catalog.terms.items() if _within(_words(term), said)}


def read_notes(file: Path) -> Notes:
    """The notes of a JSON file; none where it does not exist. Raises `SqlbergError`."""
    if not file.exists():
        return Notes()
    try:
        return Notes.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SqlbergError(f"notes {file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the file"
        raise SqlbergError(f"notes {file}: {place}: {problem['msg']}") from error


def write_notes(file: Path, notes: Notes) -> None:
    """Keep notes, so that the file is either the old or the new one. Raises `SqlbergError`."""
    partial = file.with_name(f"{file.name}.{secrets.token_hex(8)}.partial")  # no other writer's
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(notes.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise SqlbergError(f"notes {file} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise SqlbergError(f"notes {file} cannot be written: not all of it is text") from error
    finally:
        with contextlib.suppress(OSError):  # mostly there is none any more
            partial.unlink()


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST]


def _names_any(text: str, hidden: Iterable[Sequence[list[str]]]) -> bool:
    """Whether a text holds all names of any entry, each as whole words."""
    said = _spelt(text)
    return any(all(name and _within(name, said) for name in names) for names in hidden)


def _spelt(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _words(text: str) -> list[str]:
    return [word.lower().removesuffix("s") for word in _WORD.findall(text)]


def _within(term: list[str], said: list[str]) -> bool:
    """Whether the words of a term or name stand in a text, one after the other."""
    return any(said[start : start + len(term)] == term for start in range(len(said) - len(term) + 1))
