"""Marts for commercial use: added up again, by the text of their dbt models, from the installations that may be used so."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from dataflows.publish import commercial, contextual, sidecar
from dataflows.publish.commercial import Restriction, restriction
from dataflows.publish.source import Source, find, full_name
from db.errors import BuildError, NotSeparableError
from db.settings import Settings
from db.sql import identifier

if TYPE_CHECKING:
    from dataflows.elt import CompiledModel

SITES = "curated.pv_installations"
MARTS = frozenset({"curated.pv_h3", "curated.pv_by_admin", "curated.pv_growth"})
"""What is a sum over the rows of ``SITES``; each may be made of another one."""
INPUTS = frozenset({"model.eo_pv_elt.pv_installations", "model.eo_pv_elt.stg_admin_areas"})
"""What marts read: the installations, and boundaries. Where these are restricted, so are the columns of ``SITES`` that name
areas, without which no sum by area can be made."""

_PERMITTED = identifier("temp", "main", "eopv_permitted_sites")


@dataclass(frozen=True)
class Recipe:
    """How a mart is made.

    Attributes:
        steps: models, the mart's own last, each after those that it reads.
    """

    steps: tuple[CompiledModel, ...]


@dataclass(frozen=True)
class Recomputed:
    """A mart of permitted installations.

    Attributes:
        mart: the mart, to read it from.
        sites: the table of installations.
        restricted: of the installations.
        steps: the tables made on the way, and the mart.
    """

    mart: Source
    sites: Source
    restricted: Restriction
    steps: tuple[str, ...]


def recipe(table: str, lake: Settings) -> Recipe | None:
    """The SQL of a mart, as dbt compiles it; ``None`` for other tables. No connection to the lake is opened.

    Args:
        table: as in ``eopv export``.
        lake: settings.

    Raises:
        BuildError: dbt cannot compile the project.
        NotSeparableError: the model reads what is not known to be made of permitted sources.
    """
    name = full_name(table)
    if name not in MARTS:
        return None
    with tempfile.TemporaryDirectory() as folder:
        found = {model.unique_id: model for model in _compiled(lake, Path(folder))}
    marts = {f"{model.schema}.{model.name}": key for key, model in found.items()}
    if missing := sorted(MARTS - set(marts)):
        raise BuildError(f"dbt did not compile {', '.join(missing)}.", remedy="Run 'dbt parse'.")
    needed: dict[str, set[str]] = {}
    left = [marts[name]]
    while left:
        key = left.pop()
        inputs = set(found[key].depends_on)
        if unknown := inputs - set(marts.values()) - INPUTS:
            raise NotSeparableError(
                f"{name} cannot be exported for commercial use: it reads {', '.join(sorted(unknown))}, of which is not known"
                " what restricted sources contributed.",
                remedy="Export curated.pv_installations with --licence commercial, and count or sum those.",
            )
        needed[key] = inputs - INPUTS
        left += needed[key] - set(needed)
    return Recipe(tuple(found[key] for key in TopologicalSorter(needed).static_order()))


def recomputed(con: duckdb.DuckDBPyConnection, made: Recipe) -> Recomputed:
    """A mart of the permitted installations of the lake, in temporary tables.

    Installations count if all observations behind them may be used commercially. One that is part of a restricted plant counts
    on its own, or as a part of the nearest permitted plant around that.

    Args:
        con: in the transaction that the export reads in.
        made: how.

    Raises:
        NotSeparableError: the mart needs columns that restricted context says.
    """
    sites = find(con, SITES)
    restricted = restriction(con, sites)
    without = [name for name in sorted(restricted.without) if sites.has(name)]
    _permit(con, sites, restricted, without)
    stand_ins = {identifier("lake", *SITES.split(".")): _PERMITTED}
    mart = made.steps[-1]
    stored = find(con, f"{mart.schema}.{mart.name}")
    for model in made.steps:
        text = model.sql
        for relation, stand_in in stand_ins.items():
            text = text.replace(relation, stand_in)
        table = f"eopv_permitted_{model.name}"
        try:
            con.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(table)} AS {text}")
        except duckdb.BinderException as error:
            if not without:
                raise
            contexts = ", ".join(row["context"] for row in contextual.landed(con) if row["commercial_use"] != "yes")
            raise NotSeparableError(
                f"{stored.name} cannot be exported for commercial use: it is made with what {contexts} may say of a site"
                f" ({', '.join(without)}), which has no permission for it.",
                remedy="Export curated.pv_installations with --licence commercial, and count or sum those.",
            ) from error
        stand_ins[model.relation] = identifier("temp", "main", table)
    names = tuple(f"{model.schema}.{model.name}" for model in made.steps)
    return Recomputed(replace(stored, stand_in=stand_ins[mart.relation]), sites, restricted, names)


def _permit(con: duckdb.DuckDBPyConnection, sites: Source, restricted: Restriction, without: list[str]) -> None:
    excluded = f" EXCLUDE ({', '.join(identifier(name) for name in without)})" if without else ""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE eopv_permitted_sites AS
        WITH RECURSIVE permitted AS (SELECT installation_id FROM {sites.sql} WHERE {restricted.condition}),
        -- From each site to the plants around it, through restricted ones up to the first that is permitted
        around AS (
            SELECT installation_id, part_of FROM {sites.sql} WHERE part_of IS NOT NULL
            UNION
            SELECT around.installation_id, sites.part_of
            FROM around JOIN {sites.sql} AS sites ON sites.installation_id = around.part_of
            WHERE sites.part_of IS NOT NULL AND around.part_of NOT IN (FROM permitted)
        ),
        wholes AS (SELECT installation_id, min(part_of) AS whole FROM around WHERE part_of IN (FROM permitted) GROUP BY 1)
        SELECT sites.*{excluded} REPLACE (wholes.whole AS part_of)
        FROM {sites.sql} AS sites JOIN permitted USING (installation_id) LEFT JOIN wholes USING (installation_id)
        """
    )


def _compiled(lake: Settings, folder: Path) -> list[CompiledModel]:
    from dataflows.elt import compiled_models  # dbt takes seconds to import

    return compiled_models("eo_pv_elt.curated.marts", lake, folder)


def provenance(con: duckdb.DuckDBPyConnection, made: Recomputed) -> dict[str, Any]:
    """What :func:`sidecar.provenance` says: datasets behind the installations, context behind the mart."""
    found = sidecar.provenance(con, made.sites, made.restricted.condition, about=made.mart)
    return {**found, "how_rows_were_traced": f"computed from {SITES}: {made.restricted.trace.how}"}


def proof(con: duckdb.DuckDBPyConnection, made: Recomputed) -> dict[str, Any]:
    """What :func:`commercial.proof` says of the installations: those of all areas, whatever rows were asked for.

    Returns:
        rule, computed_from, models, sites (installations counted or told as parts), and query, sources, left_out, rows_left_out
        (installations) and columns_left_out of :func:`commercial.proof`.

    Raises:
        PublishError: a restricted source stands behind an installation after all.
    """
    found = commercial.proof(con, made.sites, made.restricted, "true")
    (count,) = con.execute(f"SELECT count(*) FROM {_PERMITTED}").fetchone() or (0,)
    return {
        **found,
        "rule": f"Added up again, by the SQL of the models, from rows of {SITES} of which all sources have commercial_use"
        f" '{commercial.ALLOWED}' ({made.restricted.trace.how}).",
        "computed_from": SITES,
        "models": list(made.steps),
        "sites": count,
    }
