"""Objects of a training that were not there when it began, which no checkpoint can make anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finai_rl.experiment.checkpoints.state import KIND

SEEN = "seen"
WITH_CLASS = ("object", "own", SEEN)


def objects(node: Any, where: str = "", *, again: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the way to each object of a recorded state, and its class.

    Args:
        node: What `Recorder.node` returned, or plain containers of such.
        where: The way to it.
        again: Whether an object that is met again is one, too.

    Example:
        >>> node = {KIND: "object", "class": "mine.Tracker", "state": {"days": [1, 2]}}
        >>> list(objects({"callbacks": [node]}))
        [('callbacks[0]', 'mine.Tracker')]
    """
    if isinstance(node, list):
        parts = [(f"{where}[{place}]", item) for place, item in enumerate(node)]
    else:
        parts = _parts(node, where) if isinstance(node, dict) else []
    counts = isinstance(node, dict) and (again or node.get(KIND) != SEEN)
    if counts and (kind := _class_of(node)) is not None:
        yield where, kind
    for way, part in parts:
        yield from objects(part, way, again=again)


def _class_of(node: dict[str, Any]) -> str | None:
    """Return the class of what no restored state can make; None for what it can."""
    if node.get(KIND) in WITH_CLASS:
        return str(node["class"])
    if node.get(KIND) == "optimizer":
        return "torch.optim.Optimizer"
    no_factory = node.get("class") == "defaultdict" and "makes" not in node
    return "collections.defaultdict" if no_factory else None


def _parts(node: dict[str, Any], where: str) -> list[tuple[str, Any]]:
    kind = node.get(KIND)
    if kind == "dict":
        return [(f"{where}[{key!r}]", item) for key, item in node["items"]]
    if kind is None or kind == "object":
        held = node if kind is None else node["state"]
        return [(f"{where}.{name}".lstrip("."), item) for name, item in held.items()]
    return [(where, node.get("items"))]


def late_objects(at_the_beginning: Any, now: Any) -> list[str]:
    """Return what no checkpoint of a training can put back, as messages name it.

    Args:
        at_the_beginning: The recorded state of the training before its first step.
        now: Its recorded state.

    Example:
        >>> tracker = {KIND: "object", "class": "mine.Tracker", "state": {}}
        >>> late_objects({"callbacks": [None]}, {"callbacks": [tracker]})
        ['callbacks[0] (mine.Tracker)']
    """
    there = dict(objects(at_the_beginning))
    # Who holds an object a second time is left as it is, and takes it again as it did before.
    held = objects(now, again=False)
    return [f"{way} ({kind})" for way, kind in held if there.get(way) != kind]
