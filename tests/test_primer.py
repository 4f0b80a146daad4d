"""docs/primer.md is true: its examples print what it says, and its prose has no number that they do not."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "primer.md"
FENCE = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
SECTIONS = 12
EXAMPLES = 65


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def examples() -> doctest.DocTest:
    """The examples of the page, each on its line: everything around them is left blank."""
    page, code = text(), ""
    for block in FENCE.finditer(page):
        code += "\n" * (page.count("\n", 0, block.start(1)) - code.count("\n")) + block.group(1)
    return doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), 0)


def test_every_example_prints_what_the_page_says():
    told: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(examples(), out=told.append)
    assert results.failed == 0, "".join(told)
    assert results.attempted >= EXAMPLES


def test_every_block_is_run():
    page = text()
    assert page.count("```") == 2 * len(FENCE.findall(page))
    assert page.count(">>> ") == len(examples().examples)


def test_every_section_has_examples():
    sections = re.split(r"^## ", text(), flags=re.MULTILINE)[1:]
    assert len(sections) >= SECTIONS
    assert all(FENCE.search(section) for section in sections)


def test_no_number_in_the_prose_is_not_in_the_examples():
    computed = {number for block in FENCE.findall(text()) for number in NUMBER.findall(block)}
    said = NUMBER.findall(FENCE.sub("", text()))
    assert said
    assert set(said) <= computed
