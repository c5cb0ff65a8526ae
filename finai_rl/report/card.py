"""A model card: the same sections as Markdown and as a page (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from finai_rl.report.document import document


@dataclass(frozen=True)
class Section:
    """A part of a card.

    Attributes:
        heading: Of the part.
        lines: One sentence or fact each.
        code: What may be copied from it; empty for nothing.

    Example:
        >>> Section("Limits", ["One seed."]).code
        ''
    """

    heading: str
    lines: Sequence[str] = ()
    code: str = ""


@dataclass(frozen=True)
class ModelCard:
    """What a trained agent is, and what is known of it.

    Attributes:
        title: Of the card.
        sections: In their order.

    Example:
        >>> card = ModelCard("A2C", [Section("Limits", ["One seed."], "load(...)")])
        >>> print(card.markdown)
        # A2C
        <BLANKLINE>
        ## Limits
        <BLANKLINE>
        - One seed.
        <BLANKLINE>
            load(...)
        <BLANKLINE>
    """

    title: str
    sections: Sequence[Section] = field(default_factory=tuple)

    @property
    def markdown(self) -> str:
        """The card as Markdown."""
        parts = [f"# {_as_text(self.title)}", ""]
        for section in self.sections:
            parts += [f"## {section.heading}", ""]
            if section.lines:
                parts += [*(f"- {_as_text(line)}" for line in section.lines), ""]
            if section.code:
                parts += [*(f"    {line}" for line in section.code.splitlines()), ""]
        return "\n".join(parts)

    @property
    def page(self) -> str:
        """The card as a page, complete in one file and without a network."""
        return document("card.html", self.title, sections=self.sections)


def _as_text(line: str) -> str:
    # Markdown is shown with the HTML in it: a ticker must not be any.
    return line.replace("&", "&amp;").replace("<", "&lt;")
