"""The figures of a report: every mark lies where report.json has its number, gaps stay gaps, text stays text."""

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.tools.report.samples import HOSTILE, empty_report, harm_parameter, likelihood_report, report
from tests.tools.report.test_along import LEVELS, POINTS, along
from tests.tools.report.test_curve import LINEAR, peak, swept
from tools.report.curve import sweep_of
from tools.report.document import LevelRecord, Report, ScaleRecord
from tools.report.drawing import drawn, files_of, inline
from tools.report.figure_parts import AFTER, BEFORE, PARTS, REST, Figure, distinct
from tools.report.figures import figures_of, levels, shares
from tools.report.sweep_document import TransitionPoint
from tools.report.sweep_figures import along as along_figure
from tools.report.sweep_figures import decomposition, transition

Rows = list[dict[str, Any]]


def curve_of(made: Report) -> Figure:
    sweep = sweep_of(made)
    assert sweep is not None
    return transition(sweep)


def rows_of(figure: Figure, mark: str, panel: int | None = None) -> Rows:
    """The data of every layer with such a mark."""
    spec = figure.spec if panel is None else figure.spec["vconcat"][panel]
    layers = spec.get("layer", [spec])
    return [row for layer in layers if layer["mark"]["type"] == mark for row in layer["data"]["values"]]


def names(made: Report) -> list[str]:
    return [figure.name for figure in figures_of(made)]


def test_a_report_has_the_figures_it_has_numbers_for() -> None:
    first, second = ["parameter-1-levels", "parameter-1-along"], ["parameter-2-levels", "parameter-2-along"]
    assert names(empty_report()) == []
    assert names(report()) == ["shares", "parameter-1-levels", "parameter-2-levels"]
    assert names(along()) == ["shares", *first, *second, "transition", "decomposition"]


class TestShares:
    def test_gains_stand_one_after_the_other_up_to_the_share_of_the_set(self) -> None:
        made = likelihood_report()
        bars = [row for row in rows_of(shares(made), "bar") if row["row"] == "together"]
        first, second, rest = bars
        share, gains = 0.939, (0.814, 0.078)
        assert first["from"] == 0
        assert first["to"] == pytest.approx(share * gains[0] / sum(gains))
        assert (second["from"], second["to"]) == pytest.approx((first["to"], share))
        assert (rest["from"], rest["to"]) == pytest.approx((share, 1))
        assert [bar["fill"] for bar in bars] == [PARTS[0], PARTS[1], REST]
        assert [bar["digit"] for bar in bars] == ["1", "2", ""]
        assert rest["label"] == "unexplained about 6%"

    def test_each_alone_with_its_interval(self) -> None:
        made = likelihood_report()
        alone = [row for row in rows_of(shares(made), "bar") if row["row"].startswith(("1 ", "2 "))]
        assert [(bar["from"], bar["to"]) for bar in alone] == [(0, 0.857), (0, 0.443)]
        assert [(one["low"], one["high"]) for one in rows_of(shares(made), "rule")] == [
            (0.874, 1.0),
            (0.792, 0.931),
            (0.371, 0.526),
        ]
        title = shares(made).spec["layer"][0]["encoding"]["x"]["axis"]["title"]
        assert title == "share of the total; 95% intervals"
        assert "at most" in shares(report()).spec["layer"][0]["encoding"]["x"]["axis"]["title"]

    def test_dissimilarities_where_shares_say_nothing(self) -> None:
        total = report().total.model_copy(update={"discriminator": "set"})
        figure = shares(report(total=total))
        assert figure.spec["layer"][0]["encoding"]["x"]["axis"]["title"] == "dissimilarity (linear); 95% intervals"
        ends = [row["to"] for row in rows_of(figure, "bar") if row["row"] == "together"]
        assert ends[1:] == pytest.approx([0.892, 0.953])

    @pytest.mark.parametrize(("made", "row"), [(likelihood_report(), "at least"), (report(), "about")])
    def test_a_regression_is_a_bound(self, made: Report, row: str) -> None:
        by_regression = made.set.model_copy(update={"estimator": "regression"})
        figure = shares(made.model_copy(update={"set": by_regression}))
        assert rows_of(figure, "bar")[0]["row"] == f"together, {row}"

    def test_what_is_not_separable_from_nothing_has_no_length(self) -> None:
        harm = harm_parameter()
        unsure = harm.model_copy(update={"share": harm.share.model_copy(update={"one_sided": True})})
        figure = shares(likelihood_report(parameters=(likelihood_report().parameters[0], unsure)))
        assert next(row for row in rows_of(figure, "bar") if row["row"].startswith("2 "))["to"] == 0


class TestLevels:
    def test_both_sides_of_every_level(self) -> None:
        parameter = harm_parameter()
        rows = rows_of(levels(2, parameter), "bar")
        assert [(row["level"], row["side"], row["value"]) for row in rows] == [
            ("no", "before", 0.971),
            ("no", "after", 0.408),
            ("yes", "before", 0.029),
            ("yes", "after", 0.592),
        ]
        figure = levels(2, parameter)
        assert figure.spec["layer"][0]["encoding"]["color"]["scale"]["range"] == [BEFORE, AFTER]
        assert rows_of(figure, "rule") == []
        limits = {"no": (0.9, 0.99), "yes": (0.01, 0.1)}
        known = levels(2, parameter.model_copy(update={"before_limits": limits}))
        assert [(row["side"], row["low"], row["high"]) for row in rows_of(known, "rule")] == [
            ("before", 0.9, 0.99),
            ("before", 0.01, 0.1),
        ]
        assert "no, before: 97% (90% to 99%)" in known.described

    def test_levels_that_cutting_made_alike_stay_apart(self) -> None:
        long = tuple(LevelRecord(name="x" * 50 + end) for end in "ab")
        scale = harm_parameter().scale.model_copy(update={"levels": long})
        rows = rows_of(levels(1, harm_parameter().model_copy(update={"scale": scale})), "bar")
        assert len({row["level"] for row in rows}) == 2
        assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]

    def test_long_names_of_levels_are_shown_in_whole_on_two_lines(self) -> None:
        names = ("none", "some, under 4.2 per 100 words", "4.2 to 6.5 <b>per</b> 100 words", "x" * 60)
        of_level = dict.fromkeys(names, 0.25)
        scale = ScaleRecord(kind="categories", levels=tuple(LevelRecord(name=name) for name in names))
        update = {"scale": scale, "before": of_level, "after": of_level}
        figure = levels(1, harm_parameter().model_copy(update=update))
        svg = drawn([figure])[0][figure.name]
        for root in (ElementTree.fromstring(svg), ElementTree.fromstring(inline(svg, ""))):
            texts = [[*text.itertext()] for text in root.iter() if text.tag.endswith("text")]
            assert ["none"] in texts
            assert ["some, under 4.2 per", "100 words"] in texts
            assert ["4.2 to 6.5", "<b>per</b> 100 words"] in texts


class TestTransition:
    def test_marks_lie_where_the_numbers_are(self) -> None:
        figure = curve_of(swept())
        assert [(row["x"], row["value"]) for row in rows_of(figure, "point", 0)] == [
            (i, value) for i, value in enumerate(LINEAR) if value is not None
        ]
        lines = rows_of(figure, "line", 0)
        linear = [row["value"] for row in lines if row["series"].startswith("linear")]
        assert linear == [*LINEAR[:3], None, LINEAR[4]], "a gap where nothing was measured"
        uprights = {row["series"]: row["x"] for row in rows_of(figure, "rule", 0) if "series" in row}
        assert uprights == {"peak above the median": 2, "largest gradient norm": 1}
        beyond = rows_of(curve_of(swept(gradient_norm_peak=300.0, at=None)), "rule", 0)
        assert not [row for row in beyond if "series" in row]

    def test_every_peak_is_shaded_where_it_may_lie(self) -> None:
        linear = (0.0, 0.1, 0.9, 0.6, 0.1, 0.1, 0.5, 0.45, 0.1)
        peaks = (peak(10.0), peak(26.0))
        spans = rows_of(curve_of(swept(linear=linear, peaks=peaks)), "rect", 0)
        assert [(span["x"], span["low"], span["high"]) for span in spans] == [(2, 1.5, 3.5), (6, 5.5, 7.5)]

    def test_training_stands_below_each_on_an_axis_of_its_own(self) -> None:
        points = tuple(
            TransitionPoint(at=float(i), linear=0.1, gradient_norm=2.0 + i, loss=None if i else 1.5)
            for i in range(3)
        )
        figure = curve_of(swept(curve=points))
        assert [row["value"] for row in rows_of(figure, "point", 1)] == [2.0, 3.0, 4.0]
        assert [row["value"] for row in rows_of(figure, "point", 2)] == [1.5]
        titles = [panel["layer"][-1]["encoding"]["y"]["axis"]["title"] for panel in figure.spec["vconcat"]]
        assert titles == ["dissimilarity", "gradient norm", "loss"]
        assert figure.spec["vconcat"][-1]["layer"][0]["encoding"]["x"]["axis"]["title"] == "step (optimizer steps)"

    def test_a_bound_has_lower_limits_and_what_is_not_there_is_not_in_the_legend(self) -> None:
        points = tuple(TransitionPoint(at=float(i), linear=0.5, low=0.4) for i in range(3))
        figure = curve_of(swept(curve=points, bound="lower", gradient_norm_peak=None))
        assert {row["series"] for row in rows_of(figure, "line", 0)} == {"linear, 95% lower limit"}
        assert [(row["low"], row["high"]) for row in rows_of(figure, "point", 0)] == [(0.4, 0.5)] * 3
        told = set(ElementTree.fromstring(drawn([figure])[0]["transition"]).itertext())
        assert {"dissimilarity, lower bound", "linear, 95% lower limit"} <= told
        assert not {"Jensen-Shannon", "largest gradient norm"} & told

    def test_a_long_sweep_has_few_labels_and_all_points(self) -> None:
        figure = curve_of(swept(linear=tuple(0.1 for _ in range(100))))
        assert len(rows_of(figure, "point", 0)) == 100
        assert len(figure.spec["vconcat"][0]["layer"][-1]["encoding"]["x"]["axis"]["values"]) <= 9


class TestAlong:
    def test_pieces_stand_on_each_other(self) -> None:
        figure = decomposition(along())
        assert figure is not None
        bars = [row for row in rows_of(figure, "bar") if row["x"] == 2]
        ends = [end for bar in bars for end in (bar["from"], bar["to"])]
        assert ends == pytest.approx([0, 0.25, 0.25, 0.6, 0.6, 0.9])
        assert [bar["part"] for bar in bars] == ["1  Length in words", "2  Harm verdict", "unexplained"]
        gap = next(i for i, point in enumerate(POINTS) if point.parts is None)
        assert gap not in {row["x"] for mark in ("bar", "rule") for row in rows_of(figure, mark)}
        assert decomposition(swept()) is None

    def test_levels_have_gaps_and_intervals(self) -> None:
        made = along()
        figure = along_figure(made, 1, made.parameters[0])
        assert figure is not None
        assert [row["value"] for row in rows_of(figure, "line", 0)] == [point.value for point in LEVELS]
        assert [(row["x"], row["low"], row["high"]) for row in rows_of(figure, "rule", 0)] == [
            (0, 0.05, 0.2),
            (2, 0.8, 0.95),
        ]
        assert along_figure(swept(), 1, harm_parameter()) is None


class TestDrawing:
    def test_every_file_is_of_its_kind(self) -> None:
        svgs, failed = drawn(figures_of(along()))
        assert failed == {}
        assert list(svgs) == names(along())
        files, failed = files_of(svgs)
        assert failed == {}
        assert set(files) == {f"{name}.{ending}" for name in svgs for ending in ("svg", "pdf", "png")}
        assert files["transition.pdf"].startswith(b"%PDF-")
        assert files["transition.png"].startswith(b"\x89PNG\r\n")
        assert int.from_bytes(files["transition.png"][16:20]) > 1800, "dots across"
        assert ElementTree.fromstring(files["transition.svg"]).tag.endswith("svg")

    def test_axes_carry_their_names_and_units(self) -> None:
        svgs, _ = drawn(figures_of(along()))
        told = {name: set(ElementTree.fromstring(svg).itertext()) for name, svg in svgs.items()}
        for name in ("transition", "decomposition", "parameter-1-along"):
            assert "step (optimizer steps)" in told[name]
        assert "share of the answers" in told["parameter-1-levels"]
        assert "share of 'long'" in told["parameter-1-along"]
        assert {"dissimilarity", "linear, 95% interval", "largest gradient norm"} <= told["transition"]

    def test_the_same_drawing_twice(self) -> None:
        from tools.report.drawing import svg_of

        first, _ = drawn(figures_of(along()))
        svg_of.cache_clear()
        assert drawn(figures_of(along()))[0] == first

    def test_a_figure_that_cannot_be_drawn_is_told_and_the_others_are_drawn(self) -> None:
        broken = Figure("transition", {"mark": "no such mark", "data": {"values": [{}]}}, "")
        svgs, failed = drawn([broken, levels(2, harm_parameter())])
        assert list(svgs) == ["parameter-2-levels"]
        assert failed["transition"].startswith("The figure 'transition' could not be drawn: ")
        assert "\n" not in failed["transition"]
        files, failed = files_of({"transition": "<svg", "levels": svgs["parameter-2-levels"]})
        assert list(files) == ["transition.svg", "levels.svg", "levels.pdf", "levels.png"]
        assert failed["transition"].startswith("The figure 'transition' could not be made PDF and PNG: ")

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_is_text_in_every_drawing(self, text: str) -> None:
        made, plain = along(text), along("plain")
        for figure, other in zip(figures_of(made), figures_of(plain), strict=True):
            svgs, failed = drawn([figure, other])
            assert failed == {}
            for drawing in (svgs[figure.name], inline(svgs[figure.name], figure.described)):
                picture = ElementTree.fromstring(drawing)
                tags = {element.tag.rpartition("}")[2] for element in picture.iter()}
                assert tags <= {"svg", "g", "path", "line", "rect", "text", "title"}
                keys = {key for element in picture.iter() for key in element.keys()}  # noqa: SIM118
                assert not [key for key in keys if key.startswith("on") or "href" in key or key == "style"]
