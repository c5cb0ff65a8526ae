"""The skeleton of a page: one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from finai_rl.report.formats import escaped

# The policy lets the page run its own script and nothing else, and ask no server for anything.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src \
'sha256-{digest}'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}<script>{script}</script>
</body>
</html>
"""


def document(title: str, body: str) -> str:
    """Make a whole page, with style and script, of the HTML of its sections."""
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _PAGE.format(
        digest=digest,
        title=escaped(title),
        style=_file("page.css"),
        body=body,
        script=script,
    )


def _file(name: str) -> str:
    return files("finai_rl.report").joinpath(name).read_text(encoding="utf-8")
