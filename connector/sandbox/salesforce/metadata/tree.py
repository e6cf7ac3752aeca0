"""XML as a tree of nodes that know their line, and back to text: what every metadata file and SOAP body is made of.

Not a validator: which element may stand where is in `shapes.py`. Namespaces are dropped, document types are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.parsers import expat
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
INDENT = "    "


class BadXml(Exception):
    """The text is no well-formed XML. `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(slots=True)
class Node:
    """One element: its local name, its text (trimmed when it has children), its children and where it began."""

    tag: str
    text: str = ""
    children: list[Node] = field(default_factory=list)
    line: int = 0
    column: int = 0
    attributes: dict[str, str] = field(default_factory=dict)

    def all(self, tag: str) -> Iterator[Node]:
        """The children of this name."""
        return (c for c in self.children if c.tag == tag)

    def first(self, tag: str) -> Node | None:
        """The first child of this name."""
        return next(self.all(tag), None)

    def get(self, tag: str, default: str = "") -> str:
        """The text of the first child of this name."""
        found = self.first(tag)
        return default if found is None else found.text.strip()

    def truth(self, tag: str) -> bool:
        """Whether the child of this name says true, in any case and as a number too."""
        return self.get(tag).lower() in ("true", "1")

    def deep(self, tag: str) -> Iterator[Node]:
        """Every node of this name below this one, in document order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.deep(tag)


def leaf(tag: str, value: Any) -> Node:
    """A node that holds one value; booleans are written in lower case."""
    return Node(tag, str(value).lower() if isinstance(value, bool) else str(value))


def parse(data: bytes | str) -> Node:
    """The root node of a document. Raises BadXml."""
    stack: list[Node] = []
    roots: list[Node] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        node = Node(_local(name), line=parser.CurrentLineNumber, column=parser.CurrentColumnNumber + 1)
        node.attributes = {_local(k): v for k, v in attributes.items()}
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)

    def end(_name: str) -> None:
        node = stack.pop()
        if node.children:
            node.text = node.text.strip()

    def characters(text: str) -> None:
        if stack:
            stack[-1].text += text

    def refuse(*_args: Any) -> None:
        raise BadXml(
            "A document type declaration is not allowed",
            line=parser.CurrentLineNumber,
            column=parser.CurrentColumnNumber + 1,
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadXml(expat.ErrorString(error.code), line=error.lineno, column=error.offset + 1) from error
    return roots[0]


def same(one: Node, other: Node) -> bool:
    """Whether two nodes say the same, wherever they stand and whatever the order of elements of different names."""
    return _said(one) == _said(other)


def _said(node: Node) -> tuple[object, ...]:
    children = sorted(node.children, key=lambda child: child.tag)
    return (node.text.strip(), *((child.tag, _said(child)) for child in children))


def document(root: Node) -> str:
    """A metadata file: declaration, root with the metadata namespace, four blanks per level."""
    return DECLARATION + render(root, attributes=f' xmlns="{NAMESPACE}"')


def render(node: Node, *, depth: int = 0, attributes: str = "") -> str:
    """One node as indented text, ending with a line break."""
    pad = INDENT * depth
    if node.children:
        inner = "".join(render(child, depth=depth + 1) for child in node.children)
        return f"{pad}<{node.tag}{attributes}>\n{inner}{pad}</{node.tag}>\n"
    if not node.text:
        return f"{pad}<{node.tag}{attributes}/>\n"
    return f"{pad}<{node.tag}{attributes}>{escape(node.text)}</{node.tag}>\n"


def _local(name: str) -> str:
    return name.rpartition(":")[2]
