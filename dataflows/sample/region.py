"""Helia, the imagined island of the sample world: where it lies and what things are called there.

It lies in the open North Atlantic, inside the area of use of EPSG:3035 and hundreds of kilometres from any land, under a
country code that ISO 3166-1 reserves for private use. No row of the sample can be mistaken for a real installation.
"""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

COUNTRY_ISO3 = "XHE"
COUNTRY_ISO2 = "XH"
COUNTRY_NAME = "Helia"
NEIGHBOUR_ISO3 = "XSE"
NEIGHBOUR_ISO2 = "XS"
NEIGHBOUR_NAME = "Selenia"
"""The island to the north-east of Helia, which claims one of its islets."""

PROVINCES = {"Nord-Helia": "XH-N", "Süd-Helia": "XH-S"}
"""Province → its code in the form of ISO 3166-2."""

BBOX_DEG = (-22.0, 43.0, -18.0, 46.0)
"""West, south, east, north in EPSG:4326."""

LOCAL_CRS = "+proj=laea +lat_0=44.5 +lon_0=-20 +datum=WGS84 +units=m +type=crs"
"""Equal-area metres around Helia: planar areas are ellipsoidal ones, and distances err by less than 0.1 %."""

HALF_EXTENT_M = 140_000.0
"""Half the side of the square around the origin of ``LOCAL_CRS`` that holds every site; it lies inside ``BBOX_DEG``."""

TOWNS = pd.DataFrame(
    [
        ("Lichtenau", 5_000, 8_000, 0.24, "Nord-Helia"),
        ("Sankt Ägid", -42_000, 35_000, 0.16, "Nord-Helia"),
        ("Öresvik", 28_000, 52_000, 0.12, "Nord-Helia"),
        ("Porto Solé", -55_000, -20_000, 0.14, "Süd-Helia"),
        ("Niño Bahía", 10_000, -48_000, 0.12, "Süd-Helia"),
        ("Grünmoos", 60_000, -5_000, 0.12, "Süd-Helia"),
        ("Heliahavn", 48_000, -50_000, 0.10, "Süd-Helia"),
    ],
    columns=["town", "x_m", "y_m", "weight", "province"],
)
"""Towns with their position in ``LOCAL_CRS`` and their share of the sites."""

SITE_WORDS = np.array(
    [
        "Mühle",
        "Quarry",
        "Heide",
        "Airfield",
        "Vinha",
        "Moor",
        "Ridge",
        "Ladera",
        "Weiher",
        "Depot",
        "Hof",
        "Meadow",
        "Kiesgrube",
    ],
    dtype=object,
)
SITE_TYPES = np.array(["Solar", "Solarpark", "Solar Farm", "Parque Solar", "PV Plant", "Énergie"], dtype=object)
OPERATORS = np.array(
    [
        "Helia Solar AG",
        "Süd-Licht GmbH",
        "Ensoleillé S.A.",
        "Atlântico Renováveis",
        "Northwind & Sun LLC",
        "Sonnenkraft Lichtenau eG",
        "Compañía Fotovoltaica",
        "Island Utilities plc",
    ],
    dtype=object,
)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A random stream of its own for each purpose, so that a change to one dataset leaves the others as they were."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])
