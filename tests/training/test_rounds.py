"""The stages of an improvement run, over a small shop and the shipped model."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from sqlberg.agents.annotation.annotators import annotator
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.in_use import roll_back
from sqlberg.models.transformers_chat import TransformersChatModel
from sqlberg.training.aligned import aligned_scores
from sqlberg.training.evaluation.dataset import Dataset, Question
from sqlberg.training.formats import lesson_of, to_sqlberg
from sqlberg.training.policies import CausalPolicy
from sqlberg.training.preferences import Preference, Trajectory
from sqlberg.training.rounds.annotations import Annotated, annotate_all, preferences_of
from sqlberg.training.rounds.candidates import CANDIDATES, Sampled, sample_candidates
from sqlberg.training.rounds.game import Follower
from sqlberg.training.rounds.improve import improve
from sqlberg.training.rounds.learners import EmbeddedLearner, learner_of
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.negatives import weak_negatives
from sqlberg.training.rounds.plan import Improved, Plan, Progress
from sqlberg.training.rounds.rewards import Scored
from sqlberg.training.rounds.truth import truths
from sqlberg.training.tokens import turns_of
from sqlberg.training.trainer import Settings, Step

from ..agents.scripted import ScriptedModel, sql, words
from ..models.tiny import build_tiny_model
from .test_embedded_policy import with_sql

ASKED = ("How many customers are from Chile?", "Show the names of all customers.", "What is the total price?")
QUESTIONS = [
    Question(id=f"q{number}", db_id="shop", question=text, sql=None) for number, text in enumerate(ASKED)
]


def opened(shop: Path) -> Any:
    return partial(lambda shop, db_id: open_database(shop, embedder="none"), shop)


def sampled(shop: Path, folder: Path, questions: list[Question] = QUESTIONS, **options: Any) -> list[Sampled]:
    return sample_candidates(
        questions,
        folder,
        agent_options={"model": "embedded", "candidates": 4},
        open_database=opened(shop),
        settings={"candidates": 4},
        **options,
    )


@pytest.fixture(scope="module")
def rows(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sampled]:
    return sampled(shop, tmp_path_factory.mktemp("run"))


def test_candidates_hold_different_answers_with_their_dialogues(rows: list[Sampled]):
    assert [row.id for row in rows] == ["q0", "q1", "q2"]
    for row, asked in zip(rows, ASKED, strict=True):
        assert row.prompt[-1].content == asked
        assert len({one.sql for one in row.responses}) == len(row.responses) >= 2
        assert all(one.messages[0].role == "assistant" for one in row.responses)


def test_what_was_sampled_is_not_sampled_again(shop: Path, tmp_path: Path):
    first = sampled(shop, tmp_path, QUESTIONS[:1])
    with (tmp_path / CANDIDATES).open("a") as file:
        file.write('{"id": "q1", "db')  # torn by a kill
    told: list[Sampled] = []
    again = sampled(shop, tmp_path, QUESTIONS[:2], finished=told.append)
    assert [row.id for row in told] == ["q1"]
    assert again[0] == first[0]
    lines = [json.loads(line)["id"] for line in (tmp_path / CANDIDATES).read_text().splitlines()]
    assert lines == ["q0", "q1"]


def test_what_failed_is_asked_again_where_that_is_wanted(shop: Path, tmp_path: Path):
    def once_away(db_id: str) -> Any:
        if db_id == "away":
            raise SqlbergError("the server is away")
        return open_database(shop, embedder="none")

    away = QUESTIONS[1].model_copy(update={"db_id": "away"})
    run = partial(sample_candidates, folder=tmp_path, agent_options={"candidates": 2}, settings={})
    first = run([QUESTIONS[0], away], open_database=once_away)
    assert [bool(row.error) for row in first] == [False, True]
    assert run([QUESTIONS[0], away], open_database=opened(shop)) == first
    told: list[Sampled] = []
    again = run([QUESTIONS[0], away], open_database=opened(shop), again=True, finished=told.append)
    assert [bool(row.error) for row in again] == [False, False]
    assert [row.id for row in told] == [away.id]


def test_a_missing_database_ends_a_run_of_any_length(tmp_path: Path):
    def missing(db_id: str) -> Any:
        return open_database(tmp_path / f"{db_id}.sqlite")

    with pytest.raises(SqlbergError, match=r"every question failed, .*shop\.sqlite"):
        sample_candidates(QUESTIONS, tmp_path / "a", agent_options={}, open_database=missing, settings={})
    many = [question.model_copy(update={"id": f"m{n}"}) for n in range(4) for question in QUESTIONS]
    with pytest.raises(SqlbergError, match="in a row failed"):
        sample_candidates(many, tmp_path / "b", agent_options={}, open_database=missing, settings={})


def test_annotations_become_preferences_that_say_why(shop: Path, rows: list[Sampled], tmp_path: Path):
    annotate = partial(annotate_all, open_database=opened(shop), settings={})
    annotated = annotate(rows, {}, annotator("execution"), tmp_path)
    assert [row.id for row in annotated] == ["q0", "q1", "q2"]
    preferences = preferences_of(rows, annotated)
    told = {row.id: row for row in annotated if row.verdict == "preferred"}
    assert [one.id for one in preferences] == list(told)
    assert preferences
    for one in preferences:
        assert one.source == "execution"
        assert one.probability == told[one.id].probability > 0.6
        assert one.reasons
        assert one.chosen != one.rejected
    again = annotate(rows, {}, annotator("execution"), tmp_path)
    assert again == annotated


def test_rewards_decide_where_the_annotator_goes_by_them(shop: Path, rows: list[Sampled], tmp_path: Path):
    scored = {one.id: Scored(-1.0, 30.0 * (n == 1)) for row in rows for n, one in enumerate(row.responses)}
    annotated = annotate_all(
        rows, scored, annotator("implicit"), tmp_path, open_database=opened(shop), settings={}
    )
    assert {row.chosen for row in annotated if row.verdict == "preferred"} <= {f"q{n}-1" for n in range(3)}
    assert any(row.verdict == "preferred" for row in annotated)


QUICK = Plan(
    method="ssapo",
    rounds=2,
    candidates=4,
    adapter=Adapter(rank=4),
    seed_epochs=2,
    follower=Follower(epsilon=0.05),
    training=Settings(batch=2, micro=2, rate=1e-3, half=False, save_every=1),
)


def seeds_of(rows: list[Sampled]) -> list[Preference]:
    """A person who likes the first answer of each question better than the second."""
    return [
        Preference(
            id=f"seed-{row.id}",
            db_id=row.db_id,
            prompt=row.prompt,
            chosen=row.responses[0].messages,
            rejected=row.responses[1].messages,
        )
        for row in rows
    ]


def held_out(shop: Path) -> Dataset:
    asked = [("How many orders are there?", "SELECT count(*) FROM orders"), ("How many customers?", None)]
    questions = [Question(id=f"h{n}", db_id="shop", question=q, sql=s) for n, (q, s) in enumerate(asked)]
    return Dataset(shop.parent, tuple(questions[:1]), paths={"shop": shop}, digest="d")


def improved(shop: Path, rows: list[Sampled], folder: Path, plan: Plan = QUICK, **options: Any) -> Improved:
    return improve(
        EmbeddedLearner(), QUESTIONS, seeds_of(rows), folder, plan, open_database=opened(shop), **options
    )


def files(folder: Path, pattern: str) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob(pattern))}


@pytest.fixture(scope="module")
def finished(shop: Path, rows: list[Sampled], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("peft", reason="training needs the train extra")
    folder = tmp_path_factory.mktemp("whole")
    improved(shop, rows, folder)
    return folder


def answered_by(script: list[AIMessage], shop: Path, folder: Path) -> Sampled:
    """The first question, answered by a model that says these words."""
    options = {"model": ScriptedModel(script=script), "candidates": 1}
    [row] = sample_candidates(
        QUESTIONS[:1], folder, agent_options=options, open_database=opened(shop), settings={}
    )
    return row


def test_half_a_character_that_a_model_wrote_loses_no_question(shop: Path, tmp_path: Path):
    half = json.loads("\"SELECT name FROM customer WHERE name = '\\ud83d'\"")
    script = [sql(half), sql("SELECT count(*) FROM customer"), words("Three.")]
    row = answered_by(script, shop, tmp_path)
    assert row.responses[0].sql == "SELECT count(*) FROM customer"
    assert "\ufffd" in row.responses[0].messages[0].tool_calls[0].function.arguments["sql"]


def test_what_a_model_was_told_for_making_no_call_belongs_to_its_answer(shop: Path, tmp_path: Path):
    talk = words("I'll count them with SELECT count(*) FROM customer.")
    script = [talk, sql("SELECT count(*) FROM customer"), words("Three.")]
    row = answered_by(script, shop, tmp_path)
    [response] = row.responses
    assert [message.role for message in row.prompt] == ["system", "user"]
    assert [m.role for m in response.messages] == ["assistant", "user", "assistant", "tool", "assistant"]
    lesson = Trajectory(prompt=row.prompt, response=response.messages)
    assert lesson.question == ASKED[0]
    assert lesson_of(to_sqlberg(lesson)) == lesson


def test_a_causal_model_is_trained_on_what_it_read_when_it_answered(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("peft", reason="training needs the train extra")
    learner = learner_of(f"transformers:{build_tiny_model(tmp_path / 'tiny', spread=0.3, context=16384)}")
    model = learner.model(None)
    assert isinstance(model, TransformersChatModel)
    model.max_tokens = 20
    read: list[str] = []
    prompt = TransformersChatModel._prompt
    monkeypatch.setattr(
        TransformersChatModel, "_prompt", lambda *given: read.append(prompt(*given)) or read[-1]
    )
    [row] = sample_candidates(
        QUESTIONS[:1],
        tmp_path / "candidates",
        agent_options={"model": model, "candidates": 2},
        open_database=opened(shop),
        settings={},
    )
    policy = learner.policy(None, Adapter(rank=2))
    assert isinstance(policy, CausalPolicy)
    [answer, *_] = row.responses
    said = Annotated(
        id=row.id, db_id="shop", question=row.question, annotator="execution", verdict="preferred",
        chosen=answer.id, rejected=row.responses[1].id,
    )  # fmt: skip
    [pair] = preferences_of([row], [said])
    for tools in (row.tools, pair.tools):
        [first, *_] = turns_of(policy.tokenizer, row.prompt, answer.messages, tools=tools)
        assert policy.tokenizer.decode(first.context) == read[0]
    assert "find_shortest_path" in read[0]


def test_rounds_go_from_seed_preferences_to_adapters(finished: Path):
    report = json.loads((finished / "report.json").read_text())
    assert [one["number"] for one in report["rounds"]] == [0, 1, 2]
    assert [one["questions"] for one in report["rounds"]] == [0, 2, 1]
    assert report["rounds"][1]["pairs"] > report["rounds"][0]["pairs"] == 3
    assert not any(one["kept"] for one in report["rounds"])  # nothing was held out to tell
    for one in report["rounds"]:
        assert (Path(one["adapter"]) / "adapter_model.safetensors").is_file()
    [file] = finished.glob("weights-*.json")
    weights = json.loads(file.read_text())
    assert set(weights) >= {"share", "empty", "reward"}


def test_the_report_shows_rounds_and_curves_and_loads_nothing(finished: Path):
    page = (finished / "report.html").read_text()
    assert page.count("<svg") == 7  # annotations, training of three rounds, the follower of two, margins
    assert "no held-out questions were given" in page
    assert "src=" not in page
    assert "<script" not in page


def test_the_gate_keeps_what_is_in_use_where_nothing_is_gained(
    shop: Path, rows: list[Sampled], tmp_path: Path
):
    pytest.importorskip("peft", reason="training needs the train extra")
    run = improved(shop, rows, tmp_path, replace(QUICK, rounds=1), held_out=held_out(shop))
    assert run.adapter is None
    assert all(one.measured is not None and not one.kept for one in run.rounds)
    assert "no more questions" in run.rounds[-1].reason


@pytest.mark.parametrize("stage", ["candidates", "annotations", "training"])
def test_a_run_that_was_stopped_ends_with_the_same_preferences(
    shop: Path, rows: list[Sampled], finished: Path, stage: str, tmp_path: Path
):
    class Killed(Exception):
        pass

    class Killing(Progress):
        name: str = ""

        def stage(self, name: str, items: int) -> None:
            self.name = name

        def advance(self, items: int) -> None:
            if (self.round, self.name) == (1, stage):
                raise Killed

        def step(self, step: Step) -> None:
            self.advance(1)

    with pytest.raises(Killed):
        improved(shop, rows, tmp_path, progress=Killing())
    improved(shop, rows, tmp_path)
    assert files(tmp_path, "preferences.jsonl") == files(finished, "preferences.jsonl")


def test_annotations_are_held_against_gold_where_it_is_known(shop: Path, rows: list[Sampled], tmp_path: Path):
    gold = "SELECT count(*) FROM customer WHERE country = 'Chile'"
    known = [QUESTIONS[0].model_copy(update={"sql": gold}), *QUESTIONS[1:]]
    right = rows[0].responses[0]
    wrong = right.model_copy(update={"id": "wrong", "sql": "SELECT name FROM customer"})
    rows = [rows[0].model_copy(update={"responses": (right, wrong)}), *rows[1:]]
    about: dict[str, Any] = {
        "id": "q0",
        "db_id": "shop",
        "question": "",
        "annotator": "execution",
        "verdict": "preferred",
    }
    told = [
        Annotated(**about, chosen=wrong.id, rejected=right.id),
        Annotated(**{**about, "id": "q1", "chosen": wrong.id, "rejected": right.id}),
    ]
    [found] = truths(known, rows, told, tmp_path, open_database=opened(shop), settings={})
    assert (found.id, found.chosen, found.rejected) == ("q0", False, True)


def test_weak_negatives_are_answers_to_other_questions(rows: list[Sampled]):
    seeds = seeds_of(rows)
    strange = seeds[1].model_copy(update={"db_id": "elsewhere"})
    found = weak_negatives([seeds[0], strange, seeds[2]], 2)
    assert found[0] == [seeds[2].chosen, strange.chosen]
    assert weak_negatives(seeds[:2], 2)[0] == [seeds[1].chosen] * 2
    assert weak_negatives([seeds[0], seeds[0]], 2) == [[], []]


def test_energy_preference_alignment_trains_against_them(shop: Path, rows: list[Sampled], tmp_path: Path):
    pytest.importorskip("peft", reason="training needs the train extra")
    run = improved(shop, rows, tmp_path, replace(QUICK, method="epa", rounds=1))
    steps = [json.loads(line) for line in (tmp_path / "round-1" / "train" / "log.jsonl").open()]
    assert run.rounds[1].pairs > 3
    assert len(steps) == -(-run.rounds[1].pairs // 2)


def test_an_annotator_without_anything_to_go_by_is_one_clear_error(shop: Path, tmp_path: Path):
    plan = replace(QUICK, annotator="implicit")
    with pytest.raises(SqlbergError, match="implicit annotator"):
        improve(EmbeddedLearner(), QUESTIONS, [], tmp_path, plan, open_database=opened(shop))


@pytest.mark.parametrize("plan", [replace(QUICK, reference="start"), replace(QUICK, method="poft")])
def test_what_an_objective_lacks_is_told_before_any_round(
    shop: Path, rows: list[Sampled], tmp_path: Path, plan: Plan
):
    with pytest.raises(SqlbergError, match=r"reference base|name at least one"):
        improved(shop, rows, tmp_path, plan)
    assert not list(tmp_path.iterdir())


def test_only_ties_are_one_clear_error(shop: Path, tmp_path: Path):
    plan = replace(QUICK, candidates=1, rounds=1)
    with pytest.raises(SqlbergError, match="no preference to learn from"):
        improve(EmbeddedLearner(), QUESTIONS, [], tmp_path, plan, open_database=opened(shop))


def test_a_folder_begun_with_other_questions_is_refused(shop: Path, rows: list[Sampled], finished: Path):
    with pytest.raises(SqlbergError, match="questions is"):
        improve(EmbeddedLearner(), QUESTIONS[:2], seeds_of(rows), finished, QUICK, open_database=opened(shop))


def test_a_training_that_is_refused_leaves_the_preferences_of_the_one_before(
    rows: list[Sampled], tmp_path: Path
):
    pytest.importorskip("peft", reason="training needs the train extra")
    first, *others = seeds_of(rows)
    settings = Settings(batch=2, half=False)

    def trained(pairs: list[Preference]) -> None:
        policy = EmbeddedLearner().policy(None, Adapter(rank=2))
        learn(policy, pairs, settings, tmp_path, Learning(tmp_path / "references"), Progress())

    trained([first])
    before = files(tmp_path, "preferences.jsonl")
    with pytest.raises(SqlbergError, match="pairs is"):
        trained(others)
    assert files(tmp_path, "preferences.jsonl") == before


def test_what_passes_the_gate_is_used_and_a_rollback_is_not_overruled(
    shop: Path, rows: list[Sampled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("peft", reason="training needs the train extra")
    monkeypatch.setattr("sqlberg.training.rounds.improve.gate", lambda *measured: (True, "for the test"))
    plan = replace(QUICK, rounds=1)
    run = improved(shop, rows, tmp_path, plan, held_out=held_out(shop))
    assert run.adapter == tmp_path / "round-1/train/adapter"
    assert roll_back(tmp_path) == tmp_path / "round-0/train/adapter"
    again = improved(shop, rows, tmp_path, plan, held_out=held_out(shop))
    assert again.adapter == tmp_path / "round-0/train/adapter"
    assert roll_back(tmp_path) is None


def test_weak_negatives_without_words_are_left_out_and_not_their_pair(rows: list[Sampled], tmp_path: Path):
    pytest.importorskip("peft", reason="training needs the train extra")
    seeds = seeds_of(rows)
    call = seeds[1].chosen[-3].tool_calls[0]
    strange = call.model_copy(
        update={"function": call.function.model_copy(update={"arguments": {"sql": "SELECT * FROM nowhere"}})}
    )
    broken = [m.model_copy(update={"tool_calls": (strange,)}) if m.tool_calls else m for m in seeds[1].chosen]
    unreadable = seeds[1].model_copy(update={"id": "broken", "chosen": tuple(broken)})
    told = learn(
        EmbeddedLearner().policy(None, Adapter(rank=2)),
        [seeds[0], unreadable, seeds[2]],
        Settings(objective="epa", half=False),
        tmp_path,
        Learning(tmp_path / "references"),
        Progress(),
    )
    assert (told.pairs, told.unreadable) == (3, 1)
    policy = EmbeddedLearner().policy(None, Adapter(rank=2))
    read = [policy.encode(one.prompt, [one.chosen, one.rejected]) for one in (seeds[0], seeds[2])]
    assert told.rejected_tokens == sum(row.own_tokens[1] for row in read) / 2
    aside = json.loads((tmp_path / "set_aside.jsonl").read_text())
    assert aside["id"] == "broken"


def test_aligned_models_score_with_their_own_tokenizers_once(
    rows: list[Sampled], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    pytest.importorskip("peft", reason="training needs the train extra")
    tiny = f"transformers:{build_tiny_model(tmp_path_factory.mktemp('tiny'), spread=0.1)}"
    pairs = seeds_of(rows)
    one, other = (np.array(aligned_scores([name], pairs, tmp_path), float) for name in ("embedded", tiny))
    done: list[int] = []
    both = np.array(aligned_scores(["embedded", tiny], pairs, tmp_path, done.append), float)
    assert both == pytest.approx((one + other) / 2)
    assert both.max() < 0
    assert done[0] == len(pairs)  # read before
    with pytest.raises(SqlbergError, match="does not run here"):
        aligned_scores(["vllm:base"], pairs, tmp_path)


def test_what_no_aligned_model_has_words_for_is_set_aside(
    rows: list[Sampled], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    pytest.importorskip("peft", reason="training needs the train extra")
    learner = learner_of(f"transformers:{build_tiny_model(tmp_path_factory.mktemp('tiny'), spread=0.1)}")
    first, second, *_ = seeds_of(rows)
    strange = with_sql(list(second.chosen), "SELECT a.name FROM customer a JOIN customer b ON a.id = b.id")
    lessons = [first, second.model_copy(update={"chosen": tuple(strange)})]
    about = Learning(tmp_path / "references", aligned=("embedded",))
    done = learn(
        learner.policy(None, Adapter(rank=2)),
        lessons,
        Settings(objective="poft"),
        tmp_path,
        about,
        Progress(),
    )
    assert (done.pairs, done.unreadable) == (2, 1)
    assert json.loads((tmp_path / "set_aside.jsonl").read_text())["id"] == second.id


def test_a_reference_cannot_be_trained_where_it_is_served():
    with pytest.raises(SqlbergError, match="cannot be trained here"):
        learner_of("vllm:base")
