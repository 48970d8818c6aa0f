"""What the agent's graph costs besides the model and, side by side, what LangChain's SQL agent recipe costs.

    python benchmarks/overhead.py [--quick]

Both agents answer the same questions on the same SQLite file with a scripted model that takes no time: four
tool calls, the last of which runs the same SQL, and closing words. Ours ("graph") searches columns, values
and a join path. The recipe (`create_agent` with `SQLDatabaseToolkit`) does what its documented prompt asks:
list the tables, read the schema of the relevant ones, check the query, run it. "graph_with_grounds" is ours
as it is by default: after the answer it also looks up what literals and joins rest on and what the join does
to rows, for which the recipe has no counterpart. Columns are searched by words: an embedder is a model, and
here models take no time. They take turns question by question, so that whatever else
the machine does meets all. A step is one tool call with its model turn; a question's whole time, from the
question to the answer, is shared among its four steps. Writes results/overhead.json; ends with one JSON
object. `ok`: both of ours cost at most 10 ms a step, and the graph no more than the recipe.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_community.agent_toolkits.sql.toolkit import SQLDatabaseToolkit  # pyright: ignore[reportMissingImports]
from langchain_community.utilities.sql_database import SQLDatabase  # pyright: ignore[reportMissingImports]
from parts.plan_model import PlanModel
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.tools.database import open_database

RESULTS = Path(__file__).parent / "results" / "overhead.json"
STEPS = 4
MOST_MS_A_STEP = 10.0
QUESTION = "Sales by city above number"

# LangChain's documented system prompt for this recipe, in short; a model that takes no time does not mind.
RECIPE_PROMPT = (
    "You are an agent designed to interact with a SQL database. Create a correct query, run it, answer."
)


def statement(question: str) -> str:
    """The SQL for a question "... number N": a join with two literals, grouped and ordered."""
    number = int(question.rsplit(" ", 1)[1])
    return (
        "SELECT c.city, sum(o.total) FROM orders AS o JOIN customers AS c ON o.customer_id = c.id "
        f"WHERE c.country = 'DE' AND o.total > {number} GROUP BY c.city ORDER BY 2 DESC"
    )


def our_plan(question: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("search_column", {"queries": ["country of the customer", "total of the order"]}),
        ("search_value", {"values": ["DE"]}),
        ("find_shortest_path", {"start": ["orders"], "end": ["customers"]}),
        ("execute_sql", {"sql": statement(question)}),
    ]


def recipe_plan(question: str) -> list[tuple[str, dict[str, Any]]]:
    if not question.startswith(QUESTION):
        return []  # the query checker asks the model by itself, and gets words back
    return [
        ("sql_db_list_tables", {"tool_input": ""}),
        ("sql_db_schema", {"table_names": "customers, orders"}),
        ("sql_db_query_checker", {"query": statement(question)}),
        ("sql_db_query", {"query": statement(question)}),
    ]


def build(path: Path) -> None:
    """A shop: 500 customers, 200 products, 5 000 orders."""
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT, country TEXT);"
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, price REAL);"
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id),"
        " product_id INTEGER REFERENCES products (id), total REAL, ordered TEXT);"
    )
    places = [("Berlin", "DE"), ("Bonn", "DE"), ("Paris", "FR"), ("Lyon", "FR"), ("Rome", "IT")]
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?)",
        [(i, f"Customer {i}", *places[i % 5]) for i in range(1, 501)],
    )
    connection.executemany(
        "INSERT INTO products VALUES (?, ?, ?)", [(i, f"Product {i}", i * 1.5) for i in range(1, 201)]
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
        [
            (i, i % 500 + 1, i % 200 + 1, i % 900 * 1.0, f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}")
            for i in range(1, 5001)
        ],
    )
    connection.commit()
    connection.close()


def measure(questions: int) -> dict[str, Any]:
    """Milliseconds a step of both agents, medians over `questions` questions each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.sqlite"
        build(path)
        with open_database(path, cache_dir=Path(folder)) as database:
            agent = SqlAgent(database, PlanModel(plan=our_plan))
            plain = SqlAgent(database, PlanModel(plan=our_plan), explain=False)
            model = PlanModel(plan=recipe_plan)
            toolkit = SQLDatabaseToolkit(db=SQLDatabase.from_uri(f"sqlite:///{path}"), llm=model)
            recipe = create_agent(model, toolkit.get_tools(), system_prompt=RECIPE_PROMPT)

            def ask_ours(question: str) -> str:
                answer = agent.ask(question)
                if answer.status != "answered" or len(answer.steps) != STEPS:
                    raise RuntimeError(f"our agent ended as {answer.status}: {answer.reason}")
                return answer.text

            def ask_plain(question: str) -> str:
                return plain.ask(question).text

            def ask_recipe(question: str) -> str:
                state = recipe.invoke({"messages": [{"role": "user", "content": question}]})
                made = sum(message.type == "tool" for message in state["messages"])
                if made != STEPS:
                    raise RuntimeError(f"the recipe made {made} tool calls")
                return str(state["messages"][-1].text)

            runs: dict[str, Callable[[str], str]] = {
                "graph": ask_plain,
                "graph_with_grounds": ask_ours,
                "recipe": ask_recipe,
            }
            times = take_turns(runs, questions)
    figures = {name: summary(seconds) for name, seconds in times.items()}
    graph, theirs = figures["graph"]["median_ms_a_step"], figures["recipe"]["median_ms_a_step"]
    most = max(graph, figures["graph_with_grounds"]["median_ms_a_step"])
    return {
        "benchmark": "overhead",
        "questions": questions,
        "steps_a_question": STEPS,
        "load_average": round(os.getloadavg()[0], 1),
        **figures,
        "graph_over_recipe": round(graph / theirs, 3),
        "ok": most <= MOST_MS_A_STEP and graph <= theirs,
    }


def take_turns(runs: dict[str, Callable[[str], str]], questions: int) -> dict[str, list[tuple[float, float]]]:
    """(seconds, seconds of CPU) of every question, asked of each agent in turn after three that warm up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(questions + 3):
        names = list(runs)
        # Nobody is always the first after the others' rubbish was collected.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            started, used = time.perf_counter(), time.process_time()
            runs[name](f"{QUESTION} {number}")
            if number >= 3:
                times[name].append((time.perf_counter() - started, time.process_time() - used))
    return times


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    steps = [seconds * 1000 / STEPS for seconds, _ in times]
    return {
        "median_ms_a_step": round(statistics.median(steps), 2),
        "p95_ms_a_step": round(statistics.quantiles(steps, n=20)[-1], 2),
        "median_cpu_ms_a_step": round(statistics.median(used * 1000 / STEPS for _, used in times), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="30 questions instead of 200, results not written"
    )
    quick = parser.parse_args().quick
    figures = measure(30 if quick else 200)
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
