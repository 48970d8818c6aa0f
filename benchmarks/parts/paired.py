"""Shares of right answers, and what is between two ways of answering the same questions."""

from __future__ import annotations

import numpy as np


def mean_and_interval(values: np.ndarray) -> list[float]:
    """Mean and 95 % interval in points. values: [questions], each a mean over seeds, or a difference of such:
    then the interval is that of paired answers.
    """
    mean, width = values.mean(), 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return [round(100 * float(value), 2) for value in (mean, mean - width, mean + width)]


def share(right: str) -> float:
    """Per cent of ones among ones and zeros."""
    return round(100 * right.count("1") / len(right), 2)
