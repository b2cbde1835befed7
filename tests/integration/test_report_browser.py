"""The report in a real Chromium, opened from the disk without a network: what is seen, not what was meant."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, sync_playwright
from publish_lake import HOSTILE, PublishLake
from pyproj import Transformer
from report_page import ReportPage, near, open_report
from set_up_programs import set_up

from dataflows.publish.report.map import SITE_COLOUR
from dataflows.publish.report.page import write_report
from db.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.xdist_group("browser")

MAGENTA = tuple(bytes.fromhex(SITE_COLOUR.removeprefix("#")))

# Where the pictures are kept for people, below a folder that git ignores
PICTURES = REPOSITORY_ROOT / ".venv" / "report"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = set_up(REPOSITORY_ROOT / ".ci" / "browser")
    with sync_playwright() as playwright:
        # Its sandbox needs rights that containers do not give; the page is our own
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def file(publish_lake: PublishLake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(publish_lake.settings, tmp_path_factory.mktemp("report [a&b]") / "report.html")


@pytest.fixture
def report(browser: Browser, file: Path) -> Iterator[ReportPage]:
    opened = open_report(browser, file)
    yield opened
    opened.page.context.close()


@pytest.fixture(scope="module")
def sites(publish_lake: PublishLake) -> pd.DataFrame:
    """Sites with their place in EPSG:3857, by pyproj."""
    found = publish_lake.frame("SELECT * EXCLUDE (geometry) FROM curated.pv_installations WHERE centroid_lon_deg IS NOT NULL")
    project = Transformer.from_crs(4326, 3857, always_xy=True)
    found["x"], found["y"] = project.transform(found.centroid_lon_deg, found.centroid_lat_deg)
    return found


def visible(report: ReportPage, sites: pd.DataFrame) -> np.ndarray:
    """For each site within the frame, whether there is a pixel of the sites' colour where it is."""
    view, dots = report.view(), near(report.image(), MAGENTA)
    places = [view.pixel(x, y) for x, y in zip(sites.x, sites.y, strict=True) if view.holds(x, y)]
    # Within two pixels: the white line around a neighbour may lie on the middle of a dot
    around = [(slice(round(row) - 2, round(row) + 3), slice(round(column) - 2, round(column) + 3)) for column, row in places]
    return np.array([dots[window].any() for window in around])


def test_the_page_loads_nothing_and_complains_of_nothing(report: ReportPage, file: Path) -> None:
    assert report.requests == [file.as_uri()]
    assert report.complaints == []


def test_every_site_is_where_it_belongs(report: ReportPage, sites: pd.DataFrame) -> None:
    found = visible(report, sites)
    assert len(found) == len(sites)
    assert found.all()
    view = report.view()
    # The map is fitted to the sites: they reach from edge to edge, but for a margin, in one direction
    used = [np.ptp(sites.x) / (view.east - view.west), np.ptp(sites.y) / (view.north - view.south)]
    assert 0.8 < max(used) < 0.95
    assert (view.east - view.west) / view.width == pytest.approx((view.north - view.south) / view.height, rel=1e-3)
    frame = report.image()[round(view.top) : round(view.top + view.height), round(view.left) : round(view.left + view.width)]
    assert 0.001 < near(frame, MAGENTA).mean() < 0.1
    # Without them, none of their colour is left: it was theirs
    report.page.get_by_role("button", name="Sites", exact=True).click()
    report.settle()
    assert not visible(report, sites).any()


def test_cells_have_the_colour_of_their_count(report: ReportPage, publish_lake: PublishLake) -> None:
    report.page.get_by_role("button", name="Sites", exact=True).click()
    report.page.locator(".bk-btn").filter(has_text="4").click()
    report.settle()
    assert report.view().shown == "Cells of H3 resolution 4"
    cells = publish_lake.frame(
        "SELECT n_installations, h3_cell_to_lng(cell) AS lon, h3_cell_to_lat(cell) AS lat FROM curated.pv_h3"
        " WHERE resolution = 4 AND n_installations > 0"
    )
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(cells.lon, cells.lat)
    view, image = report.view(), report.image().astype(int)
    seen = [
        (count, image[round(row), round(column)])
        for count, (column, row) in zip(cells.n_installations, map(view.pixel, x, y), strict=True)
        if view.holds(*_back(view, column, row))
    ]
    assert len(seen) > 5
    # Cividis grows lighter with the count, whatever else it does
    counts = [count for count, _ in seen]
    lightness = [float(np.dot(colour, (0.2126, 0.7152, 0.0722))) for _, colour in seen]
    order = pd.DataFrame({"count": counts, "lightness": lightness}).corr("spearman")
    assert order.loc["count", "lightness"] > 0.95


def _back(view, column: float, row: float) -> tuple[float, float]:
    x = view.west + (column - view.left) / view.width * (view.east - view.west)
    return x, view.north - (row - view.top) / view.height * (view.north - view.south)


def test_the_wheel_zooms(report: ReportPage, sites: pd.DataFrame) -> None:
    before, picture = report.view(), report.image()
    centre = sites.loc[sites.h3_r5 == sites.h3_r5.mode()[0], ["x", "y"]].median()
    at = before.pixel(centre.x, centre.y)
    report.page.mouse.move(*at)
    for _ in range(3):
        report.page.mouse.wheel(0, -200)
        report.settle()
    after = report.view()
    assert (after.east - after.west) < 0.5 * (before.east - before.west)
    # What was under the pointer still is
    assert after.pixel(centre.x, centre.y) == pytest.approx(at, abs=10)
    resolution = [int(view.shown.rpartition(" ")[2]) for view in (before, after)]
    assert resolution[1] > resolution[0]
    report.page.mouse.move(5, 5)
    report.settle()
    inside = (
        slice(round(after.top), round(after.top + after.height)),
        slice(round(after.left), round(after.left + after.width)),
    )
    assert (picture[inside] != report.image()[inside]).any(axis=2).mean() > 0.1
    found = visible(report, sites)
    assert 3 < len(found) < len(sites)
    assert found.all()
    PICTURES.mkdir(exist_ok=True)
    report.page.screenshot(path=PICTURES / "zoomed.png")
    assert report.complaints == []


def test_pointing_at_a_site_tells_what_it_is_and_runs_nothing(
    report: ReportPage, sites: pd.DataFrame, publish_lake: PublishLake
) -> None:
    (site,) = sites[sites.installation_id == publish_lake.hostile].itertuples()
    report.page.mouse.move(*report.view().pixel(site.x, site.y))
    told = report.page.locator(".about-site")
    told.wait_for(state="visible")
    text = told.inner_text()
    for part in (HOSTILE, "9999.5 MW (AC)", str(site.installed_year), site.installation_id, *site.datasets, site.mount):
        assert str(part) in text
    PICTURES.mkdir(exist_ok=True)
    report.page.screenshot(path=PICTURES / "hover.png")
    assert report.page.evaluate("window.hacked") is None
    assert report.page.locator("img").count() == 0
    assert report.rows("largest")[0][0] == HOSTILE
    assert report.complaints == []


def test_tables_are_what_sql_says(report: ReportPage, publish_lake: PublishLake) -> None:
    own = publish_lake.frame("SELECT * EXCLUDE (geometry) FROM curated.pv_installations WHERE part_of IS NULL")
    years = own.groupby("installed_year").agg(sites=("installation_id", "size"), capacity=("capacity_mw", "sum"))
    rows = {row[0]: row[1:] for row in report.rows("growth")}
    assert {int(year) for year in rows if year != "unknown"} == set(years.index)
    for year, total in years.iterrows():
        assert rows[str(int(year))][0] == total.sites
        assert (rows[str(int(year))][1] or 0) == pytest.approx(total.capacity)
    countries = own.country_name.fillna(own.country_code).fillna("unknown").value_counts()
    assert {row[0]: row[1] for row in report.rows("countries")} == countries.to_dict()
    largest = own.sort_values(["capacity_mw", "installation_id"], ascending=[False, True]).head(20)
    assert [row[1] for row in report.rows("largest")] == largest.installation_id.tolist()
    assert [row[4] for row in report.rows("largest")] == pytest.approx(largest.capacity_mw.tolist())
    versions = publish_lake.frame("FROM landing.dataset_versions").set_index("dataset")
    for row in report.rows("datasets"):
        assert (row[5], row[6], row[8]) == tuple(versions.loc[row[0], ["licence", "commercial_use", "citation"]])
    links = publish_lake.frame("FROM curated.pv_links")
    assert sum(row[2] for row in report.rows("links")) == len(links)
    assert sum(row[2] for row in report.rows("links") if row[1] == "accepted") == links.accepted.sum()
    known = publish_lake.frame("FROM curated.pv_installations").notna().sum()
    for attribute, count, _ in report.rows("attributes"):
        assert count == known[attribute]
    (snapshot,) = publish_lake.frame("SELECT max(snapshot_id) AS id FROM lake.snapshots()").id
    assert report.page.locator("#snapshot").inner_text() == str(snapshot)
    assert "ODbL-1.0 is share-alike" in report.page.locator("main").inner_text()


def test_it_can_be_read_by_everybody(report: ReportPage) -> None:
    page = report.page
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    heads = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(head => Number(head.tagName[1]))")
    assert heads[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(heads))
    tables = page.locator("main table")
    assert tables.count() > 8
    assert page.locator("main table > caption").count() == tables.count()
    assert page.locator("main thead th:not([scope=col]), main tbody th:not([scope=row])").count() == 0
    contrasts = page.eval_on_selector_all(
        "h1, h2, p, a, td, th, caption, dt, dd",
        """all => all.filter(e => e.textContent.trim()).map(e => {
          const parse = text => text.match(/[\\d.]+/g).map(Number)
          let back = e
          while (back && parse(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement
          return [parse(getComputedStyle(e).color).slice(0, 3),
                  back ? parse(getComputedStyle(back).backgroundColor).slice(0, 3) : [255, 255, 255]]
        })""",
    )
    # WCAG 2.2, success criterion 1.4.3
    assert min(contrast(*pair) for pair in contrasts) >= 4.5


def contrast(one: list[float], other: list[float]) -> float:
    """Ratio of luminances, as WCAG defines it."""

    def luminance(colour: list[float]) -> float:
        parts = np.array(colour) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_on_a_phone(browser: Browser, file: Path, sites: pd.DataFrame) -> None:
    phone = open_report(browser, file, width=390, height=844)
    try:
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
        view = phone.view()
        assert view.left >= 0
        assert view.left + view.width <= 390
        assert view.width > 150
        found = visible(phone, sites)
        assert len(found) == len(sites)
        assert found.all()
        assert phone.complaints == []
        PICTURES.mkdir(exist_ok=True)
        phone.page.screenshot(path=PICTURES / "phone.png")
    finally:
        phone.page.context.close()


def test_keep_a_picture_of_the_whole(report: ReportPage, file: Path) -> None:
    PICTURES.mkdir(exist_ok=True)
    report.page.screenshot(path=PICTURES / "report.png", full_page=True)
    report.page.screenshot(path=PICTURES / "map.png")
    shutil.copy(file, PICTURES / "report.html")
    assert file.stat().st_size < 5e6
