"""Whether the agent keeps a model server busy: its tokens a second, beside a plain load of the same prompts.

    python benchmarks/serving.py [--quick]

A Qwen-shaped model of 100 million random parameters is served by vLLM, as `sqlberg serve` starts it (needs
vLLM: the serve extra, or SQLBERG_VLLM_PYTHON for another Python that has it). 32 questions over the bundled
shop are in flight all the time, each a dialogue of five turns with every tool: the server reads the true
prompts and writes as many tokens as the true replies have, and what is said comes from a plan
(parts/dictated.py). Then the requests of these dialogues are sent again as they were, 32 at a time, by a
client that does nothing else. Each side keeps to a cache of its own, and both run in turns; the ratio is the
median of the turns. Tokens and hits of the prefix cache are the server's own count.

Agent, tools and server share this machine's cores. Writes results/serving.json; ends with one JSON object.
`ok`: the agent reaches 80 % of the plain load's tokens a second.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from parts.dictated import DictatedModel, Sent
from parts.plan_model import PlanModel
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.models.references import load_chat_model
from sqlberg.models.serving.engine import Engine
from sqlberg.models.serving.supervisor import Supervisor
from sqlberg.tools.database import open_database

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "serving.json"
IN_FLIGHT = 32
BUSY = 0.8
SHAPE = {
    "hidden_size": 768,
    "intermediate_size": 2304,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "head_dim": 64,
}
COUNTED = {
    "read": "vllm:prompt_tokens_total",
    "written": "vllm:generation_tokens_total",
    "looked_up": "vllm:prefix_cache_queries_total",
    "found": "vllm:prefix_cache_hits_total",
}


def questions(count: int) -> list[str]:
    return [f"Which products cost more than {number} euros, and who bought them?" for number in range(count)]


def plan(question: str) -> list[tuple[str, dict[str, Any]]]:
    """A dialogue with every tool; each statement is one of its own."""
    number = next(int(word) for word in question.split() if word.isdigit())
    sql = (
        "SELECT p.name, c.first_name, c.last_name FROM products AS p "
        "JOIN order_items AS i USING (product_id) JOIN orders AS o USING (order_id) "
        "JOIN customers AS c USING (customer_id) "
        f"WHERE p.price > {number} ORDER BY p.name, c.last_name"
    )
    return [
        ("search_column", {"queries": ["price of a product", "name of a customer"]}),
        ("search_value", {"values": [str(number)]}),
        ("find_join_path", {"tables": ["products", "customers"]}),
        ("execute_sql", {"sql": sql}),
    ]


def serve(place: Path, quick: bool) -> tuple[Supervisor, Callable[[str], int]]:
    """The server (not begun yet), and how many tokens a text has in its model."""
    build = _tests("models/tiny.py").build_model
    texts = [file.read_text(encoding="utf-8") for file in sorted(ROOT.glob("[at]*/**/*.[mp][dy]"))]
    shape = {**SHAPE, "num_hidden_layers": 2} if quick else SHAPE
    build(place / "model", texts, 16_000, shape, spread=0.02, context=8192)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place / "model")
    python = os.environ.get("SQLBERG_VLLM_PYTHON") or (
        sys.executable if importlib.util.find_spec("vllm") else None
    )
    if python is None:
        sys.exit("this benchmark needs vLLM: install the serve extra, or set SQLBERG_VLLM_PYTHON")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = Engine(str(place / "model"), "base", port=port, seats=IN_FLIGHT, cpu=not _has_gpu())
    told = Supervisor(engine, python, place / "server.log", tell=lambda line: print(line, file=sys.stderr))
    return told, lambda text: len(tokenizer(text)["input_ids"])


def by_agent(
    database: Any, inner: Any, tokens: Callable[[str], int], asked: Sequence[str], sent: Sent
) -> int:
    """Asks all questions; returns how many were answered."""
    model = DictatedModel(inner=inner, words=PlanModel(plan=plan), tokens=tokens, sent=sent)
    with SqlAgent(database, model) as agent, ThreadPoolExecutor(IN_FLIGHT) as pool:
        return sum(answer.status == "answered" for answer in pool.map(agent.ask, asked))


def by_load(url: str, bodies: Sequence[dict[str, Any]], salt: str) -> int:
    """Sends the requests as they were; returns how many were answered."""

    def send(body: dict[str, Any]) -> int:
        given = {key: value for key, value in body.items() if key != "extra_body"}
        given |= {**body["extra_body"], "cache_salt": salt}
        request = urllib.request.Request(
            f"{url}/chat/completions", json.dumps(given).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            return bool(reply.read())

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        return sum(pool.map(send, bodies))


def counted(url: str, work: Callable[[], int]) -> dict[str, float]:
    """What the server counted while the work was done, a second; done: what the work returned."""
    before, processor = _counters(url), psutil.Process().cpu_times()
    began = time.perf_counter()
    done = work()
    seconds = time.perf_counter() - began
    own = psutil.Process().cpu_times()
    figures = {name: count - before[name] for name, count in _counters(url).items()}
    return {
        **figures,
        "done": done,
        "seconds": round(seconds, 2),
        "tokens_a_second": round((figures["read"] + figures["written"]) / seconds, 1),
        "cache_hits": round(figures["found"] / max(1.0, figures["looked_up"]), 4),
        "client_cores": round((own.user + own.system - processor.user - processor.system) / seconds, 2),
    }


def measure(quick: bool) -> dict[str, Any]:
    asked = questions(32 if quick else 96)
    turns: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, open_database("sample") as database:
        supervisor, tokens = serve(Path(folder), quick)
        with supervisor:
            url = supervisor.engine.base_url
            inner = load_chat_model("vllm:base", base_url=url)
            by_agent(database, inner, tokens, asked[:4], Sent("warm"))
            for number in range(1 if quick else 3):
                sent = Sent(uuid.uuid4().hex)
                agent = counted(url, lambda s=sent: by_agent(database, inner, tokens, asked, s))
                plain = counted(url, lambda s=sent: by_load(url, s.bodies, uuid.uuid4().hex))
                turns.append({"agent": agent, "plain": plain})
                print(f"turn {number + 1}: {turns[-1]}", file=sys.stderr, flush=True)
    ratios = [turn["agent"]["tokens_a_second"] / turn["plain"]["tokens_a_second"] for turn in turns]
    return {
        "benchmark": "serving",
        "questions": len(asked),
        "in_flight": IN_FLIGHT,
        "cores": os.cpu_count(),
        "requests": turns[0]["plain"]["done"],
        "answered": turns[0]["agent"]["done"],
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "turns": turns,
        "ok": statistics.median(ratios) >= BUSY,
    }


def _counters(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return {
        name: sum(float(line.split()[-1]) for line in lines if line.startswith(f"{told}{{"))
        for name, told in COUNTED.items()
    }


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _tests(path: str) -> Any:
    """A module that stands beside the tests."""
    spec = importlib.util.spec_from_file_location("of_tests", ROOT / "tests" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="two layers, 32 questions, one turn, not written"
    )
    given = parser.parse_args()
    figures = measure(given.quick)
    if not given.quick:
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
