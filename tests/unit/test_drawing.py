"""Drawings of DAGs, read back as XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from dataflows.catalog import DAGS, dag_driver
from dataflows.drawing import dag_svg, write_dag
from ingest.manifest import Format

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("kind", Format)
def test_each_format_has_a_dag_with_a_reader(kind: Format) -> None:
    names = {variable.name for variable in dag_driver("doi_vectors", kind).list_available_variables()}
    assert {"fetched", "unpacked", "layers", "provenanced_table", "landed", "exported"} <= names


@pytest.mark.parametrize("name", DAGS)
def test_every_node_is_drawn_once_inside_the_picture(name: str) -> None:
    driver = dag_driver(name, Format.CSV)
    drawing = ET.fromstring(dag_svg(driver))
    drawn = [text.text for text in drawing.iter(f"{SVG}text")]
    assert sorted(drawn) == sorted(variable.name for variable in driver.list_available_variables())
    assert all(title.text for title in drawing.iter(f"{SVG}title"))

    group = drawing.find(f"{SVG}g")
    left, top = (float(part) for part in group.get("transform").removeprefix("translate(").rstrip(")").split(","))
    boxes = [tuple(float(box.get(name)) for name in ("x", "y", "width", "height")) for box in group.iter(f"{SVG}rect")]
    for x, y, width, height in boxes:
        assert x + left >= 0
        assert y + top >= 0
        assert x + left + width <= float(drawing.get("width"))
        assert y + top + height <= float(drawing.get("height"))
    for index, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:index]:
            apart = x + width <= other_x or other_x + other_width <= x or y + height <= other_y or other_y + other_height <= y
            assert apart, "two nodes lie on each other"


@pytest.mark.parametrize("name", DAGS)
def test_there_is_an_arrow_for_every_dependency(name: str) -> None:
    driver = dag_driver(name, Format.CSV)
    variables = {variable.name: variable for variable in driver.list_available_variables()}
    needed = [variable.required_dependencies | variable.optional_dependencies for variable in variables.values()]
    dependencies = sum(len(names & variables.keys()) for names in needed)
    arrows = [path for path in ET.fromstring(dag_svg(driver)).iter(f"{SVG}path") if path.get("marker-end")]
    assert len(arrows) == dependencies


def test_a_drawing_is_written_where_asked(tmp_path) -> None:
    path = write_dag(dag_driver("doi_vectors", Format.CSV), tmp_path / "new" / "dag.svg")
    assert ET.parse(path).getroot().tag == f"{SVG}svg"
    assert [entry.name for entry in path.parent.iterdir()] == ["dag.svg"]
