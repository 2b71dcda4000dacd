"""Draws the panels of the dashboard as small multiples, in SVG."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.drawing import Axes, Points, number, round_up, svg, text

COLUMNS, CELL_WIDTH, CELL_HEIGHT = 4, 240, 212
LEFT, TOP, RIGHT, PLOT = 40, 24, 16, 108
LEGEND_ROWS, LEGEND_STEP, LETTERS = 4, 13, 20
SHADE = "#f0d9b5"
COLOURS = ("#1f6feb", "#cf222e", "#1a7f37", "#bf8700", "#8250df", "#0a7ea4", "#bc4c00", "#57606a")
NAMES_OF_UNITS = {"reqps": "requests/s", "ops": "1/s", "s": "seconds"}


@dataclass(frozen=True)
class Panel:
    """A title, Grafana's name of the unit, and the lines by their labels, in pieces."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[Points]]


@dataclass(frozen=True)
class Outage:
    """What was away, and from which second until which."""

    name: str
    began: float
    ended: float


def draw_dashboard(panels: Sequence[Panel], outages: Sequence[Outage], seconds: float) -> str:
    """Return a picture of the panels over so many seconds, in which outages are shaded."""
    parts = [_headline(outages)]
    for place, panel in enumerate(panels):
        row, column = divmod(place, COLUMNS)
        left, top = column * CELL_WIDTH, 24 + row * CELL_HEIGHT
        parts += _panel(panel, outages, left, top, seconds)
    rows = math.ceil(len(panels) / COLUMNS)
    return svg(COLUMNS * CELL_WIDTH, 24 + rows * CELL_HEIGHT, 10, parts)


def _headline(outages: Sequence[Outage]) -> str:
    said = ", ".join(f"{each.name} {each.began:.0f} to {each.ended:.0f} s" for each in outages)
    return text(4, 14, f"Shaded: {said}")


def _panel(
    panel: Panel, outages: Sequence[Outage], left: float, top: float, seconds: float
) -> Iterator[str]:
    values = [y for pieces in panel.lines.values() for piece in pieces for _, y in piece]
    highest = round_up(max(values, default=0) or 1)
    width = CELL_WIDTH - LEFT - RIGHT
    axes = Axes(left + LEFT, top + TOP, width, PLOT, seconds, highest)
    unit = f", {NAMES_OF_UNITS[panel.unit]}" if panel.unit in NAMES_OF_UNITS else ""
    yield text(left + 4, top + 14, panel.title + unit, weight="bold")
    for outage in outages:
        x, y = axes.point(outage.began, highest)
        end, _ = axes.point(outage.ended, 0)
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{end - x:.1f}" height="{PLOT}" fill="{SHADE}"/>'
        )
    yield from axes.draw("{:.0%}".format if panel.unit == "percentunit" else _short)
    if not values:
        yield text(left + LEFT + width / 2, top + TOP + PLOT / 2, "no data", anchor="middle")
    ordered = sorted(panel.lines, key=lambda label: _most(panel.lines[label]), reverse=True)
    for place, label in enumerate(ordered):
        for piece in panel.lines[label]:
            yield axes.line(piece, COLOURS[place % len(COLOURS)])
    yield from _legend(ordered, left + 8, top + TOP + PLOT + 32)


def _short(value: float) -> str:
    return number(round(value, 6))


def _most(pieces: Sequence[Points]) -> float:
    return max(y for piece in pieces for _, y in piece)


def _legend(labels: Sequence[str], left: float, top: float) -> Iterator[str]:
    """Name the lines in two columns, or in one if a name is long; the lowest may be left out."""
    columns = 1 if any(len(label) > LETTERS for label in labels) else 2
    room = LEGEND_ROWS * columns
    shown = labels if len(labels) <= room else labels[: room - 1]
    for place, label in enumerate(shown):
        row, column = divmod(place, columns)
        x, y = left + column * CELL_WIDTH / 2, top + row * LEGEND_STEP
        yield f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="8" height="8" fill="{COLOURS[place]}"/>'
        yield text(x + 13, y, label)
    if left_out := len(labels) - len(shown):
        y = top + (LEGEND_ROWS - 1) * LEGEND_STEP
        yield text(left + (columns - 1) * CELL_WIDTH / 2, y, f"and {left_out} more")
