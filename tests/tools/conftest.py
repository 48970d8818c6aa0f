"""What tests of databases share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, where it looks at what is kept."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SQLBERG_CACHE", str(folder))
    return folder
