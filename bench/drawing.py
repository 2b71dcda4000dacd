"""Parts of pictures in SVG: their frame, text, and axes with lines."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

FOREGROUND, AXES = "#24292f", "#57606a"

Points = Sequence[tuple[float, float]]


def svg(width: int, height: int, font_size: int, parts: Iterable[str]) -> str:
    """Return the picture; its own background makes it readable on light and on dark pages."""
    drawn = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' font-family="sans-serif" font-size="{font_size}" fill="{FOREGROUND}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{drawn}\n</svg>\n'
    )


def text(x: float, y: float, said: str, anchor: str = "start", weight: str = "normal") -> str:
    """Return text whose `anchor` (start, middle or end) is at this point."""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(said)}</text>"
    )


def round_up(value: float) -> float:
    """Return the next number whose half is round, too."""
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)


def number(value: float) -> str:
    """Return a short number."""
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


@dataclass(frozen=True)
class Axes:
    """A plot at `left` and `top`, from zero up to the largest values that it shows."""

    left: float
    top: float
    width: float
    height: float
    widest: float
    highest: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return where values are on the picture."""
        return (
            self.left + x / self.widest * self.width,
            self.top + self.height - y / self.highest * self.height,
        )

    def draw(self, label: Callable[[float], str] = number) -> Iterator[str]:
        """Draw both axes with three labels each; `label` writes those of the vertical one."""
        left, bottom = self.point(0, 0)
        right, top = self.point(self.widest, self.highest)
        path = f"M{left:.0f} {top:.0f}V{bottom:.0f}H{right:.0f}"
        yield f'<path d="{path}" fill="none" stroke="{AXES}"/>'
        for share in (0, 0.5, 1):
            x, y = self.point(share * self.widest, share * self.highest)
            yield text(x, bottom + 16, number(share * self.widest), anchor="middle")
            yield text(left - 5, y + 4, label(share * self.highest), anchor="end")

    def line(self, points: Points, colour: str) -> str:
        """Draw a line through these values."""
        path = " ".join("{:.1f},{:.1f}".format(*self.point(*each)) for each in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
