"""Whole weights with an adapter merged in: what they are kept by, and what is left alone while written."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.folders import Stored, write_adapter
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.serving import merged
from sqlberg.models.serving.client import Server
from sqlberg.models.serving.merged import Weights, merge, served_weights


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    """In the place of a model; what is saved of it is its config."""

    def save(folder: Path, **_: Any) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")

    network = SimpleNamespace(save_pretrained=save)
    network.merge_and_unload = lambda: network
    monkeypatch.setattr(merged, "load_network", lambda *_, **__: (network, network))
    monkeypatch.setattr(merged, "restore", lambda network, *_: network)
    return network


def adapter(place: Path, kind: Any) -> Path:
    write_adapter(place, Stored(Adapter(kind), ("x",), {}))
    return place


def test_only_what_was_written_here_is_replaced(network: Any, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine.txt").touch()
    assert merge("model", tmp_path, tmp_path / "new" / ".." / "out") == tmp_path / "out"
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["config.json", "mine.txt", "out.partial"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "make room and try again"),
        (OSError(errno.EACCES, "Permission denied"), "name another folder"),
    ],
)
def test_room_is_asked_for_only_where_there_is_none(
    network: Any, tmp_path: Path, error: OSError, told: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    network.save_pretrained = fail
    with pytest.raises(SqlbergError, match=f"{error.strerror}; {told}"):
        merge("model", tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_place_below_a_file_is_one_line(network: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SqlbergError, match="name another folder"):
        merge("model", tmp_path, tmp_path / "file" / "out")


def test_merged_weights_are_kept_by_model_and_adapter(network: Any, tmp_path: Path) -> None:
    dora = adapter(tmp_path / "dora", "dora")
    one, other, again = (
        served_weights(model, {"sales": dora}, tmp_path / "merged").model for model in ("a", "b", "a")
    )
    assert one == again != other


def test_what_tells_nothing_to_check_it_by_is_served_and_said(tmp_path: Path) -> None:
    told: list[str] = []
    member = adapter(tmp_path / "member-0", "lora")
    Weights("model", {"sales-1": member}).check(Server("http://127.0.0.1:9/v1"), "model", told.append)
    assert told == [f"sales-1 is served unchecked: {member} tells nothing to check it by"]
