"""Figures drawn: a Vega-Lite specification becomes SVG once, and that becomes PDF, PNG and a part of the page.

The engine (vl-convert) runs inside this process, reads no address and carries its fonts. What it draws is taken
into a page element by element: those of a drawing, each with the attributes of one, and nothing else.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from xml.etree import ElementTree

from markupsafe import Markup

from tools.report.figure_parts import CONFIG, CURVE, INK, LINE, PAPER, REST, SHADE, SOFT, Figure
from tools.report.safe_text import one_line

DOTS_PER_INCH = 300
"""Of PNG files, at the figure's own size of about 7 inches."""

PAGE_COLORS = {
    INK: "ink",
    SOFT: "soft",
    LINE: "line",
    SHADE: "shade",
    REST: "rest",
    PAPER: "paper",
    CURVE: "curve",
}
"""Colors that the page's own take the place of, light or dark; sides and parameters have the same in both."""

_SPACE = "{http://www.w3.org/2000/svg}"
_SHAPES = {
    "path": {"d"},
    "line": {"x2", "y2"},
    "rect": {"width", "height", "x", "y"},
    "text": {"text-anchor", "font-size", "font-weight"},
    "tspan": {"x", "dy"},
    "g": set[str](),
}
_PAINT = {"transform", "fill", "stroke", "stroke-width", "stroke-dasharray", "opacity"}


def drawn(made: Iterable[Figure]) -> tuple[dict[str, str], dict[str, str]]:
    """Figures as SVG by name, and by name a sentence for each that could not be drawn: the report goes on."""
    found, failed = {}, {}
    for figure in made:
        try:
            found[figure.name] = svg_of(json.dumps(figure.spec, sort_keys=True))
        except Exception as error:  # whatever the engine raises
            failed[figure.name] = _failure(f"The figure {figure.name!r} could not be drawn", error)
    return found, failed


def files_of(svgs: Mapping[str, str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """SVG, PDF and PNG of drawings by file name, and by name a sentence for each that could not be converted."""
    files, failed = {}, {}
    for name, svg in svgs.items():
        files[f"{name}.svg"] = svg.encode("utf-8")
        try:
            files |= _converted(name, svg)
        except Exception as error:  # whatever the engine raises
            failed[name] = _failure(f"The figure {name!r} could not be made PDF and PNG", error)
    return files, failed


def _failure(said: str, error: Exception) -> str:
    told = one_line(str(error).partition("\n")[0], 200).rstrip(".")
    return f"{said}: {told or type(error).__name__}."


@lru_cache(maxsize=128)
def svg_of(spec: str) -> str:
    """The drawing of a specification (as JSON) as an SVG file. Raises ImportError, and what the engine or
    the parser raises for what it cannot draw."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec, config=CONFIG, allowed_base_urls=[])
    ElementTree.fromstring(svg)  # or the page could not take it in
    return svg


def _converted(name: str, svg: str) -> dict[str, bytes]:
    import vl_convert

    return {
        f"{name}.pdf": vl_convert.svg_to_pdf(svg),
        f"{name}.png": vl_convert.svg_to_png(svg, ppi=DOTS_PER_INCH),
    }


def inline(svg: str, described: str) -> Markup:
    """The drawing as a part of the page, in its colors; what a mark stands for shows where one points at it."""
    root = ElementTree.fromstring(svg)
    picture = ElementTree.Element("svg", {"class": "figure", "viewBox": root.get("viewBox", ""), "role": "img"})
    picture.set("aria-label", described)
    for child in root:
        _take(child, picture)
    return Markup(ElementTree.tostring(picture, encoding="unicode"))  # text and attributes are escaped by this


def _take(found: ElementTree.Element, parent: ElementTree.Element) -> None:
    name = found.tag.removeprefix(_SPACE)
    if name not in _SHAPES or found.get("display") == "none" or found.get("class") == "background":
        return
    kept = {key: found.get(key, "") for key in sorted(_SHAPES[name] | _PAINT) if key in found.keys()}  # noqa: SIM118
    for key in ("fill", "stroke"):
        if kept.get(key) in PAGE_COLORS:
            kept[key] = f"var(--{PAGE_COLORS[kept[key]]})"
    taken = ElementTree.SubElement(parent, name, kept)
    taken.text = found.text
    if found.get("aria-roledescription") in ("bar", "point"):
        ElementTree.SubElement(taken, "title").text = found.get("aria-label")
    for child in found:
        _take(child, taken)
    if name == "g" and not len(taken):
        parent.remove(taken)
