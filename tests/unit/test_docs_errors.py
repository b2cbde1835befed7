"""The documentation explains every kind of error, and none that does not exist."""

import re

from db import errors
from db.settings import REPOSITORY_ROOT


def kinds(root: type[errors.EopvError]) -> list[str]:
    return [root.kind, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def test_every_kind_is_explained_once():
    page = (REPOSITORY_ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("## Kinds of error", 1)[1].split("\n## ", 1)[0]
    explained = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", section, re.MULTILINE)
    assert sorted(explained) == sorted(kinds(errors.EopvError))
