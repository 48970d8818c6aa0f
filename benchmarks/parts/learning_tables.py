"""The README's tables of what learning brings, from results/*.json (`benchmarks/readme.py`)."""

from __future__ import annotations

from .tables import Figures, gap, number, table

SELECTED = (100, 500, 1000)
"""Numbers of labels that are shown."""


def self_annotation(figures: Figures) -> str:
    """Each arm: its level, what it gains, and how true its annotations were."""
    rows = []
    for name, arm in figures["arms"].items():
        over = gap(*arm["over_dpo"]) if arm["over_dpo"] and not name.startswith("dpo") else ""
        true = f"{number(arm['annotations_true'])} %" if arm["annotations_true"] is not None else ""
        gained = gap(*arm["gain"]) if name != "sft" else ""
        rows.append([f"`{name}`", number(arm["right"][0]), gained, over, true])
    heading = [
        f"arm ({_counted(figures)})",
        "right",
        "over its start",
        "over `dpo`, same annotator",
        "annotations true",
    ]
    return table(heading, rows)


def poft(figures: Figures) -> str:
    """Ways of learning from noisy lessons."""
    rows = [
        [f"`{name}`", number(arm["right"][0]), f"{number(arm['right'][1])} to {number(arm['right'][2])}"]
        for name, arm in figures["arms"].items()
    ]
    rows.append(["`poft` over `sft`", gap(*figures["poft_over_sft"]), ""])
    return table(["learned by", "right on dev", "95 % interval"], rows)


def active_learning(figures: Figures) -> str:
    """Levels by selector, and what each is over chance at all of its points."""
    places = [figures["labelled"].index(count) for count in SELECTED if count in figures["labelled"]]
    rows = [
        [
            f"`{name}`",
            *(_level(*points[place]) for place in places),
            gap(*figures["over_random"][name]) if name != "random" else "",
        ]
        for name, points in figures["right"].items()
    ]
    labels = [f"{figures['labelled'][place]:,} labels" for place in places]
    start = number(figures["right"]["random"][0][0])
    heading = f"selector ({_counted(figures)}; before any label {start})"
    return table([heading, *labels, "over random, mean"], rows)


def _level(middle: float, low: float, high: float) -> str:
    return f"{number(middle)} ({number(low)} to {number(high)})"


def _counted(figures: Figures) -> str:
    seeds = len(figures["seeds"])
    return f"{seeds} seed{'s' if seeds > 1 else ''}, {figures['questions']:,} dev questions"


def selecting(figures: Figures) -> str:
    """What choosing costs."""
    asked = (
        f"{figures['chosen']:,} of {figures['questions']:,} questions over {figures['databases']} databases"
    )
    return table(
        [f"`sqlberg select --by {figures['selector']}`", "seconds"], [[asked, number(figures["seconds"], 0)]]
    )


def training(figures: Figures) -> str:
    """Preference training side by side with TRL."""
    speed, peak, top = (figures[name] for name in ("pairs_a_second", "peak_mib", "training_mib"))
    millions = number(figures["parameters"] / 1e6, 0)
    rows = [
        ["pairs a second", number(speed["ours"], 2), number(speed["trl"], 2), f"{figures['speed_ratio']} ×"],
        [
            "memory on top of the model, MiB",
            number(top["ours"], 0),
            number(top["trl"], 0),
            f"{figures['memory_ratio']} ×",
        ],
        [
            "memory of the process at its peak, MiB",
            number(peak["ours"], 0),
            number(peak["trl"], 0),
            f"{number(peak['ours'] / peak['trl'], 2)} ×",
        ],
        ["largest difference of a step's loss", "", "", f"{figures['largest_loss_gap']:.0e}"],
    ]
    return table([f"{millions} M parameters, {figures['pairs']} pairs", "sqlberg", "TRL", "ratio"], rows)


def adapter_steps(figures: Figures) -> str:
    """A step by the kind of adapter."""
    rows = [
        [name, *(f"{number(steps[name]['ratio'], 2)} ×" for steps in figures["steps"].values())]
        for name in next(iter(figures["steps"].values()))
    ]
    return table([f"{figures['tokens']:,} tokens, rank {figures['rank']}", *figures["steps"]], rows)


def adapters(figures: Figures) -> str:
    """What each adapter answers, and how sure it is."""
    rows = [
        [
            name,
            number(way["right"][0]),
            "" if name == "lora" else gap(*way["over_lora"]),
            number(100 * way["calibration_error"]),
            number(way["seconds"], 2),
            number(way["mib"], 0),
        ]
        for name, way in figures["ways"].items()
    ]
    heading = ["adapter", "right, %", "over lora", "calibration error, %", "seconds a question", "MiB"]
    return table(heading, rows)
