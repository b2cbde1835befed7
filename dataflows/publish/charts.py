"""Charts: growth, coverage and overlap of datasets, sizes. Colours of Okabe and Ito and of cividis, for every eye."""

from __future__ import annotations

import duckdb
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from db.errors import PublishError

# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN = "#0072b2", "#e69f00", "#009e73"
MAP = "cividis"

INTEGERS = StrMethodFormatter("{x:,.0f}")
BINS_A_DECADE = 6

# Countries that a chart of coverage has room for
MOST_COUNTRIES = 30


def nothing(what: str, remedy: str) -> PublishError:
    """The error of a picture without content."""
    return PublishError(f"There is nothing to draw: {what}.", remedy=remedy)


def growth(figure: Figure, con: duckdb.DuckDBPyConnection, country: str | None) -> None:
    """Capacity and sites added by year as bars, and what stands at the end of each year as a line."""
    condition, parameters = (
        ("level = 'world'", []) if country is None else ("level = 'country' AND country_code = ?", [country])
    )
    rows = con.execute(
        f"""
        SELECT year, n_installations_added, capacity_mw_added, n_installations_cumulative, capacity_mw_cumulative,
            n_installations_undated, capacity_mw_undated
        FROM lake.curated.pv_growth WHERE {condition} ORDER BY year
        """,
        parameters,
    ).fetchall()
    if not rows:
        raise nothing(
            f"no year is known of any site{'' if country is None else f' in {country}'}",
            "Build the lake, or name another country.",
        )
    year, sites, capacity, all_sites, all_capacity, undated, undated_mw = (
        np.array(values, float) for values in zip(*rows, strict=True)
    )
    figure.set_size_inches(8, 6.4)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, added, total, colour, unit in (
        (above, capacity, all_capacity, BLUE, "Capacity, MW (AC)"),
        (below, sites, all_sites, ORANGE, "Sites"),
    ):
        axes.bar(year, added, color=colour, width=0.8, label="added in the year")
        axes.plot(year, total, color="black", marker="o", markersize=3, linewidth=1.2, label="standing at its end")
        axes.set_ylabel(unit)
        axes.yaxis.set_major_formatter(INTEGERS)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False, loc="upper left")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_xlabel("Year in which the site began to work")
    figure.suptitle(f"Growth, {'all countries' if country is None else country}", fontsize=11)
    above.set_title(
        f"without {int(undated[0]):,} sites of unknown year ({undated_mw[0]:,.0f} MW)", fontsize=8, loc="left", color="0.3"
    )


def coverage(figure: Figure, con: duckdb.DuckDBPyConnection) -> None:
    """Observations by dataset and country, and by dataset and year."""
    by_country = con.execute(
        f"""
        WITH counted AS (
            SELECT o.dataset, coalesce(s.country_code, o.country_iso3, 'unknown') AS country, count(*) AS n
            FROM lake.curated.pv_observations AS o
            LEFT JOIN lake.curated.pv_installation_observations AS m USING (observation_id)
            LEFT JOIN lake.curated.pv_installations AS s USING (installation_id)
            GROUP BY ALL
        ),
        largest AS (SELECT country FROM counted GROUP BY 1 ORDER BY sum(n) DESC, country LIMIT {MOST_COUNTRIES})
        SELECT dataset, country, n FROM counted SEMI JOIN largest USING (country)
        """
    ).fetchall()
    by_year = con.execute(
        "SELECT dataset, installed_year, count(*) FROM lake.curated.pv_observations"
        " WHERE installed_year IS NOT NULL GROUP BY ALL"
    ).fetchall()
    if not by_country:
        raise nothing("the lake has no observations", "Run 'eopv ingest' and 'eopv build'.")
    datasets = sorted({name for name, _, _ in by_country})
    countries = sorted({country for _, country, _ in by_country})
    years = [year for _, year, _ in by_year]
    span = list(range(min(years), max(years) + 1)) if years else []
    figure.set_size_inches(max(7.0, 3.5 + 0.22 * (len(countries) + len(span))), 1.6 + 0.42 * len(datasets) + 0.6)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(max(len(countries), 3), max(len(span), 3)))
    greatest = max(count for _, _, count in (*by_country, *by_year))
    for axes, found, columns, label in ((left, by_country, countries, "Country (ISO 3166-1)"), (right, by_year, span, "Year")):
        counts = np.full((len(datasets), max(len(columns), 1)), np.nan)
        for dataset, column, count in found:
            counts[datasets.index(dataset), columns.index(column)] = count
        image = axes.imshow(counts, aspect="auto", cmap=MAP, norm="log", vmin=1, vmax=max(greatest, 2), interpolation="nearest")
        step = max(1, len(columns) // 30)
        axes.set_xticks(range(0, len(columns), step), [str(column) for column in columns[::step]], rotation=90, fontsize=7)
        axes.set_yticks(range(len(datasets)), datasets, fontsize=7)
        axes.set_xlabel(label, fontsize=8)
        axes.set_facecolor("0.92")
    bar = figure.colorbar(image, ax=[left, right], fraction=0.03, pad=0.01)
    bar.set_label("Observations (logarithmic); grey: none", fontsize=7)
    bar.ax.yaxis.set_major_formatter(INTEGERS)
    figure.suptitle("Coverage of the datasets", fontsize=11)


def overlap(figure: Figure, con: duckdb.DuckDBPyConnection) -> None:
    """Of the sites that one dataset knows, the share that another one knows too."""
    rows = con.execute(
        "SELECT dataset_a, dataset_b, n_installations_a, n_installations_shared, 100 * share_of_a"
        " FROM lake.curated.pv_dataset_overlap"
    ).fetchall()
    if not rows:
        raise nothing("no dataset has installations", "Run 'eopv build'.")
    datasets = sorted({row[0] for row in rows})
    share = np.zeros((len(datasets), len(datasets)))
    sites, shared = {}, {}
    for one, other, of_one, of_both, part in rows:
        share[datasets.index(one), datasets.index(other)] = part
        sites[one], shared[one, other] = of_one, of_both
    size = 3.6 + 0.75 * len(datasets)
    figure.set_size_inches(size + 0.6, size - 0.6)
    axes = figure.subplots()
    image = axes.imshow(share, cmap=MAP, vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(datasets)), datasets, rotation=35, ha="right", rotation_mode="anchor", fontsize=7)
    axes.set_yticks(range(len(datasets)), [f"{name}\n{sites[name]:,} sites" for name in datasets], fontsize=7)
    for row, one in enumerate(datasets):
        for column, other in enumerate(datasets):
            told = f"{share[row, column]:.0f} %\n{shared.get((one, other), 0):,}"
            axes.text(
                column, row, told, ha="center", va="center", fontsize=6.5, color="black" if share[row, column] > 55 else "white"
            )
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("Share of the row's sites that the column knows too, %", fontsize=7)
    axes.set_title("Overlap of the datasets", fontsize=11)


def capacity(figure: Figure, con: duckdb.DuckDBPyConnection) -> None:
    """How many sites have which capacity, in steps of equal ratio, and how the capacity is spread over them."""
    values = _values(con, "SELECT capacity_mw FROM lake.curated.pv_installations WHERE part_of IS NULL AND capacity_mw > 0")
    if not len(values):
        raise nothing("no capacity is known", "Ingest a dataset that states capacities.")
    low, high = np.floor(np.log10(values.min())), np.ceil(np.log10(values.max()))
    edges = np.logspace(low, max(high, low + 1), int(max(high - low, 1) * BINS_A_DECADE) + 1)
    figure.set_size_inches(7, 4.2)
    axes = figure.subplots()
    axes.hist(values, bins=edges, color=BLUE, edgecolor="white", linewidth=0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(INTEGERS)
    axes.set_xlabel("Capacity of a site, MW (AC), logarithmic")
    axes.set_ylabel("Sites")
    axes.grid(axis="y", alpha=0.3)
    middle = float(np.median(values))
    axes.axvline(middle, color="black", linewidth=1.2, linestyle="--")
    axes.set_title(
        f"{len(values):,} sites of known capacity, {values.sum():,.0f} MW; half of them below {middle:,.2f} MW (dashed)",
        fontsize=9,
    )


def _values(con: duckdb.DuckDBPyConnection, query: str) -> NDArray[np.float64]:
    return np.array([value for (value,) in con.execute(query).fetchall()], dtype=float)
