"""What of a plan the chips do not have yet: for builds that add, and leave alone what there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from icechunk import Session

from dataflows.cubes.chip.group import chip_paths, opened_group
from dataflows.cubes.chip.plan import ChipPlan

KEY = ["installation_id", "collection", "period"]
ITEM = ["catalog", "collection", "item_id", "version"]


def not_held(plan: ChipPlan, session: Session) -> ChipPlan:
    """The plan without the months of installations that have a scene of that collection.

    Args:
        plan: what is to be built.
        session: a version of the repository of chips.

    Returns:
        A plan with the same installations, in the same order.
    """
    place = pa.array(np.arange(plan.scenes.num_rows))
    numbered = plan.scenes.append_column("place", place)
    scenes = numbered.join(held(session), keys=KEY, join_type="left anti").sort_by("place").drop_columns("place")
    assets = plan.assets.filter(pc.is_in(_names(plan.assets), value_set=_names(scenes).combine_chunks()))
    return replace(plan, scenes=scenes.select(plan.scenes.column_names), assets=assets)


def held(session: Session) -> pa.Table:
    """Installation, collection and month of every scene in the chips; a row each."""
    tables = [pa.table({"installation_id": [], "collection": [], "period": []}, schema=_SCHEMA)]
    for path in chip_paths(session):
        group = opened_group(session, path)
        chip, time = np.nonzero(np.asarray(group["scene_key"][:]))
        names = np.asarray(group["installation_id"][:]).astype(object)[chip]
        days = group.months[time].astype("datetime64[M]").astype("datetime64[D]")
        columns = [pa.array(names, pa.string()), pa.repeat(path.rpartition("/")[0], len(chip)), pa.array(days, pa.date32())]
        tables.append(pa.Table.from_arrays(columns, schema=_SCHEMA))
    return pa.concat_tables(tables).group_by(KEY).aggregate([])


_SCHEMA = pa.schema([("installation_id", pa.string()), ("collection", pa.string()), ("period", pa.date32())])


def _names(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(table[name].cast(pa.string()) for name in ITEM), "\x1f")
