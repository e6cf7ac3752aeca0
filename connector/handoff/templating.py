"""The sandbox in which every template is read and rendered: what it may say, and how much it may take.

Not here: what templates are told (``text``, ``summary``) and where their mistakes stand (``policy.templates``). A
template comes from whoever may change the mappings, its values from anyone; a value is data and is never read as a
template. So a template may print, choose and walk through what it is given, and nothing else: no calls, no imports, no
attributes but the ones listed, no text longer than `MOST_CHARS`, no more than `MOST_STEPS` steps of all loops together.
Time follows: what is left costs at most steps times the template's own length.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MOST_CHARS = 100_000
"""Characters of a template, of what it renders, and of every text on the way: three times what any note holds."""
MOST_STEPS = 10_000
"""Steps of all loops of one rendering together: the longest real one walks through some hundred fields."""
DEEPEST = 40
"""How deep parts of a template may stand in each other: Jinja reads and compiles by recursion."""
WIDEST = 200
"""Most of a number that says how wide something is to be, such as an indent."""
GREATEST = 10**18
"""Beyond it no number of a template is computed: amounts are smaller, and long numbers are slow."""

_ALLOWED_NODES: frozenset[type[nodes.Node]] = frozenset(
    {nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Tuple, nodes.List}
    | {nodes.Dict, nodes.Pair, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.For, nodes.If, nodes.Assign}
    | {nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr}
    | {nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos}
    | {nodes.Keyword}
)

_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.CallBlock: "call",
    nodes.Macro: "a macro",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "a block",
    nodes.FilterBlock: "a filter block",
    nodes.AssignBlock: "a set block",
    nodes.With: "with",
    nodes.Pow: "**",
    nodes.ScopedEvalContextModifier: "autoescape",
    nodes.NSRef: "a namespace",
}
"""What is refused, in the words of whoever wrote it."""

_FILTERS = frozenset(
    {"capitalize", "first", "last", "lower", "title", "trim", "upper", "wordcount", "string", "abs", "default", "d"}
    | {"count", "length", "list", "reverse", "sort", "unique", "min", "max", "items", "dictsort", "select", "reject"}
    | {"int", "float"}
)
"""Jinja's filters that make nothing longer than what they are given."""
_SIZED_FILTERS = frozenset({"indent", "truncate", "round"})
"""Filters that are told a size."""

_ATTRIBUTES: Mapping[type[object], frozenset[str]] = {
    LoopContext: frozenset(
        {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"}
        | {"previtem", "nextitem"}
    ),
}
"""Attributes that a template may ask for, by type; of our own types, what they list in ``__template__``."""


@dataclass(slots=True)
class _Budget:
    """The steps one rendering has left."""

    left: int = MOST_STEPS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise SecurityError(f"its loops take more than {MOST_STEPS:,} steps; show less in it")


_COUNTED, _WEIGHED, _FLAT = "counted steps", "measured text", "shallow lists"
_BUDGET = "handoff budget"
"""Where a rendering keeps its budget, and the limits' filters: no template can write a name with a blank."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something a template may not say: its line from 1, and why."""

    line: int
    message: str


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with the limits above."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self) -> None:
        # Plain text for CRM fields, so nothing is HTML-escaped here; each adapter escapes what its vendor renders.
        super().__init__(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self.globals.clear()
        self.filters = {name: FILTERS[name] for name in _FILTERS}
        self.filters |= {name: _sized(FILTERS[name]) for name in _SIZED_FILTERS}
        self.filters |= {"replace": _replaced, "join": _joined, _COUNTED: _counted, _WEIGHED: _weighed}
        self.filters[_FLAT] = _shallow

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002, Jinja's signature
        """Whether a template may see an attribute."""
        listed = getattr(type(obj), "__template__", None) or _ATTRIBUTES.get(type(obj), frozenset())
        return attr in listed

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002, Jinja's signature
        """Nothing is."""
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic with numbers of an ordinary size only."""
        if not (_ordinary(left) and _ordinary(right)):
            raise SecurityError(f"{operator!r} is for ordinary numbers; join texts with ~")
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MOST_CHARS:
            raise TemplateSyntaxError(f"it is longer than {MOST_CHARS:,} characters", 1)
        try:
            return super()._parse(source, name, filename)
        except RecursionError:
            raise TemplateSyntaxError("its parts stand too deep in each other", 1) from None

    def _generate(self, source: nodes.Template, *where: Any, **named: Any) -> str:
        for refusal in refusals(source):
            raise TemplateSyntaxError(refusal.message, refusal.line)
        _Limits().visit(source)
        return super()._generate(source, *where, **named)


class _Limits(NodeTransformer):
    """Puts the limits into a template's tree: loops count their steps, texts put together are measured, lists may not
    double by standing in each other again and again."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _COUNTED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return _filtered(node, _WEIGHED)

    def visit_List(self, node: nodes.List) -> nodes.Filter:
        self.generic_visit(node)
        return _filtered(node, _FLAT)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Filter:
        self.generic_visit(node)
        return _filtered(node, _FLAT)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:
        self.generic_visit(node)
        return _filtered(node, _FLAT) if node.ctx == "load" else node


@pass_context
def _counted(context: Context, walked: Iterable[Any]) -> Iterator[Any]:
    budget = context[_BUDGET]
    for each in walked:
        budget.spend()
        yield each


@pass_context
def _weighed(_context: Context, text: str) -> str:
    return _measured(text, len(text))


@pass_context
def _shallow(_context: Context, made: Any) -> Any:
    """A list, tuple or dictionary, if nothing in it holds more than plain things: forty times a list of itself and
    itself has more parts than any memory, and whoever prints it walks through all of them."""
    if any(isinstance(inner, _BOXES) for each in _inside(made) for inner in _inside(each)):
        raise SecurityError("lists stand too deep in each other; two in each other are enough")
    return made


def _inside(box: Any) -> Iterable[Any]:
    if isinstance(box, dict):
        return box.values()
    return box if isinstance(box, _BOXES) else ()


_BOXES = (list, tuple, dict)


def _replaced(text: object, old: str, new: str) -> str:
    told = str(text)
    return _measured(told, len(told) + told.count(old) * len(new)).replace(old, new)


def _joined(parts: Iterable[object], between: str = "") -> str:
    told = [str(each) for each in parts]
    _measured("", sum(len(each) + len(between) for each in told))
    return between.join(told)


def _measured(text: str, chars: int) -> str:
    if chars > MOST_CHARS:
        raise SecurityError(f"a text in it is longer than {MOST_CHARS:,} characters")
    return text


def _sized(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes no size beyond `WIDEST`, neither as a number nor as a text to put in."""

    @functools.wraps(wrapped)
    def limited(*given: Any, **named: Any) -> Any:
        for each in (*given[2 if _takes_environment(wrapped) else 1 :], *named.values()):
            size = len(each) if isinstance(each, str) else each
            if isinstance(size, (int, float)) and abs(size) > WIDEST:
                raise SecurityError(f"{size} is more than the {WIDEST} that a filter takes")
        made = wrapped(*given, **named)
        return _measured(made, len(made)) if isinstance(made, str) else made

    return limited


def _takes_environment(wrapped: Callable[..., Any]) -> bool:
    return hasattr(wrapped, "jinja_pass_arg")


def _ordinary(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and -GREATEST <= value <= GREATEST


def refusals(tree: nodes.Template) -> Iterator[Refusal]:
    """Everything in a template that it may not say."""
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            yield Refusal(node.lineno or 1, "its parts stand too deep in each other")
            return
        if (why := _refused(node)) is not None:
            yield Refusal(node.lineno, why)
            continue
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())


def _refused(node: nodes.Node) -> str | None:
    if type(node) not in _ALLOWED_NODES:
        return (
            f"{_WORDS.get(type(node), type(node).__name__.lower())} is not for templates; print, choose and walk only"
        )
    if isinstance(node, nodes.For) and node.recursive:
        return "a recursive loop is not for templates"
    if isinstance(node, nodes.Name) and node.name in {"self", "super", "caller"}:
        return f"{node.name!r} is not for templates"
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return f"{node.attr!r} is not for templates"
    return None


def render(template: str, context: Mapping[str, object]) -> str:
    """The template with its names filled in. Raises ValueError when it cannot be rendered, saying why."""
    try:
        pieces: list[str] = []
        taken = 0
        for piece in _compiled(template).generate({**context, _BUDGET: _Budget()}):
            pieces.append(piece)
            taken += len(piece)
            if taken > MOST_CHARS:
                raise SecurityError(f"it renders more than {MOST_CHARS:,} characters; show less in it")
        return "".join(pieces)
    except (TemplateError, ArithmeticError, TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
        raise ValueError(f"the template cannot be rendered: {error}") from error


@functools.lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    try:
        return ENVIRONMENT.from_string(template)
    except (TemplateError, RecursionError, MemoryError, SyntaxError, ValueError) as error:
        raise ValueError(f"the template cannot be read: {error}") from error


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


ENVIRONMENT = _Sandbox()
"""The one environment: `policy.templates` finds the mistakes in it that `render` would meet."""
