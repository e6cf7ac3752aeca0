"""Papers: what people read away from a screen, as Markdown, as one HTML page and as PDF, from the same blocks.

Not here: what stands in a paper (whoever writes it), nor where it goes.
"""

from connector.papers.as_html import body, html
from connector.papers.as_markdown import markdown
from connector.papers.as_pdf import PdfError, PdfMissing, TooLong, pdf, pictures, png
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
    Rich,
    Run,
    Text,
    Words,
    rich,
)

__all__ = [
    "Align",
    "Block",
    "Bullets",
    "Grid",
    "Heading",
    "Mark",
    "PageBreak",
    "Paper",
    "PdfError",
    "PdfMissing",
    "Picture",
    "Rich",
    "Run",
    "Text",
    "TooLong",
    "Words",
    "body",
    "html",
    "markdown",
    "pdf",
    "pictures",
    "png",
    "rich",
]
