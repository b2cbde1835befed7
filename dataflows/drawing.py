"""Draws a Hamilton DAG as SVG without Graphviz, which is a system package."""

from __future__ import annotations

from html import escape
from pathlib import Path

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout
from hamilton.driver import Driver, Variable

CHARACTER_PX = 7.2
NODE_HEIGHT_PX = 34
MARGIN_PX = 20


class _Box:
    """What grandalf lays out: a size, to which it adds the position ``xy``."""

    xy: tuple[float, float] = (0.0, 0.0)

    def __init__(self, label: str) -> None:
        self.w = CHARACTER_PX * len(label) + 24
        self.h = NODE_HEIGHT_PX


def dag_svg(driver: Driver) -> str:
    """The DAG as an SVG document: inputs in grey, nodes that are recorded as steps in colour."""
    variables = {variable.name: variable for variable in driver.list_available_variables()}
    vertices = {name: Vertex(name) for name in variables}
    for name, vertex in vertices.items():
        vertex.view = _Box(name)
    edges = [
        Edge(vertices[dependency], vertices[name])
        for name, variable in variables.items()
        for dependency in sorted(variable.required_dependencies | variable.optional_dependencies)
        if dependency in vertices
    ]
    graph = Graph(list(vertices.values()), edges)
    offset = 0.0
    for component in graph.C:
        layout = SugiyamaLayout(component)
        layout.xspace, layout.yspace = 24, 40
        layout.init_all()
        layout.draw()
        left = min(vertex.view.xy[0] - vertex.view.w / 2 for vertex in component.sV)
        for vertex in component.sV:
            vertex.view.xy = (vertex.view.xy[0] - left + offset, vertex.view.xy[1])
        offset = max(vertex.view.xy[0] + vertex.view.w / 2 for vertex in component.sV) + 3 * MARGIN_PX
    boxes = [vertex.view for vertex in vertices.values()]
    top = min(box.xy[1] - box.h / 2 for box in boxes)
    width = max(box.xy[0] + box.w / 2 for box in boxes) + 2 * MARGIN_PX
    height = max(box.xy[1] + box.h / 2 for box in boxes) - top + 2 * MARGIN_PX
    lines = [_line(edge.v[0].view, edge.v[1].view) for edge in edges]
    nodes = [_node(name, variables[name], vertices[name].view) for name in variables]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        ' font-family="monospace" font-size="12">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#64748b"/></marker></defs>'
        '<rect width="100%" height="100%" fill="white"/>'
        f'<g transform="translate({MARGIN_PX},{MARGIN_PX - top:.1f})">{"".join(lines)}{"".join(nodes)}</g></svg>\n'
    )


def write_dag(driver: Driver, path: Path) -> Path:
    """Write :func:`dag_svg` to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dag_svg(driver), encoding="utf-8")
    return path


def _line(start: _Box, end: _Box) -> str:
    (x1, y1), (x2, y2) = start.xy, end.xy
    y1, y2 = y1 + start.h / 2, y2 - end.h / 2
    bend = (y2 - y1) / 2
    return (
        f'<path d="M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2:.1f}"'
        ' fill="none" stroke="#94a3b8" marker-end="url(#arrow)"/>'
    )


def _node(name: str, variable: Variable, box: _Box) -> str:
    fill = "#f1f5f9" if variable.is_external_input else "#dbeafe" if "step" in variable.tags else "#ffffff"
    x, y = box.xy[0] - box.w / 2, box.xy[1] - box.h / 2
    documentation = variable.documentation or "input"
    return (
        f"<g><title>{escape(documentation)}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.w:.1f}" height="{box.h}" rx="6" fill="{fill}" stroke="#475569"/>'
        f'<text x="{box.xy[0]:.1f}" y="{box.xy[1] + 4:.1f}" text-anchor="middle">{escape(name)}</text></g>'
    )
