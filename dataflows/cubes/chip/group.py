"""One group of the repository of chips: its arrays, how they are chunked and compressed, and how they grow.

========================  ===================================  ==============================================================
array                     dimensions                           content
========================  ===================================  ==============================================================
pixels                    chip, time, band, y, x               digital numbers as published, in the source's type
quality                   chip, time, y, x                     class of the pixel (:mod:`dataflows.cubes.pixels.quality`)
mask                      chip, y, x                           share covered by any installation
own_mask                  chip, y, x                           share covered by the chip's installation
installation_id           chip                                 whose chip it is
chip_number               chip                                 number within the installation, from 0
h3_r8, epsg               chip                                 cell of the installation; code of the CRS
transform                 chip, affine                         pixel corner (column, row) → (x, y): a, b, c, d, e, f
outline_key               chip                                 identity of the outlines behind the masks
item_id, datetime         chip, time                           the scene, "" and NaT where there is none
scene_key                 chip, time                           identity of what was cut; 0 where there is none
reflectance_scale         band                                 reflectance = scale × number + offset
reflectance_offset        chip, time, band                     the same; differs by processing baseline
time                      time                                 first day of the month (UTC)
========================  ===================================  ==============================================================

Pixels carry no ``scale_factor`` or ``add_offset``: readers would scale them unasked, and writers would keep the attributes on
what they computed and corrupt it on the next read. A chunk holds neighbouring chips of one period with all bands, about
:data:`CHUNK_BYTES` before compression; a new scene rewrites the chunks of its own chips and period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.errors import GroupNotFoundError

from dataflows.cubes.chip.resampling import Resampling
from dataflows.cubes.pixels import quality
from db.errors import CubeError, CubeNotFoundError

CHUNK_BYTES = 2 * 1024 * 1024

# However small chips are: a new scene of one of them rewrites the chunk
MOST_CHIPS = 64

# Chips whose coordinates share a chunk
COORDINATE_CHIPS = 4096

# LZ4 on bit planes makes 79 MB of Sentinel-2-like pixels 56 MB in 0.14 s; Zstandard at its default, 57 MB in 0.5 s
PIXELS = BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle")
OTHERS = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")

NO_TIME = np.iinfo(np.int64).min
EPOCH = "1970-01-01"
CONVENTIONS = "CF-1.12"

# Attribute of a group: how bands on another grid than the chips' were brought onto it
RESAMPLING = "eopv:resampling"


@dataclass(frozen=True)
class Variable:
    """An array of the group, but for its lengths."""

    dims: tuple[str, ...]
    dtype: str
    fill: Any
    attributes: dict[str, Any]


def variables(dtype: str, fill: float) -> dict[str, Variable]:
    """Every array of a group whose pixels are of a type and fill value."""
    coordinates = "installation_id chip_number h3_r8 epsg item_id datetime reflectance_scale reflectance_offset transform"
    return {
        "pixels": Variable(
            ("chip", "time", "band", "y", "x"), dtype, fill, {"long_name": "digital number", "coordinates": coordinates}
        ),
        "quality": Variable(("chip", "time", "y", "x"), "uint8", int(quality.Quality.MISSING), quality.ATTRIBUTES),
        "mask": Variable(("chip", "y", "x"), "float32", 0.0, {"long_name": "share covered by any installation", "units": "1"}),
        "own_mask": Variable(
            ("chip", "y", "x"), "float32", 0.0, {"long_name": "share covered by the chip's installation", "units": "1"}
        ),
        "installation_id": Variable(("chip",), "string", "", {"long_name": "installation"}),
        "chip_number": Variable(("chip",), "int16", 0, {"long_name": "number of the chip within its installation"}),
        "h3_r8": Variable(("chip",), "uint64", 0, {"long_name": "H3 cell of the installation, resolution 8"}),
        "epsg": Variable(("chip",), "int32", 0, {"long_name": "EPSG code of the CRS"}),
        "transform": Variable(
            ("chip", "affine"), "float64", np.nan, {"long_name": "affine a, b, c, d, e, f of the chip", "units": "m"}
        ),
        "outline_key": Variable(("chip",), "uint64", 0, {"long_name": "identity of the outlines behind the masks"}),
        "item_id": Variable(("chip", "time"), "string", "", {"long_name": "STAC item that the pixels are cut from"}),
        "datetime": Variable(
            ("chip", "time"),
            "int64",
            NO_TIME,
            {
                "long_name": "when the scene was taken (UTC)",
                "units": f"microseconds since {EPOCH}",
                "calendar": "proleptic_gregorian",
                "_FillValue": NO_TIME,
            },
        ),
        "scene_key": Variable(("chip", "time"), "uint64", 0, {"long_name": "identity of what was cut"}),
        "reflectance_scale": Variable(("band",), "float64", np.nan, {"long_name": "reflectance = scale * number + offset"}),
        "reflectance_offset": Variable(
            ("chip", "time", "band"), "float64", np.nan, {"long_name": "reflectance = scale * number + offset"}
        ),
        "time": Variable(
            ("time",),
            "int64",
            0,
            {
                "standard_name": "time",
                "long_name": "first day of the month",
                "units": f"days since {EPOCH}",
                "calendar": "proleptic_gregorian",
            },
        ),
        "band": Variable(("band",), "string", "", {"long_name": "common name of the band"}),
    }


# Arrays (chip, time, …) that are small enough to be held in memory while a group is built
STATE = ("scene_key", "item_id", "datetime", "reflectance_offset")


def chips_per_chunk(bands: int, size: int, itemsize: int) -> int:
    """Chips that share a chunk: a power of two, together about :data:`CHUNK_BYTES` or less."""
    fitting = min(CHUNK_BYTES // (bands * size * size * itemsize), MOST_CHIPS)
    return 1 << max(0, fitting.bit_length() - 1)


def days_since_epoch(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """First days of months, as the coordinate ``time`` counts them."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def months_since_epoch(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """The reverse of :func:`days_since_epoch`."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


class ChipGroup:
    """A group of chips in a writable or read-only store."""

    def __init__(self, group: zarr.Group) -> None:
        self._group = group
        self._arrays: dict[str, zarr.Array] = dict(group.arrays())
        for name in ("pixels", "quality"):
            # To look whether a chunk is all fill costs as much as to write it; one that is compresses to nothing
            self._arrays[name] = self._arrays[name].with_config({"write_empty_chunks": True})

    @classmethod
    def open(cls, store: Any, path: str, *, read_only: bool = False) -> ChipGroup | None:
        """A group that is there, else ``None``.

        Args:
            store: of an Icechunk session.
            path: of the group.
            read_only: for a session that only reads.
        """
        try:
            return cls(zarr.open_group(store, path=path, mode="r" if read_only else "r+"))
        except FileNotFoundError:
            return None

    @classmethod
    def create(
        cls,
        store: Any,
        path: str,
        *,
        bands: tuple[str, ...],
        scales: list[float],
        size: int,
        dtype: str,
        fill: float,
        chips: int,
        months: NDArray[np.int64],
        resampling: Resampling = Resampling.NEAREST,
    ) -> ChipGroup:
        """A group that nothing but its axes is written to.

        Args:
            store: of a writable session.
            path: of the group.
            bands: common names.
            scales: reflectance per digital number, one a band.
            size: pixels along an edge of a chip.
            dtype: of the pixels.
            fill: value of pixels that were not observed.
            chips: how many there are to be.
            months: since January 1970, one after the other.
            resampling: of bands on another grid than the chips'.
        """
        title = f"Chips of photovoltaic installations: {path}"
        group = zarr.create_group(
            store, path=path, attributes={"Conventions": CONVENTIONS, "title": title, RESAMPLING: resampling}
        )
        together = chips_per_chunk(len(bands), size, np.dtype(dtype).itemsize)
        lengths = {"chip": chips, "time": len(months), "band": len(bands), "y": size, "x": size, "affine": 6}
        chunks = {"time": 1, "band": len(bands), "y": size, "x": size, "affine": 6}
        for name, variable in variables(dtype, fill).items():
            neighbours = together if "y" in variable.dims else COORDINATE_CHIPS
            # The axis of time itself is one chunk: it is read whole, always
            of_time = COORDINATE_CHIPS if variable.dims == ("time",) else 1
            group.create_array(
                name,
                shape=tuple(lengths[dim] for dim in variable.dims),
                chunks=tuple({**chunks, "chip": neighbours, "time": of_time}[dim] for dim in variable.dims),
                dtype=variable.dtype,
                fill_value=variable.fill,
                compressors=PIXELS if name in ("pixels", "quality") else OTHERS if variable.dtype != "string" else "auto",
                dimension_names=variable.dims,
                attributes=variable.attributes,
            )
        group["band"][:] = np.array(bands, object)  # type: ignore[index]
        group["reflectance_scale"][:] = np.array(scales)  # type: ignore[index]
        group["time"][:] = days_since_epoch(months)  # type: ignore[index]
        return cls(group)

    def __getitem__(self, name: str) -> zarr.Array:
        return self._arrays[name]

    @property
    def path(self) -> str:
        """Path of the group in the repository."""
        return self._group.path

    @property
    def size(self) -> int:
        """Pixels along an edge of a chip."""
        return int(self._arrays["pixels"].shape[-1])

    @property
    def resampling(self) -> Resampling:
        """Of bands on another grid than the chips'."""
        return Resampling(self._group.attrs.get(RESAMPLING, Resampling.NEAREST))

    @property
    def chips(self) -> int:
        """Number of chips."""
        return int(self._arrays["pixels"].shape[0])

    @property
    def bands(self) -> tuple[str, ...]:
        """Common names."""
        return tuple(str(band) for band in self._arrays["band"][:])

    @property
    def months(self) -> NDArray[np.int64]:
        """Months since January 1970, in order, without a gap."""
        return months_since_epoch(np.asarray(self._arrays["time"][:]))

    @property
    def chips_per_chunk(self) -> int:
        """Chips that share a chunk of pixels."""
        return int(self._arrays["pixels"].chunks[0])

    def grow(self, session: Any, chips: int, months: NDArray[np.int64]) -> None:
        """Make room for more chips at the end, and for more months at either end; what is there keeps its place.

        Args:
            session: writable Icechunk session that the group is open in.
            chips: how many there are to be.
            months: what the axis of time is to be; holds the months that are there.
        """
        before = self.months
        lengths = {"chip": chips, "time": len(months)}
        for name, variable in variables("uint8", 0).items():
            array = self._arrays[name]
            shape = tuple(lengths.get(dim, length) for dim, length in zip(variable.dims, array.shape, strict=True))
            if shape != array.shape:
                array.resize(shape)
        if len(before) and (earlier := int(before[0] - months[0])):
            for name, variable in variables("uint8", 0).items():
                if "time" in variable.dims and variable.dims != ("time",):
                    session.shift_array(f"/{self.path}/{name}", [earlier if dim == "time" else 0 for dim in variable.dims])
        if not np.array_equal(before, months):
            self._arrays["time"][:] = days_since_epoch(months)

    def refuse_other(self, *, bands: tuple[str, ...] | None, size: int | None, resampling: Resampling | None) -> None:
        """Raise where a build asks for something other than the group holds.

        Raises:
            CubeError: other bands, another size, or another resampling.
        """
        if bands is not None and bands != self.bands:
            raise CubeError(
                f"{self.path} has the bands {', '.join(self.bands)}, not {', '.join(bands)}.",
                remedy="Build the same bands, or another lake's chips.",
            )
        if size is not None and size != self.size:
            raise CubeError(
                f"{self.path} has chips of {self.size} pixels, not {size}.",
                remedy="Build the same size, or another lake's chips.",
            )
        if resampling is not None and resampling is not self.resampling:
            raise CubeError(
                f"{self.path} has numbers that are {self.resampling}, not {resampling}.",
                remedy="Build with the same resampling, or another lake's chips.",
            )


def chip_paths(session: icechunk.Session) -> list[str]:
    """Paths of the groups of chips, in order; none of a repository that nothing was ever written to."""
    try:
        root = zarr.open_group(session.store, mode="r")
    except GroupNotFoundError:
        return []
    return sorted(f"{name}/{inner}" for name, group in root.groups() for inner, _ in group.groups())


def opened_group(session: icechunk.Session, path: str) -> ChipGroup:
    """A group of chips, to be read.

    Raises:
        CubeNotFoundError: there is none at that path.
    """
    group = ChipGroup.open(session.store, path, read_only=True)
    if group is None:
        raise CubeNotFoundError(
            f"There are no chips at {path!r}.", remedy=f"There are: {', '.join(chip_paths(session)) or 'none'}."
        )
    return group
