"""Parse a page like a browser, as far as tests need it: its text, links, forms and tags."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "link", "br", "hr", "img"}
INLINE = {"a", "b", "code", "span", "time"}


@dataclass
class Page(HTMLParser):
    """A parsed page; `style` is the content of its only style element."""

    html: str
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    shown: str = ""
    style: str = ""

    def __post_init__(self):
        super().__init__()
        self._open = []
        self.feed(self.html)
        self.close()
        assert [] == self._open, "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self._open.pop()
        if tag not in INLINE:
            self.shown += " "

    def handle_data(self, data):
        if "style" in self._open:
            self.style += data
        else:
            self.shown += data

    @property
    def text(self) -> str:
        """The visible text, with single spaces."""
        return " ".join(self.shown.split())

    @property
    def links(self) -> list[str]:
        """The targets of the links."""
        return [value for tag, name, value in self.attributes if (tag, name) == ("a", "href")]

    @property
    def inputs(self) -> dict[str, str]:
        """The value of each field of the form, by name."""
        found, name = {}, ""
        for tag, attribute, value in self.attributes:
            if (tag, attribute) == ("input", "name"):
                name = value
            elif (tag, attribute) == ("input", "value"):
                found[name] = value
        return found
