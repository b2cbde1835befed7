#!/usr/bin/env bash
# The main job on the bundled sample: generate an imagined region as seven published datasets, what is known of its places and
# the imagery of a year, land them, build the layers, ask six questions, build datacubes of the installations, draw one of
# them. Everything stays in db/demo, so that imagined sites never mix with a real lake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH" EOPV_HOME="${EOPV_HOME:-$PWD/db/demo}" EOPV_TARGET=local

run() { printf '\n\033[1m$ eopv %s\033[0m\n' "$*"; eopv "$@"; }
ask() { printf '\n\033[1m$ eopv sql "%s"\033[0m\n' "$1"; eopv sql "$1"; }

started=$SECONDS
run sample
run ingest --all --mirror "$EOPV_HOME/sample" --manifest "$EOPV_HOME/sample/doi_manifest.yml"
run context ingest --all --mirror "$EOPV_HOME/sample" --manifest "$EOPV_HOME/sample/context_manifest.yml"
run stac ingest --all --mirror "$EOPV_HOME/sample" --manifest "$EOPV_HOME/sample/stac_manifest.yml"
run build
ask "
  SELECT level, geometry_kind, count(*) AS observations, round(sum(area_m2) / 1e6, 1) AS area_km2, round(sum(capacity_mw)) AS capacity_mw
  FROM curated.pv_observations GROUP BY ALL ORDER BY ALL"
ask "
  SELECT h3_h3_to_string(h3_r5) AS h3_cell, count(*) AS observations, count(DISTINCT dataset) AS datasets
  FROM curated.pv_observations WHERE h3_r5 IS NOT NULL GROUP BY ALL ORDER BY observations DESC LIMIT 5"
ask "
  SELECT installation_id, name, round(capacity_mw, 1) AS capacity_mw, n_observations, confidence, part_of
  FROM curated.pv_installations ORDER BY n_observations DESC, installation_id LIMIT 5"
ask "
  SELECT dataset, geometry_status, source_file, source_row, substr(source_sha256, 1, 12) AS sha256
  FROM curated.pv_observations WHERE geometry_status != 'valid' ORDER BY dataset, source_row LIMIT 8"
ask "
  SELECT region_name, mount, count(*) AS installations, round(sum(area_m2) / 1e4, 1) AS area_ha, mode(land_cover) AS land_cover
  FROM curated.pv_installations WHERE part_of IS NULL GROUP BY ALL ORDER BY ALL"
ask "
  SELECT coalesce(county_name, 'no county') AS county, count(*) AS installations,
    round(sum(energy_mwh) / 1e3) AS gwh_a_year, round(median(specific_yield_kwh_kwp)) AS kwh_per_kwp
  FROM curated.pv_energy_yield JOIN curated.pv_installations USING (installation_id)
  WHERE month IS NULL AND part_of IS NULL GROUP BY ALL ORDER BY gwh_a_year DESC LIMIT 8"

# One of the sample's scenes is truncated on purpose: what cannot be used is said, and the exit code is 3
run cube build || [ $? -eq 3 ]
shown=$(eopv sql -f csv "
  SELECT installation_id FROM curated.pv_scenes JOIN curated.pv_installations USING (installation_id)
  GROUP BY installation_id, epsg, area_m2 ORDER BY count(*) DESC, area_m2 DESC NULLS LAST, installation_id LIMIT 1" | tail -n 1)
ask "
  SELECT period, item_id, round(mean, 3) AS ndvi, round(clear_share, 2) AS clear_share, icechunk_snapshot
  FROM curated.pv_timeseries WHERE variable = 'ndvi' AND installation_id = '$shown' ORDER BY period"
run lineage "$shown"
run cube preview "$shown" -o "$EOPV_HOME/preview.png"
run export pv_installations -f geojson --licence commercial -o "$EOPV_HOME/pv_installations.geojson"
run plot pv_h3 -o "$EOPV_HOME/pv_h3.png"
run report -o "$EOPV_HOME/report.html"
printf '\nThe lake is in %s (%d s). Ask it more:\n  EOPV_HOME=%s .venv/bin/eopv sql "FROM curated.dataset_summary"\n  EOPV_HOME=%s .venv/bin/eopv cube open\nThe picture is %s, the page %s\n' \
  "$EOPV_HOME" "$((SECONDS - started))" "$EOPV_HOME" "$EOPV_HOME" "$EOPV_HOME/preview.png" "$EOPV_HOME/report.html"
