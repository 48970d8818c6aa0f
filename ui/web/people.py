"""Who may come in, and what each may read: a TOML file of people.

    [ada]
    password = "scrypt$..."          # written by `sqlberg chat --add-person ada --people people.toml`
    policy = "analysts.toml"         # an access policy, found from the file's own folder; without: all
    manages = true                   # may start improvements and choose what answers

Passwords are kept as salted scrypt hashes. A reverse proxy that has checked people already names them in a
header instead (`--person-header`); who is not named in the file then reads by the server's own policy.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import SqlbergError
from ..options import read_policy

if TYPE_CHECKING:
    from ...tools.policy import AccessPolicy

_COST = {"n": 2**14, "r": 8, "p": 1}


class Person(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: str = ""
    policy: str = ""
    manages: bool = False


@dataclass(frozen=True)
class People:
    """by_name: who may come in; policies: what those read who have one of their own."""

    by_name: Mapping[str, Person] = field(default_factory=dict)
    policies: Mapping[str, AccessPolicy] = field(default_factory=dict)

    @property
    def managers(self) -> frozenset[str] | None:
        """Those who manage; None where nobody is named: then everybody does."""
        return frozenset(n for n, p in self.by_name.items() if p.manages) if self.by_name else None

    def know(self, name: str, password: str) -> bool:
        """Whether it is them. As slow for a name that nobody has."""
        known = self.by_name.get(name)
        kept = known.password if known and known.password else hashed("", b"nobody here")
        return matches(password, kept) and known is not None and bool(known.password)


def read_people(file: Path) -> People:
    """The people of a file, with their policies. Raises `SqlbergError`."""
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8"))
        by_name = {name: Person.model_validate(row) for name, row in rows.items()}
    except OSError as error:
        raise SqlbergError(f"people {file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        raise SqlbergError(
            f"people {file}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        ) from error
    except ValueError as error:
        raise SqlbergError(f"people {file} is no TOML: {error}") from error
    policies = {}
    for name, person in by_name.items():
        if person.policy and (policy := read_policy(file.parent / person.policy)):
            policies[name] = policy
    return People(by_name, policies)


def add_person(file: Path, name: str, password: str) -> None:
    """Write a person into the file, or a new password for one who is there. Raises `SqlbergError`."""
    if not name.strip() or not password:
        raise SqlbergError("a person has a name and a password")
    rows = {n: p.model_dump(exclude_defaults=True) for n, p in (_there(file)).items()}
    partial = file.with_name(file.name + ".partial")
    try:
        rows[name] = {**rows.get(name, {}), "password": hashed(password, secrets.token_bytes(16))}
        content = _toml(rows)
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
            written.write(content)
        partial.replace(file)
    except OSError as error:
        raise SqlbergError(f"cannot write {file}: {error.strerror}") from error
    except ValueError as error:
        raise SqlbergError(f"{file} stays as it was: {name!r} or the password is no text: {error}") from error


def hashed(password: str, salt: bytes) -> str:
    """`scrypt$SALT$HASH`, in hex."""
    return f"scrypt${salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_COST).hex()}"


def matches(password: str, kept: str) -> bool:
    """Whether a kept hash is of this password."""
    kind, _, rest = kept.partition("$")
    salt, _, _ = rest.partition("$")
    try:
        return kind == "scrypt" and secrets.compare_digest(hashed(password, bytes.fromhex(salt)), kept)
    except ValueError:
        return False


def _there(file: Path) -> Mapping[str, Person]:
    return read_people(file).by_name if file.exists() else {}


def _toml(rows: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The rows as a file. Raises `ValueError` if they could not be read back."""
    lines = []
    for key, row in rows.items():
        lines += [f"[{_told(key)}]", *(f"{field} = {_told(value)}" for field, value in row.items()), ""]
    content = "\n".join(lines).encode()
    if tomllib.loads(content.decode()) != rows:
        raise ValueError("it reads back as another")
    return content


def _told(value: str | bool) -> str:
    """As JSON writes it: so does TOML, but for surrogates, which it has none of, and the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
