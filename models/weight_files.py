"""Which weights a model reference stands for now: what others gave must not be taken for theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from .embedded.weights import SHIPPED
from .errors import UnknownModel
from .in_use import expanded
from .references import in_process, members_of


def weights_digest(reference: str) -> str:
    """Changes with the weight files of a model on this machine, those of the adapter that is in use in a run
    folder among them; empty for a model elsewhere.
    """
    digest = hashlib.sha256()
    found = False
    for path in _weight_files(reference):
        found = True
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16] if found else ""


def _weight_files(reference: str) -> Iterator[Path]:
    try:
        kind, name, adapter = in_process(members_of(reference)[0])
    except UnknownModel:
        return
    base = SHIPPED if kind == "embedded" else expanded(name)
    for folder in (base, adapter):
        for pattern in ("*.safetensors", "config.json", "adapter_config.json", "sqlberg.json"):
            yield from sorted(folder.glob(pattern)) if folder else ()
