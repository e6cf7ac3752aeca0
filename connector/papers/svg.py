"""Whether an SVG only draws: no script, no event, nothing fetched or read from elsewhere.

Not a cleaner: what does more than draw is refused, so that whoever drew it mends it.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
DRAWS = frozenset(
    {
        "svg",
        "g",
        "defs",
        "title",
        "desc",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "clipPath",
        "mask",
        "pattern",
        "linearGradient",
        "radialGradient",
        "stop",
        "use",
        "style",
        "marker",
        "symbol",
    }
)
"""The elements a drawing may have; with ``style`` only for rules that fetch nothing."""

_FETCHES = re.compile(r"url\(\s*(?!['\"]?#)|@import|expression\(|javascript:|\\", re.IGNORECASE)


def checked_svg(svg: str) -> str:
    """The SVG again, without what stands before its root. Raises ValueError for one that does more than draw.

    Elements and attributes of other name spaces are refused too; a reference (``href``, ``url()``) may only name a part
    of the drawing itself.
    """
    if "<!" in svg.replace("<!--", "") or "<?" in svg.removeprefix("<?xml"):
        raise ValueError("a drawing may declare no document type, entity or instruction")
    try:
        root = ET.fromstring(svg)  # noqa: S314 - declarations, which can hold entities, were refused above
    except ET.ParseError as fault:
        raise ValueError(f"this is no SVG: {fault}") from None
    if root.tag != SVG + "svg":
        raise ValueError('a drawing begins with <svg xmlns="http://www.w3.org/2000/svg">')
    for element in root.iter():
        _check(element)
    return svg[svg.index("<svg") :]


def _check(element: ET.Element) -> None:
    name = element.tag.removeprefix(SVG)
    if name not in DRAWS:
        raise ValueError(f"a drawing may not hold <{name}>")
    for key, value in element.attrib.items():
        bare = key.rpartition("}")[2]
        if bare.lower().startswith("on"):
            raise ValueError(f"a drawing may not act: {bare}")
        if bare == "href" and not value.startswith("#"):
            raise ValueError(f"a drawing may refer to its own parts only, not to {value!r}")
        if _FETCHES.search(value):
            raise ValueError(f"a drawing may fetch nothing: {bare}={value!r}")
    if name == "style" and _FETCHES.search(element.text or ""):
        raise ValueError("a drawing's style may fetch nothing")
