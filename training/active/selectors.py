"""From a pool of questions, as the model reads them, to the ones worth a label, in their order.

| selector | looks at | takes |
| --- | --- | --- |
| `vapal` | the adversarial perturbation (`views.py`) | by D-squared seeding |
| `vapal-centres` | the same | nearest to the centres of k-means |
| `badge` | the gradient for what the model would answer | by D-squared seeding |
| `alps` | how surprised the model is at each word, as a vector | nearest to the centres of k-means |
| `entropy` | how unsure the next move is | the most unsure |
| `farthest` | the last hidden state | the one farthest from all taken so far |
| `random` | nothing | at random |

VAPAL: arXiv 2210.14576; BADGE: Ash et al., arXiv 1906.03671; ALPS: Yuan et al., arXiv 2010.09535; farthest
points: as the code of SSAPO (arXiv 2502.18099) picks its seed questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
View = Literal["perturbation", "gradient", "surprisal", "entropy", "state", "none"]


@dataclass(frozen=True)
class Selector:
    """view: what it needs to know of each question; take: from that [N, width], how many, and a seed, to
    their numbers, the first the most wanted.
    """

    view: View
    take: Callable[[Floats, int, int], list[int]]


def seeding(vectors: Floats, count: int, seed: int) -> list[int]:
    """k-means++ seeding: some are drawn in proportion to their squared distance from those taken, and the one
    that brings all others nearest is the next (scikit-learn's greedy variant; BADGE's draws one).
    """
    from sklearn.cluster import kmeans_plusplus

    different = len(np.unique(vectors, axis=0))
    _, taken = kmeans_plusplus(vectors, min(count, different), random_state=seed)
    return _filled(dict.fromkeys(map(int, taken)), len(vectors), count, seed)


def centres(vectors: Floats, count: int, seed: int) -> list[int]:
    """The members nearest to the centres of k-means, the largest cluster's first."""
    from sklearn.cluster import KMeans

    different = len(np.unique(vectors, axis=0))
    means: Any = KMeans(min(count, different), n_init="auto", random_state=seed).fit(vectors)
    sizes = np.bincount(means.labels_)
    distances = np.linalg.norm(vectors - means.cluster_centers_[means.labels_], axis=1)
    taken = {}
    for cluster in np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]:
        members = np.flatnonzero(means.labels_ == cluster)
        taken[int(members[np.argmin(distances[members])])] = None
    return _filled(taken, len(vectors), count, seed)


def farthest(vectors: Floats, count: int, seed: int) -> list[int]:
    """Farthest points: from a random first one, always that with the largest distance to all taken."""
    taken = [int(np.random.default_rng(seed).integers(len(vectors)))]
    distances = np.linalg.norm(vectors - vectors[taken[0]], axis=1)
    while len(taken) < min(count, len(vectors)):
        distances[taken[-1]] = -1.0
        taken.append(int(np.argmax(distances)))
        distances = np.minimum(distances, np.linalg.norm(vectors - vectors[taken[-1]], axis=1))
    return taken


def highest(vectors: Floats, count: int, seed: int) -> list[int]:
    """Those of the highest value; vectors: [N, 1]."""
    return [int(number) for number in np.argsort(-vectors[:, 0], kind="stable")[:count]]


def at_random(vectors: Floats, count: int, seed: int) -> list[int]:
    """Any of them."""
    return [int(n) for n in np.random.default_rng(seed).permutation(len(vectors))[:count]]


SELECTORS: Mapping[str, Selector] = {
    "vapal": Selector("perturbation", seeding),
    "vapal-centres": Selector("perturbation", centres),
    "badge": Selector("gradient", seeding),
    "alps": Selector("surprisal", centres),
    "entropy": Selector("entropy", highest),
    "farthest": Selector("state", farthest),
    "random": Selector("none", at_random),
}


def _filled(taken: Mapping[int, None], pool: int, count: int, seed: int) -> list[int]:
    """As many as were asked for: where equal vectors leave too few, others at random."""
    rest = [int(n) for n in np.random.default_rng(seed).permutation(pool) if int(n) not in taken]
    return [*taken, *rest][: min(count, pool)]
