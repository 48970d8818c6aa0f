"""Which adapter of an improvement run is in use: one small file in the run folder, changed in one step.

    {"adapter": "round-2/train/adapter", "earlier": [""]}

Paths are relative to the run folder, so that it may be moved; "" is the model without an adapter. A reference
such as `embedded+runs/improve/shop` means whatever is in use there now.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from .errors import ModelError, UnknownModel

CURRENT = "current.json"


def expanded(path: str | Path) -> Path:
    """The path with its ~ written out. Raises `UnknownModel` where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UnknownModel(f"{path} is in the home of nobody here: write the path in full") from None


def adapter_in_use(folder: Path) -> Path | None:
    """The adapter that a run folder has put to use; None: the model as it is. Raises `ModelError`."""
    adapter, _ = _read(folder)
    return _placed(folder, adapter)


def put_to_use(folder: Path, adapter: Path | None) -> None:
    """Answer with this adapter (None: with none) from now on; the one before is remembered."""
    known = (folder / CURRENT).exists()
    before, earlier = _read(folder) if known else ("", [])
    told = os.path.relpath(adapter, folder) if adapter else ""
    if not known or told != before:
        _write(folder, told, [*earlier, before] if known else [])


def roll_back(folder: Path) -> Path | None:
    """Go back to what was in use before; returns that. Raises `ModelError` where there is nothing before, or
    where it is gone.
    """
    _, earlier = _read(folder)
    if not earlier:
        raise ModelError(f"nothing was in use in {folder} before what is in use now")
    before = _placed(folder, earlier[-1])
    if before and not before.is_dir():
        raise ModelError(
            f"what was in use before is gone: put {before} back, or take it out of {folder / CURRENT}"
        )
    _write(folder, earlier[-1], earlier[:-1])
    return before


def resolved(adapter: Path) -> Path | None:
    """The adapter meant by a path: a run folder stands for what is in use there."""
    return adapter_in_use(adapter) if (adapter / CURRENT).is_file() else adapter


def _placed(folder: Path, adapter: str) -> Path | None:
    return folder / adapter if adapter else None


def _read(folder: Path) -> tuple[str, list[str]]:
    try:
        told = json.loads((folder / CURRENT).read_text(encoding="utf-8"))
        if not isinstance(told["earlier"], list):
            raise TypeError(told["earlier"])
        return str(told["adapter"]), [str(one) for one in told["earlier"]]
    except OSError as error:
        raise ModelError(f"{folder} is no run folder of `sqlberg improve`: it has no {CURRENT}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / CURRENT} is damaged: write the adapter's path there again") from error


def _write(folder: Path, adapter: str, earlier: list[str]) -> None:
    partial = folder / f"{CURRENT}.partial"
    partial.write_text(json.dumps({"adapter": adapter, "earlier": earlier}, indent=1) + "\n")
    partial.replace(folder / CURRENT)
