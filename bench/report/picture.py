"""A picture of ratios: a bar each, on a logarithmic scale, with a line where both sides are equal."""

from collections.abc import Sequence
from html import escape
from math import log10

from bench.results import Ratio, Section

WIDTH = 960
LABELS = 430
"""Pixels left of the bars."""
ROW, GAP, TOP, RIGHT = 20, 14, 40, 70
LOWEST, HIGHEST = 0.01, 1000.0
TICKS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .tick { fill: #59636e; text-anchor: middle } .label { text-anchor: end }
.grid { stroke: #d1d9e0 } .even { stroke: #1f2328; stroke-width: 1.5 }
.bar { fill: #2f6fd0 } .missed { fill: #b35900 } .goal { stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .tick { fill: #9198a1 } .grid { stroke: #3d444d } .even { stroke: #f0f6fc }
  .bar { fill: #6aa3ff } .missed { fill: #f0a04b } .goal { stroke: #3fb950 }
}"""


def picture(sections: Sequence[Section]) -> str:
    """An SVG, for light and dark pages."""
    shown = [one for one in sections if one.ratios]
    parts: list[str] = []
    y = TOP
    for section in shown:
        parts.append(f'<text class="title" x="8" y="{y + 14}">{escape(section.title)}</text>')
        y += ROW
        for ratio in section.ratios:
            parts += _bar(ratio, y)
            y += ROW
        y += GAP
    height = y + 10
    grid = [_line("even" if tick == 1 else "grid", _x(tick), TOP - 8, y) for tick in TICKS]
    grid += [f'<text class="tick" x="{_x(t):.0f}" y="{TOP - 14}">{t:g}x</text>' for t in TICKS]
    title = "Ours beside a peer or a limit of the same run; right of 1x is better"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{title}</title><style>{_STYLE}</style>",
            *grid,
            *parts,
            "</svg>\n",
        ]
    )


def _bar(ratio: Ratio, y: int) -> list[str]:
    """From the line of equality to the right if ours is better, to the left if not."""
    start, end = sorted((_x(1.0), _x(ratio.value)))
    kind = "missed" if ratio.missed else "bar"
    parts = [
        f'<text class="label" x="{LABELS - 10}" y="{y + 14}">{escape(ratio.what)}</text>',
        f'<rect class="{kind}" x="{start:.1f}" y="{y + 4}" width="{max(2.0, end - start):.1f}" height="12" rx="2"/>',
        f'<text x="{max(end, _x(ratio.goal or ratio.value)) + 6:.1f}" y="{y + 14}">{ratio.value:.2f}</text>',
    ]
    if ratio.goal is not None:
        parts.append(_line("goal", _x(ratio.goal), y + 2, y + 18))
    return parts


def _line(kind: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{top:.0f}" x2="{x:.1f}" y2="{bottom:.0f}"/>'


def _x(value: float) -> float:
    share = log10(min(HIGHEST, max(LOWEST, value)) / LOWEST) / log10(HIGHEST / LOWEST)
    return LABELS + share * (WIDTH - LABELS - RIGHT)
