"""A paper as one HTML page: no other file, no script, readable by day, by night, on a phone and in print.

Not the daemon's pages (``web``), which have their own looks; they may show a paper's `body`.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from connector.papers.paper import (
    Align,
    Block,
    Bullets,
    Grid,
    Heading,
    Mark,
    PageBreak,
    Paper,
    Picture,
    Run,
    Text,
    Words,
    outlined,
    runs_of,
)
from connector.plain import scrubbed

ALONE = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What the page may load: nothing (Content Security Policy, level 3)."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --back: #fff; --head: #f3f5f7;
  --link: #0a58ca; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --quiet: #a3abb5; --line: #3b434d; --back: #14181d;
  --head: #1f252c; --link: #7db4ff; } }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 3rem; background: var(--back); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2rem 0 .5rem; font-size: 1.25rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
h3, h4, h5 { margin: 1.2rem 0 .4rem; font-size: 1.05rem; }
a { color: var(--link); }
.subtitle, footer { color: var(--quiet); }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .5rem; font-size: .875rem; }
.grid { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; min-width: 60%; font-size: .95rem; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: break-word; min-width: 4rem; }
th { background: var(--head); }
.right { text-align: right; font-variant-numeric: tabular-nums; }
.center { text-align: center; }
ul.box { list-style: none; padding-left: 0; }
ul.box li::before { content: "\\2610\\00a0"; }
ul.box li { padding-left: 1.5rem; text-indent: -1.3rem; }
figure { margin: 1rem 0; }
figure svg { max-width: 100%; height: auto; }
.break { border: 0; margin: 0; }
@media print { :root { --ink: #000; --quiet: #444; --line: #999; --back: #fff; --head: #eee; --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, h4, h5 { break-after: avoid; } tr, figure, li { break-inside: avoid; } thead { display: table-header-group; }
  .grid { overflow: visible; } .break { break-after: page; } @page { margin: 18mm 16mm; } }
"""


def html(paper: Paper) -> str:
    """The paper as a whole page that needs nothing beside it."""
    return (
        f'<!doctype html>\n<html lang="{escape(paper.lang)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(ALONE)}">\n'
        f"<title>{_text(paper.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{body(paper)}</main>\n</body>\n</html>\n"
    )


def body(paper: Paper) -> str:
    """The paper without a page around it; its title is an ``h1``."""
    lines = [f"<h1>{_text(paper.title)}</h1>"]
    if paper.subtitle:
        lines.append(f'<p class="subtitle">{_text(paper.subtitle)}</p>')
    lines += [line for block in outlined(paper.blocks) for line in _block(block)]
    if paper.foot:
        lines.append(f"<footer>{_text(paper.foot)}</footer>")
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield f"<h{block.level + 1}>{_text(block.text)}</h{block.level + 1}>"
        case Words():
            yield f"<p>{_text(block.text)}</p>"
        case Bullets():
            tag = "ol" if block.mark is Mark.NUMBER else "ul"
            yield f'<{tag} class="box">' if block.mark is Mark.BOX else f"<{tag}>"
            yield from (f"<li>{_text(item)}</li>" for item in block.items)
            yield f"</{tag}>"
        case Grid():
            yield from _table(block)
        case Picture():
            yield f'<figure role="img" aria-label="{escape(scrubbed(block.alt))}">{block.svg}</figure>'
        case PageBreak():
            yield '<hr class="break" aria-hidden="true">'


def _table(grid: Grid) -> Iterator[str]:
    looks = ["" if align is Align.LEFT else f' class="{align}"' for align in grid.aligned]
    yield '<div class="grid" tabindex="0" role="group" aria-label="Table"><table>'
    head = "".join(f'<th scope="col"{look}>{_text(cell)}</th>' for look, cell in zip(looks, grid.head, strict=True))
    yield f"<thead><tr>{head}</tr></thead>"
    yield "<tbody>"
    for row in grid.rows:
        cells = "".join(f"<td{look}>{_text(cell)}</td>" for look, cell in zip(looks, row, strict=True))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"


def _text(text: Text) -> str:
    return "".join(_run(run) for run in runs_of(text))


def _run(run: Run) -> str:
    written = escape(scrubbed(run.text)).replace("\n", "<br>")
    if run.bold:
        written = f"<strong>{written}</strong>"
    return f'<a href="{escape(run.link)}" rel="noopener noreferrer">{written}</a>' if run.link else written
