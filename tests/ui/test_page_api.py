"""The page as programs meet it: one endpoint, its answers and its refusals."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlberg.models.references import load_chat_model
from sqlberg.training.feedback.store import Store

from ..addresses import served

gradio_client = pytest.importorskip("gradio_client", reason="the page needs the chat extra")


@pytest.fixture(scope="module")
def address(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from sqlberg.ui.web.room import Room, named

    store = Store(tmp_path_factory.mktemp("page") / "feedback.sqlite")
    room = Room(named([str(shop)]), load_chat_model("embedded"), "embedded", store, embedder="none")
    with served(room) as address:
        yield address


def test_a_program_asks_the_page(address: str) -> None:
    client = gradio_client.Client(address, verbose=False)
    answer = client.predict("How many customers are from Chile?", "shop", api_name="/ask")
    assert (answer["status"], answer["rows"]) == ("answered", [[2]])
    assert "Chile" in answer["sql"]
    with pytest.raises(Exception, match="there is no database 'other' here"):
        client.predict("How many?", "other", api_name="/ask")
    with pytest.raises(Exception, match="ask something in words"):
        client.predict(" ", "shop", api_name="/ask")


def test_asking_is_all_that_programs_may_do(address: str) -> None:
    with urllib.request.urlopen(f"{address}gradio_api/info") as told:
        assert list(json.load(told)["named_endpoints"]) == ["/ask"]


def test_files_of_the_machine_are_not_given_out(address: str, shop: Path) -> None:
    for path in ("/etc/passwd", str(shop), "../../etc/passwd"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}gradio_api/file={path}")
        assert refused.value.code in (403, 404)
