"""Every refusal of the data room ends in a next step: a setting, a command or a cell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "finai_rl" / "data"
REFUSALS = ("DataError", "InputError", "ValueError", "ConfigError")
VERBS = (
    "set use name write give save drop rename remove install run check choose add leave correct "
    "sort call quote unpack get read look keep delete fetch commit put pass close "
    "fill fewer raise turn return"
)
STEP = re.compile(
    rf"(^|[;:,.(]\s*|\b(or|and|to|instead|text,) )({VERBS.replace(' ', '|')})\b"
    r"|\b(must|has to|have to) (be|name|hold|end|differ|return|lie)\b|such as|e\.g\.|What helps"
    r"|pip install|`dvc|(data|raw|env)\.\w+="
)
"""Words of a next step: what to do, or what would be right."""

HELPERS = (
    "likeliest",
    "advice",
    "setting",
    "remedy",
    "missing_columns",
    "missing_remedy",
    "_helps",
    "helps",
)
"""Functions that return one."""


def messages() -> Iterator[tuple[str, str, bool]]:
    """Yield each message that is raised or listed: where, its text, whether a function helps."""
    for file in sorted(ROOM.rglob("*.py")):
        if file.parent.name == "cache":  # what is wrong with a cache is told to no user
            continue
        tree = ast.parse(file.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for node in expressions(function):
                    text, helped = said(node, function, depth=3)
                    if len(text.strip()) > 20:
                        yield f"{file.relative_to(ROOM)}:{node.lineno}", text, helped


def expressions(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield the expressions of a function that are messages of a refusal."""
    listing = "problem" in function.name
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            if isinstance(node.exc.func, ast.Name) and node.exc.func.id in REFUSALS:
                for argument in node.exc.args[-1:]:
                    yield from argument.elts[-1:] if isinstance(argument, ast.List) else [argument]
        elif isinstance(node, ast.Yield) and listing and node.value is not None:
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if (
                node.func.attr == "append"
                and isinstance(owner, ast.Name)
                and owner.id == "problems"
            ):
                yield node.args[0]


def said(node: ast.AST, function: ast.FunctionDef, depth: int) -> tuple[str, bool]:
    """Return the text of an expression, names resolved within its function."""
    text, helped = "", False
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            text += each.value
        elif isinstance(each, ast.Call):
            called = (
                each.func.attr
                if isinstance(each.func, ast.Attribute)
                else getattr(each.func, "id", "")
            )
            helped |= any(helper in called for helper in HELPERS)
        elif isinstance(each, ast.Name) and depth:
            for assigned in ast.walk(function):
                if isinstance(assigned, (ast.Assign, ast.AugAssign)) and any(
                    isinstance(target, ast.Name) and target.id == each.id
                    for target in getattr(assigned, "targets", [getattr(assigned, "target", None)])
                ):
                    more, also = said(assigned.value, function, depth - 1)
                    text, helped = text + more, helped or also
            helped |= each.id.isupper() or each.id in ("remedy", "error", "said", "faults", "left")
    return text, helped


def test_every_refusal_ends_in_a_next_step() -> None:
    found = list(messages())
    without = [f"{where}: {text}" for where, text, helped in found
               if not helped and not STEP.search(text)]  # fmt: skip
    assert len(found) > 100
    assert without == []


@pytest.mark.parametrize("text", ["3 rows lack a close: line 4", "it cannot be"])
def test_a_message_without_a_step_would_be_found(text: str) -> None:
    assert not STEP.search(text)
