"""Options that several commands share, with their help texts, and the reading of a policy file."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ..errors import SqlbergError
from .console import err, plain_text

if TYPE_CHECKING:
    from ..tools.database import Database
    from ..tools.policy import AccessPolicy

Number = TypeVar("Number", float, float | None)
DatabaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATABASE",
        help="A .duckdb, .sqlite, .csv, .parquet or .json file, a folder of such files, "
        "or the word sample for the bundled shop. FILE.duckdb#SCHEMA: another schema than main.",
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        envvar="SQLBERG_MODEL",
        help="embedded, transformers:PATH[+ADAPTER], vllm:NAME or any provider:model (see `sqlberg models`).",
    ),
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--base-url", envvar="SQLBERG_BASE_URL", help="Address of an OpenAI-compatible server, for vllm:NAME."
    ),
]
EmbedderOption = Annotated[
    str,
    typer.Option(
        "--embedder",
        help="Finds columns by meaning: embedded, minilm or a sentence-transformers model; none: by words.",
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Access policy, TOML or JSON: allow_tables, hide_tables, hide_columns, row_filters.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def finite(value: Number) -> Number:
    """Refuses nan and inf, which no range does."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("must be a finite number")
    return value


def tell_idle_patterns(database: Database) -> None:
    """Warn of what in the access policy names nothing in the database: a slip of the pen hides nothing."""
    for pattern in database.idle_patterns():
        err().print(plain_text(f"the policy's {pattern!r} names nothing in {database.name}: is it misspelt?"))


def read_policy(path: Path | None) -> AccessPolicy | None:
    """The access policy in a TOML or JSON file. Raises `SqlbergError` with one line where it is not valid."""
    if path is None:
        return None
    from pydantic import ValidationError

    from ..tools.policy import AccessPolicy

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        known = AccessPolicy.model_fields
        if not isinstance(content, dict) or not content.keys() <= known.keys():
            raise SqlbergError(f"policy {path}: the keys are {', '.join(known)}")
        return AccessPolicy.model_validate(content)
    except OSError as error:
        raise SqlbergError(f"policy {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise SqlbergError(f"policy {path}: {place}: {problem['msg']}") from error
    except ValueError as error:  # JSONDecodeError, TOMLDecodeError, UnicodeDecodeError
        raise SqlbergError(f"policy {path} is neither TOML nor JSON: {error}") from error
