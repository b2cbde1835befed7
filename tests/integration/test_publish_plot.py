"""Pictures: drawn from the sample's lake, with what they say in them; the same bytes twice; nothing half-written."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import shapely
from command_line import ran
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from PIL import Image
from publish_lake import PublishLake
from pyproj import Geod

from dataflows.publish import charts, density
from dataflows.publish.figures import Picture, plot
from db import connect
from db.settings import using


@pytest.mark.parametrize("picture", Picture)
def test_a_picture_is_drawn(publish_lake: PublishLake, tmp_path: Path, picture: Picture) -> None:
    with using(publish_lake.settings):
        done = ran("plot", picture.value, "-o", tmp_path / "a.png")
    assert done.code == 0, done.err
    image = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert min(image.shape[:2]) > 400
    # More than a white sheet, and less than one colour all over
    assert 0.01 < (image < 250).any(axis=2).mean() < 0.99
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


# Maps and matrices take their order from queries; the others are sums
@pytest.mark.parametrize("picture", [Picture.PV_H3, Picture.OVERLAP])
def test_a_picture_is_the_same_again(publish_lake: PublishLake, tmp_path: Path, picture: Picture) -> None:
    once, twice = (plot(picture, tmp_path / name, publish_lake.settings) for name in ("once.svg", "twice.svg"))
    assert once.read_bytes() == twice.read_bytes()
    assert ET.parse(once).getroot().tag.endswith("svg")


def test_yields_are_where_their_sites_are(publish_lake: PublishLake) -> None:
    figure = Figure()
    with connect(read_only=True, lake=publish_lake.settings) as con:
        density.draw_yield(figure, con)
    table = publish_lake.frame(
        """
        SELECT centroid_lon_deg AS lon, centroid_lat_deg AS lat, specific_yield_kwh_kwp AS kwh
        FROM curated.pv_energy_yield JOIN curated.pv_installations USING (installation_id) WHERE month IS NULL
        """
    )
    (dots,) = [made for made in figure.axes[0].collections if isinstance(made, PathCollection)]
    assert len(dots.get_offsets()) == len(table) > 100
    assert sorted(dots.get_array()) == sorted(table.kwh)
    assert f"{len(table):,} sites" in figure.axes[0].get_title()
    # Each value stands where its site is: distances on the map are those on the globe
    xy = np.asarray(dots.get_offsets())[
        [int(np.flatnonzero(dots.get_array() == kwh)[0]) for kwh in (table.kwh.min(), table.kwh.max())]
    ]
    ends = [table.loc[table.kwh.idxmin()], table.loc[table.kwh.idxmax()]]
    _, _, metres = Geod(ellps="WGS84").inv(ends[0].lon, ends[0].lat, ends[1].lon, ends[1].lat)
    assert np.hypot(*(xy[1] - xy[0])) == pytest.approx(metres / 1000, rel=0.01, abs=0.1)


def test_hexagons_are_equal_in_area_and_hold_the_counts(publish_lake: PublishLake) -> None:
    figure = Figure()
    with connect(read_only=True, lake=publish_lake.settings) as con:
        density.draw(figure, con, 5)
    counts = publish_lake.frame("SELECT n_installations FROM curated.pv_h3 WHERE resolution = 5 AND n_installations > 0")
    (drawn,) = [
        made for made in figure.axes[0].collections if isinstance(made, PolyCollection) and made.get_array() is not None
    ]
    assert sorted(drawn.get_array()) == sorted(counts.n_installations)
    # H3's cells differ by some percent in area on the globe too: compared is with the globe
    cells = publish_lake.frame(
        "SELECT cell, h3_cell_to_boundary_wkt(cell) AS wkt FROM curated.pv_h3 WHERE resolution = 5 AND n_installations > 0"
        " ORDER BY h3_h3_to_string(cell)"
    )
    geod = Geod(ellps="WGS84")
    true = [abs(geod.geometry_area_perimeter(shapely.from_wkt(wkt))[0]) / 1e6 for wkt in cells.wkt]
    flat = [shapely.Polygon(path.vertices).area for path in drawn.get_paths()]
    np.testing.assert_allclose(flat, true, rtol=1e-3)


def test_growth_is_what_the_table_says(publish_lake: PublishLake) -> None:
    figure = Figure()
    with connect(read_only=True, lake=publish_lake.settings) as con:
        charts.growth(figure, con, None)
    table = publish_lake.frame("FROM curated.pv_growth WHERE level = 'world' ORDER BY year")
    above, below = figure.axes
    np.testing.assert_allclose([bar.get_height() for bar in above.patches], table.capacity_mw_added)
    np.testing.assert_allclose([bar.get_height() for bar in below.patches], table.n_installations_added)
    np.testing.assert_allclose(above.lines[0].get_ydata(), table.capacity_mw_cumulative)


def test_a_map_is_centred_where_the_places_are() -> None:
    fiji = density.around(np.array([[179.0, -17.0], [-179.0, -17.0]]))
    assert "180" in fiji.name
    x = fiji.project(np.array([[179.0, -17.0], [-179.0, -17.0]]))[:, 0]
    assert abs(x[0] - x[1]) == pytest.approx(Geod(ellps="WGS84").inv(179, -17, -179, -17)[2] / 1000, rel=0.01)
    assert density.around(np.array([[-120.0, 40.0], [10.0, 50.0], [140.0, -30.0]])).name == "Equal Earth"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("growth", "-o", "x.pdf"), "neither .png nor .svg"),
        (("growth", "-o", "nowhere/x.png"), "There is no folder"),
        (("growth", "--country", "ZZZ"), "nothing to draw"),
        (("pv_h3", "--resolution", "15"), "no resolution 15"),
    ],
)
def test_what_is_wrong_is_said(
    publish_lake: PublishLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with using(publish_lake.settings):
        done = ran("plot", *arguments)
    assert (done.code, done.out) == (1, "")
    assert told in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_report_needs_a_folder_and_a_lake_that_was_built(publish_lake: PublishLake, home, tmp_path: Path) -> None:
    with using(publish_lake.settings):
        done = ran("report", "-o", tmp_path / "nowhere" / "x.html")
    assert done.code == 1
    assert "There is no folder" in done.err
    with connect(lake=home):
        pass
    with using(home):
        done = ran("report", "-o", tmp_path / "x.html")
    assert done.code == 1
    assert "no table curated.pv_installations" in done.err
    assert not (tmp_path / "x.html").exists()
