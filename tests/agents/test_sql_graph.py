"""One question through the graph: what becomes of good, bad and missing tool calls, and of every budget."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from sqlberg.agents.answer import Answer
from sqlberg.agents.budget import Budget
from sqlberg.agents.events import Event
from sqlberg.agents.sql_graph import build_sql_graph
from sqlberg.agents.state import Asking
from sqlberg.tools.database import Database

from .scripted import ScriptedModel, StreamingModel, call, sql, words

COUNT = "SELECT count(*) FROM singer"
# Hundreds of billions of rows: no machine finishes this within a test.
ENDLESS = "SELECT count(*) FROM " + ", ".join(f"singer AS s{i}" for i in range(20))


def ask(
    database: Database, model: ScriptedModel, question: str = "How many singers?", **budget: Any
) -> Answer:
    graph = build_sql_graph(database, model, budget=Budget(**budget))
    return graph.invoke({"question": question}, {"recursion_limit": 200})["answer"]


def told(model: ScriptedModel) -> str:
    """The last message that the model was given."""
    return str(model.sent[-1][-1].text)


def test_the_last_statement_that_ran_is_the_answer(music: Database) -> None:
    model = ScriptedModel(script=[sql("SELECT 1"), sql(COUNT), words("There are four singers.")])
    answer = ask(music, model)
    assert (answer.status, answer.sql, answer.rows, answer.text) == (
        "answered",
        COUNT,
        [(4,)],
        "There are four singers.",
    )


def test_a_statement_asked_for_again_is_the_answer_again(music: Database) -> None:
    other = "SELECT DISTINCT country FROM singer"
    script = [sql(COUNT, logprob=-0.5), sql(other, logprob=-0.1), sql(COUNT, logprob=-0.9), words("Four.")]
    answer = ask(music, ScriptedModel(script=script))
    assert (answer.status, answer.sql, answer.rows, answer.text) == ("answered", COUNT, [(4,)], "Four.")
    assert answer.logprob is not None
    assert answer.logprob.mean == pytest.approx(-0.5)  # of the message whose statement ran
    stubborn = ask(music, ScriptedModel(script=[sql(COUNT), sql(other), sql(COUNT)]))
    assert (stubborn.status, stubborn.sql) == ("answered", COUNT)


def test_who_looks_around_and_then_declines_gives_no_answer(music: Database) -> None:
    declines = words("**I can’t answer this:** no salaries are stored.")
    answer = ask(music, ScriptedModel(script=[sql("SELECT DISTINCT country FROM singer"), declines]))
    assert (answer.status, answer.sql, answer.rows) == ("abstained", "", ())
    assert "no salaries" in answer.reason


@pytest.mark.parametrize(
    "written", [f"```sql\n{COUNT} WHERE age > 40\n```", "<tool_call>{}</tool_call>", f"```{COUNT} LIMIT 5```"]
)
def test_sql_that_is_only_written_after_another_ran_is_sent_back(music: Database, written: str) -> None:
    model = ScriptedModel(script=[sql(COUNT), words(written), words("Four.")])
    assert ask(music, model).text == "Four."
    assert "was not run" in told(model)


def test_sql_that_ran_may_be_shown_again_in_words(music: Database) -> None:
    shown = "There are four:\n```sql\nSELECT count(*)\n  FROM singer;\n```"
    model = ScriptedModel(script=[sql(COUNT), words(shown)])
    assert (ask(music, model).text, len(model.sent)) == (shown, 2)


def test_the_same_dialogue_works_on_duckdb(music_duckdb: Database) -> None:
    model = ScriptedModel(script=[sql(COUNT), words("Four.")])
    assert list(ask(music_duckdb, model).rows) == [(4,)]


def test_the_dialogue_is_question_call_observation_answer(music: Database) -> None:
    model = ScriptedModel(script=[call("search_column", queries=["singer"]), sql(COUNT), words("Four.")])
    kinds = [message.type for message in ask(music, model).messages]
    assert kinds == ["system", "human", "ai", "tool", "ai", "tool", "ai"]


def test_a_statement_that_failed_is_not_the_answer(music: Database) -> None:
    model = ScriptedModel(script=[sql(COUNT), sql("SELECT nothing FROM singer"), words("Four.")])
    assert ask(music, model).sql == COUNT


def test_an_error_is_shown_to_the_model_which_can_correct_itself(music: Database) -> None:
    model = ScriptedModel(
        script=[sql("SELECT nam FROM singer"), sql("SELECT name FROM singer"), words("All.")]
    )
    answer = ask(music, model)
    assert answer.steps[0].failed
    assert "name" in answer.steps[0].observation
    assert answer.sql == "SELECT name FROM singer"


def test_a_repeated_call_is_not_run_again_but_pointed_out(music: Database) -> None:
    search = call("search_column", queries=["age"])
    model = ScriptedModel(script=[search, search, sql(COUNT), words("Four.")])
    answer = ask(music, model)
    assert answer.steps[1].observation.startswith("Error: step 1 made exactly this call")
    assert answer.status == "answered"


def test_a_model_that_repeats_its_last_statement_has_answered(music: Database) -> None:
    answer = ask(music, ScriptedModel(script=[sql(COUNT)]))
    assert (answer.status, answer.rows, len(answer.steps)) == ("answered", [(4,)], 3)


def test_a_model_that_repeats_a_search_forever_ends_in_a_partial_answer(music: Database) -> None:
    answer = ask(music, ScriptedModel(script=[call("search_column", queries=["age"])]))
    assert (answer.status, answer.reason) == ("partial", "the model kept repeating the same call")


def test_an_unknown_tool_is_answered_with_the_tools_there_are(music: Database) -> None:
    model = ScriptedModel(script=[call("drop_table", table="singer"), sql(COUNT), words("Four.")])
    answer = ask(music, model)
    assert "there is no tool drop_table" in answer.steps[0].observation
    assert "execute_sql(sql)" in answer.steps[0].observation
    assert answer.status == "answered"


def test_wrong_arguments_are_answered_with_the_right_ones(music: Database) -> None:
    model = ScriptedModel(script=[call("execute_sql", query=COUNT), sql(COUNT), words("Four.")])
    answer = ask(music, model)
    assert "execute_sql takes sql" in answer.steps[0].observation
    assert answer.status == "answered"


def test_arguments_that_are_no_json_are_pointed_out(music: Database) -> None:
    broken = AIMessage(
        "Running.",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "execute_sql",
                "args": '{"sql": "SEL',
                "id": "x",
                "error": None,
            }
        ],
    )
    model = ScriptedModel(script=[broken, sql(COUNT), words("Four.")])
    answer = ask(music, model)
    assert answer.steps[0].observation.startswith(
        "Error: this call was not run: the arguments were not a JSON"
    )
    assert answer.status == "answered"


def test_a_call_that_was_cut_off_while_streaming_is_not_run(music: Database) -> None:
    cut = AIMessage(
        "Running.",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "execute_sql",
                "args": '{"sql": "SELECT name FROM singer',
                "id": "x",
                "error": None,
            }
        ],
    )
    answer = ask(music, StreamingModel(script=[cut, sql(COUNT), words("Four.")]))
    assert (answer.steps[0].failed, answer.sql) == (True, COUNT)


def test_of_several_calls_at_once_the_first_is_run_and_the_model_is_told(music: Database) -> None:
    both = AIMessage("Both.", tool_calls=[*sql(COUNT).tool_calls, *sql("SELECT 2").tool_calls])
    model = ScriptedModel(script=[both, words("Four.")])
    answer = ask(music, model)
    assert answer.sql == COUNT
    assert "Only the first of 2 calls was run" in told(model)
    assert all(len(message.tool_calls) < 2 for message in answer.messages if isinstance(message, AIMessage))


def test_sql_in_words_is_never_run(music: Database) -> None:
    model = ScriptedModel(script=[words(f"```sql\n{COUNT}\n```")])
    answer = ask(music, model, retries=2)
    assert (answer.status, answer.sql, answer.steps) == ("abstained", "", ())


def test_a_model_that_wrote_sql_in_words_is_asked_for_a_call(music: Database) -> None:
    model = ScriptedModel(script=[words(f"```sql\n{COUNT}\n```"), sql(COUNT), words("Four.")])
    assert ask(music, model).status == "answered"
    assert any(isinstance(m, HumanMessage) and "Nothing was run" in str(m.text) for m in model.sent[-1])


def test_words_without_sql_are_an_abstention_with_that_reason(music: Database) -> None:
    answer = ask(music, ScriptedModel(script=[words("I cannot answer this: there are no prices.")]))
    assert (answer.status, answer.reason) == ("abstained", "I cannot answer this: there are no prices.")


def test_an_empty_result_is_questioned_but_may_stand(music: Database) -> None:
    nobody = "SELECT name FROM singer WHERE age > 90"
    model = ScriptedModel(script=[sql(nobody), words("Nobody is older than 90.")])
    answer = ask(music, model)
    assert "Note: The result holds no rows" in told(model)
    assert (answer.status, answer.sql) == ("answered", nobody)


def test_empty_results_are_questioned_a_bounded_number_of_times(music: Database) -> None:
    script = [sql(f"SELECT name FROM singer WHERE age > {age}") for age in (90, 91, 92, 93)]
    answer = ask(music, ScriptedModel(script=[*script, words("Nobody.")]), retries=2)
    assert ["Note:" in step.observation for step in answer.steps] == [True, True, False, False]


def test_the_budget_of_rounds_ends_in_a_partial_answer_that_says_so(music: Database) -> None:
    script = [sql(f"SELECT {number}") for number in range(10)]
    answer = ask(music, ScriptedModel(script=script), rounds=3)
    assert (answer.status, answer.reason, answer.sql) == (
        "partial",
        "the budget of 3 rounds ended",
        "SELECT 2",
    )
    assert "the budget of 3 rounds ended" in answer.text


def test_the_budget_of_tokens_ends_in_a_partial_answer_that_says_so(music: Database) -> None:
    answer = ask(music, ScriptedModel(script=[sql(COUNT), words("Four.")]), tokens=10)
    assert (answer.status, answer.reason, list(answer.rows)) == (
        "partial",
        "the budget of 10 tokens ended",
        [(4,)],
    )


def test_a_model_that_hangs_ends_in_a_partial_answer_with_the_best_so_far(music: Database) -> None:
    started = time.monotonic()
    answer = ask(music, ScriptedModel(script=[sql(COUNT), 30.0, words("Four.")]), seconds=1.0)
    assert time.monotonic() - started < 3
    assert (answer.status, list(answer.rows)) == ("partial", [(4,)])
    assert "the time budget of 1 seconds ended" in answer.text


def test_a_query_is_stopped_when_the_time_budget_ends(music: Database) -> None:
    started = time.monotonic()
    answer = ask(music, ScriptedModel(script=[sql(ENDLESS), words("Done.")]), seconds=1.0)
    assert time.monotonic() - started < 3
    assert answer.status == "partial"


def test_a_query_of_a_warm_database_is_stopped_as_well(music: Database) -> None:
    graph = build_sql_graph(
        music,
        ScriptedModel(script=[sql(COUNT), words("Four."), sql(ENDLESS), words("Done.")]),
        budget=Budget(seconds=1.0),
    )
    graph.invoke({"question": "How many singers?"})
    started = time.monotonic()
    answer = graph.invoke({"question": "How many?"})["answer"]
    assert time.monotonic() - started < 3
    assert answer.status == "partial"


def test_cancelling_stops_a_query_of_a_warm_database(music: Database) -> None:
    graph = build_sql_graph(
        music, ScriptedModel(script=[sql(COUNT), words("Four."), sql(ENDLESS), words("Done.")])
    )
    graph.invoke({"question": "How many singers?"})
    asking = Asking()
    threading.Timer(0.3, asking.cancel.set).start()
    answer = graph.invoke({"question": "How many?"}, context=asking)["answer"]
    assert (answer.status, answer.reason) == ("partial", "the caller cancelled")


def test_tokens_are_counted_once_however_many_rounds_send_them_again(music: Database) -> None:
    answer = ask(music, ScriptedModel(script=[sql(COUNT), sql("SELECT 5"), words("Four.")]))
    assert answer.tokens.sent > 2 * answer.tokens.new
    assert answer.tokens.new == answer.tokens.prompt + answer.tokens.dialogue


def test_tokens_that_the_model_counts_are_taken(music: Database) -> None:
    said = [sql(COUNT), words("Four.")]
    for message, (read, written) in zip(said, [(1000, 20), (1050, 5)], strict=True):
        message.usage_metadata = {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
        }
    answer = ask(music, ScriptedModel(script=said))
    assert (answer.tokens.prompt, answer.tokens.dialogue, answer.tokens.sent) == (1000, 55, 2050)
    assert not answer.tokens.estimated
    assert answer.steps[0].tokens == 50


def test_a_model_that_reads_less_than_the_dialogue_is_estimated(music: Database) -> None:
    said = [sql(COUNT), sql("SELECT 5"), words("Four.")]
    said[1].usage_metadata = {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34}
    plain = ask(music, ScriptedModel(script=[sql(COUNT), sql("SELECT 5"), words("Four.")]))
    assert ask(music, ScriptedModel(script=said)).tokens == plain.tokens


def test_a_model_that_fails_ends_in_one_line_without_its_secret(music: Database) -> None:
    error = RuntimeError("wrong key\nsk-abcdef0123456789abcdef is not known")
    answer = ask(music, ScriptedModel(script=[error]))
    assert answer.status == "failed"
    assert "sk-abcdef" not in answer.to_json()
    assert "\n" not in answer.reason


def test_cancelling_stops_a_model_that_is_speaking(music: Database) -> None:
    asking = Asking()
    model = StreamingModel(script=[words("word " * 400)], pause=0.01)
    graph = build_sql_graph(music, model)
    for event in graph.stream({"question": "How many?"}, context=asking, stream_mode="custom"):
        if isinstance(event, Event) and event.kind == "token":
            asking.cancel.set()
    said = len(model.said)
    time.sleep(0.2)
    assert len(model.said) <= said + 2 < 100


def test_a_checkpoint_holds_the_short_conversation_and_nothing_else(music: Database) -> None:
    saver = InMemorySaver()
    graph = build_sql_graph(
        music,
        ScriptedModel(script=[call("search_column", queries=["age"]), sql(COUNT), words("Four.")]),
        checkpointer=saver,
    )
    graph.invoke({"question": "How many singers?"}, {"configurable": {"thread_id": "a"}}, durability="exit")
    held = str(list(saver.blobs.values())) + str(list(saver.storage.values()))
    assert COUNT in held
    assert "Joe Sharp" not in held
    assert "singer.age" not in held


def test_every_step_is_streamed_before_the_answer(music: Database) -> None:
    graph = build_sql_graph(music, ScriptedModel(script=[sql(COUNT), words("Four.")]))
    events = [
        event.kind
        for event in graph.stream({"question": "How many?"}, stream_mode="custom")
        if isinstance(event, Event)
    ]
    assert events == ["call", "step"]


def test_observations_are_given_back_under_the_id_of_their_call(music: Database) -> None:
    answer = ask(music, ScriptedModel(script=[sql(COUNT), words("Four.")]))
    spoken = [m.tool_calls[0]["id"] for m in answer.messages if isinstance(m, AIMessage) and m.tool_calls]
    assert [m.tool_call_id for m in answer.messages if isinstance(m, ToolMessage)] == spoken


def test_without_a_question_nothing_is_asked(music: Database) -> None:
    model = ScriptedModel(script=[words("Hello.")])
    assert (ask(music, model, "  ").status, model.sent) == ("failed", [])


@pytest.mark.parametrize("budget", [{"rounds": 0}, {"seconds": 0}, {"tokens": 0}, {"retries": -1}])
def test_a_budget_of_nothing_is_refused(budget: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(**budget)
