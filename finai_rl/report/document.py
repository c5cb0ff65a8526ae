"""Pages from templates: one file each that needs nothing else."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from finai_rl.report import formats

if TYPE_CHECKING:
    from jinja2 import Environment


def document(template: str, title: str, **values: object) -> str:
    """Return a whole page, in which every text is escaped.

    Args:
        template: Name of a file in ``templates/`` that extends ``document.html``.
        title: Of the page.
        values: What else the template names.
    """
    return _environment().get_template(template).render(title=title, **values)


@cache
def _environment() -> Environment:
    # A training imports this module and makes no page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from finai_rl.report.svg import inline_svg

    environment = Environment(
        loader=PackageLoader("finai_rl.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    written = (formats.number, formats.share, formats.ends, formats.day, formats.plural)
    environment.filters.update({how.__name__: how for how in written}, svg=inline_svg)
    environment.tests["finite"] = math.isfinite
    return environment
