"""The page in a browser: what clicks, filters, links and buttons do, and that nothing is asked for or complained of.

Where no browser is found these are skipped; what can be seen in the file itself, `test_page.py` sees.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from browser import Browser, NoBrowser, find_browser
from reported import DISCREPANCY, HOSTILE, rows_of, run_json, write_folder

from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import Verdict

SHOWN = "[...document.querySelectorAll('article.fault')].filter(one => one.offsetParent).map(one => one.id).join(' ')"
PATIENCE = "new Promise(done => setTimeout(done, 200))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (program := find_browser()):
        pytest.skip("no Chromium is found, in which to click")
    home = tmp_path_factory.mktemp("profile")
    try:
        with Browser(program, home) as opened:
            yield opened
    except NoBrowser as error:
        pytest.skip(f"{program} cannot be driven: {error}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    wrong = replace(DISCREPANCY, id="wrong", family="output value padding=same", failing=1)
    also = replace(wrong, id="also", target="jax@cpu", dtype="float64")
    mild = replace(DISCREPANCY, id="mild", verdict=Verdict.IMPRECISE, family="dtype value", check="dtype", failing=9)
    known = replace(DISCREPANCY, id="known", known="https://example.org/1", family="shape value", detail=HOSTILE)
    write_folder(folder, rows_of(*[Verdict.WRONG_VALUE] * 3, Verdict.PASS), [wrong, also, mild, known], run_json())
    return write_page(folder).as_uri()


def test_nothing_is_asked_for_and_nothing_complained_of(browser, address):
    browser.open(address)
    assert browser.evaluate(SHOWN) == "f-d-also f-d-mild f-d-known"
    assert browser.requests == [address]
    assert browser.troubles == []


def test_what_is_chosen_is_shown_and_kept_in_the_address(browser, address):
    browser.open(address)
    choose(browser, "[data-facet=check]", "dtype")
    assert browser.evaluate(SHOWN) == "f-d-mild"
    assert browser.evaluate("document.getElementById('shown').textContent") == "1 of 3"
    kept = browser.evaluate("location.href")
    assert kept == f"{address}?check=dtype"
    browser.open(kept)
    assert browser.evaluate(SHOWN) == "f-d-mild"
    browser.evaluate("document.getElementById('clear').click()")
    assert browser.evaluate(SHOWN) == "f-d-also f-d-mild f-d-known"
    assert browser.evaluate("location.href") == address
    assert browser.troubles == []


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("?target=jax%40cpu", "f-d-also"),
        ("?verdict=imprecise", "f-d-mild"),
        ("?dtype=float32&known=new", "f-d-also f-d-mild"),
        ("?known=known", "f-d-known"),
        ("?words=narrower+arithmetic", "f-d-mild"),
        ("?words=nowhere", ""),
        ("?order=failing", "f-d-mild f-d-also f-d-known"),
        ("?order=targets", "f-d-also f-d-mild f-d-known"),
        ("?order=worst", "f-d-also f-d-known f-d-mild"),
        ("?target=%3Cscript%3Enobody&order=none", "f-d-also f-d-mild f-d-known"),
    ],
)
def test_an_address_shows_what_it_asks_for(browser, address, asked, shown):
    browser.open(address + asked)
    assert browser.evaluate(SHOWN) == shown
    assert browser.troubles == []


def test_of_a_fault_only_the_targets_that_are_chosen_are_shown(browser, address):
    browser.open(f"{address}?target=torch%40cpu")
    open_ones = "[...document.querySelectorAll('#f-d-also details.member')].filter(one => one.offsetParent)"
    assert browser.evaluate(f"{open_ones}.map(one => one.id).join(' ')") == "d-wrong"


def test_a_link_unfolds_what_it_leads_to_and_brings_it_back(browser, address):
    browser.open(f"{address}?known=known#d-wrong")
    assert browser.evaluate("document.getElementById('d-wrong').open")
    assert browser.evaluate(SHOWN) == "f-d-also f-d-mild f-d-known"
    browser.open(f"{address}?known=known")
    browser.evaluate("document.querySelector('a[href=\"#d-wrong\"]').click()")
    browser.evaluate(PATIENCE)
    assert browser.evaluate("document.getElementById('d-wrong').open")
    assert abs(browser.evaluate("document.getElementById('d-wrong').getBoundingClientRect().top")) < 900


@pytest.mark.parametrize("what", ["call", "replay"])
def test_a_button_copies(browser, address, what):
    browser.open(address)
    button = f"document.querySelector('[data-copy=d-also-{what}]')"
    told = browser.evaluate(f"document.getElementById('d-also-{what}').textContent")
    browser.evaluate("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    browser.evaluate(f"{button}.click()")
    browser.evaluate(PATIENCE)
    assert browser.evaluate("window.copied") == told
    assert browser.evaluate(f"{button}.firstChild.data") == "Copied"
    assert browser.troubles == []


def test_where_nothing_may_be_copied_the_text_is_selected(browser, address):
    browser.open(address)
    browser.evaluate("navigator.clipboard.writeText = text => Promise.reject()")
    browser.evaluate("document.querySelector('[data-copy=d-also-replay]').click()")
    browser.evaluate(PATIENCE)
    assert browser.evaluate("getSelection().toString()") == DISCREPANCY.replay


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_laptop_and_a_phone_in_light_and_dark(browser, address, width, dark):
    browser.open(address, width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark


def test_keys_reach_everything(browser, address):
    """What can be scrolled or pressed takes the focus, and is named."""
    browser.open(address)
    scrolled = "[...document.querySelectorAll('.scroll, .slices, pre')].every(one => one.tabIndex === 0)"
    assert browser.evaluate(scrolled)
    named = "[...document.querySelectorAll('button, select, input')].every(one => one.textContent || one.labels.length)"
    assert browser.evaluate(named)
    unnamed = "[...document.querySelectorAll('svg')].every(one => one.getAttribute('aria-label'))"
    assert browser.evaluate(unnamed)


def choose(browser, selector, value):
    place = f"document.querySelector('{selector}')"
    browser.evaluate(f"{place}.value = '{value}'; {place}.dispatchEvent(new Event('change'))")
