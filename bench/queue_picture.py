"""Draws what the model of the queues tells, in SVG."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, HEIGHT = 720, 268
PANEL, TOP, PLOT = 226, 46, 160
LEFT, RIGHT = 44, 12
COLOURS = {1: "#9aa4b2", 2: "#54aeff", 4: "#1f6feb"}
MEASURED = "#cf222e"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class _Panel:
    """Axes from zero, up to a round number beyond the largest value."""

    number: int
    title: str
    below: str
    widest: float
    highest: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        left = self.number * (PANEL + 20) + LEFT
        return (
            left + x / self.widest * (PANEL - LEFT - RIGHT),
            TOP + PLOT - y / self.highest * PLOT,
        )

    def axes(self) -> Iterator[str]:
        left, bottom = self.point(0, 0)
        right, top = self.point(self.widest, self.highest)
        yield _text(left - LEFT, 22, self.title, weight="bold")
        yield _text(right, bottom + 32, self.below, anchor="end")
        path = f"M{left:.0f} {top:.0f}V{bottom:.0f}H{right:.0f}"
        yield f'<path d="{path}" fill="none" stroke="#57606a"/>'
        for share in (0, 0.5, 1):
            x, y = self.point(share * self.widest, share * self.highest)
            yield _text(x, bottom + 16, _number(share * self.widest), anchor="middle")
            yield _text(left - 5, y + 4, _number(share * self.highest), anchor="end")

    def line(self, points: Points, colour: str) -> str:
        path = " ".join("{:.1f},{:.1f}".format(*self.point(*each)) for each in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'

    def dots(self, points: Points, colour: str) -> Iterator[str]:
        for each in points:
            x, y = self.point(*each)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def draw_queues(modelled: Mapping[str, Any]) -> str:
    """Return a picture of drains, predicted and measured, of latencies, and of an outage."""
    parts = [*_drains(modelled["drains"]), *_latencies(modelled["latencies"])]
    parts += [*_outages(modelled["outages"]), *_legend()]
    drawn = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="11" fill="#24292f">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{drawn}\n</svg>\n'
    )


def _drains(drains: Sequence[Mapping[str, float]]) -> Iterator[str]:
    predicted = [(each["workers"], each["predicted"]) for each in drains]
    measured = [(each["workers"], each["measured"]) for each in drains]
    widest = max(each["workers"] for each in drains)
    highest = _round_up(max(rate for _, rate in predicted + measured))
    panel = _Panel(0, "Drains on shared cores, events/s", "workers", widest, highest)
    yield from panel.axes()
    yield panel.line(predicted, COLOURS[4])
    yield from panel.dots(measured, MEASURED)


def _latencies(latencies: Sequence[Mapping[str, float]]) -> Iterator[str]:
    widest = _round_up(max(each["events_per_second"] for each in latencies))
    highest = _round_up(max(each["p99"] for each in latencies))
    panel = _Panel(1, "From change to record, p99 in ms", "events/s", widest, highest)
    yield from panel.axes()
    for workers, colour in COLOURS.items():
        points = [
            (each["events_per_second"], each["p99"])
            for each in latencies
            if each["workers"] == workers
        ]
        yield panel.line(points, colour)


def _outages(outages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    widest = max(second for each in outages for second, _ in each["backlog"])
    highest = _round_up(max(events for each in outages for _, events in each["backlog"]))
    panel = _Panel(2, "Events that wait, audit store away", "seconds", widest, highest)
    yield from panel.axes()
    for each in outages:
        yield panel.line(each["backlog"], COLOURS[each["workers"]])


def _legend() -> Iterator[str]:
    names = [(f"{workers} worker{'s' * (workers > 1)}", at) for workers, at in COLOURS.items()]
    for place, (name, colour) in enumerate([*names, ("measured", MEASURED)]):
        x, y = 150 + place * 110, HEIGHT - 12
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 16, y, name)


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )


def _round_up(value: float) -> float:
    """Return the next number whose half is round, too."""
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)


def _number(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"
