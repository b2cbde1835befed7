"""The corrections of virtual-tiff and Icechunk are still needed: when one of these fails, its workaround may go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import icechunk
import numpy as np
import obstore
import pytest
import zarr
from obstore.store import LocalStore
from rasters import pixels, write_raster

# In a process of its own: importing our modules makes the corrections
PARSED = """
import sys, warnings
warnings.simplefilter("ignore")
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
for url in sys.argv[1:]:
    try:
        VirtualTIFF(ifd=0)(url, ObjectStoreRegistry({"file://": LocalStore()}))
        print("parsed")
    except Exception as error:
        print(str(error).replace("\\n", " "))
"""


def test_virtual_tiff_alone_still_fails_where_it_is_corrected(tmp_path):
    values = pixels("uint8", 3)
    values[:, :64, :64] = 0
    profiles = {
        "plain": {"interleave": "band"},
        "by-pixel": {"interleave": "pixel"},
        "sparse": {"interleave": "band", "sparse_ok": "TRUE", "nodata": 0},
    }
    urls = [write_raster(tmp_path / f"{name}.tif", values, **profile).as_uri() for name, profile in profiles.items()]
    ran = subprocess.run([sys.executable, "-c", PARSED, *urls], capture_output=True, text=True, check=True)
    plain, by_pixel, sparse = ran.stdout.splitlines()
    assert plain == "parsed"
    assert "Endian() takes no arguments" in by_pixel
    assert "zero-length chunk reference" in sparse


def read_with(checksum: str, folder: Path, *, prefix: str | None = None) -> np.ndarray:
    """A virtual chunk of a local file, bound to an ETag."""
    prefix = prefix or f"{folder.as_uri()}/"
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(str(folder))))
    repo = icechunk.Repository.create(
        icechunk.in_memory_storage(),
        config=config,
        authorize_virtual_chunk_access={prefix: icechunk.credentials.LocalFileSystemAccess},
    )
    session = repo.writable_session("main")
    array = zarr.open_group(session.store, mode="w").create_array("a", shape=(4,), chunks=(4,), dtype="u1", compressors=None)
    location = (folder / "a.bin").as_uri()
    session.store.set_virtual_refs_arr("a", (1,), [location], np.zeros(1, "u8"), np.full(1, 4, "u8"), checksum=checksum)
    return array[:]


def a_file(folder: Path) -> str:
    """A file of four bytes; its ETag."""
    folder.mkdir()
    file = folder / "a.bin"
    file.write_bytes(b"\1\2\3\4")
    return obstore.head(LocalStore(), str(file).lstrip("/"))["e_tag"]


def test_icechunk_still_takes_the_quotes_off_an_etag(tmp_path):
    etag = a_file(tmp_path / "folder")
    assert read_with(f'"{etag}"', tmp_path / "folder").tolist() == [1, 2, 3, 4]
    with pytest.raises(icechunk.StorageError, match="has changed"):
        read_with(etag, tmp_path / "folder")


def test_icechunk_still_does_not_read_below_an_encoded_prefix(tmp_path):
    etag = a_file(tmp_path / "a folder")
    with pytest.raises(icechunk.InvalidInputError, match="no virtual chunk container"):
        read_with(f'"{etag}"', tmp_path / "a folder")
    assert read_with(f'"{etag}"', tmp_path / "a folder", prefix=f"{tmp_path.as_uri()}/").tolist() == [1, 2, 3, 4]
