"""Quoting for SQL text that has to be built: identifiers and literals, never pasted."""

from __future__ import annotations


def identifier(*parts: str) -> str:
    """A quoted, dotted identifier: ``identifier("lake", "landing", "x")`` gives ``"lake"."landing"."x"``."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """A quoted string literal."""
    return "'" + text.replace("'", "''") + "'"
