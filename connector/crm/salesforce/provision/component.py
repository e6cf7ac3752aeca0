"""One metadata component: a type, a full name and its XML as plain nested tuples.

Not here: which components an org should have (``desired``), and files, zips and folders of them (``render``,
``source``). A component is data: two with equal content are equal, and the order of its elements is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
ATTRIBUTE = "@"
"""A child with this mark before its tag is an attribute of its parent (``@xsi:nil``)."""
TEXT = "#text"
"""The tag under which an element that has attributes keeps its text."""

Tree: TypeAlias = "tuple[tuple[str, str | Tree], ...]"
"""Elements in their order: a tag with its text, or with the elements inside it."""
Key: TypeAlias = tuple[str, str]
"""What names a component in an org: its type and its full name."""

_INDENT = "    "
_QUOTES = {'"': "&quot;", "'": "&apos;"}
# Characters XML 1.0 cannot carry, however they are escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Component:
    """One component. ``type`` is the Metadata API's word (``CustomField``), ``name`` its full name there.

    ``why`` says for people what it is there for; it is no part of the XML.
    """

    type: str
    name: str
    body: Tree
    why: str = ""

    @property
    def key(self) -> Key:
        """Type and name."""
        return self.type, self.name

    def text(self, tag: str) -> str:
        """The text of the first child of that tag; empty when there is none."""
        return text_of(self.body, tag)

    def all(self, tag: str) -> tuple[Tree, ...]:
        """The children of that tag that hold elements themselves."""
        return tuple(inner for name, inner in self.body if name == tag and not isinstance(inner, str))


def text_of(tree: Tree, tag: str) -> str:
    """The text of the first child of that tag; empty when there is none, or when it holds elements."""
    return next((inner for name, inner in tree if name == tag and isinstance(inner, str)), "")


def leaf(tag: str, value: object) -> tuple[str, str]:
    """An element holding a value as metadata writes it: ``true`` and ``false`` for booleans, text for the rest."""
    return tag, ("true" if value else "false") if isinstance(value, bool) else str(value)


def xml(component: Component) -> bytes:
    """The component as a file of its own, UTF-8, one element a line; equal for equal components."""
    return document(component.type, component.body)


def document(root: str, body: Tree) -> bytes:
    """An XML document in the Metadata API's namespace with this root element."""
    inner = "".join(_lines(body, depth=1))
    opened = f'{root} xmlns="{NAMESPACE}"{_attributes(body)}'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{opened}>\n{inner}</{root}>\n'.encode()


def parse(type: str, name: str, xml_bytes: bytes, *, why: str = "") -> Component:
    """A component from its XML. Raises ValueError when that is not well formed or its root is of another type."""
    root, body = read(xml_bytes)
    if root != type:
        raise ValueError(f"{name} should be a {type}, but its XML is a {root}")
    return Component(type, name, body, why)


def read(xml_bytes: bytes) -> tuple[str, Tree]:
    """The root's tag and what stands in it, the namespace left out. Raises ValueError when it is not well formed."""
    reader = _Reader()
    try:
        reader.parser.Parse(xml_bytes, True)
    except expat.ExpatError as error:
        raise ValueError(f"the XML is not well formed: {error}") from error
    ((root, inner),) = reader.found
    return root, (((TEXT, inner),) if inner.strip() else ()) if isinstance(inner, str) else inner


def _lines(tree: Tree, *, depth: int) -> Iterator[str]:
    pad = _INDENT * depth
    for tag, inner in tree:
        if tag.startswith(ATTRIBUTE):
            continue
        if isinstance(inner, str):
            yield f"{pad}{_escaped(inner)}\n" if tag == TEXT else f"{pad}<{tag}>{_escaped(inner)}</{tag}>\n"
        elif only := _only_text(inner):
            yield f"{pad}<{tag}{_attributes(inner)}>{_escaped(only)}</{tag}>\n"
        elif all(name.startswith(ATTRIBUTE) for name, _ in inner):
            yield f"{pad}<{tag}{_attributes(inner)}/>\n"
        else:
            yield f"{pad}<{tag}{_attributes(inner)}>\n{''.join(_lines(inner, depth=depth + 1))}{pad}</{tag}>\n"


def _only_text(tree: Tree) -> str:
    rest = [(tag, inner) for tag, inner in tree if not tag.startswith(ATTRIBUTE)]
    return rest[0][1] if len(rest) == 1 and rest[0][0] == TEXT and isinstance(rest[0][1], str) else ""


def _attributes(tree: Tree) -> str:
    return "".join(
        f" {tag.removeprefix(ATTRIBUTE)}={quoteattr(_clean(inner))}"
        for tag, inner in tree
        if tag.startswith(ATTRIBUTE) and isinstance(inner, str)
    )


def _escaped(text: str) -> str:
    # Quotes too, as the vendor's own files have it: an export and what is retrieved later then differ in nothing.
    return escape(_clean(text), _QUOTES)


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("", text)


class _Reader:
    """Gathers elements as the parser meets them; no document type is accepted, so nothing can be expanded."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str | Tree]] = []
        self._open: list[tuple[str, list[tuple[str, str | Tree]], list[str]]] = []
        self.parser = expat.ParserCreate()
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, tag: str, attributes: list[str]) -> None:
        pairs = zip(attributes[::2], attributes[1::2], strict=True)
        kept: list[tuple[str, str | Tree]] = [(ATTRIBUTE + name, value) for name, value in pairs if name != "xmlns"]
        self._open.append((tag.rpartition(":")[2], kept, []))

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1][2].append(text)

    def _end(self, _: str) -> None:
        tag, inner, texts = self._open.pop()
        text = "".join(texts)
        if inner and text.strip():
            inner.append((TEXT, text))
        found: tuple[str, str | Tree] = (tag, tuple(inner) if inner else text)
        (self._open[-1][1] if self._open else self.found).append(found)

    @staticmethod
    def _refuse(name: str, *_: object) -> None:
        raise ValueError(f"the XML brings a document type ({name}), which metadata never has")
