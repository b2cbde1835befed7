#!/usr/bin/env bash
# PostgreSQL with PostGIS for pgstac_server.py, by the system's package manager where it is not there yet.
# Prints the folder of PostgreSQL's programs. Status 77: it cannot be had here, the reason is on standard error.
# No service is started, and none is needed: the test makes a cluster of its own.
set -euo pipefail

cannot() { echo "no PostgreSQL with PostGIS: $*" >&2; exit 77; }

find_programs() {
  local config programs
  while read -r config; do
    [ -x "$config" ] || continue
    programs=$("$config" --bindir)
    if [ -x "$programs/initdb" ] && [ -f "$("$config" --sharedir)/extension/postgis.control" ]; then
      echo "$programs"
      return 0
    fi
  done < <(ls -d /usr/lib/postgresql/*/bin/pg_config /opt/homebrew/opt/postgresql*/bin/pg_config 2>/dev/null | sort -rV; command -v pg_config || true)
  return 1
}

find_programs && exit 0
command -v apt-get >/dev/null || cannot "none is installed, and there is no apt-get to install it with"

# One process installs, others wait for it and find it installed
exec 9>"${TMPDIR:-/tmp}/eopv-set-up-stac-server.$(id -u).lock"
flock 9
find_programs && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || cannot "none is installed, and installing 'postgresql-postgis' needs root"
  as_root=(sudo -n)
fi
# The packages would make and start a cluster on their own
configuration=/etc/postgresql-common/createcluster.conf
if [ ! -e "$configuration" ]; then
  "${as_root[@]}" mkdir -p "$(dirname "$configuration")"
  echo "create_main_cluster = false" | "${as_root[@]}" tee "$configuration" >/dev/null
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o DPkg::Options::=--force-confold)
{ "${apt[@]}" update && "${apt[@]}" install --yes --no-install-recommends postgresql-postgis; } >&2 </dev/null 9>&- ||
  cannot "'apt-get install postgresql-postgis' failed, see above"
find_programs || cannot "'postgresql-postgis' was installed, but no pg_config in /usr/lib/postgresql/*/bin knows of it"
