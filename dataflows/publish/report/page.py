"""Writes the page: one file that needs no other, no server and no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dataflows.publish import sidecar
from dataflows.publish.files import write_text
from dataflows.publish.report.map import site_map
from dataflows.publish.report.sites_tables import OF_ITS_OWN, SITES, sites_tables
from dataflows.publish.report.source_tables import provenance_tables, quality_tables
from dataflows.publish.report.table import Table
from dataflows.publish.source import find
from db import connect
from db.connection import AsOf
from db.settings import Settings

TITLE = "Solar sites in this lake"
TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: id of its element.
        title: heading.
        text: what it is about.
        tables: in order.
    """

    key: str
    title: str
    text: str
    tables: tuple[Table, ...]


def write_report(lake: Settings, file: Path, *, as_of: AsOf | None = None, title: str = TITLE) -> Path:
    """Write the page about a lake.

    Args:
        lake: settings.
        file: HTML to write, replaced at once or not at all.
        as_of: snapshot id or time of the lake.
        title: heading.

    Returns:
        ``file``.

    Raises:
        PublishError: the lake has no installations, or the folder is missing.
    """
    with connect(read_only=True, as_of=as_of, lake=lake) as con:
        con.execute("BEGIN")
        return write_text(file, _html(con, title))


def _html(con: duckdb.DuckDBPyConnection, title: str) -> str:
    origin = sidecar.provenance(con, find(con, "curated.pv_installations"), "true")
    shown = site_map(con)
    script, div = components(shown.layout)
    scripts = Resources(mode="inline", components=["bokeh", "bokeh-widgets"], minified=True).render_js()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    return environment.get_template(TEMPLATE).render(
        title=title,
        snapshot=origin["snapshot"],
        code_version=origin["code_version"],
        warnings=origin["warnings"],
        figures=_figures(con),
        # Bokeh's own text, in which it has escaped what comes from the lake
        scripts=Markup(scripts + script),  # noqa: S704
        map=Markup(div),  # noqa: S704
        notes=shown.notes,
        sections=_sections(con),
    )


def _figures(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    sites, parts, capacity, area, observations, datasets = con.execute(
        f"""
        SELECT count(*) FILTER ({OF_ITS_OWN}), count(*) FILTER (part_of IS NOT NULL), sum(capacity_mw) FILTER ({OF_ITS_OWN}),
            sum(area_m2) FILTER ({OF_ITS_OWN}) / 1e6, sum(n_observations),
            (SELECT count(*) FROM lake.curated.dataset_summary WHERE n_observations > 0)
        FROM {SITES}
        """
    ).fetchone() or (0, 0, 0, 0, 0, 0)
    return [
        ("Sites", f"{sites:,}"),
        ("Parts of sites", f"{parts:,}"),
        ("Capacity known, AC", f"{capacity or 0:,.0f} MW"),
        ("Area known", f"{area or 0:,.1f} km²"),
        ("Observations", f"{observations or 0:,}"),
        ("Datasets", f"{datasets:,}"),
    ]


def _sections(con: duckdb.DuckDBPyConnection) -> list[Section]:
    return [
        Section(
            "sites",
            "Sites",
            "Counted and summed are sites that are no part of another one, so that phases and roofs of a plant count once.",
            sites_tables(con),
        ),
        Section(
            "provenance",
            "Provenance",
            "Each row of the lake carries its file and licence. Whoever shows these figures cites the datasets below.",
            provenance_tables(con),
        ),
        Section(
            "quality",
            "Quality",
            "How good the geometries are, what is known of how many sites, and how observations were joined to sites.",
            quality_tables(con),
        ),
    ]
