"""Work wanted by several threads at once is done once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlberg.models.embedded.once import Once


def test_equal_keys_asked_at_once_share_one_result():
    once, calls, begun = Once[int](), [], threading.Barrier(8)

    def ask(_: int) -> int:
        begun.wait()
        return once.get("key", lambda: calls.append(1) or 7)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [7] * 8
    assert len(calls) == 1


def test_only_the_last_results_are_kept():
    once = Once[int](kept=2)
    for key in (1, 2, 3):
        once.get(key, lambda key=key: key)
    assert once.get(3, lambda: 0) == 3
    assert once.get(1, lambda: 0) == 0


def test_a_failure_is_told_and_tried_again():
    once = Once[int]()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        once.get("key", fail)
    assert once.get("key", lambda: 1) == 1
