"""The lake: settings, connection, extensions, H3 functions and development services."""

from db.connection import connect
from db.settings import Settings, load_settings, settings

__all__ = ["Settings", "connect", "load_settings", "settings"]
