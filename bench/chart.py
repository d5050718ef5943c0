"""The chart of `replay` as SVG, from what a run measured; measures nothing.

Small multiples, each over a logarithmic axis, so that 7 µs and 5,000 µs both read. Text is text, each bar has
its figure, and the colours follow the reader's light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.load import CPU, P50, P99
from bench.measure import Line
from bench.peers import AIMOCK, HOVERFLY, NGINX, OURS, STOCK, WIREMOCK
from bench.replay import JSON, JSON_ALONE, JSON_TLS, MANY, NEW_TLS, SEVERAL, SSE, titled

TITLE = "One replayed request, in microseconds (logarithmic)"
_COLUMN, _GAP, _MARGIN = 470, 20, 16
_NAMES = 178
"""The width of what stands left of the bars."""
_AXIS = _COLUMN - _NAMES - 92  # of the bars; what is right of them is for the last figure
_ROW, _HEAD, _FOOT = 22, 40, 34
_TOP = 64
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328; }
.title { font-size: 18px; font-weight: 600; } .panel { font-size: 14px; font-weight: 600; }
.small { font-size: 11.5px; fill: #59636e; } .ours { font-weight: 700; }
.back { fill: #ffffff; } .grid { stroke: #d1d9e0; } .bar { fill: #9aa4af; }
.tail { stroke: #6e7781; stroke-width: 2; }
.bar.ours { fill: #0969da; } .tail.ours { stroke: #0a4f9e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; } .back { fill: #0d1117; } .grid { stroke: #30363d; }
  .bar { fill: #656d76; } .tail { stroke: #9198a1; }
  .bar.ours { fill: #4493f8; } .tail.ours { stroke: #a5cdff; }
}
"""


_ORDER = (OURS, NGINX, HOVERFLY, AIMOCK, WIREMOCK, STOCK)
_NOTES = {NGINX: f"{NGINX} (static file)", STOCK: f"mitmproxy {STOCK}"}
_COUNTS = (1, SEVERAL, MANY)


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the small charts: contenders, and the names under which they are shown."""

    title: str
    workload: str
    names: Mapping[str, str]
    figure: str = CPU
    tail: str = ""


_ALL = {name: _NOTES.get(name, name) for name in _ORDER}
_MANY = {titled(OURS, count): f"{OURS}, {count:,}" for count in _COUNTS} | {
    titled(name, SEVERAL): f"{name}, {SEVERAL:,}" for name in (HOVERFLY, AIMOCK, WIREMOCK, STOCK)
}
PANELS = (
    Panel("CPU of the server: JSON of 1 KB", JSON.title, _ALL),
    Panel("CPU: stream of 60 events, 16 KB", SSE.title, _ALL),
    Panel("CPU: JSON among many recordings", JSON.title, _MANY),
    Panel("Latency: JSON, one client, p50 and a line to p99", JSON_ALONE.title, _ALL, P50, P99),
    Panel("CPU: JSON over TLS through a tunnel", JSON_TLS.title, _ALL),
    Panel("CPU: JSON, a new TLS connection each time", NEW_TLS.title, _ALL),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A contender's bar: seconds, and where its tail ends, 0 for none."""

    name: str
    value: float
    tail: float

    @property
    def label(self) -> str:
        """The figures in microseconds."""
        return " / ".join(_number(one * 1e6) for one in (self.value, self.tail) if one)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(lines: Sequence[Line], note: str) -> str:
    """The chart; raises ValueError where nothing was measured of what it shows."""
    found = [(panel, bars) for panel in PANELS if (bars := _bars(panel, lines))]
    if not found:
        raise ValueError("nothing to draw: none of what the chart shows was measured")
    body: list[str] = []
    top = float(_TOP)
    for row in (found[at : at + 2] for at in range(0, len(found), 2)):
        height = _ROW * max(len(bars) for _, bars in row)
        for column, (panel, bars) in enumerate(row):
            frame = _Frame(_MARGIN + column * (_COLUMN + _GAP), top, height, *_range(bars))
            body += _panel(panel, bars, frame)
        top += _HEAD + height + _FOOT
    width, bottom = 2 * (_COLUMN + _MARGIN) + _GAP, top + _MARGIN
    size = f'width="{width}" height="{bottom:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom:g}" {size} role="img">',
            f"<title>{TITLE}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="back" {size}/>',
            _text(_MARGIN, 28, TITLE, "title"),
            _text(_MARGIN, 48, note, "small"),
            *body,
            "</svg>\n",
        ]
    )


def _bars(panel: Panel, lines: Sequence[Line]) -> list[Bar]:
    """Those that were measured, the least one first."""
    bars = [
        Bar(
            panel.names[line.who],
            line.figures[panel.figure].median,
            line.figures[panel.tail].median if panel.tail else 0.0,
        )
        for line in lines
        if line.workload == panel.workload and line.who in panel.names and panel.figure in line.figures
    ]
    return sorted(bars, key=lambda bar: bar.value)


def _range(bars: Sequence[Bar]) -> tuple[float, float]:
    """The logarithms of an axis that begins at a power of ten and ends where the longest bar does."""
    values = [value for bar in bars for value in (bar.value, bar.tail) if value]
    first = math.floor(math.log10(min(values) / 2))
    return first, max(math.log10(max(values)), first + 1)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a panel stands, how high its bars are together, and its axis from and to, as log10 of seconds."""

    left: float
    top: float
    height: float
    first: float
    last: float

    @property
    def zero(self) -> float:
        """Where its bars begin."""
        return self.left + _NAMES

    def across(self, value: float) -> float:
        """Where on the axis a value is."""
        return self.zero + _AXIS * (math.log10(value) - self.first) / (self.last - self.first)


def _panel(panel: Panel, bars: Sequence[Bar], frame: _Frame) -> Iterator[str]:
    zero, first = frame.zero, frame.top + _HEAD
    bottom = first + frame.height
    yield _text(frame.left, frame.top + 18, panel.title, "panel")
    for decade in range(int(frame.first), math.floor(frame.last) + 1):
        x = frame.across(10.0**decade)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{first - 8:g}" y2="{bottom:g}"/>'
        yield _text(x, bottom + 14, _number(10.0 ** (decade + 6)), "small", "middle")
    for number, bar in enumerate(bars):
        y = first + number * _ROW
        mine = " ours" if bar.name.startswith(OURS) else ""
        end = frame.across(bar.value)
        yield _text(zero - 8, y + 12, bar.name, mine.strip(), "end")
        yield f'<rect class="bar{mine}" x="{zero}" y="{y:g}" width="{end - zero:.1f}" height="16" rx="2"/>'
        if bar.tail > bar.value:
            end, begin = frame.across(bar.tail), end
            yield f'<path class="tail{mine}" d="M{begin:.1f} {y + 8:g}H{end:.1f}M{end:.1f} {y + 3:g}v10"/>'
        yield _text(end + 6, y + 12, bar.label, mine.strip())


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
