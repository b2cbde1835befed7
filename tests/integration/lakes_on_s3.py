"""Lakes of their own on the S3 server that tests share."""

from __future__ import annotations

from db.connection import with_services
from db.settings import Settings


def on_s3(dev: Settings, name: str) -> Settings:
    """Settings of a lake below ``name`` in the bucket of the running services, their addresses filled in."""
    up = with_services(dev)
    assert up.data_path is not None
    return up.model_copy(update={"data_path": f"s3://{up.data_path.split('/')[2]}/{name}/"})
