"""The encoding of text files that do not say it."""

from __future__ import annotations

import codecs
from pathlib import Path

CHUNK = 1 << 20
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_utf8(path: Path, start: int = 0) -> bool:
    """Whether all bytes from ``start`` on are UTF-8; text of another encoding that is not plain ASCII hardly ever is."""
    return _decodes(path, "utf-8", start)


def detect(path: Path) -> str:
    """Python's name of a text file's encoding: UTF-16 by its mark, else the first of UTF-8, Windows-1252 and Latin-1."""
    with path.open("rb") as stream:
        if stream.read(2) in UTF_16_MARKS:
            return "utf-16"
    # Windows-1252 is Latin-1 with letters and quotes in place of control characters; Latin-1 takes any byte
    return next(name for name in ("utf-8", "cp1252", "latin-1") if _decodes(path, name, 0))


def transcode(path: Path, encoding: str, target: Path) -> Path:
    """A copy in UTF-8, line ends untouched."""
    with path.open(encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as copy:
        while text := source.read(CHUNK):
            copy.write(text)
    return target


def _decodes(path: Path, encoding: str, start: int) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            while chunk := stream.read(CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
