"""`sqlberg sizing`: how many GPUs so many questions a day take, from stated assumptions."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Literal

import typer

from .console import data_table, out, plain_text, print_json
from .options import JsonOption

MOST = 10**12


def sizing(
    gpu: Annotated[
        Literal["l40s", "a100", "h100", "h200"], typer.Option(case_sensitive=False, help="What is at hand.")
    ] = "h100",
    questions: Annotated[
        list[int] | None,
        typer.Option("--questions", "-q", min=1, max=MOST, help="A day; may be given several times."),
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, max=MOST, help="Dialogues for each question.")] = 1,
    prompt: Annotated[int, typer.Option(min=1, max=MOST, help="New tokens that a dialogue reads.")] = 3000,
    written: Annotated[int, typer.Option(min=1, max=MOST, help="Tokens that a dialogue writes.")] = 500,
    busiest: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of a day's questions in its busiest hour.")
    ] = 0.2,
    parameter_bytes: Annotated[
        float, typer.Option(min=0.5, max=4.0, help="Of a parameter: 2 bfloat16, 1 fp8.")
    ] = 2.0,
    price: Annotated[float | None, typer.Option(min=0.0, help="Dollars of a GPU's hour.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate GPUs, tokens a second and cost for models of 7, 32 and 70 billion parameters.

    From assumptions that are printed beside it: published peaks of the GPU, shares of them that are usually
    reached, and tokens of a question. Nothing is measured; what your own questions cost, `sqlberg evaluate`
    tells.

    Examples:

      sqlberg sizing

      sqlberg sizing --gpu l40s --questions 500 --candidates 8 --parameter-bytes 1
    """
    from ..models.errors import UnsupportedOption
    from ..models.serving.sizing import GPUS, MODELS, QUESTIONS, Load, Serving, Sized, sized

    chosen = GPUS[gpu] if price is None else replace(GPUS[gpu], price=price)
    serving = Serving(bytes=parameter_bytes)
    found: list[Sized] = []
    refused: list[str] = []
    for model in MODELS.values():
        for count in questions or QUESTIONS:
            load = Load(count, candidates, prompt, written, busiest)
            try:
                found.append(sized(chosen, model, load, serving))
            except UnsupportedOption as error:
                refused.append(str(error))
    assumed = {"gpu": asdict(chosen), "load": asdict(Load(0, candidates, prompt, written, busiest))}
    assumed["serving"] = asdict(serving)
    if as_json:
        rows = [asdict(one) | {"gpus": one.gpus} for one in found]
        print_json({"assumed": assumed, "sizes": rows, "refused": sorted(set(refused))})
        return
    names = (
        "model", "questions a day", "GPUs", "of a copy", "reads, tokens/s", "writes, tokens/s", "seconds",
        "busiest hour", "$ a month", "$ a question",
    )  # fmt: skip
    rows = [
        (
            one.model, f"{one.questions:,}", str(one.gpus), str(one.tensor), f"{one.read:,.0f}",
            f"{one.written:,.0f}", f"{one.seconds:.1f}", f"{one.taken:.1%}", f"{one.monthly:,.0f}",
            f"{one.each:.4f}",
        )
        for one in found
    ]  # fmt: skip
    console = out()
    console.print(data_table(names, rows))
    for line in sorted(set(refused)):
        console.print(plain_text(line))
    console.print(plain_text(_told(assumed)))


def _told(assumed: dict[str, dict[str, object]]) -> str:
    """The assumptions, as a sentence."""
    gpu, load, serving = assumed["gpu"], assumed["load"], assumed["serving"]
    return (
        f"Assumed, not measured: {gpu['name']} with {gpu['memory']:g} GiB, {gpu['bandwidth']:g} GB/s, "
        f"{gpu['arithmetic']:g} TFLOP/s, {gpu['price']:g} $/h; {load['prompt']} tokens read and "
        f"{load['written']} written by each of {load['candidates']} dialogues a question, "
        f"{load['busiest']:.0%} of the day's in the busiest hour; {serving['bytes']:g} bytes a parameter, "
        f"{serving['reading']:.0%} of the arithmetic and {serving['writing']:.0%} of the bandwidth reached, "
        f"{serving['seats']} dialogues at a time, copies filled to {serving['filled']:.0%} at most."
    )
