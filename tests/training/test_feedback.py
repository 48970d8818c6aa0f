"""What people say of answers: kept whatever happens, and turned into lessons."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.errors import SqlbergError
from sqlberg.training.feedback.lessons import agreed, lessons, up_to_sql
from sqlberg.training.feedback.store import Asked, Logged, Said, Store
from sqlberg.training.formats import chat_messages
from sqlberg.training.preferences import Message, Preference, Trajectory

BETTER, WORSE = "SELECT count(*) FROM customer WHERE country = 'Chile'", "SELECT count(*) FROM customer"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "feedback.sqlite")


@pytest.fixture(scope="module")
def question(shop: Path) -> Asked:
    """A question that the embedded model was really asked."""
    with SqlAgent(shop) as agent:
        answer = agent.ask("How many customers are there?")
    messages = chat_messages(answer.messages)
    place = max(n for n, message in enumerate(messages) if message.role == "user") + 1
    return Asked(
        person="ada",
        db_id="shop",
        question=answer.question,
        prompt=tuple(messages[:place]),
        response=tuple(messages[place:]),
        sql=answer.sql,
        answer=answer.to_dict(),
    )


def test_what_was_kept_is_found_again(store: Store, question: Asked):
    store.keep(question)
    number = store.say(Said(asked=question.id, person="bo", verdict="down", words="counts the wrong ones"))
    again = Store(store.path)
    assert again.asked() == [question] == again.asked(person="ada", thread="", words="MANY customers", most=1)
    assert again.asked(person="bo") == again.asked(words="orders") == again.asked(db_id="other") == []
    (said,) = again.said(question.id)
    assert (said.number, said.person, said.verdict) == (number, "bo", "down")
    assert again.find(question.id) == question
    assert again.find(question.id, person="bo") is None
    assert again.find("guessed") is None


def test_what_was_done_is_logged_in_order(store: Store):
    for n in range(3):
        store.log(Logged(person="ada", db_id="shop", event="run", sql=f"SELECT {n}", rows=n, outcome="ran"))
    assert [one.sql for one in Store(store.path).logged()] == ["SELECT 2", "SELECT 1", "SELECT 0"]
    assert store.logged(most=1)[0].rows == 2


def test_many_threads_write_at_once(store: Store):
    asked = [Asked(db_id="shop", question=f"question {n}", person=f"p{n % 4}") for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.keep, asked))
        numbers = list(pool.map(lambda one: store.say(Said(asked=one.id, verdict="up")), asked))
    assert sorted(numbers) == list(range(1, 61))
    assert {one.id for one in store.asked()} == {one.id for one in asked}


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path):
    file = tmp_path / "feedback.sqlite"
    script = (
        "import sys\nfrom pathlib import Path\nfrom sqlberg.training.feedback.store import *\n"
        f"store = Store(Path({str(file)!r}))\n"
        "for n in range(10**6):\n"
        "    asked = store.keep(Asked(db_id='shop', question=f'question {n}'))\n"
        "    store.say(Said(asked=asked.id, verdict='up'))\n"
        "    print(asked.id, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(25)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    store = Store(file)
    assert {one.id for one in store.asked()} >= set(acknowledged)
    assert {one.asked for one in store.said()} >= set(acknowledged)


def test_what_cannot_be_kept_is_one_sentence(tmp_path: Path, store: Store):
    with pytest.raises(SqlbergError, match="not in the store"):
        store.say(Said(asked="nothing", verdict="up"))
    other = tmp_path / "other"
    other.write_text("no database at all, but a text that is long enough to be looked at" * 20)
    with pytest.raises(SqlbergError, match="cannot be used: file is not a database"):
        Store(other)
    later = tmp_path / "later.sqlite"
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SqlbergError, match="later sqlberg"):
        Store(later)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_database_of_another_application_is_left_as_it_is(tmp_path: Path, mode: str):
    file = tmp_path / "what? 100%.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.executescript("CREATE TABLE asked (id INTEGER, words TEXT); PRAGMA user_version = 99")
    before = file.read_bytes()
    for new in (True, False):
        with pytest.raises(SqlbergError, match="is no store of `sqlberg chat`, and was left as it is"):
            Store(file, new=new)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_empty_file_is_a_store_only_to_whoever_begins_one(tmp_path: Path):
    file = tmp_path / "empty.sqlite"
    file.touch()
    with pytest.raises(SqlbergError, match="is no store"):
        Store(file, new=False)
    assert file.read_bytes() == b""
    assert Store(file).asked() == []


def test_a_store_is_read_while_a_page_writes_into_it(store: Store, question: Asked):
    store.keep(question)
    log = store.path.with_name(store.path.name + "-wal")
    assert log.stat().st_size > store.path.stat().st_size  # its tables are in the log as yet
    assert Store(store.path, new=False).asked() == [question]


def test_a_store_of_the_first_version_is_read_on(store: Store, question: Asked):
    store.keep(question)
    with sqlite3.connect(store.path) as connection:
        connection.execute("ALTER TABLE asked DROP COLUMN rights")
        connection.execute("PRAGMA user_version = 1")
    again = Store(store.path, new=False)
    again.keep(question.model_copy(update={"id": "later", "rights": "some"}))
    assert {one.id: one.rights for one in again.asked()} == {question.id: "", "later": "some"}


def lesson_of(question: Asked, *said: Said):
    return lessons([question], said)


def test_a_correction_is_better_than_what_was_answered(question: Asked):
    words = "only those of Chile"
    (lesson,) = lesson_of(
        question, Said(asked=question.id, person="bo", verdict="corrected", better=BETTER, words=words)
    )
    assert isinstance(lesson, Preference)
    assert (lesson.source, lesson.reasons, lesson.question) == (
        "person",
        (f"bo: {words}",),
        question.question,
    )
    for side, sql in ((lesson.chosen, BETTER), (lesson.rejected, question.sql)):
        assert side[-1].tool_calls[0].function.arguments == {"sql": sql}
    assert lesson.chosen[:-1] == lesson.rejected[:-1]


def test_a_thumb_up_is_imitated_and_a_thumb_down_alone_teaches_nothing(question: Asked):
    (lesson,) = lesson_of(question, Said(asked=question.id, verdict="up"))
    assert isinstance(lesson, Trajectory)
    assert lesson.response[-1].tool_calls[0].function.arguments == {"sql": question.sql}
    assert lesson_of(question, Said(asked=question.id, verdict="down")) == []
    assert lesson_of(question, Said(asked=question.id, verdict="comment", words="hm")) == []


@pytest.mark.parametrize("verdict", ["down", "neither"])
def test_one_thumb_up_does_not_outweigh_those_against_it(
    question: Asked, verdict: Literal["down", "neither"]
):
    up = Said(asked=question.id, person="ada", verdict="up")
    against = [Said(asked=question.id, person=str(number), verdict=verdict) for number in range(2)]
    assert lesson_of(question, up, *against[:1]) == lesson_of(question, up, *against) == []
    assert len(lesson_of(question, up, up.model_copy(update={"person": "bo"}), against[0])) == 1
    corrected = Said(asked=question.id, person="cy", verdict="corrected", better=BETTER)
    (lesson,) = lesson_of(question, corrected, *against)
    assert isinstance(lesson, Preference)


def test_with_a_rival_reading_thumbs_are_preferences(question: Asked):
    two = question.model_copy(update={"others": (WORSE + " WHERE 1 = 1",)})
    (up,) = lesson_of(two, Said(asked=two.id, verdict="up"))
    (down,) = lesson_of(two, Said(asked=two.id, verdict="down"))
    assert isinstance(up, Preference)
    assert isinstance(down, Preference)
    assert (up.chosen, up.rejected) == (down.rejected, down.chosen)
    (chosen,) = lesson_of(two, Said(asked=two.id, verdict="preferred", better=BETTER, worse=WORSE))
    assert isinstance(chosen, Preference)
    assert chosen.chosen[-1].tool_calls[0].function.arguments == {"sql": BETTER}


def test_that_neither_answer_is_right_teaches_nothing_and_takes_back_what_was_said(question: Asked):
    two = question.model_copy(update={"others": (WORSE + " WHERE 1 = 1",)})
    choice = Said(asked=two.id, person="ada", verdict="preferred", better=BETTER, worse=WORSE)
    neither = Said(asked=two.id, person="ada", verdict="neither")
    assert lesson_of(two, neither) == lesson_of(two, choice, neither) == []
    assert len(lesson_of(two, neither, choice)) == 1


def test_the_last_word_of_a_person_counts_and_a_draw_counts_for_nothing(question: Asked):
    def says(person: str, sql: str) -> Said:
        return Said(asked=question.id, person=person, verdict="corrected", better=sql)

    other = "SELECT 7"
    (lesson,) = lesson_of(question, says("ada", other), says("ada", BETTER))
    assert isinstance(lesson, Preference)
    assert lesson.chosen[-1].tool_calls[0].function.arguments == {"sql": BETTER}
    assert lesson_of(question, says("ada", other), says("bo", BETTER)) == []
    assert len(lesson_of(question, says("ada", other), says("bo", BETTER), says("cy", BETTER))) == 1
    assert agreed([]) is None


def test_people_vote_over_one_question_though_each_was_asked_it_anew(question: Asked):
    other = "SELECT 7"
    texts = (question.question, question.question.upper(), question.question.replace(" ", "  "))
    asked = [question.model_copy(update={"id": str(n), "question": text}) for n, text in enumerate(texts)]

    def lessons_of(*choices: str) -> list[Preference]:
        said = [
            Said(
                asked=str(n), person=str(n), verdict="preferred", better=choice,
                worse=other if choice == BETTER else BETTER,
            )
            for n, choice in enumerate(choices)
        ]  # fmt: skip
        return [one for one in lessons(asked, said) if isinstance(one, Preference)]

    assert lessons_of(BETTER, other) == []
    (lesson,) = lessons_of(other, BETTER, BETTER)
    assert lesson.id == "0"
    assert lesson.chosen[-1].tool_calls[0].function.arguments == {"sql": BETTER}
    assert lesson.rejected[-1].tool_calls[0].function.arguments == {"sql": other}


def test_what_is_asked_with_other_rights_or_after_other_words_is_another_question(question: Asked):
    earlier = Message(role="user", content="Which countries are there?")
    others = (
        {"id": "rights", "rights": "some"},
        {"id": "database", "db_id": "other"},
        {"id": "later", "prompt": (*question.prompt[:-1], earlier, question.prompt[-1])},
    )
    asked = [question, *(question.model_copy(update=other) for other in others)]
    said = [Said(asked=one.id, person="ada", verdict="up") for one in asked]
    assert [one.id for one in lessons(asked, said)] == [one.id for one in asked]


def test_a_lesson_has_the_dialogue_that_was_judged(question: Asked):
    failed = question.model_copy(update={"id": "failed", "prompt": (), "response": (), "sql": ""})
    unjudged = question.model_copy(update={"id": "unjudged"})

    def told_by(judged: str) -> list[str]:
        said = Said(asked=judged, verdict="corrected", better=BETTER)
        return [one.id for one in lessons([failed, unjudged, question], [said])]

    assert told_by(question.id) == [question.id]
    assert told_by("failed") == ["unjudged"]


def test_who_holds_an_answer_right_counts_before_what_it_is_better_than():
    a, b, c, d = "SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"
    assert agreed([(a, b), (a, c), (d, a), (d, a)]) is None
    assert agreed([(a, b), (a, c), (a, c), (d, a), (d, a)]) == (a, c)


def test_a_question_whose_dialogue_never_began_teaches_nothing(question: Asked):
    failed = question.model_copy(update={"prompt": (), "response": (), "status": "failed", "id": "f"})
    said = [Said(asked=one.id, verdict="corrected", better=BETTER) for one in (failed, question)]
    assert [lesson.id for lesson in lessons([failed, question], said)] == [question.id]


def test_words_are_found_in_any_case_of_any_language(store: Store, question: Asked):
    kept = store.keep(question.model_copy(update={"question": "Wie viele ÄPFEL?", "id": "a"}))
    assert store.asked(words="äpfel") == [kept] == store.asked(words="Äpfel viele")


def test_many_processes_open_a_new_store_at_once(tmp_path: Path):
    file = str(tmp_path / "new.sqlite")
    with ThreadPoolExecutor(8) as pool:  # each Store has connections of its own, as a process has
        list(pool.map(lambda _: Store(Path(file)).asked(), range(40)))


def test_where_nothing_was_run_the_right_sql_follows_what_was_looked_up():
    looked = Message.model_validate(
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "search_column", "arguments": {}}}],
        }
    )
    seen = Message(role="tool", content="nothing", tool_call_id="1")
    refused = Message(role="assistant", content="I cannot answer this.")
    made = up_to_sql([looked, seen, refused], BETTER)
    assert made[:2] == (looked, seen)
    assert len(made) == 3
    assert made[2].tool_calls[0].function.arguments == {"sql": BETTER}


def test_a_link_opens_one_conversation_until_it_is_ended(store: Store, question: Asked):
    for number, thread in enumerate(("one", "one", "other")):
        store.keep(question.model_copy(update={"id": f"{number}", "thread": thread}))
    link = store.share("one", person="ada")
    assert store.share("one", person="ada") == link
    assert [one.id for one in store.shared(link)] == ["0", "1"]
    assert store.shared("guessed") == store.shared("") == []
    store.unshare("one", person="bo")  # not theirs
    assert store.shared(link)
    store.unshare("one", person="ada")
    assert store.shared(link) == []
    assert store.share("one", person="ada") != link


def test_conversations_are_named_by_their_first_question(store: Store, question: Asked):
    for number, (person, thread) in enumerate((("ada", "x"), ("ada", "y"), ("bo", "z"), ("ada", "x"))):
        told = {"id": f"{number}", "person": person, "thread": thread, "question": f"question {number}"}
        store.keep(question.model_copy(update=told | {"at": f"2026-01-0{number + 1}"}))
    assert store.conversations("ada", 500) == [
        ("x", "shop", "question 0"), ("y", "shop", "question 1")
    ]  # fmt: skip
    assert store.conversations("ada", 1) == [("x", "shop", "question 3")]
    assert store.conversations("cy", 500) == []
