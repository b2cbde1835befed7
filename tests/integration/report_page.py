"""The report in a real browser: what it shows, at which pixel, and what it asks of others."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

# Where the frame of the plot is on the screen, and what it shows
VIEW = """() => {
  const plot = Bokeh.documents[0].get_model_by_name("map")
  const view = Bokeh.index.find_one(plot)
  const canvas = view.canvas_view.el.getBoundingClientRect()
  const {left, top, width, height} = view.frame.bbox
  return {
    left: canvas.left + left, top: canvas.top + top, width, height,
    west: plot.x_range.start, east: plot.x_range.end, south: plot.y_range.start, north: plot.y_range.end,
    shown: Bokeh.documents[0].get_model_by_name("shown").text,
  }
}"""
READY = "() => window.Bokeh?.documents[0]?.get_model_by_name('shown')?.text && Bokeh.documents[0].is_idle"


@dataclass(frozen=True)
class View:
    """The frame in pixels of the window, and the ranges in metres of EPSG:3857."""

    left: float
    top: float
    width: float
    height: float
    west: float
    east: float
    south: float
    north: float
    shown: str

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where in the window a place is drawn."""
        column = self.left + (x - self.west) / (self.east - self.west) * self.width
        row = self.top + (self.north - y) / (self.north - self.south) * self.height
        return column, row

    def holds(self, x: float, y: float, margin_px: float = 6) -> bool:
        column, row = self.pixel(x, y)
        across = self.left + margin_px < column < self.left + self.width - margin_px
        return across and self.top + margin_px < row < self.top + self.height - margin_px


@dataclass
class ReportPage:
    """A page that has been opened from the disk, with all that it said and asked for."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def view(self) -> View:
        return View(**self.page.evaluate(VIEW))

    def image(self) -> NDArray[np.uint8]:
        """The window as it looks, shape (height, width, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def rows(self, key: str) -> list[list[Any]]:
        """Cells of a table's body: numbers where the page has them, else texts."""
        return self.page.eval_on_selector_all(
            f"table#{key} tbody tr",
            "rows => rows.map(row => [...row.cells].map(cell => "
            "cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value)))",
        )

    def settle(self) -> None:
        """Until two pictures in a row are equal."""
        before = self.image()
        for _ in range(50):
            self.page.wait_for_timeout(100)
            now = self.image()
            if np.array_equal(before, now):
                return
            before = now
        raise AssertionError("the page does not come to rest")


def open_report(browser: Browser, file: Path, width: int = 1280, height: int = 1000) -> ReportPage:
    """Open a page from the disk, without a network, and wait until the map is drawn with its top edge in the window."""
    page = browser.new_context(viewport={"width": width, "height": height}, offline=True).new_page()
    opened = ReportPage(page)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on(
        "console", lambda said: opened.complaints.append(said.text) if said.type in ("error", "warning", "assert") else None
    )
    page.goto(file.as_uri())
    page.wait_for_function(READY)
    page.locator("#where").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#where').scrollIntoView()")
    opened.settle()
    return opened


def near(image: NDArray[np.uint8], colour: tuple[int, int, int], tolerance: int = 12) -> NDArray[np.bool_]:
    """Which pixels have a colour."""
    return (np.abs(image.astype(int) - np.array(colour)) <= tolerance).all(axis=2)
