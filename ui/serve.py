"""`sqlberg serve`: a model on vLLM, watched, with adapters that can be changed while it answers."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .console import err, plain_text, print_json
from .options import JsonOption

AdapterOption = Annotated[
    list[str] | None,
    typer.Option("--adapter", "-a", metavar="NAME=PATH", help="An adapter; may be given several times."),
]


def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, or a hub name.")],
    adapter: AdapterOption = None,
    name: Annotated[
        str | None, typer.Option(help="Under which the model answers (default: the last part of MODEL).")
    ] = None,
    host: Annotated[str, typer.Option(help="Not loopback: needs VLLM_API_KEY.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of its address.")] = 8000,
    dtype: Annotated[str, typer.Option(help="bfloat16, float16 or float32.")] = "bfloat16",
    context: Annotated[
        int | None, typer.Option(min=256, help="Tokens of a dialogue at most (default: the model's).")
    ] = None,
    seats: Annotated[int, typer.Option(min=1, help="Requests in work at a time.")] = 64,
    memory: Annotated[float, typer.Option(min=0.05, max=1.0, help="Share of a GPU's that is taken.")] = 0.9,
    rank: Annotated[int, typer.Option(min=1, max=512, help="Of adapters, at most.")] = 64,
    at_once: Annotated[int, typer.Option(min=1, help="Adapters that answer within one batch.")] = 4,
    tool_parser: Annotated[
        str | None, typer.Option(help="vLLM's, where the model's type does not tell.")
    ] = None,
    tensor: Annotated[int, typer.Option(min=1, help="GPUs that each layer is divided among.")] = 1,
    pipeline: Annotated[int, typer.Option(min=1, help="GPUs that the layers are divided among.")] = 1,
    data: Annotated[int, typer.Option(min=1, help="Copies of the model.")] = 1,
    ray: Annotated[bool, typer.Option(help="On the machines of a running Ray cluster.")] = False,
    python: Annotated[
        str | None,
        typer.Option(envvar="SQLBERG_VLLM_PYTHON", help="The Python that has vLLM (default: this one)."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="What the server writes (default: runs/serve/PORT/server.log).")
    ] = None,
    extra: Annotated[
        list[str] | None, typer.Argument(metavar="[-- OPTIONS]", help="Further options of vLLM's, after --.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a model on vLLM and keep it running; ends with Ctrl-C.

    Needs vLLM: the serve extra where there is a GPU, or another Python that has it (--python). A LoRA
    adapter is served beside the model and changed by `sqlberg adapters`. DoRA and BoRA are whole weights: one
    of them is merged into the model and answers alone, after its answers were compared with those after
    training. Started again after a crash, or by the same command, it has the adapters it had.

    Examples:

      sqlberg serve Qwen/Qwen3-4B

      sqlberg serve models/base --adapter sales=runs/improve/shop/round-3/train/adapter

      sqlberg serve Qwen/Qwen3-32B --tensor 4 --port 8001 -- --quantization fp8
    """
    import torch

    from ..errors import SqlbergError
    from ..models.serving.engine import Engine
    from ..models.serving.merged import served_weights
    from ..models.serving.supervisor import Supervisor

    if python is None and find_spec("vllm") is None:
        raise SqlbergError(
            "serving needs vLLM: pip install 'sqlberg[serve]', or name a Python that has it with --python"
        )
    console = err()

    def tell(line: str) -> None:
        console.print(plain_text(line))

    adapters = dict(_named(one) for one in adapter or ())
    place = log.parent if log else Path("runs/serve")
    log = log or place / str(port) / "server.log"  # two servers would else take each other's adapters
    weights = served_weights(model, adapters, place / "merged", tell)
    engine = Engine(
        weights.model,
        name or weights.name or Path(os.path.abspath(model)).name,
        host=host, port=port, dtype=dtype, context=context, seats=seats, memory=memory, rank=rank,
        at_once=at_once, parser=tool_parser, tensor=tensor, pipeline=pipeline, data=data, ray=ray,
        cpu=not torch.cuda.is_available(), extra=tuple(extra or ()),
    )  # fmt: skip
    stop = _stopped()
    tell(f"starting {engine.name}; what the server writes goes to {log}")
    with Supervisor(
        engine,
        python or sys.executable,
        log,
        api_key=os.environ.get("VLLM_API_KEY"),
        adapters=weights.adapters,
        tell=tell,
        stop=stop,
    ) as supervisor:
        if not stop.is_set():
            weights.check(supervisor.server, engine.name, tell)
        tell(f"ask it with: --model vllm:{engine.name} --base-url {engine.base_url}")
        if as_json:
            print_json({"ready": engine.base_url, "models": [engine.name, *supervisor.adapters]})
        supervisor.watch()
    tell("stopped")


def _stopped() -> threading.Event:
    """Set by Ctrl-C, by whoever ends this process, and where its terminal is closed (unless by nohup)."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    return stop


def _named(told: str) -> tuple[str, Path]:
    from ..models.in_use import expanded
    from ..models.serving.in_service import checked_name

    name, equals, path = told.partition("=")
    if not equals or not name or not path:
        raise typer.BadParameter(f"{told!r} is not NAME=PATH", param_hint="--adapter")
    return checked_name(name), expanded(path)
