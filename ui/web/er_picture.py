"""Tables and their joins as one SVG: boxes laid out by how they are connected. Pure."""

from __future__ import annotations

from html import escape as html

from ...tools.schema import Catalog, Table

WIDTH, LINE, PAD = 190, 17, 8
"""Of a box, of a column's line, and around it; in pixels."""
FILL = "var(--block-background-fill,#fff)"
TEXT = "var(--body-text-color,#404040)"
SHOWN = 9
"""Columns of a box."""
MOST = 60
"""Tables of a picture."""


def er_picture(catalog: Catalog) -> str:
    """The picture, with a title for those who do not see it. Dashed lines are inferred joins."""
    tables = list(catalog.tables[:MOST])
    if not tables:
        return "<p>There is no table to see.</p>"
    places = _places(tables, catalog)
    height = max(y + _height(table) for table, (_, y) in zip(tables, places.values(), strict=True)) + 20
    width = max(x for x, _ in places.values()) + WIDTH + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        'font-family="system-ui,sans-serif" font-size="12">',
        f"<title>{html(_told(catalog))}</title>",
    ]
    for join in catalog.joins:
        one, other = places.get(join.table.lower()), places.get(join.ref_table.lower())
        if one is not None and other is not None:
            dashed = "" if join.origin == "declared" else ' stroke-dasharray="5 4"'
            (x1, y1), (x2, y2) = ((x + WIDTH / 2, y + 14) for x, y in (one, other))
            parts.append(
                f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#0d9488" stroke-width="1.5"{dashed}/>'
            )
    for table in tables:
        parts.append(_box(table, *places[table.name.lower()], catalog))
    left_out = len(catalog.tables) - len(tables)
    note = f"<p>{left_out} more tables are not drawn.</p>" if left_out > 0 else ""
    return "".join([*parts, "</svg>", note])


def _places(tables: list[Table], catalog: Catalog) -> dict[str, tuple[float, float]]:
    """The corner of each box: rows of boxes, tables that are joined near to each other."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(table.name.lower() for table in tables)
    graph.add_edges_from(
        (join.table.lower(), join.ref_table.lower())
        for join in catalog.joins
        if join.table.lower() in graph and join.ref_table.lower() in graph
    )
    by_name = {table.name.lower(): table for table in tables}
    order: list[str] = []
    for part in sorted(nx.connected_components(graph), key=lambda part: (-len(part), min(part))):
        start = max(sorted(part), key=lambda name: graph.degree[name])
        order += list(nx.bfs_tree(graph, start))
    across = max(1, min(5, round(len(order) ** 0.5 * 1.3)))
    places: dict[str, tuple[float, float]] = {}
    y = 10.0
    for start in range(0, len(order), across):
        row = order[start : start + across]
        for number, name in enumerate(row):
            places[name] = (10.0 + number * (WIDTH + 60), y)
        y += max(_height(by_name[name]) for name in row) + 50
    return {table.name.lower(): places[table.name.lower()] for table in tables}


def _height(table: Table) -> float:
    return 28 + LINE * min(len(table.columns), SHOWN + 1) + PAD


def _box(table: Table, x: float, y: float, catalog: Catalog) -> str:
    keys = {name.lower() for name in table.primary_key}
    linked = {
        column.lower()
        for join in catalog.joins
        if join.table.lower() == table.name.lower()
        for column in join.columns
    }
    columns = sorted(table.columns, key=lambda c: (c.name.lower() not in keys, c.name.lower() not in linked))
    lines = []
    for number, column in enumerate(columns[:SHOWN]):
        mark = "🔑 " if column.name.lower() in keys else "↗ " if column.name.lower() in linked else ""
        lines.append(_text(x + PAD, y + 42 + number * LINE, f"{mark}{_cut(column.name)}", TEXT))
    if len(columns) > SHOWN:
        lines.append(_text(x + PAD, y + 42 + SHOWN * LINE, f"… {len(columns) - SHOWN} more", TEXT))
    frame = f'x="{x}" y="{y}" width="{WIDTH}" rx="6"'
    body = f'<rect {frame} height="{_height(table)}" fill="{FILL}" stroke="#80808080"/>'
    head = f'<rect {frame} height="26" fill="#0d9488"/>'
    name = _text(x + PAD, y + 18, _cut(table.name), "#fff", bold=True)
    return f"<g>{body}{head}{name}{''.join(lines)}</g>"


def _text(x: float, y: float, text: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}>{html(text)}</text>'


def _cut(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def _told(catalog: Catalog) -> str:
    """The picture in words."""
    joins = "; ".join(f"{join.table} refers to {join.ref_table}" for join in catalog.joins)
    return f"{len(catalog.tables)} tables of {catalog.name}. {joins}"
