"""SqlAgent: the ways to ask, conversations, many threads, and what it refuses."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from sqlberg.agents.budget import Budget
from sqlberg.agents.conversation import new_thread_id, valid_thread_id
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.errors import SqlbergError
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.limits import Limits
from sqlberg.tools.policy import AccessPolicy

from .conftest import write_sqlite
from .scripted import ScriptedModel, StreamingModel, sql, words

COUNT = "SELECT count(*) FROM singer"
ENDLESS = "SELECT count(*) FROM " + ", ".join(f"singer AS s{i}" for i in range(20))


def echo(messages: list[BaseMessage]) -> AIMessage:
    """Runs the question itself as SQL, then says the result: an agent whose right answer is known."""
    if messages[-1].type == "tool":
        return words(str(messages[-1].text).splitlines()[-1])
    return sql(str(messages[-1].text))


def asked(model: ScriptedModel) -> list[str]:
    """The latest dialogue after its system prompt, as texts and SQL."""
    return [
        str(message.text) or getattr(message, "tool_calls", [{"args": {}}])[0]["args"].get("sql", "")
        for message in model.sent[-1][1:]
    ]


def test_ask_answers(music: Database) -> None:
    answer = SqlAgent(music, ScriptedModel(script=echo)).ask(COUNT)
    assert (answer.status, answer.text, answer.origin.model) == ("answered", "4", "ScriptedModel")


def test_a_database_may_be_given_by_its_reference(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    with SqlAgent(tmp_path / "music.sqlite", ScriptedModel(script=echo), limits=Limits(rows=2)) as agent:
        answer = agent.ask("SELECT name FROM singer")
    assert [str(cut) for cut in answer.cuts] == ["only the first 2 of more rows were read"]


def test_a_result_cut_at_the_limit_is_not_told_as_a_count(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    with SqlAgent(tmp_path / "music.sqlite", limits=Limits(rows=2)) as agent:
        assert agent.ask("Show the names of all singers").text.startswith("More than 2 rows: ")


def test_a_database_that_is_open_takes_no_policy(music: Database) -> None:
    with pytest.raises(SqlbergError, match="already open"):
        SqlAgent(music, ScriptedModel(script=echo), policy=AccessPolicy(hide_tables=("concert",)))


def test_cancelling_ends_the_wait_for_an_earlier_question(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo))
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with agent._memory.turn_taking("one"):
        started = time.monotonic()
        answer = agent.ask(COUNT, thread_id="one", cancel=cancel)
    assert time.monotonic() - started < 2
    assert (answer.status, answer.reason, answer.thread_id) == ("partial", "the caller cancelled", "one")
    assert agent.conversation("one") == []
    assert agent.ask(COUNT, thread_id="one").status == "answered"


def test_the_wait_for_an_earlier_question_ends_with_the_budget(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo), budget=Budget(seconds=0.3), candidates=2)
    with agent._memory.turn_taking("one"):
        answer = agent.ask(COUNT, thread_id="one")
    assert answer.status == "partial"
    assert "the time budget ended while an earlier question" in answer.text
    assert 0.3 <= answer.seconds < 2


@pytest.mark.parametrize("given", [f"```sql\n{COUNT};\n```", f"{COUNT}; ", COUNT + " -- ```"])
def test_an_answers_sql_is_the_callers_and_never_the_guards(tmp_path: Path, given: str) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    policy = AccessPolicy(hide_columns=("singer.age",), row_filters={"singer": "age < 40"})
    with SqlAgent(tmp_path / "music.sqlite", ScriptedModel(script=echo), policy=policy) as agent:
        answer = agent.ask(given)
    assert answer.sql == given.removeprefix("```sql\n").removesuffix("\n```").rstrip("; ")
    assert "age <" not in answer.to_json()


def test_aask_answers(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo))
    assert asyncio.run(agent.aask(COUNT)).text == "4"


def test_cancelling_aask_stops_the_query(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=[sql(ENDLESS), words("Done.")]))

    async def cancelled() -> float:
        task = asyncio.create_task(agent.aask("How many?"))
        await asyncio.sleep(0.4)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(cancelled()) < 1


def test_stream_ends_with_the_answer(music: Database) -> None:
    events = list(SqlAgent(music, ScriptedModel(script=echo)).stream(COUNT))
    assert [event.kind for event in events] == ["call", "step", "answer"]
    assert events[-1].answer is not None
    assert events[-1].answer.text == "4"


def test_a_streaming_model_is_heard_word_by_word(music: Database) -> None:
    model = StreamingModel(script=[sql(COUNT, "I count the singers."), words("There are four.")])
    tokens = [event.text for event in SqlAgent(music, model).stream("How many?") if event.kind == "token"]
    assert "".join(tokens).split() == ["I", "count", "the", "singers.", "There", "are", "four."]


def test_leaving_a_stream_stops_the_model(music: Database) -> None:
    model = StreamingModel(script=[words("word " * 400)], pause=0.01)
    stream = SqlAgent(music, model).stream("How many?")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    said = len(model.said)
    time.sleep(0.2)
    assert len(model.said) == said < 100


def test_batch_answers_in_order_and_goes_on_after_a_question_that_cannot_be_asked(music: Database) -> None:
    answers = SqlAgent(music, ScriptedModel(script=echo)).batch([COUNT, " ", "SELECT 7"], concurrency=2)
    assert [answer.status for answer in answers] == ["answered", "failed", "answered"]
    assert answers[2].text == "7"


def test_twenty_threads_get_their_own_answers(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo), explain=False)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: agent.ask(f"SELECT {number} + 1"), range(60)))
    assert [answer.text for answer in answers] == [str(number + 1) for number in range(60)]


def test_a_follow_up_question_sees_the_earlier_one_with_its_sql_and_result(music: Database) -> None:
    model = ScriptedModel(script=[sql(COUNT), words("Four."), sql(COUNT + " WHERE age > 40"), words("Two.")])
    agent = SqlAgent(music, model)
    agent.ask("How many singers?", thread_id="ann")
    agent.ask("And above 40?", thread_id="ann")
    dialogue = asked(model)
    assert dialogue[:5] == [
        "How many singers?",
        COUNT,
        "1 row, 1 column\ncount(*)\n4",
        "Four.",
        "And above 40?",
    ]


def test_threads_do_not_see_each_other(music: Database) -> None:
    model = ScriptedModel(script=echo)
    agent = SqlAgent(music, model)
    agent.ask("SELECT 11", thread_id="ann")
    agent.ask("SELECT 22", thread_id="bob")
    assert "SELECT 11" not in asked(model)


def test_a_question_without_a_thread_is_remembered_nowhere(music: Database) -> None:
    model = ScriptedModel(script=echo)
    agent = SqlAgent(music, model)
    agent.ask("SELECT 11")
    agent.ask("SELECT 22")
    assert len(asked(model)) == 3


def test_a_thread_forgets_its_oldest_questions(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo), explain=False)
    for number in range(9):
        agent.ask(f"SELECT {number}", thread_id="ann")
    assert [turn["question"] for turn in agent.conversation("ann")] == [f"SELECT {n}" for n in range(3, 9)]


def test_a_conversation_can_be_forgotten(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo))
    agent.ask("SELECT 11", thread_id="ann")
    agent.forget("ann")
    assert agent.conversation("ann") == []


def test_conversations_in_a_file_outlive_the_agent(music: Database, tmp_path: Path) -> None:
    with SqlAgent(music, ScriptedModel(script=echo), memory=tmp_path / "talks.sqlite") as agent:
        agent.ask("SELECT 11", thread_id="ann")
    with SqlAgent(music, ScriptedModel(script=echo), memory=tmp_path / "talks.sqlite") as agent:
        assert [turn["sql"] for turn in agent.conversation("ann")] == ["SELECT 11"]


def test_a_conversation_under_one_policy_is_not_seen_under_another(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    memory = tmp_path / "talks.sqlite"
    with SqlAgent(tmp_path / "music.sqlite", ScriptedModel(script=echo), memory=memory) as agent:
        agent.ask("SELECT max(age) FROM singer", thread_id="ann")
    policy = AccessPolicy(hide_columns=("singer.age",))
    with SqlAgent(
        tmp_path / "music.sqlite", ScriptedModel(script=echo), memory=memory, policy=policy
    ) as agent:
        assert agent.conversation("ann") == []


@pytest.mark.parametrize(
    "thread_id", ["../../etc/passwd", "a/b", "", "a b", "'; DROP TABLE checkpoints; --", "x" * 129, "a..b"]
)
def test_a_thread_id_is_a_plain_name(music: Database, thread_id: str) -> None:
    with pytest.raises(SqlbergError, match="thread id"):
        SqlAgent(music, ScriptedModel(script=echo)).ask("How many?", thread_id=thread_id)


def test_memory_that_cannot_be_written_is_refused_in_one_line(music: Database, tmp_path: Path) -> None:
    (tmp_path / "talks.sqlite").write_text(
        "this is no database, and longer than a header of SQLite needs to be"
    )
    with pytest.raises(SqlbergError, match=r"cannot be kept in talks\.sqlite"):
        SqlAgent(music, ScriptedModel(script=echo), memory=tmp_path / "talks.sqlite")


def test_the_memory_is_no_file_of_another_use(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    before = (tmp_path / "music.sqlite").read_bytes()
    with pytest.raises(SqlbergError, match="tables of another use"):
        SqlAgent(tmp_path / "music.sqlite", ScriptedModel(script=echo), memory=tmp_path / "music.sqlite")
    assert (tmp_path / "music.sqlite").read_bytes() == before


def test_an_answer_that_cannot_be_remembered_is_given_and_says_so(music: Database) -> None:
    class Full(InMemorySaver):
        def put(self, *args: Any, **kwargs: Any) -> Any:
            raise sqlite3.OperationalError("database is locked")

    agent = SqlAgent(music, ScriptedModel(script=echo), memory=Full())
    answer = agent.ask("SELECT 11", thread_id="ann")
    assert list(answer.rows) == [(11,)]
    assert "does not remember this answer: database is locked" in answer.notes[-1]


def test_files_of_one_name_in_two_folders_share_no_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remembered(folder: str) -> list[str]:
        monkeypatch.chdir(tmp_path / folder)
        memory = tmp_path / "talks.sqlite"
        with SqlAgent("music.sqlite", ScriptedModel(script=echo), memory=memory) as agent:
            agent.ask(f"SELECT '{folder}'", thread_id="ann")
            return [turn["question"] for turn in agent.conversation("ann")]

    for folder in "ab":
        (tmp_path / folder).mkdir()
        write_sqlite(tmp_path / folder / "music.sqlite")
        assert remembered(folder) == [f"SELECT '{folder}'"]
    with SqlAgent(
        tmp_path / "a" / "music.sqlite", ScriptedModel(script=echo), memory=tmp_path / "talks.sqlite"
    ) as agent:
        assert len(agent.conversation("ann")) == 1


def test_an_answer_names_the_model_as_it_was_given(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo), model_name="openai:gpt")
    assert agent.ask(COUNT).origin.model == "openai:gpt"


def test_questions_of_one_thread_wait_for_each_other(music: Database) -> None:
    agent = SqlAgent(music, ScriptedModel(script=echo), explain=False)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: agent.ask(f"SELECT {number}", thread_id="ann"), range(6)))
    assert sorted(turn["question"] for turn in agent.conversation("ann")) == [f"SELECT {n}" for n in range(6)]


def test_an_empty_question_is_refused(music: Database) -> None:
    with pytest.raises(SqlbergError, match="no question"):
        SqlAgent(music, ScriptedModel(script=echo)).ask(" ")


def test_candidates_vote_by_result(music: Database) -> None:
    replies = {0: COUNT, 1: "SELECT 4", 2: "SELECT 5"}
    agent = SqlAgent(music, Candidates(replies), candidates=3)
    answer = agent.ask("How many singers?")
    assert (list(answer.rows), answer.tried) == ([(4,)], 3)
    assert answer.confidence == pytest.approx(2 / 3)


def test_the_first_candidate_is_greedy_and_the_others_have_seeds_of_their_own(music: Database) -> None:
    model = ScriptedModel(script=echo)
    SqlAgent(music, model, candidates=3, temperature=0.9, seed=10).ask("SELECT 1")
    options = {tuple(option.values()) for option in model.options}
    assert options == {(None, 0.0), (11, 0.9), (12, 0.9)}


def test_disagreeing_candidates_abstain_with_the_reason_and_their_readings(music: Database) -> None:
    agent = SqlAgent(
        music, Candidates({0: COUNT, 1: "SELECT 5", 2: "SELECT 6"}), candidates=3, abstain_below=0.5
    )
    answer = agent.ask("How many singers?")
    assert (answer.status, answer.sql, len(answer.readings)) == ("abstained", "", 3)
    assert "disagree" in answer.reason


def test_rival_readings_with_different_results_are_asked_back_showing_both(music: Database) -> None:
    young, old = "SELECT count(*) FROM singer WHERE age < 40", "SELECT max(age) FROM singer"
    answer = SqlAgent(music, Candidates({0: young, 1: old}), candidates=2).ask("How old?")
    assert answer.status == "clarify"
    assert "2" in answer.text
    assert "52" in answer.text
    assert [reading.sql for reading in answer.readings] == [young, old]


def test_rival_readings_with_one_result_are_not_asked_back(music: Database) -> None:
    answer = SqlAgent(music, Candidates({0: COUNT, 1: "SELECT 4"}), candidates=2).ask("How many?")
    assert answer.status == "answered"


def test_a_vote_is_remembered_in_its_thread(music: Database) -> None:
    agent = SqlAgent(music, Candidates({0: COUNT, 1: "SELECT 4"}), candidates=2)
    agent.ask("How many?", thread_id="ann")
    assert [turn["sql"] for turn in agent.conversation("ann")] == [COUNT]


def test_a_single_answer_of_known_low_confidence_is_withheld(music: Database) -> None:
    model = ScriptedModel(script=[sql(COUNT, logprob=-2.0), words("Four.")])
    answer = SqlAgent(music, model, abstain_below=0.5).ask("How many?")
    assert (answer.status, answer.sql) == ("abstained", "")


def test_a_withheld_answer_is_remembered_with_its_best_guess(music: Database) -> None:
    model = ScriptedModel(script=[sql(COUNT, logprob=-2.0), words("Four.")])
    agent = SqlAgent(music, model, abstain_below=0.5)
    assert agent.ask("How many?", thread_id="ann").sql == ""
    (turn,) = agent.conversation("ann")
    assert turn["sql"] == COUNT
    assert turn["text"].startswith("I do not answer this")


def test_a_single_answer_of_unknown_confidence_is_given(music: Database) -> None:
    answer = SqlAgent(music, ScriptedModel(script=echo), abstain_below=0.5).ask(COUNT)
    assert (answer.status, answer.confidence) == ("answered", None)


def test_a_cancelled_question_is_partial(music: Database) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    agent = SqlAgent(music, ScriptedModel(script=[sql(ENDLESS), words("Done.")]), budget=Budget(seconds=20))
    answer = agent.ask("How many?", cancel=cancel)
    assert (answer.status, answer.reason) == ("partial", "the caller cancelled")


def test_the_policy_holds_for_the_agent(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    model = ScriptedModel(script=[sql("SELECT age FROM singer"), words("I may not.")])
    with (
        open_database(
            tmp_path / "music.sqlite", policy=AccessPolicy(hide_columns=("singer.age",))
        ) as database,
        SqlAgent(database, model) as agent,
    ):
        answer = agent.ask("How old?")
    assert answer.status == "abstained"
    assert "52" not in "".join(str(message.text) for message in answer.messages[1:])


def test_nothing_of_a_model_reaches_the_file_system(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "music.sqlite")
    before = (tmp_path / "music.sqlite").read_bytes()
    model = ScriptedModel(
        script=[sql("DROP TABLE singer"), sql(f"ATTACH '{tmp_path / 'x.db'}' AS x"), words("Done.")]
    )
    with SqlAgent(tmp_path / "music.sqlite", model) as agent:
        assert agent.ask("Drop it").status == "abstained"
    assert (tmp_path / "music.sqlite").read_bytes() == before
    assert not (tmp_path / "x.db").exists()


def test_a_stored_conversation_cannot_construct_objects(music: Database, tmp_path: Path) -> None:
    path = tmp_path / "talks.sqlite"
    with SqlAgent(music, ScriptedModel(script=echo), memory=path) as agent:
        agent.ask("SELECT 11", thread_id="ann")
    with sqlite3.connect(path) as connection:
        kinds = {row[0] for row in connection.execute("SELECT DISTINCT type FROM checkpoints")}
    assert kinds == {"msgpack"}


class Candidates(ScriptedModel):
    """Candidate 0 (no seed) and the candidates with seeds 1, 2, ... each run a statement of their own."""

    def __init__(self, statements: dict[int, str]) -> None:
        super().__init__(script=echo)
        self._statements = statements

    def _generate(
        self, messages: list[BaseMessage], stop=None, run_manager=None, seed=None, temperature=None, **_
    ):  # type: ignore[no-untyped-def, override]
        from langchain_core.outputs import ChatGeneration, ChatResult

        done = messages[-1].type == "tool"
        reply = words("Done.") if done else sql(self._statements[seed or 0])
        return ChatResult(generations=[ChatGeneration(message=reply)])


def test_a_new_thread_id_is_always_one_that_agents_take():
    made = {new_thread_id() for _ in range(500)}
    assert len(made) == 500
    assert {valid_thread_id(one) for one in made} == made
