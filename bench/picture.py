"""Draws the comparison as bars, in SVG."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.compare import Measurement
from bench.drawing import svg

WIDTH, LEFT, BAR, GAP = 720, 110, 22, 8
COLOURS = {"Billor": "#1f6feb"}
OTHERS = "#9aa4b2"


def draw(measured: Mapping[str, Sequence[Measurement]]) -> str:
    """Return a picture with a group of bars, requests per second, for each request."""
    parts: list[str] = []
    y = 0
    for name, measurements in measured.items():
        y += 28
        parts.append(f'<text x="0" y="{y}" font-weight="bold">{escape(name)}, requests/s</text>')
        y += 12
        most = max(each.requests_per_second for each in measurements)
        for each in measurements:
            length = each.requests_per_second / most * (WIDTH - LEFT - 240)
            middle = y + BAR * 0.7
            parts += [
                f'<text x="0" y="{middle}">{escape(each.contender)}</text>',
                f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR}"'
                f' fill="{COLOURS.get(each.contender, OTHERS)}"/>',
                f'<text x="{LEFT + length + 8:.0f}" y="{middle}">{each.requests_per_second:,.0f}'
                f" · {each.cpu_microseconds:,.0f} µs CPU · p99 {each.p99:.0f} ms</text>",
            ]
            y += BAR + GAP
    return svg(WIDTH, y + 10, 13, parts)
