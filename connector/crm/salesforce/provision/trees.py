"""Comparing and joining the XML of a wanted component with that of the one an org has.

Not here: which differences matter for which type (``compare``). A wanted tree is a floor: what the org has beyond it is
left alone. Elements that repeat are told apart by what names them, not by their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.crm.salesforce.provision.component import ATTRIBUTE, Tree, text_of

NAMED_BY: Mapping[str, str] = {
    "fieldPermissions": "field",
    "objectPermissions": "object",
    "customPermissions": "name",
    "userPermissions": "name",
    "recordTypeVisibilities": "recordType",
    "tabSettings": "tab",
    "classAccesses": "apexClass",
    "value": "fullName",
    "enrichedFields": "name",
    "folderShares": "sharedTo",
}
"""Element that may repeat -> its child that tells one from another (facts: Salesforce §5.4)."""

Path = tuple[str, ...]


def leaves(tree: Tree, *, under: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every value with its path; a repeated element's step carries its name: ``fieldPermissions[Opportunity.X__c]``."""
    for tag, inner in tree:
        if tag.startswith(ATTRIBUTE):
            continue
        if isinstance(inner, str):
            yield (*under, tag), settled(inner)
        else:
            yield from leaves(inner, under=(*under, _step(tag, inner)))


def joined(wanted: Tree, present: Tree) -> Tree:
    """What is present, with every wanted value put into it: at its place where there is one, else at the end.

    Elements stay grouped by tag, as the schema's sequence wants them.
    """
    result = list(present)
    for tag, inner in wanted:
        place = _place(result, tag, inner)
        if place is None:
            last = max((n for n, (name, _) in enumerate(result) if name == tag), default=len(result) - 1)
            result.insert(last + 1, (tag, inner))
            continue
        there = result[place][1]
        if isinstance(inner, str) or isinstance(there, str):
            result[place] = (tag, inner)
        else:
            result[place] = (tag, joined(inner, there))
    return tuple(result)


def without(tree: Tree, paths: frozenset[Path], *, under: Path = ()) -> Tree:
    """The tree less the values at these paths, and less elements that nothing is left of."""
    kept: list[tuple[str, str | Tree]] = []
    for tag, inner in tree:
        if isinstance(inner, str):
            if (*under, tag) not in paths:
                kept.append((tag, inner))
            continue
        rest = without(inner, paths, under=(*under, _step(tag, inner)))
        if rest or not inner:
            kept.append((tag, rest))
    return tuple(kept)


def settled(text: str) -> str:
    """Text as it is compared: the org may lay out a formula's white space in its own way."""
    return " ".join(text.split())


def spelled(path: Path) -> str:
    """A path for people."""
    return ".".join(path)


def _step(tag: str, inner: Tree) -> str:
    name = text_of(inner, NAMED_BY[tag]) if tag in NAMED_BY else ""
    return f"{tag}[{name}]" if name else tag


def _place(elements: list[tuple[str, str | Tree]], tag: str, inner: str | Tree) -> int | None:
    step = _step(tag, inner) if not isinstance(inner, str) else tag
    for place, (name, there) in enumerate(elements):
        if name == tag and (tag if isinstance(there, str) else _step(tag, there)) == step:
            return place
    return None
