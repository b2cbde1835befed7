"""Facts about the machine and the versions that a measurement depends on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
import pyogrio
import pyproj

PACKAGES = ("duckdb", "pyarrow", "pyogrio", "geopandas", "pandas", "shapely", "pyproj", "dbt-core", "dbt-duckdb")


def facts(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | int | float]:
    """Processor, cores usable by this process, RAM in GiB, load (one-minute average before the measurement), and versions."""
    return {
        "cpu": _cpu_name(),
        "cores": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1,
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "gdal": ".".join(map(str, pyogrio.__gdal_version__)),
        "proj": pyproj.proj_version_str,
        **{package: version(package) for package in packages},
    }


def line(found: dict[str, str | int | float]) -> str:
    """Facts in one line."""
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
