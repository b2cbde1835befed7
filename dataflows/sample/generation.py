"""Writes the sample world: seven published datasets, their imagery and context, manifests of all three, and the truth."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import geopandas as gpd
import pandas as pd

from dataflows.sample.context import ContextFacts, publish_context
from dataflows.sample.context.manifest import write_context_manifest
from dataflows.sample.defects import DUPLICATE, inject
from dataflows.sample.imagery import CATALOG_FILE, SceneFacts, publish_imagery
from dataflows.sample.manifest import IMAGERY_DIR, entry, write_manifest, write_stac_manifest
from dataflows.sample.region import generator
from dataflows.sample.view import View
from dataflows.sample.views import VIEWS
from dataflows.sample.world import UNPUBLISHED, true_sites
from dataflows.sample.writers import write_geoparquet
from db.errors import SettingsError

logger = logging.getLogger(__name__)

MANIFEST_FILE = "doi_manifest.yml"
STAC_MANIFEST_FILE = "stac_manifest.yml"
CONTEXT_MANIFEST_FILE = "context_manifest.yml"
SITES_FILE = Path("truth", "sites.parquet")
OBSERVATIONS_FILE = Path("truth", "observations.parquet")


@dataclass(frozen=True)
class DatasetCounts:
    """What one published file holds. ``valid``, ``repaired``, ``null`` and ``empty`` (by geometry) add up to ``rows``.

    ``sites`` counts the true sites seen, ``false_positives`` the rows that show none, ``duplicates`` the exact copies of
    other rows.
    """

    dataset: str
    file: str
    rows: int
    valid: int
    repaired: int
    null: int
    empty: int
    duplicates: int
    sites: int
    false_positives: int


@dataclass(frozen=True)
class SampleWorld:
    """A generated sample world: where it is and what is in it.

    ``manifest`` is the file to ingest by, ``folder`` the mirror; ``scenes`` are those of ``catalog``, the static STAC catalog
    that ``stac_manifest`` names, none where the world was generated without imagery; ``context`` tells of what
    ``context_manifest`` names, missing where it was generated without.
    """

    folder: Path
    manifest: Path
    sites: int
    seed: int
    datasets: dict[str, DatasetCounts]
    scenes: tuple[SceneFacts, ...] = ()
    context: ContextFacts | None = None

    @property
    def stac_manifest(self) -> Path:
        """The file to ingest the imagery's items by."""
        return self.folder / STAC_MANIFEST_FILE

    @property
    def context_manifest(self) -> Path:
        """The file to ingest the context by."""
        return self.folder / CONTEXT_MANIFEST_FILE

    @property
    def catalog(self) -> Path:
        """Where the STAC catalog of the imagery is."""
        return self.folder / IMAGERY_DIR / CATALOG_FILE

    def summary(self) -> list[dict[str, str | int]]:
        """One row a dataset, for a table or JSON."""
        return [asdict(counts) for counts in self.datasets.values()]


def generate(
    folder: Path, *, sites: int = 400, seed: int = 20261120, imagery: bool = True, context: bool = True
) -> SampleWorld:
    """Generate the sample world of Helia, an imagined island.

    The same seed, size and versions of the libraries give the same bytes in every file. ``folder`` takes the place of an
    earlier sample world in one rename; it is laid out as a mirror: ``<dataset key>/<published file>``, ``doi_manifest.yml``,
    ``truth/sites.parquet`` (the sites of ``true_sites``, in EPSG:4326) and ``truth/observations.parquet`` (one row a
    published row: ``dataset``, ``source_file`` as landing names it, ``source_row`` from 0, ``source_feature_id``,
    ``site_id`` or missing, ``defect`` or missing, ``geometry_status`` that staging must give: valid|repaired|null|empty),
    ``stac/helia/catalog.json`` with the scenes of :func:`dataflows.sample.imagery.publish_imagery`, and ``stac_manifest.yml``;
    what :func:`dataflows.sample.context.publish_context` writes, and ``context_manifest.yml``.

    Args:
        folder: where to write; absent, empty or an earlier sample world.
        sites: number of true sites, from 100 to about 25,000.
        seed: any non-negative integer.
        imagery: whether the world is seen from space; without, the files are the same but for the imagery's.
        context: whether areas, land, buildings and sunshine are published; without, the files are the same but for theirs.

    Raises:
        SettingsError: ``sites`` or ``seed`` is out of range, or ``folder`` holds something else.
    """
    if seed < 0:
        raise SettingsError(f"The seed {seed} is negative.", remedy="Give zero or a positive integer.")
    truth = true_sites(sites, seed)
    with _replacing(folder) as scratch:
        files = {view.key: _publish(view, truth, seed, scratch) for view in VIEWS}
        entries = [entry(view, scratch / view.key / view.file, len(files[view.key])) for view in VIEWS]
        write_manifest(entries, scratch / MANIFEST_FILE)
        (scratch / "truth").mkdir()
        published = truth.drop(columns=UNPUBLISHED).to_crs("EPSG:4326")
        write_geoparquet(published, scratch / SITES_FILE)
        scenes: list[SceneFacts] = []
        if imagery:
            scenes = publish_imagery(truth, seed, scratch / IMAGERY_DIR)
            write_stac_manifest(seed, scratch / STAC_MANIFEST_FILE)
        told = None
        if context:
            told = publish_context(truth, seed, scratch)
            write_context_manifest(scratch, scratch / CONTEXT_MANIFEST_FILE)
        pd.concat(files.values(), ignore_index=True).to_parquet(scratch / OBSERVATIONS_FILE, index=False)
    counts = {view.key: _count(view, files[view.key]) for view in VIEWS}
    logger.info("Sample world of %d sites in %s: %d rows.", sites, folder, sum(count.rows for count in counts.values()))
    return SampleWorld(
        folder=folder,
        manifest=folder / MANIFEST_FILE,
        sites=sites,
        seed=seed,
        datasets=counts,
        scenes=tuple(scenes),
        context=told,
    )


def _publish(view: View, truth: gpd.GeoDataFrame, seed: int, folder: Path) -> pd.DataFrame:
    """Write one dataset; its rows of ``truth/observations.parquet``."""
    rng = generator(seed, view.key)
    rows = inject(view.observe(truth, rng), view.defects, rng)
    (folder / view.key).mkdir(parents=True)
    view.write(rows.drop(columns=["site_id", "defect", "geometry_status"]), folder / view.key / view.file)
    text = pd.StringDtype(na_value=pd.NA)
    return pd.DataFrame(
        {
            "dataset": view.key,
            "source_file": view.source_file,
            "source_row": range(len(rows)),
            "source_feature_id": None if view.feature_id is None else rows[view.feature_id].astype(text),
            "site_id": rows["site_id"].astype(text),
            "defect": rows["defect"].astype(text),
            "geometry_status": rows["geometry_status"],
        }
    ).astype({"source_feature_id": text})


def _count(view: View, observations: pd.DataFrame) -> DatasetCounts:
    status = observations["geometry_status"].value_counts()
    return DatasetCounts(
        dataset=view.key,
        file=view.file,
        rows=len(observations),
        **{name: int(status.get(name, 0)) for name in ("valid", "repaired", "null", "empty")},
        duplicates=int((observations["defect"] == DUPLICATE).sum()),
        sites=observations["site_id"].nunique(),
        false_positives=int(observations["site_id"].isna().sum()),
    )


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A scratch folder beside ``folder`` that takes its place when all went well."""
    if folder.exists() and not (folder / OBSERVATIONS_FILE).exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} holds something that is no sample world.", remedy="Choose an empty folder.")
    unique = uuid4().hex
    scratch, old = (folder.with_name(f".{folder.name}.{unique}.{suffix}") for suffix in ("new", "old"))
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if folder.exists():
            folder.rename(old)
        scratch.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
