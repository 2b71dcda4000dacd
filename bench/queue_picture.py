"""Draws what the model of the queues tells, in SVG."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.drawing import Axes, Points, round_up, svg, text

WIDTH, HEIGHT = 720, 268
PANEL, TOP, PLOT = 226, 46, 160
LEFT, RIGHT = 44, 12
COLOURS = {1: "#9aa4b2", 2: "#54aeff", 4: "#1f6feb"}
MEASURED = "#cf222e"


@dataclass(frozen=True)
class _Panel:
    """A plot with its title, and what is on the horizontal axis below."""

    axes: Axes
    title: str
    below: str

    @classmethod
    def of(cls, place: int, title: str, below: str, widest: float, highest: float) -> "_Panel":
        left = place * (PANEL + 20) + LEFT
        return cls(Axes(left, TOP, PANEL - LEFT - RIGHT, PLOT, widest, highest), title, below)

    def draw(self) -> Iterator[str]:
        yield text(self.axes.left - LEFT, 22, self.title, weight="bold")
        right, bottom = self.axes.point(self.axes.widest, 0)
        yield text(right, bottom + 32, self.below, anchor="end")
        yield from self.axes.draw()

    def dots(self, points: Points, colour: str) -> Iterator[str]:
        for each in points:
            x, y = self.axes.point(*each)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def draw_queues(modelled: Mapping[str, Any]) -> str:
    """Return a picture of drains, predicted and measured, of latencies, and of an outage."""
    parts = [*_drains(modelled["drains"]), *_latencies(modelled["latencies"])]
    parts += [*_outages(modelled["outages"]), *_legend()]
    return svg(WIDTH, HEIGHT, 11, parts)


def _drains(drains: Sequence[Mapping[str, float]]) -> Iterator[str]:
    predicted = [(each["workers"], each["predicted"]) for each in drains]
    measured = [(each["workers"], each["measured"]) for each in drains]
    widest = max(each["workers"] for each in drains)
    highest = round_up(max(rate for _, rate in predicted + measured))
    panel = _Panel.of(0, "Drains on shared cores, events/s", "workers", widest, highest)
    yield from panel.draw()
    yield panel.axes.line(predicted, COLOURS[4])
    yield from panel.dots(measured, MEASURED)


def _latencies(latencies: Sequence[Mapping[str, float]]) -> Iterator[str]:
    widest = round_up(max(each["events_per_second"] for each in latencies))
    highest = round_up(max(each["p99"] for each in latencies))
    panel = _Panel.of(1, "From change to record, p99 in ms", "events/s", widest, highest)
    yield from panel.draw()
    for workers, colour in COLOURS.items():
        points = [
            (each["events_per_second"], each["p99"])
            for each in latencies
            if each["workers"] == workers
        ]
        yield panel.axes.line(points, colour)


def _outages(outages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    widest = max(second for each in outages for second, _ in each["backlog"])
    highest = round_up(max(events for each in outages for _, events in each["backlog"]))
    panel = _Panel.of(2, "Events that wait, audit store away", "seconds", widest, highest)
    yield from panel.draw()
    for each in outages:
        yield panel.axes.line(each["backlog"], COLOURS[each["workers"]])


def _legend() -> Iterator[str]:
    names = [(f"{workers} worker{'s' * (workers > 1)}", at) for workers, at in COLOURS.items()]
    for place, (name, colour) in enumerate([*names, ("measured", MEASURED)]):
        x, y = 150 + place * 110, HEIGHT - 12
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield text(x + 16, y, name)
