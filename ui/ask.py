"""`sqlberg ask`: one question, or a conversation."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SqlbergError
from .answer_view import print_answer
from .console import err, out, plain_text, print_error, print_json, visible
from .exits import OF_STATUS, Exit
from .options import (
    BaseUrlOption,
    DatabaseArgument,
    EmbedderOption,
    JsonOption,
    ModelOption,
    PolicyOption,
    finite,
    read_policy,
    tell_idle_patterns,
)

if TYPE_CHECKING:
    from ..agents.answer import Answer
    from ..agents.events import Event
    from ..agents.sql_agent import SqlAgent

_THREAD = "command-line"


def ask(
    database: DatabaseArgument,
    question: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION", help="In plain language. Left out: a conversation with follow-up questions."
        ),
    ] = None,
    model: ModelOption = "embedded",
    base_url: BaseUrlOption = None,
    candidates: Annotated[int, typer.Option(min=1, help="Dialogues that vote by their result.")] = 1,
    abstain_below: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            callback=finite,
            help="Give no answer below this confidence (default: the model's own).",
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="Of the candidates after the first.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(help="Of the sampling, so that an answer can be repeated.")] = 0,
    timeout: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Seconds for the whole question.")
    ] = 120.0,
    query_timeout: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Seconds for one query.")
    ] = 10.0,
    limit_rows: Annotated[int, typer.Option(min=1, help="Rows read of a result at most.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Model calls at most.")] = 12,
    steps: Annotated[bool, typer.Option("--steps", help="Print every step, as an analyst's notes.")] = False,
    rows: Annotated[int, typer.Option(min=0, help="Rows to print.")] = 20,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the answer as .json for `sqlberg replay`.")
    ] = None,
    policy: PolicyOption = None,
    embedder: EmbedderOption = "embedded",
    as_json: JsonOption = False,
) -> None:
    """Ask a database in plain language; get the answer, its SQL, and how sure it is.

    Without a question, follow-ups are asked one per line ("and in 2023?"); an empty line or Ctrl-D ends.

    Examples:

      sqlberg ask sample "What are the five most expensive products?"

      sqlberg ask shop.duckdb "How many customers came back?" --steps --candidates 5

      sqlberg ask orders.csv "total per month" --json | jq .rows

      sqlberg ask sample

    Exit codes: 0 answered, 1 error, 2 wrong use, 3 no answer or a question back, 4 partial, 130 interrupted.
    """
    if save is not None and question is None:
        raise typer.BadParameter("--save needs a question on the command line")
    if save is not None:
        from ..agents.replay import check_place

        check_place(save)
    with _agent(
        database,
        policy=policy,
        embedder=embedder,
        model=model,
        base_url=base_url,
        candidates=candidates,
        abstain_below=abstain_below,
        temperature=temperature,
        seed=seed,
        timeout=timeout,
        query_timeout=query_timeout,
        limit_rows=limit_rows,
        rounds=rounds,
    ) as agent:
        if question is not None:
            worst = _settle(agent, question, None, rows=rows, steps=steps, as_json=as_json, save=save)
        else:
            worst = _converse(agent, rows=rows, steps=steps, as_json=as_json)
    if worst != Exit.ANSWERED:
        raise typer.Exit(worst)


@contextmanager
def _agent(
    database: str,
    *,
    policy: Path | None,
    embedder: str,
    model: str,
    base_url: str | None,
    candidates: int,
    abstain_below: float | None,
    temperature: float,
    seed: int,
    timeout: float,
    query_timeout: float,
    limit_rows: int,
    rounds: int,
) -> Iterator[SqlAgent]:
    """The agent, closed at the end however it comes: no query and no child process is left behind."""
    from ..agents.budget import Budget
    from ..agents.opening import open_database
    from ..agents.sql_agent import SqlAgent
    from ..models.references import load_chat_model
    from ..tools.limits import Limits

    access = read_policy(policy)
    limits = Limits(seconds=query_timeout, rows=limit_rows)
    with open_database(
        database, policy=access, limits=limits, embedder=embedder, progress=sys.stderr.isatty()
    ) as opened:
        tell_idle_patterns(opened)
        _ = opened.catalog  # built now, so that its progress bar stands alone
        agent = SqlAgent(
            opened,
            load_chat_model(model, base_url=base_url),
            model_name=model,
            candidates=candidates,
            abstain_below=abstain_below,
            temperature=temperature,
            seed=seed,
            budget=Budget(rounds=rounds, seconds=timeout),
        )
        with agent:
            yield agent


def _converse(agent: SqlAgent, *, rows: int, steps: bool, as_json: bool) -> Exit:
    """Ask line by line in one thread. On a terminal, an error or Ctrl-C ends only the one question."""
    worst = Exit.ANSWERED
    terminal = sys.stdin.isatty()
    for question in _questions():
        try:
            outcome = _settle(agent, question, _THREAD, rows=rows, steps=steps, as_json=as_json, save=None)
        except KeyboardInterrupt:
            if not terminal:
                raise
            outcome = Exit.INTERRUPTED
            print_error("stopped")
        except SqlbergError as error:
            outcome = Exit.ERROR
            print_error(str(error))
        worst = max(worst, outcome)
    return worst


def _settle(
    agent: SqlAgent,
    question: str,
    thread_id: str | None,
    *,
    rows: int,
    steps: bool,
    as_json: bool,
    save: Path | None,
) -> Exit:
    """Ask one question, print and save its answer."""
    answer = _answer(agent, question, thread_id)
    if as_json:
        print_json(answer.to_dict())
    else:
        print_answer(out(), answer, rows=rows, steps=steps)
    if answer.status == "failed":
        print_error(answer.reason)
    if save is not None and not answer.sql:
        print_error(f"nothing saved to {save}: there is no SQL to check later")
    elif save is not None:
        answer.save(save)
        hint = f"saved; check it later with: sqlberg replay {save} {agent.database.reference}"
        err().print(plain_text(hint))
    return OF_STATUS[answer.status]


def _answer(agent: SqlAgent, question: str, thread_id: str | None) -> Answer:
    """Ask, showing on a terminal what is being done. Leaving early (Ctrl-C) stops the model and the query."""
    answer: Answer | None = None
    console = err()
    cancel = threading.Event()
    try:
        with console.status("thinking") if console.is_terminal else nullcontext() as status:
            for event in agent.stream(question, thread_id=thread_id, cancel=cancel):
                answer = event.answer
                if status is not None:
                    status.update(plain_text(_doing(event)))
    finally:
        cancel.set()
    if answer is None:
        raise RuntimeError("the agent ended without an answer")
    return answer


def _doing(event: Event) -> str:
    if event.kind == "call" and event.step is not None:
        return f"{event.step.tool} {visible(' '.join(map(str, event.step.arguments.values())))}"[:100]
    return "thinking"


def _questions() -> Iterator[str]:
    """One question per line: from a prompt on a terminal, until an empty line; else all of standard input."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    while line := _prompt().strip():
        yield line


def _prompt() -> str:
    try:
        if sys.stdout.isatty():
            return input("? ")  # with line editing and history
        print("? ", end="", file=sys.stderr, flush=True)
        return input()
    except EOFError:
        return ""
