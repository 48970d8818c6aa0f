"""How tables join: shortest join paths between two tables, and the smallest join tree over several.

Tables are the nodes of an undirected graph, joins its edges (walked in both directions; the foreign key
keeps its own direction). A declared foreign key costs 1; an inferred join costs more, the less sure it is,
so that it is used where declared keys lead nowhere or make a long way round. Parallel joins between the
same two tables (home team, away team) give distinct paths.

Covered: composite keys, self references, tables that are not connected. Not covered: paths that visit a table
twice through others (a self join through a bridge table).

Differs from Interactive-T2S (arXiv 2408.11062), whose FindShortestPath reports one unweighted path and
keeps one of several foreign keys between two tables.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import networkx as nx

from .schema import Catalog, Join

INFERRED_COST = 1.5
"""Cost of an inferred join of confidence 1; declared ones cost 1, and lost confidence adds up to 1."""

SLACK = 1.0
"""A further path is worth telling when it costs at most this much more than the best one."""


@dataclass(frozen=True)
class JoinPath:
    """Tables in the order walked, and the join between each two neighbours (one fewer than tables)."""

    tables: tuple[str, ...]
    joins: tuple[Join, ...]

    @property
    def cost(self) -> float:
        return sum(join_cost(join) for join in self.joins)


def join_cost(join: Join) -> float:
    return 1.0 if join.origin == "declared" else INFERRED_COST + (1.0 - join.confidence)


def join_paths(catalog: Catalog, start: str, end: str, *, limit: int = 3) -> list[JoinPath]:
    """Up to `limit` distinct join paths between two tables, the cheapest first; [] when not connected.

    Table names in any case. From a table to itself: the table alone, then its self references.
    Raises KeyError when a table is not in the catalog.
    """
    graph = join_graph(catalog)
    source, target = _node(graph, start), _node(graph, end)
    if source == target:
        name = graph.nodes[source]["name"]
        loops = [JoinPath((name, name), (join,)) for join in graph.nodes[source]["loops"]]
        return [JoinPath((name,), ()), *loops][:limit]
    paths: list[JoinPath] = []
    for route in _cheapest_routes(graph, source, target):
        cheapest = sum(graph.edges[edge]["cost"] for edge in itertools.pairwise(route))
        ready = len(paths) >= limit and cheapest > sorted(path.cost for path in paths)[limit - 1]
        too_far = bool(paths) and cheapest > min(path.cost for path in paths) + SLACK
        if ready or too_far:
            break
        tables = tuple(graph.nodes[node]["name"] for node in route)
        choices = [graph.edges[edge]["joins"] for edge in itertools.pairwise(route)]
        paths.extend(
            JoinPath(tables, joins) for joins in itertools.islice(itertools.product(*choices), 4 * limit)
        )
    paths.sort(key=lambda path: path.cost)  # stable: among equals the order found
    return [path for path in paths if path.cost <= paths[0].cost + SLACK][:limit]


def connect(catalog: Catalog, tables: Iterable[str]) -> list[Join] | None:
    """The joins of a small tree that holds all `tables` and the bridge tables it needs; None if unconnected.

    Every join touches a table already reached by those before it, beginning with the first table: written
    as `FROM first JOIN ... ON ...` the list can be used in order. One table (or one twice) needs none: [].
    Steiner tree by the shortest-path heuristic (Takahashi and Matsuyama 1980), grown from every wanted table
    in turn and the cheapest kept: within twice the optimum, exact for two tables.
    Raises KeyError when a table is not in the catalog.
    """
    graph = join_graph(catalog)
    wanted = list(dict.fromkeys(_node(graph, table) for table in tables))
    if len(wanted) < 2:
        return []
    if any(not nx.has_path(graph, wanted[0], other) for other in wanted[1:]):
        return None
    trees = [_grown_tree(graph, root, wanted) for root in wanted]
    best = min(trees, key=lambda tree: sum(graph.edges[edge]["cost"] for edge in tree))
    tree = nx.Graph(best)
    return [graph.edges[edge]["joins"][0] for edge in nx.bfs_edges(tree, wanted[0])]


def join_graph(catalog: Catalog) -> nx.Graph:
    """The catalog's tables and joins as a graph, built once per catalog. Read only.

    Nodes are lower-cased table names with `name` and `loops` (self references); edges hold `joins`, the
    cheapest first, and `cost`, the cheapest's.
    """
    known = _graphs.get(id(catalog))
    if known is not None and known[0]() is catalog:
        return known[1]
    graph = _build_graph(catalog)
    key = id(catalog)
    _graphs[key] = (weakref.ref(catalog, lambda _: _graphs.pop(key, None)), graph)
    return graph


# By identity: a catalog of thousands of columns is too big to be hashed at every question.
_graphs: dict[int, tuple[weakref.ref[Catalog], nx.Graph]] = {}


def _build_graph(catalog: Catalog) -> nx.Graph:
    graph = nx.Graph()
    for table in catalog.tables:
        graph.add_node(table.name.lower(), name=table.name, loops=[])
    for join in catalog.joins:
        one, other = join.table.lower(), join.ref_table.lower()
        if one not in graph or other not in graph:
            continue
        if one == other:
            graph.nodes[one]["loops"].append(join)
        elif graph.has_edge(one, other):
            graph.edges[one, other]["joins"].append(join)
        else:
            graph.add_edge(one, other, joins=[join])
    for edge in graph.edges:
        joins = graph.edges[edge]["joins"]
        joins.sort(key=join_cost)
        graph.edges[edge]["cost"] = join_cost(joins[0])
    return graph


def _node(graph: nx.Graph, table: str) -> str:
    node = table.lower()
    if node not in graph:
        raise KeyError(table)
    return node


def _cheapest_routes(graph: nx.Graph, source: str, target: str) -> Iterator[list[str]]:
    """Routes without repeated tables, cheapest first (Yen's algorithm, lazily); none when not connected."""
    try:
        yield from nx.shortest_simple_paths(graph, source, target, weight="cost")
    except nx.NetworkXNoPath:
        return


def _grown_tree(graph: nx.Graph, root: str, wanted: list[str]) -> list[tuple[str, str]]:
    """Edges of a tree grown from `root`, each time by the shortest path to the nearest missing table."""
    reached = {root: None}
    missing = [node for node in wanted if node != root]
    edges: list[tuple[str, str]] = []
    while missing:
        costs, routes = nx.multi_source_dijkstra(graph, set(reached), weight="cost")
        nearest = min(missing, key=lambda node: costs[node])
        route = routes[nearest]
        edges.extend(itertools.pairwise(route))
        reached.update(dict.fromkeys(route))
        missing = [node for node in missing if node not in reached]
    return edges
