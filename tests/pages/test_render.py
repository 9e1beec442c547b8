"""Whatever is shown stays text, and a page can load and run nothing."""

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.pages.render import content_security_policy, is_safe_link, render
from model_trigger.text import one_line
from tests.support.build import NOON
from tests.support.page import Page

TAGS = Page(render("error.html", {}, NOON, sentence="")).tags


def words(text: str) -> str:
    return " ".join(text.split())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_shown_literally(text):
    page = Page(render("error.html", {}, NOON, sentence=f"before {text} after"))

    assert TAGS == page.tags
    assert words(f"before {one_line(text)} after") in page.text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_function_key_is_kept_whole_in_links(key):
    page = Page(render("error.html", {"code": key}, NOON, sentence=""))

    assert [{"code": [key]}] * 2 == [
        parse_qs(urlsplit(link).query, strict_parsing=True) for link in page.links
    ]


def test_unprintable_characters_are_escaped():
    page = Page(render("error.html", {}, NOON, sentence="churn\u202e71\n"))

    assert r"churn\u202e71\n" in page.text


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://dev.azure.com/contoso/ml/_release?releaseId=7", True),
        ("http://127.0.0.1:8080/_release", True),
        ("javascript:alert(1)", False),
        ("JavaScript://dev.azure.com/%0aalert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//dev.azure.com", False),
        ("https:", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(url, is_safe):
    assert is_safe == is_safe_link(url)


def test_the_policy_allows_the_one_style_and_its_forms_and_nothing_else():
    page = Page(render("error.html", {}, NOON, sentence=""))
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()

    assert {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    } == dict(part.split(" ", 1) for part in content_security_policy().split("; "))


def test_the_style_loads_nothing():
    style = Page(render("error.html", {}, NOON, sentence="")).style

    assert [] == re.findall(r"@import|url\(|image-set", style)
