"""``eopv`` in the process of the test."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import pytest

from eopv.cli import main

TRACEBACK = "Traceback (most recent call last)"


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def ran(*arguments: object) -> Ran:
    """What a line gives, on the settings in force."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert TRACEBACK not in err.getvalue()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())
