"""What to ingest: manifests, and the download layer (cache, mirror, repository)."""
