"""Opens databases the way people expect them: with column search by meaning, out of the box.

`tools.database.open_database` takes an embedder or none; this one takes its name. The default is the encoder
of the embedded model, which ships in the package: no network, no further installation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..tools.database import open_database as open_plain

if TYPE_CHECKING:
    from ..tools.database import Database
    from ..tools.embedding import Embedder
    from ..tools.limits import Limits
    from ..tools.policy import AccessPolicy

EMBEDDED = "embedded"
WORDS_ONLY = "none"


def open_database(
    reference: str | Path,
    *,
    policy: AccessPolicy | None = None,
    limits: Limits | None = None,
    cache_dir: Path | None = None,
    embedder: Embedder | str | None = EMBEDDED,
    progress: bool = False,
) -> Database:
    """Open a database for reading.

    reference: a DuckDB or SQLite file, a CSV, TSV, JSON or Parquet file, a folder of such files, or
        "sample" (the bundled shop).
    policy: what may be read (default: everything).
    limits: of every query (default: `Limits()`).
    cache_dir: where catalogs and indexes are kept (default: $SQLBERG_CACHE or the user's cache folder).
    embedder: finds columns by meaning: "embedded" (ships with sqlberg), "minilm", any sentence-transformers
        model by name, or an object like `tools.embedding.Embedder`; None or "none": by words only.
    progress: show progress bars while catalog and indexes are built.
    Raises DatabaseOpenError, and EmbedderUnavailable for an embedder that is not installed.
    """
    return open_plain(
        reference,
        policy=policy,
        limits=limits,
        cache_dir=cache_dir,
        embedder=find_embedder(embedder),
        progress=progress,
    )


def find_embedder(embedder: Embedder | str | None) -> Embedder | None:
    """The embedder of that name, or the one given. Raises EmbedderUnavailable."""
    if embedder is None or embedder == WORDS_ONLY:
        return None
    if not isinstance(embedder, str):
        return embedder
    if embedder == EMBEDDED:
        from ..models.embedded.encoder import shipped_encoder

        return shipped_encoder()
    from ..tools.embedding import load_embedder

    return load_embedder(embedder)
