"""``eopv sample``: generate the sample world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from db import settings
from eopv.console import out, table, write_json


def sample(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder (default: EOPV_HOME/sample).")] = None,
    sites: Annotated[int, typer.Option(min=100, help="True sites.")] = 400,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 20261120,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Generate an imagined region as seven datasets in their published formats, its imagery and context, and the truth of it.

    The folder is laid out as a mirror.
    """
    from dataflows.sample import generate  # geopandas takes a second to import

    folder = output or settings().sample_dir
    world = generate(folder, sites=sites, seed=seed)
    if as_json:
        write_json(world)
        return
    out.print(table(world.summary(), title=f"{sites} true sites in {folder}"))
    if (context := world.context) is not None:
        out.print(
            f"Context as in Overture Maps {context.release}: {context.division_areas} areas, {context.land_uses:,} land uses, "
            f"{context.land_covers:,} land covers, {context.buildings:,} buildings; maps and {context.typical_years} typical "
            "years of irradiance",
            soft_wrap=True,
        )
    out.print(f"Next: eopv ingest --all --mirror {folder} --manifest {world.manifest}", soft_wrap=True)
    out.print(f"Then: eopv context ingest --all --mirror {folder} --manifest {world.context_manifest}", soft_wrap=True)
