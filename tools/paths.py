"""How tables join: shortest join paths between two tables, and the smallest join tree over several.

Tables are nodes, joins are edges that may be walked both ways. A declared foreign key costs 1; an inferred
join costs more, the less sure it is, so that it is used where declared keys lead nowhere or a long way round.
Going down into a table and up again out of it (`student -> department <- course`) costs `HUB_COST` more: it
pairs every student with every course of the department and is seldom meant, while a bridge table that refers
to both sides (`student <- enrolment -> course`) says what is. Parallel joins between the same two tables
(home team, away team) give distinct paths.

Covered: composite keys, self references, tables that are not connected. Not covered: paths that visit a table
twice.

Differs from Interactive-T2S (arXiv 2408.11062), whose FindShortestPath reports one unweighted path and keeps
one of several foreign keys between two tables.
"""

from __future__ import annotations

import heapq
import itertools
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import networkx as nx

from .join_names import name_words, table_forms
from .schema import Catalog, Join

INFERRED_COST = 1.5
"""Cost of an inferred join of confidence 1 (declared: 1); lost confidence adds up to 1."""
HUB_COST = 1.5
"""Cost of leaving a table by another table's key after coming in by a key."""
SLACK = 1.0
"""A further path is worth telling when it costs at most this much more than the best one."""

_WALKS_TRIED = 20_000

Node = tuple[str, bool]
"""A table's lower-cased name, and whether the walk came into it along a foreign key (down, not up)."""


@dataclass(frozen=True)
class JoinPath:
    """Tables in the order walked, and the join between each two neighbours (one fewer than tables)."""

    tables: tuple[str, ...]
    joins: tuple[Join, ...]


def join_paths(catalog: Catalog, start: str, end: str, *, limit: int = 3) -> list[JoinPath]:
    """Up to `limit` distinct join paths between two tables, the cheapest first; [] when not connected.

    Table names in any case. From a table to itself: the table alone, then its self references.
    Raises KeyError when a table is not in the catalog.
    """
    roads = _roads(catalog)
    source, target = roads.node(start), roads.node(end)
    if source == target:
        name = roads.names[source]
        loops = [JoinPath((name, name), (join,)) for join in roads.loops.get(source, ())]
        return [JoinPath((name,), ()), *loops][:limit]
    found: list[tuple[float, JoinPath]] = []
    for cost, route in roads.routes(source, target):
        costs = sorted(path_cost for path_cost, _ in found)
        if costs and (cost > costs[0] + SLACK or (len(costs) >= limit and cost > costs[limit - 1])):
            break
        tables = tuple(roads.names[node] for node in route)
        choices = [roads.joins[frozenset(pair)] for pair in itertools.pairwise(route)]
        for joins in itertools.islice(itertools.product(*choices), 4 * limit):
            found.append((roads.cost(route, joins), JoinPath(tables, joins)))
    found.sort(key=lambda item: item[0])  # stable: among equals the order found
    return [path for cost, path in found if cost <= found[0][0] + SLACK][:limit]


def connect(catalog: Catalog, tables: Iterable[str]) -> list[Join] | None:
    """The joins of a small tree that holds all `tables` and the bridge tables it needs; None if unconnected.

    Every join touches a table already reached by those before it, beginning with the first table: written
    as `FROM first JOIN ... ON ...` the list can be used in order. One table (or one twice) needs none: [].
    Steiner tree by the shortest-path heuristic (Takahashi and Matsuyama 1980), grown from every wanted table
    in turn and the cheapest kept: without hubs within twice the optimum, exact for two tables.
    Raises KeyError when a table is not in the catalog.
    """
    roads = _roads(catalog)
    wanted = list(dict.fromkeys(roads.node(table) for table in tables))
    if len(wanted) < 2:
        return []
    trees = [tree for root in wanted if (tree := roads.grown_tree(root, wanted)) is not None]
    if len(trees) < len(wanted):
        return None
    _, edges = min(trees, key=lambda tree: tree[0])
    return [roads.joins[frozenset(edge)][0] for edge in nx.bfs_edges(nx.Graph(edges), wanted[0])]


def join_cost(join: Join) -> float:
    """What walking the join costs, whichever way."""
    return 1.0 if join.origin == "declared" else INFERRED_COST + (1.0 - join.confidence)


class _Roads:
    """A catalog's joins as a graph of steps; a step's cost depends on how its table was come into."""

    def __init__(self, catalog: Catalog) -> None:
        self.names = {table.name.lower(): table.name for table in catalog.tables}
        self.joins: dict[frozenset[str], list[Join]] = {}
        self.loops: dict[str, list[Join]] = {}
        for join in catalog.joins:
            ends = frozenset((join.table.lower(), join.ref_table.lower()))
            if not ends <= self.names.keys():
                continue
            if len(ends) == 1:
                self.loops.setdefault(join.table.lower(), []).append(join)
            else:
                self.joins.setdefault(ends, []).append(join)
        # Joins on a row's own key (one to one) neither go down nor up.
        self._level = {join for join in catalog.joins if _is_one_to_one(catalog, join)}
        self._steps = nx.DiGraph()
        self._steps.add_nodes_from((name, down) for name in self.names for down in (False, True))
        for ends, joins in self.joins.items():
            joins.sort(key=lambda join: (join_cost(join), _has_role(join)))
            for source in ends:
                (target,) = ends - {source}
                for join in joins:
                    self._add_steps(source, target, join)
        self._back = self._steps.reverse(copy=False)

    def node(self, table: str) -> str:
        name = table.lower()
        if name not in self.names:
            raise KeyError(table)
        return name

    def routes(self, source: str, target: str) -> Iterator[tuple[float, tuple[str, ...]]]:
        """Routes without repeated tables and their least costs, cheapest first; none when not connected.

        Best-first search with the exact cost that is left (Dijkstra from the target) as its guide.
        """
        left = self._costs_to(target)
        start: Node = (source, False)
        if start not in left:
            return
        order = itertools.count()
        heap: list[tuple[float, int, float, tuple[Node, ...]]] = [(left[start], 0, 0.0, (start,))]
        told: set[tuple[str, ...]] = set()
        for _ in range(_WALKS_TRIED):
            if not heap:
                return
            total, _, cost, walk = heapq.heappop(heap)
            route = tuple(name for name, _ in walk)
            if route[-1] == target:
                if route not in told:
                    told.add(route)
                    yield total, route
                continue
            for node, step in self._steps.adj[walk[-1]].items():
                if node in left and node[0] not in route:
                    further = cost + step["cost"]
                    heapq.heappush(heap, (further + left[node], next(order), further, (*walk, node)))

    def _costs_to(self, target: str) -> dict[Node, float]:
        ends = {(target, False), (target, True)}
        costs: dict[Node, float] = nx.multi_source_dijkstra_path_length(self._back, ends, weight="cost")
        return costs

    def cost(self, route: Sequence[str], joins: Sequence[Join]) -> float:
        """What a route costs along these very joins."""
        total, down = 0.0, False
        for (_, target), join in zip(itertools.pairwise(route), joins, strict=True):
            step, down = self._step(join, target, down)
            total += step
        return total

    def grown_tree(self, root: str, wanted: Sequence[str]) -> tuple[float, list[tuple[str, str]]] | None:
        """Cost and edges of a tree grown from `root`, each time by the cheapest walk to a missing table."""
        reached: dict[str, bool] = {root: False}
        missing = {node for node in wanted if node != root}
        edges: list[tuple[str, str]] = []
        total = 0.0
        while missing:
            cost, walk = self._nearest(reached, missing)
            if not walk:
                return None
            total += cost
            edges.extend((one, other) for (one, _), (other, _) in itertools.pairwise(walk))
            # Tables that were asked for are no mere hubs: what joins them may come from anywhere.
            reached.update((name, down and name not in wanted) for name, down in walk if name not in reached)
            missing -= reached.keys()
        return total, edges

    def _nearest(self, reached: dict[str, bool], missing: set[str]) -> tuple[float, list[Node]]:
        """The cheapest walk from what is reached to a missing table (Dijkstra); empty if there is none."""
        costs: dict[Node, float] = dict.fromkeys(reached.items(), 0.0)
        before: dict[Node, Node] = {}
        heap: list[tuple[float, int, Node]] = [
            (0.0, number, node) for number, node in enumerate(reached.items())
        ]
        order = itertools.count(len(heap))
        done: set[Node] = set()
        while heap:
            cost, _, node = heapq.heappop(heap)
            if node in done:
                continue
            done.add(node)
            if node[0] in missing:
                walk = [node]
                while walk[-1] in before:
                    walk.append(before[walk[-1]])
                return cost, walk[::-1]
            for neighbour, step in self._steps.adj[node].items():
                further = cost + step["cost"]
                if neighbour[0] not in reached and further < costs.get(neighbour, float("inf")):
                    costs[neighbour], before[neighbour] = further, node
                    heapq.heappush(heap, (further, next(order), neighbour))
        return 0.0, []

    def _add_steps(self, source: str, target: str, join: Join) -> None:
        for down in (False, True):
            cost, then_down = self._step(join, target, down)
            one, other = (source, down), (target, then_down)
            if not self._steps.has_edge(one, other) or self._steps.edges[one, other]["cost"] > cost:
                self._steps.add_edge(one, other, cost=cost)

    def _step(self, join: Join, target: str, down: bool) -> tuple[float, bool]:
        """Cost of a step along `join` to `target` after coming in down or not, and how the step comes in."""
        if join in self._level:
            return join_cost(join), down
        if target == join.ref_table.lower():
            return join_cost(join), True
        return join_cost(join) + (HUB_COST if down else 0.0), False


def _is_one_to_one(catalog: Catalog, join: Join) -> bool:
    table = catalog.table(join.table)
    return table is not None and bool(table.primary_key) and set(table.primary_key) == set(join.columns)


def _has_role(join: Join) -> bool:
    """Whether the key's name says more than what it refers to (`manager_id`, not `employee_id`)."""
    name = name_words(join.columns[0])
    home = name_words(join.ref_columns[0])
    return name != home and name[:-1] not in table_forms(join.ref_table)


# By identity: a catalog of thousands of columns is too big to be hashed at every question.
_known: dict[int, tuple[weakref.ref[Catalog], _Roads]] = {}


def _roads(catalog: Catalog) -> _Roads:
    """The catalog's roads, built once per catalog."""
    key = id(catalog)
    known = _known.get(key)
    if known is not None and known[0]() is catalog:
        return known[1]
    roads = _Roads(catalog)
    _known[key] = (weakref.ref(catalog, lambda _: _known.pop(key, None)), roads)
    return roads
