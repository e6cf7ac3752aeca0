"""What a PDF of ours says, read back from its pages: enough of the format for what the papers' library writes.

Not a PDF reader: objects stand in the open, fonts have a table to Unicode, pages come in the order of their objects.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping

_OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*)\r?\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"/(f\d+) [\d.]+ Tf|(?<!Lang)\(((?:\\.|[^\\()]|\((?:\\.|[^\\()])*\))*)\)|(ET)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages(pdf: bytes) -> tuple[str, ...]:
    """The text of each page, a line feed after each stretch."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    fonts = _fonts(objects)
    return tuple(_said(_content(objects, body), fonts) for body in objects.values() if b"/Type/Page/" in body)


def _content(objects: Mapping[int, bytes], page: bytes) -> bytes:
    found = re.search(rb"/Contents (\d+) 0 R", page)
    return _stream(objects[int(found[1])]) if found else b""


def _stream(body: bytes) -> bytes:
    found = _STREAM.search(body)
    assert found is not None
    return zlib.decompress(found[1]) if b"/FlateDecode" in body else found[1]


def _fonts(objects: Mapping[int, bytes]) -> Mapping[str, Mapping[int, str]]:
    found: dict[str, Mapping[int, str]] = {}
    for body in objects.values():
        for name, number in re.findall(rb"/(f\d+) (\d+) 0 R", body):
            unicode = re.search(rb"/ToUnicode (\d+) 0 R", objects[int(number)])
            if unicode:
                found[name.decode()] = _table(_stream(objects[int(unicode[1])]))
    return found


def _table(cmap: bytes) -> Mapping[int, str]:
    pairs = re.findall(rb"^<([0-9A-F]{4})> <([0-9A-F]+)>$", cmap, re.MULTILINE)
    return {int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}


def _said(content: bytes, fonts: Mapping[str, Mapping[int, str]]) -> str:
    return "".join(_pieces(content, fonts))


def _pieces(content: bytes, fonts: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    font: Mapping[int, str] = {}
    for name, text, end in _SHOWN.findall(content):
        if name:
            font = fonts[name.decode()]
        elif end:
            yield "\n"
        else:
            codes = re.sub(rb"\\(\d{3}|.)", _unescaped, text, flags=re.DOTALL)
            yield "".join(font.get(codes[at] << 8 | codes[at + 1], "?") for at in range(0, len(codes) - 1, 2))


def _unescaped(found: re.Match[bytes]) -> bytes:
    one = found[1]
    return bytes([int(one, 8)]) if one.isdigit() else _ESCAPES.get(one, one)
