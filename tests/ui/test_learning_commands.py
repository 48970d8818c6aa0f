"""The commands that learn, as a person calls them: each stage by itself, the whole, and the way back."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from sqlberg.agents.annotation.annotators import NAMES
from sqlberg.errors import SqlbergError
from sqlberg.models.in_use import adapter_in_use, put_to_use
from sqlberg.training.active.selectors import SELECTORS
from sqlberg.training.losses import OBJECTIVES
from sqlberg.training.rounds.sources import source_of
from sqlberg.ui.cli import app
from sqlberg.ui.learning_options import AnnotatorName, MethodName, SelectorName
from sqlberg.ui.running import judge_of
from typer.testing import CliRunner, Result

from ..addresses import free_port

pytest.importorskip("peft", reason="training needs the train extra")
ASKED = ("How many customers are from Chile?", "Show the names of all customers.", "What is the total price?")


def sqlberg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: object) -> dict:
    result = sqlberg(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("asked") / "asked.jsonl"
    lines = [json.dumps({"question": text}) for text in ASKED]
    file.write_text("\n".join([*lines, "no question", ""]))
    return file


@pytest.fixture(scope="module")
def sampled(shop: Path, asked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidates")
    told = done("candidates", shop, "-q", asked, "-o", folder, "--embedder", "none")
    assert (told["questions"], told["several"], told["failed"]) == (3, 3, 0)
    return folder


@pytest.fixture(scope="module")
def annotated(shop: Path, sampled: Path) -> Path:
    told = done("annotate", shop, sampled, "--annotator", "execution", "--embedder", "none")
    assert told["preferred"] + told["tie"] + told["abstained"] == 3
    assert told["preferred"] > 0
    return Path(told["file"])


@pytest.fixture(scope="module")
def trained(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    told = done("train", annotated, "-o", tmp_path_factory.mktemp("trained"), "--rank", 4, "--rate", "1e-3")
    assert (told["pairs"] > 0, told["unreadable"]) == (True, 0)
    return Path(told["adapter"])


def test_the_options_name_what_there_is():
    assert set(MethodName.__args__) == set(OBJECTIVES)
    assert AnnotatorName.__args__ == NAMES
    assert set(SelectorName.__args__) == set(SELECTORS)


def test_stages_lead_from_questions_to_an_adapter_that_answers(shop: Path, trained: Path):
    assert (trained.parent.parent / "curves.svg").read_text().startswith("<svg")
    told = done("ask", shop, ASKED[0], "-m", f"embedded+{trained}", "--embedder", "none")
    assert "Chile" in told["sql"]


def test_what_people_said_on_the_page_is_trained_on(shop: Path, tmp_path: Path):
    from sqlberg.models.references import load_chat_model
    from sqlberg.training.feedback.store import Asked, Said, Store
    from sqlberg.ui.web.room import Room, named

    store = Store(tmp_path / "feedback.sqlite")
    nothing = sqlberg("improve", shop, "-p", store.path, "-o", tmp_path / "a")
    assert (nothing.exit_code, "holds no preference about shop" in " ".join(nothing.stderr.split())) == (
        1,
        True,
    )
    room = Room(named([str(shop)]), load_chat_model("embedded"), "embedded", store, embedder="none")
    *_, kept = room.ask("shop", ASKED[0], person="ada", thread="one", cancel=threading.Event())
    room.close()
    assert isinstance(kept, Asked)
    store.say(Said(asked=kept.id, verdict="corrected", better="SELECT name FROM customer"))
    told = done("train", store.path, "-o", tmp_path / "trained", "--rank", 2)
    assert (told["pairs"], told["unreadable"]) == (1, 0)


def test_a_database_that_is_no_store_is_refused_and_left_as_it_is(shop: Path, sampled: Path, tmp_path: Path):
    before = shop.read_bytes()
    for command in (("train", shop), ("annotate", shop, sampled, "-p", shop), ("improve", shop, "-p", shop)):
        told = sqlberg(*command, "-o", tmp_path / command[0])
        assert (told.exit_code, "is no store of `sqlberg chat`" in " ".join(told.stderr.split())) == (1, True)
    assert shop.read_bytes() == before


def test_options_of_a_cluster_want_its_engine(shop: Path, sampled: Path):
    for arguments in (("candidates", shop), ("annotate", shop, sampled)):
        told = sqlberg(*arguments, "--workers", 3)
        assert (told.exit_code, "add --engine ray" in " ".join(told.stderr.split())) == (1, True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--put-in-service", "sales"), "name its model with --served"),
        (("--served", "x", "--put-in-service", "sales@eu"), "cannot be called 'sales@eu'"),
        (("--served", "base"), "only a transformers: model is served"),
        (("--served", "base", "-m", "transformers:x", "--base-url", "http://127.0.0.1:1/v1"), "127.0.0.1:1"),
    ],
)
def test_what_answers_on_a_server_is_told_before_the_run(
    shop: Path, asked: Path, tmp_path: Path, options: tuple[str, ...], reason: str
):
    told = sqlberg("improve", shop, "-q", asked, "-o", tmp_path, "--embedder", "none", *options)
    assert (told.exit_code, reason in " ".join(told.stderr.split())) == (1, True)


def test_questions_that_the_judge_failed_at_are_told_and_asked_again(
    shop: Path, sampled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Judge(GenericFakeChatModel):
        away: bool = True

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            if self.away:
                self.away = False
                raise ConnectionError("refused")
            return super()._generate(*args, **kwargs)

    judge = Judge(messages=itertools.repeat(AIMessage("The first.\nA")))
    monkeypatch.setattr("sqlberg.models.references.load_chat_model", lambda *_, **__: judge)
    command = ("annotate", shop, sampled, "--annotator", "judge", "--judge", "openai:x", "-j", 1)
    first, again = (sqlberg(*command, "-o", tmp_path, "--json") for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "1 of 3 questions failed, the first with: the judge: no server answers" in " ".join(
        first.stderr.split()
    )
    assert (json.loads(first.stdout)["failed"], json.loads(again.stdout)["failed"]) == (1, 0)


def test_a_judge_that_is_not_named_is_asked_for(shop: Path, sampled: Path, asked: Path, tmp_path: Path):
    for stage in (("annotate", shop, sampled), ("improve", shop, "-q", asked)):
        told = sqlberg(*stage, "--annotator", "judge", "-o", tmp_path / "run")
        assert (told.exit_code, "name one with --judge" in " ".join(told.stderr.split())) == (1, True)
    assert not (tmp_path / "run").exists()


def test_a_judge_is_looked_for_at_the_given_address(
    shop: Path, sampled: Path, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    address = f"http://127.0.0.1:{free_port()}/v1"
    for stage in (("annotate", shop, sampled), ("improve", shop, "-q", asked)):
        command = (*stage, "--judge", "vllm:none", "--embedder", "none", "-o", tmp_path / "run")
        given = sqlberg(*command, "--base-url", address)
        monkeypatch.setenv("SQLBERG_BASE_URL", address)
        by_default = sqlberg(*command)
        monkeypatch.delenv("SQLBERG_BASE_URL")
        for told in (given, by_default):
            assert (told.exit_code, f"no model server answers at {address}" in told.stderr) == (1, True)


def test_only_a_served_judge_takes_the_address():
    address = "http://127.0.0.1:1/v1"
    for judge, taken in (("vllm:a", address), ("openai:a", address), ("embedded", None), ("ollama:a", None)):
        found = judge_of(judge, address)
        assert found is not None
        assert found.base_url == taken


def test_a_missing_package_is_told_before_the_run(
    shop: Path, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "peft", None)
    told = sqlberg("improve", shop, "-q", asked, "-o", tmp_path / "run", "--embedder", "none")
    assert (told.exit_code, "pip install 'sqlberg[train]'" in " ".join(told.stderr.split())) == (1, True)
    assert not (tmp_path / "run").exists()


def test_answers_to_other_questions_are_not_taken_for_those_asked(shop: Path, tmp_path: Path):
    """Questions without an id are called by their line."""
    file, folder = tmp_path / "asked.jsonl", tmp_path / "run"
    asking = ("candidates", shop, "-q", file, "-o", folder, "--embedder", "none")
    file.write_text(json.dumps({"question": ASKED[0]}) + "\n")
    done(*asking)
    file.write_text("".join(json.dumps({"question": text}) + "\n" for text in ASKED[:2]))
    assert done(*asking)["questions"] == 2  # more questions: it goes on
    annotating = ("annotate", shop, folder, "--annotator", "execution", "-o", tmp_path / "a")
    done(*annotating, "--embedder", "none")
    file.write_text(json.dumps({"question": ASKED[2]}) + "\n")
    told = sqlberg(*asking)
    assert (told.exit_code, "holds another question" in " ".join(told.stderr.split())) == (1, True)
    changed = (folder / "candidates.jsonl").read_text().replace("SELECT", "SELECT DISTINCT")
    (folder / "candidates.jsonl").write_text(changed)
    told = sqlberg(*annotating)
    assert (told.exit_code, "holds another question" in " ".join(told.stderr.split())) == (1, True)


def test_a_run_folder_belongs_to_its_database_and_policy(shop: Path, asked: Path, tmp_path: Path):
    other, policy = tmp_path / shop.name, tmp_path / "policy.toml"
    shutil.copy(shop, other)
    policy.write_text('hide_columns = ["customer.country"]')
    asking = ("-q", asked, "-o", tmp_path / "run", "--embedder", "none")
    done("candidates", shop, *asking)
    for changed, name in (((other,), "database is"), ((shop, "--policy", policy), "policy is")):
        told = sqlberg("candidates", *changed, *asking)
        assert (told.exit_code, name in told.stderr) == (1, True), told.stderr
    annotating = ("--annotator", "execution", "-o", tmp_path / "said", "--embedder", "none")
    done("annotate", shop, tmp_path / "run", *annotating)
    told = sqlberg("annotate", other, tmp_path / "run", *annotating)
    assert (told.exit_code, "database is" in told.stderr) == (1, True)
    source_of(str(shop), tmp_path / "made", made_up=5, embedder="none")
    with pytest.raises(SqlbergError, match="made up is 6, was 5"):
        source_of(str(shop), tmp_path / "made", made_up=6, embedder="none")


def test_annotations_by_the_reward_need_an_adapter(shop: Path, sampled: Path, trained: Path, tmp_path: Path):
    none = sqlberg("annotate", shop, sampled, "--annotator", "implicit")
    assert (none.exit_code, "name MODEL+ADAPTER" in none.stderr) == (1, True)
    plain = sqlberg("annotate", shop, sampled, "--annotator", "implicit", "-m", "embedded", "-o", tmp_path)
    assert (plain.exit_code, "name MODEL+ADAPTER" in " ".join(plain.stderr.split())) == (1, True)
    told = done(
        "annotate",
        shop,
        sampled,
        "--annotator",
        "implicit",
        "-m",
        f"embedded+{trained}",
        "-o",
        tmp_path / "b",
    )
    assert told["preferred"] + told["tie"] + told["abstained"] == 3


@pytest.mark.parametrize("method", ["ssapo", "epa", "poft", "sft"])
def test_every_kind_of_objective_trains_from_the_same_file(annotated: Path, method: str, tmp_path: Path):
    aligned = ("--aligned", "embedded") if method == "poft" else ()
    told = done("train", annotated, "--method", method, "-o", tmp_path, "--rank", 2, *aligned)
    assert Path(told["adapter"]).is_dir()


def test_adapters_of_every_kind_are_trained_and_answer(annotated: Path, shop: Path, tmp_path: Path):
    made = ("--kind", "bora", "--mask", 0.1, "--draws", 2, "--rank", 2)
    adapter = Path(done("train", annotated, "-o", tmp_path / "one", *made)["adapter"])
    assert json.loads((adapter / "sqlberg.json").read_text())["adapter"]["kind"] == "bora"
    on = ("train", annotated, "-o", tmp_path / "two", "--adapter", adapter)
    refused = sqlberg(*on, "--kind", "lora")
    assert (refused.exit_code, "leave these options out" in " ".join(refused.stderr.split())) == (1, True)
    again = Path(done(*on)["adapter"])
    told = done("ask", shop, "How many customers are there?", "-m", f"embedded+{again}", "--embedder", "none")
    assert told["rows"] == [[3]]
    with_follower = ("train", annotated, "--method", "ssapo", "--epsilon", 1, "-o")
    new = sqlberg(*with_follower, tmp_path / "four", "--rank", 2)
    assert "could move nothing, so this was DPO" in " ".join(new.output.split())
    on = sqlberg(*with_follower, tmp_path / "five", "--adapter", adapter)
    assert "The follower moved" in on.output
    refused = sqlberg("train", annotated, "-o", tmp_path / "three", "--draws", 2)
    assert (refused.exit_code, "adapter with a mask" in " ".join(refused.stderr.split())) == (1, True)


def test_dialogues_are_imitated_and_are_no_preferences(annotated: Path, tmp_path: Path):
    rows = [json.loads(line) for line in annotated.read_text().splitlines()]
    taught = [{"id": row["id"], "messages": [*row["prompt"], *row["chosen"]]} for row in rows]
    file = tmp_path / "taught.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in taught))
    told = done("train", file, "--method", "sft", "-o", tmp_path / "sft", "--rank", 2)
    assert told["pairs"] == len(rows)
    refused = sqlberg("train", file, "--method", "dpo", "-o", tmp_path / "dpo")
    assert (refused.exit_code, "use poft or sft" in " ".join(refused.stderr.split())) == (1, True)


def test_an_improvement_run_is_used_by_its_folder_and_rolled_back(
    shop: Path, asked: Path, trained: Path, tmp_path: Path
):
    told = done(
        "improve", shop, "-q", asked, "-o", tmp_path, "--rounds", 1, "--rank", 2, "--embedder", "none"
    )
    assert told["adapter"] is None  # nothing was held out to tell
    put_to_use(tmp_path, trained)
    assert "Chile" in done("ask", shop, ASKED[0], "-m", f"embedded+{tmp_path}")["sql"]
    assert str(adapter_in_use(tmp_path)).endswith("train/adapter")
    assert done("rollback", tmp_path) == {"adapter": ""}
    assert adapter_in_use(tmp_path) is None
    assert "Chile" in done("ask", shop, ASKED[0], "-m", f"embedded+{tmp_path}")["sql"]
    again = sqlberg("rollback", tmp_path)
    assert (again.exit_code, "nothing was in use" in again.stderr) == (1, True)


def test_candidates_of_another_adapter_are_not_taken_for_those_of_the_one_in_use(
    shop: Path, asked: Path, trained: Path, tmp_path: Path
):
    put_to_use(tmp_path, None)
    command = ("candidates", shop, "-q", asked, "-m", f"embedded+{tmp_path}", "-o", tmp_path / "candidates")
    done(*command, "--embedder", "none")
    done(*command, "--embedder", "none")
    put_to_use(tmp_path, trained)
    told = sqlberg(*command, "--embedder", "none")
    assert (told.exit_code, "weights is" in told.stderr) == (1, True), told.stderr


def test_questions_worth_a_label_are_written_with_their_ids(shop: Path, asked: Path, tmp_path: Path):
    pytest.importorskip("sklearn", reason="active learning needs the train extra")
    file = tmp_path / "label.jsonl"
    options = ("-n", 2, "-o", file, "--run", tmp_path, "--embedder", "none")
    result = sqlberg("select", shop, "-q", asked, *options)
    assert result.exit_code == 0, result.output
    assert "asked.jsonl line 4 set aside" in result.stderr
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({row["id"] for row in rows}) == 2
    assert all(row["question"] in ASKED for row in rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no valid preference or trajectory, it is empty"),
        ('{"chosen": "a"}\n', "chosen and rejected"),
        (None, "cannot read"),
    ],
)
def test_a_preference_file_without_preferences_is_one_line(tmp_path: Path, content: str | None, said: str):
    file = tmp_path / "pairs.jsonl"
    if content is not None:
        file.write_text(content)
    result = sqlberg("train", file, "-o", tmp_path / "run")
    assert (result.exit_code, said in result.stderr) == (1, True)
    assert "Traceback" not in result.output


def test_what_cannot_be_trained_or_used_is_one_line_each(
    shop: Path, annotated: Path, trained: Path, tmp_path: Path
):
    cases = {
        ("train", annotated, "-m", "vllm:base", "-o", tmp_path / "a"): "cannot be trained here",
        ("train", annotated, "--method", "poft", "-o", tmp_path / "b"): "name at least one",
        ("train", annotated, "--aligned", "embedded", "-o", tmp_path / "f"): "--aligned is of poft",
        ("improve", shop, "--aligned", "embedded", "-o", tmp_path / "g"): "--aligned is of poft",
        ("train", annotated, "--method", "ssapo", "--reference", "start", "-o", tmp_path / "c"): "use the",
        ("train", annotated, "--adapter", tmp_path, "-o", tmp_path / "d"): "is no adapter",
        ("rollback", tmp_path): "is no run folder",
        ("annotate", shop, tmp_path / "none"): "cannot read",
        ("candidates", tmp_path / "gone.sqlite", "-q", annotated): "holds no valid question",
        ("improve", tmp_path / "gone.sqlite", "-o", tmp_path / "e"): "gone.sqlite",
        ("select", shop, "--by", "luck"): "is not one of",
        ("select", shop, "--seed", -1): "Invalid value for '--seed'",
        ("train", annotated, "--seed", 10**22): "Invalid value for '--seed'",
    }
    for arguments, said in cases.items():
        result = sqlberg(*arguments)
        assert result.exit_code in (1, 2), arguments
        assert said in " ".join(result.stderr.split()), (arguments, result.stderr)


@pytest.mark.parametrize(("stage", "room"), [("train", 300), ("train", 20_000), ("annotate", 2_500)])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    shop: Path, sampled: Path, annotated: Path, tmp_path: Path, stage: str, room: int
):
    """The limit stands for a disk: no file may be larger than `room` bytes."""
    arguments = {
        "train": (annotated, "--rank", 4, "--epochs", 2),
        "annotate": (shop, sampled, "--annotator", "execution", "--embedder", "none"),
    }
    command = [stage, *map(str, arguments[stage]), "-o", str(tmp_path / "run")]
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
        "from sqlberg.ui.cli import main; main()"
    )
    full = subprocess.run([sys.executable, "-c", limited, *command], capture_output=True, text=True)
    assert full.returncode == 1
    assert "make room" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert sqlberg(*command).exit_code == 0
