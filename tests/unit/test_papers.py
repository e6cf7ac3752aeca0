"""Papers: the same blocks as Markdown, HTML and PDF, and nothing a text holds acts in any of them."""

from __future__ import annotations

import dataclasses
import html as entities
import re
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pdf_text
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import UserError
from connector.papers import (
    Align,
    Bullets,
    Grid,
    Heading,
    Mark,
    PageBreak,
    Paper,
    Picture,
    Run,
    TooLong,
    Words,
    html,
    markdown,
    pdf,
    pictures,
    png,
    rich,
)
from connector.papers.as_pdf import FILL_IN, columns

BOX = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#369"/></svg>'
HOSTILE = (
    '#read("secret.txt") #import "@preview/x:1.0.0": * $ sum $ <script>alert(1)</script> <img src=x onerror=alert(1)> '
    "*a* _b_ **c** `d` ~~e~~ [f](http://evil.example) ![g](h) | &lt; \\ @ref\n# head\n- item\n1. one\n> said\n---\n"
    "- [x] do"
)


def a_paper(text: str = "Plain words", **changes: object) -> Paper:
    blocks = (
        Heading(1, text),
        Words(text),
        Words(rich("**{text}** and [{text}]({link})", text=text, link="https://example.com/a(b)")),
        Bullets([text, "two"]),
        Bullets([text], Mark.BOX),
        Bullets([text], Mark.NUMBER),
        Grid(["Left", "Right"], [[text, "1"], ["b", text]], [Align.LEFT, Align.RIGHT]),
        PageBreak(),
        Picture(BOX, text),
    )
    paper = Paper(text, text, blocks, foot=text, made=date(2026, 3, 4))
    return dataclasses.replace(paper, **changes)  # type: ignore[arg-type]


class Elements(HTMLParser):
    """Every element and attribute of a page, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def elements(page: str) -> Elements:
    found = Elements()
    found.feed(page)
    return found


# --- HTML -------------------------------------------------------------------------------------------------------------


def test_a_page_needs_nothing_beside_it_and_says_its_language_and_title() -> None:
    page = html(a_paper(lang="de"))
    assert page.startswith("<!doctype html>")
    assert '<html lang="de">' in page
    assert "<title>Plain words</title>" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert not re.search(r"(?:src|url|@import)\s*[=(]", page)
    assert "default-src &#x27;none&#x27;" in page


def test_no_text_becomes_an_element_of_a_page() -> None:
    hostile, plain = elements(html(a_paper(HOSTILE))), elements(html(a_paper("x\n" * HOSTILE.count("\n") + "x")))
    assert [tag for tag in hostile.tags if tag != "br"] == [tag for tag in plain.tags if tag != "br"]
    assert not [name for name, _ in hostile.attributes if name.startswith("on")]
    assert {value for name, value in hostile.attributes if name == "href"} == {"https://example.com/a(b)"}
    assert "<script>alert(1)</script>" in hostile.text


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_markdown_reads_as_one_writes_it() -> None:
    text = markdown(
        Paper(
            "Guide",
            "For CSMs.",
            (
                Heading(1, "1. First"),
                Words(rich("See **field_name** in [gate] and {x}.", x="snake__case__c")),
                Bullets(["a", "b"], Mark.BOX),
                Grid(["A", "B"], [["1", "x | y"]], [Align.RIGHT, Align.LEFT]),
                Grid(["A"], []),
                Bullets([]),
            ),
            foot="policy 1",
        )
    )
    assert text == (
        "# Guide\n\nFor CSMs.\n\n## 1. First\n\nSee **field_name** in [gate] and snake__case__c.\n\n"
        "- [ ] a\n- [ ] b\n\n| A | B |\n| --: | --- |\n| 1 | x \\| y |\n\n---\n\npolicy 1\n"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("# head", "\\# head"),
        ("- item", "\\- item"),
        ("12. item", "12\\. item"),
        ("[x] done", "\\[x] done"),
        ("[a](http://evil.example)", "[a\\](http://evil.example)"),
        ("<b>", "\\<b\\>"),
        ("&lt;", "\\&lt;"),
        ("*a* _b_ `c` ~d~ $e$", "\\*a\\* \\_b\\_ \\`c\\` \\~d\\~ \\$e\\$"),
        ("__init__", "\\_\\_init\\_\\_"),
        ("a\n\n# b", "a\\\n\\# b"),
        ("a\n---", "a\\\n\\---"),
    ],
)
def test_signs_that_act_are_shown_instead(text: str, written: str) -> None:
    assert markdown(Paper("T", blocks=(Words(text),))) == f"# T\n\n{written}\n"


# --- PDF --------------------------------------------------------------------------------------------------------------


def test_a_pdf_says_what_the_paper_says_and_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.txt").write_text("TOP SECRET")
    monkeypatch.chdir(tmp_path)
    said = "".join(pdf_text.pages(pdf(a_paper(HOSTILE))))
    assert "TOP SECRET" not in said
    flat = re.sub(r"\s|\u200b", "", said)
    for words in (
        '#read("secret.txt")',
        "<script>alert(1)</script>",
        "*a*_b_**c**`d`",
        "[f](http://evil.example)",
        "\\@ref",
    ):
        assert flat.count(re.sub(r"\s", "", words)) >= 8, words


def test_equal_papers_are_equal_bytes_and_others_are_not() -> None:
    once, again, other = pdf(a_paper()), pdf(a_paper()), pdf(a_paper(made=date(2026, 3, 5)))
    assert once == again
    assert once != other


def test_a_pdf_is_tagged_and_names_title_language_and_day() -> None:
    made = pdf(a_paper("Handoff card", lang="de"))
    assert b"/StructTreeRoot" in made
    assert b"/Marked true" in made
    assert b"/Lang(de)" in made
    assert b"pdfuaid:part" in made
    assert b"Handoff card" in made
    assert b"D:20260304" in made
    assert b"/Alt" in made
    assert b"/TH" in made


def test_without_a_day_a_pdf_names_none() -> None:
    made = pdf(a_paper(made=None))
    assert b"CreationDate" not in made
    assert b"xmp:CreateDate" not in made


def test_what_no_font_has_is_still_a_pdf() -> None:
    assert pdf(a_paper("株式会社 \U0001f600 עברית")).startswith(b"%PDF-")


def test_a_paper_for_one_page_shrinks_or_says_how_many_it_needs() -> None:
    def card(words: int) -> Paper:
        return Paper("Card", blocks=(Words("word " * words),), one_page=True)

    assert len(pdf_text.pages(pdf(dataclasses.replace(card(1100), one_page=False)))) == 2
    assert len(pdf_text.pages(pdf(card(1100)))) == 1
    with pytest.raises(TooLong, match="'Card' needs 2 pages and may have one"):
        pdf(card(3000))


def test_columns_share_a_page_by_what_they_say() -> None:
    short, long = "a" * 10, "b" * 400
    assert columns(Grid(["A", "B"], [[short, short]]), of=96) == [None, None]
    assert columns(Grid(["A", "B", "C"], [[short, long, "c" * 100]]), of=96) == [None, 2.35, 0.59]
    assert columns(Grid(["Who", "Signature"], [[short, ""]]), of=96) == [None, FILL_IN]


def test_long_words_break_behind_their_signs_and_then_anywhere() -> None:
    (said,) = pdf_text.pages(pdf(Paper("T", blocks=(Words("dana.kowalski-lindqvist@seller.example " * 30),))))
    lines = [line.replace("\u200b", "").strip() for line in said.split("\n")]
    assert not [line for line in lines if line.endswith(("exampl", "selle", "kowalsk"))]
    (said,) = pdf_text.pages(pdf(Paper("T", blocks=(Words("x" * 300),))))
    assert "x" * 300 in re.sub(r"\s|\u200b", "", said)


def test_a_picture_of_a_page_is_for_papers_of_one() -> None:
    assert png(Paper("Card", one_page=True)).startswith(b"\x89PNG")
    several = pictures(Paper("Report", blocks=(Words("first"), PageBreak(), Words("second"))))
    assert [each[:4] for each in several] == [b"\x89PNG"] * 2
    with pytest.raises(ValueError, match="may have several pages"):
        png(Paper("Report"))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(UserError, match=r"handoff-connector\[pdf\]"):
        pdf(a_paper())


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_written(text: str) -> None:
    paper = a_paper(text)
    assert pdf(paper).startswith(b"%PDF-")
    assert markdown(paper).endswith("\n")
    tags = elements(html(paper)).tags
    assert "script" not in tags
    assert tags.count("li") == 4


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_fillings_are_never_markup() -> None:
    assert rich("**{a}** {b}", a="**x**", b="[y](http://evil.example)") == (
        Run("**x**", bold=True),
        Run(" [y](http://evil.example)"),
    )


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "//evil.example", "/\\evil", "file:///etc/passwd", "data:x", " /x", "a b"]
)
def test_a_link_leads_to_the_web_or_into_the_same_site(link: str) -> None:
    with pytest.raises(ValueError, match="no address that a paper may link to"):
        Run("x", link=link)


def test_a_path_of_the_site_is_a_link_on_a_page_and_words_in_a_pdf() -> None:
    paper = Paper("T", blocks=(Words(rich("[why](/deals/1)")),))
    assert 'href="/deals/1"' in html(paper)
    assert b"/deals/1" not in pdf(paper)


@pytest.mark.parametrize(
    "inner",
    [
        "<script>1</script>",
        '<rect onclick="x()"/>',
        '<use href="http://evil.example/a.svg#x"/>',
        '<image href="/etc/passwd"/>',
        '<rect style="fill:url(http://evil.example)"/>',
        "<style>@import 'http://evil.example'</style>",
        "<foreignObject/>",
    ],
)
def test_a_drawing_only_draws(inner: str) -> None:
    with pytest.raises(ValueError, match="a drawing"):
        Picture(f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>', "x")


def test_a_drawing_declares_nothing_before_itself() -> None:
    with pytest.raises(ValueError, match="document type"):
        Picture('<!DOCTYPE svg [<!ENTITY a "b">]>' + BOX, "x")
    assert Picture(BOX, "x").svg == BOX


def test_headings_skip_no_level_and_rows_are_even() -> None:
    assert "\n## Deep\n\n### Deeper\n" in markdown(Paper("T", blocks=(Heading(3, "Deep"), Heading(4, "Deeper"))))
    with pytest.raises(ValueError, match="row 2 has 1 cells, the head 2"):
        Grid(["a", "b"], [["1", "2"], ["1"]])
    with pytest.raises(ValueError, match="level is 1 to 4"):
        Heading(0, "x")


def test_html_says_the_same_words_as_markdown() -> None:
    paper = a_paper("Words & more")
    assert entities.unescape(elements(html(paper)).text).count("Words & more") >= 8
    assert markdown(paper).count("Words & more") >= 8
