"""`.env.example` lists every setting with its description and default, and nothing else."""

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from db.settings import PREFIX, REPOSITORY_ROOT, Settings, variables

ENTRY = re.compile(rf"# (?P<description>[^\n]+)\n# (?P<name>{PREFIX}[A-Z0-9_]+)=(?P<default>[^\n]*)\n")


def shown(default: object) -> str:
    if default is None or default is PydanticUndefined:
        return ""
    return str(default.relative_to(REPOSITORY_ROOT)) if isinstance(default, Path) else str(default)


def test_the_example_is_the_settings():
    listed = {
        entry["name"]: (entry["description"], entry["default"])
        for entry in ENTRY.finditer((REPOSITORY_ROOT / ".env.example").read_text(encoding="utf-8"))
    }
    defaults = {f"{PREFIX}{name.upper()}": shown(field.default) for name, field in Settings.model_fields.items()}
    assert listed == {name: (description, defaults[name]) for name, description in variables().items()}


def test_the_example_sets_nothing():
    lines = (REPOSITORY_ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("#")] == []
