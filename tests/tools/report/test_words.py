"""Each kind of number gets the words its bound needs."""

from typing import Any

import pytest

from tests.tools.report.samples import (
    empty_report,
    harm_parameter,
    interval,
    length_parameter,
    likelihood_report,
    report,
)
from tools.report import words
from tools.report.document import (
    BySide,
    Control,
    Interval,
    Judged,
    LevelRecord,
    Parameter,
    Prompts,
    Report,
    ScaleRecord,
    Total,
)
from tools.report.fine_print import (
    candidates_by_share,
    fine_print,
    judge_words,
    missing_sentence,
    parameter_facts,
    usage_sentence,
)


def with_set(base: Report, **changes: Any) -> Report:
    return base.model_copy(update={"set": base.set.model_copy(update=changes)})


def with_total(base: Report, **changes: Any) -> Report:
    return base.model_copy(update={"total": base.total.model_copy(update=changes)})


def with_share(share: Interval) -> Parameter:
    return length_parameter().model_copy(update={"share": share})


class TestIntervals:
    def test_two_limits(self) -> None:
        assert words.interval_words(interval(0.421, 0.352, 0.489)) == "0.42 (0.35 to 0.49)"
        assert words.interval_words(interval(0.421, 0.352, 0.489), as_percent=True) == "42% (35% to 49%)"

    def test_one_sided_is_not_separable_and_its_limit_is_rounded_up(self) -> None:
        one_sided = interval(0.011, 0.0, 0.0412, one_sided=True)
        assert words.interval_words(one_sided) == "not separable from 0 (at most 0.05)"
        assert words.share_words(report(), with_share(one_sided)) == "not separable from 0 (at most 5%)"

    def test_no_value(self) -> None:
        assert words.interval_words(interval(None)) == "not computed"
        assert words.share_words(likelihood_report(), with_share(interval(None))) == "not computed"


class TestShares:
    share = interval(0.4431, 0.371, 0.526)

    def test_exact(self) -> None:
        assert words.share_words(likelihood_report(), with_share(self.share)) == "44% (37% to 53%)"

    def test_upper_bound_is_rounded_up(self) -> None:
        assert words.share_words(report(), with_share(self.share)) == "at most 45% (37% to 53%)"

    @pytest.mark.parametrize(
        ("value", "judged", "shown"),
        [
            # (1 - share) N against 15, by hand: 0.04 x 420 = 16.8; 0.03 x 420 = 12.6; 0.04 x 300 = 12
            (0.96, None, "96% (91% to 100%)"),
            (0.97, None, "at least 91%"),
            (0.96, Judged(before=150, after=150), "at least 91%"),
            (0.95, Judged(before=5, after=5), "95% (91% to 100%)"),
        ],
    )
    def test_close_to_one_only_the_lower_limit_holds(
        self, value: float, judged: Judged | None, shown: str
    ) -> None:
        parameter = with_share(interval(value, 0.914, 1.0))
        if judged is not None:
            parameter = parameter.model_copy(update={"judged": judged})
        assert words.share_words(likelihood_report(), parameter) == shown

    def test_of_a_set_by_regression(self) -> None:
        exact = with_set(likelihood_report(), estimator="regression", share=self.share)
        assert words.set_share_words(exact) == "at least 44% (37% to 53%)"
        bounded = with_set(report(), estimator="regression", share=self.share)
        assert words.set_share_words(bounded) == "about 44% (37% to 53%)"
        assert words.set_dissimilarity_words(bounded) == "at least 0.89 (0.84 to 0.93)"
        assert any("regression" in sentence for sentence in fine_print(bounded))

    def test_where_the_set_is_the_total_only_what_no_total_can_undo_is_claimed(self) -> None:
        saturated = with_total(report(), discriminator="set")
        assert not words.share_is_known(saturated)
        sentence = words.set_sentence(saturated)
        assert saturated.set.dissimilarity.low == 0.837  # rounded down, as it is a lower limit
        assert sentence.count("%") == 1
        assert "cannot say how much of the whole change that is, but that it is at least 83%" in sentence
        unsure = with_set(saturated, dissimilarity=interval(0.01, 0.0, 0.03))
        assert "%" not in words.set_sentence(unsure)

    def test_kind_names_the_samples(self) -> None:
        assert "report split (420 samples)" in words.share_kind_sentence(report())
        assert "upper bounds" in words.share_kind_sentence(report())
        assert "bound" not in words.share_kind_sentence(likelihood_report())
        assert "whole data" in words.share_kind_sentence(report(measured_on="all"))

    def test_a_share_said_as_at_least_among_upper_bounds_is_explained(self) -> None:
        one = harm_parameter().model_copy(update={"share": interval(0.97, 0.91, 1.0)})
        for made in (report(), likelihood_report()):
            assert "(at least)" not in words.share_kind_sentence(made)
            near = made.model_copy(update={"parameters": (one,)})
            assert words.share_words(near, one) == "at least 91%"
            assert "the lower limit is said (at least)" in words.share_kind_sentence(near)


class TestTotal:
    def test_lower_bound(self) -> None:
        assert words.total_sentence(report()) == (
            "The total dissimilarity is at least 0.95 (lower limit 0.93), a lower bound from a held-out reader of "
            "texts and scores."
        )
        assert words.best_reader_sentence(report()).startswith(
            "The best reader of whole answers is right in at least 97%"
        )

    def test_exact(self) -> None:
        sentence = words.total_sentence(likelihood_report())
        assert sentence == "The total dissimilarity is 0.95 (0.93 to 0.97), with its 95% interval."
        assert "at least" not in words.best_reader_sentence(likelihood_report())

    def test_no_difference_shown(self) -> None:
        assert "not separable from 0" in words.total_sentence(empty_report())
        assert "better than guessing" in words.best_reader_sentence(empty_report())

    def test_unknown(self) -> None:
        nothing = Interval(value=None)
        unknown = report(total=Total(linear=nothing, js=nothing, tv=nothing, bound="lower"))
        assert (
            words.total_sentence(unknown) == "The total dissimilarity could not be computed; the warnings say why."
        )
        assert words.best_reader_sentence(unknown) == ""


class TestHeadline:
    def test_names_parameters_and_the_share(self) -> None:
        assert words.headline(report()) == [
            "What changed: Length in words (lower after) and Harm verdict (yes: 3% before, 59% after).",
            "A reader who knows these alone is right in 96% of cases.",  # (1 + 0.917) / 2
            "Together they capture at most 94% (87% to 100%) of the total change: "
            "a dissimilarity of 0.89 (0.84 to 0.93).",
        ]

    def test_what_is_not_separable_from_0_is_not_said_to_have_changed(self) -> None:
        sure, other = report().parameters
        unsure = other.model_copy(update={"dissimilarity": interval(0.03, 0.0, 0.12, one_sided=True)})
        first, second, *_ = words.headline(report(parameters=(sure, unsure)))
        assert first == "What changed: Length in words (lower after)."
        assert second == "Not shown to have changed: Harm verdict."
        one = with_set(report(), parameters=(unsure.id,)).model_copy(update={"parameters": (unsure,)})
        alone = words.headline(one)
        assert alone[0] == "Not shown to have changed: Harm verdict."
        assert "A reader who knows" not in " ".join(alone)

    def test_nothing_found_says_what_could_have_been_seen(self) -> None:
        first, second = words.headline(empty_report())
        assert (
            first == "No change was found with these samples. "
            "5 candidates were proposed and 4 of them tried; none was chosen."
        )
        assert "smallest dissimilarity that these counts could just have shown is 0.03" in second

    def test_what_was_screened_out_is_not_said_to_have_been_tried(self) -> None:
        some = empty_report()
        none = tuple(one.model_copy(update={"split": None}) for one in some.candidates)
        for candidates, said in (
            (none, "5 candidates were proposed and none of them tried; none was chosen."),
            ((some.candidates[0], *none[1:]), "5 candidates were proposed and 1 of them tried; none was chosen."),
        ):
            assert said in words.headline(some.model_copy(update={"candidates": candidates}))[0]

    def test_length_alone_is_not_said_to_lie_beyond_length(self) -> None:
        assert words.beyond_length_sentence(report())
        length = next(one for one in report().parameters if one.judge == "code:words")
        chosen = report().set.model_copy(update={"parameters": (length.id,)})
        assert words.beyond_length_sentence(report(parameters=(length,), set=chosen)) == ""

    def test_a_change_without_explanation(self) -> None:
        first, _ = words.headline(empty_report(total=report().total))
        assert first.startswith("Something changed, but no order parameter was chosen to explain it.")
        assert "at least 0.95" in first

    def test_one_parameter(self) -> None:
        chosen = report().set.model_copy(update={"parameters": ("words",)})
        one = report(parameters=(length_parameter(),), set=chosen)
        assert words.headline(one)[1:] == [
            "A reader who knows this alone is right in 96% of cases.",
            "It captures at most 94% (87% to 100%) of the total change: a dissimilarity of 0.89 (0.84 to 0.93).",
        ]

    def test_more_than_three_are_counted(self) -> None:
        many = tuple(length_parameter().model_copy(update={"id": f"p{i}"}) for i in range(5))
        chosen = report().set.model_copy(update={"parameters": ("p0",)})
        one = "Length in words (lower after)"
        assert (
            words.headline(report(parameters=many, set=chosen))[0]
            == f"What changed: {one}, {one}, {one} and 2 more."
        )

    def test_categories_have_no_direction(self) -> None:
        levels = (LevelRecord(name="a"), LevelRecord(name="b"))
        parameter = length_parameter().model_copy(update={"scale": ScaleRecord(kind="categories", levels=levels)})
        assert words.direction(parameter) == ""


class TestUnexplained:
    def test_with_its_limits(self) -> None:
        left = report().set.unexplained.model_copy(
            update={"value": 0.06, "low": 0.012, "high": 0.148, "share": 0.06}
        )
        said = words.unexplained_sentence(with_set(report(), unexplained=left))
        assert said == "Left unexplained: a dissimilarity of about 0.06 (0.01 to 0.15), 6% of the total."

    def test_without_limits(self) -> None:
        assert words.unexplained_sentence(report()).endswith("of about 0.06, 6% of the total.")

    def test_nothing_left(self) -> None:
        left = report().set.unexplained.model_copy(update={"value": 0.0})
        assert "unknown" in words.unexplained_sentence(with_set(report(), unexplained=left))
        assert "Nothing" in words.unexplained_sentence(with_set(likelihood_report(), unexplained=left))


class TestFinePrint:
    def test_samples_prompts_and_claim(self) -> None:
        said = " ".join(fine_print(report()))
        assert "420 samples (212 before, 208 after) that neither proposing nor selecting saw" in said
        assert "The claim is about prompts like these: 23 prompts, taken as a sample." in said
        assert "1 prompt has samples on one side only and was left out: quick_buck." in said
        assert "Report split seen 2 times" in said
        assert "The search stopped: no candidate adds a gain that could be told from chance." in said
        assert "Under 8 prompts" not in said

    @pytest.mark.parametrize(
        ("used", "claim", "rough", "needs"),
        [
            (8, "random", False, False),
            (7, "fixed", True, False),
            (5, "fixed", True, False),
            (5, "random", True, True),
        ],
    )
    def test_few_prompts(self, used: int, claim: str, rough: bool, needs: bool) -> None:
        said = " ".join(fine_print(report(prompts=Prompts(used=used, claim=claim))))  # type: ignore[arg-type]
        assert ("Under 8 prompts" in said) == rough
        assert ("needs 6 prompts" in said) == needs

    def test_left_out_prompts_are_named_and_counted(self) -> None:
        prompts = Prompts(used=23, left_out=9, claim="fixed", left_out_names=("a", "b", "c", "d", "e", "f"))
        said = " ".join(fine_print(report(prompts=prompts)))
        assert "9 prompts have samples on one side only and were left out: a, b, c, d, e and 4 more." in said
        assert "The claim is about these 23 prompts only." in said

    def test_complete_cases(self) -> None:
        said = " ".join(fine_print(with_set(report(), samples=BySide(before=210, after=203))))
        assert "210 before, 203 after" in said
        assert "on each of its parameters" not in " ".join(fine_print(report()))

    def test_a_set_fixed_beforehand(self) -> None:
        said = " ".join(fine_print(report(measured_on="all")))
        assert "Measured on all 420 samples" in said
        assert "the set was fixed beforehand" in said

    def test_a_search_that_proposed_nothing_is_not_said_to_have_been_given_a_set(self) -> None:
        said = " ".join(fine_print(empty_report(candidates=())))
        assert "beforehand" not in said
        assert "neither proposing nor selecting saw" in said

    def test_a_set_fixed_beforehand_on_two_splits(self) -> None:
        # 300 + 300 samples measured, of which the report split holds 420: select counts too, and q is of all 600
        one = report(candidates=(), samples=BySide(before=300, after=300))
        said = " ".join(fine_print(one))
        assert "Measured on the select and report splits: 600 samples" in said
        assert "neither proposing nor selecting" not in said
        assert "measured on the select and report splits (600 samples)" in words.share_kind_sentence(one)
        assert parameter_facts(one, length_parameter())[-1].endswith("on the select and report splits")
        assert parameter_facts(report(), length_parameter())[-1].endswith("on the select split")

    def test_judges(self) -> None:
        assert judge_words("code:words") == "measured in code (words)"
        assert judge_words("pattern:word:please") == "found in code (the word “please”)"
        assert judge_words("data:harm") == "a score that came with the data (harm)"
        assert judge_words("openai:gpt-5@http://x") == "judged by openai:gpt-5@http://x"

    def test_missing_levels_are_told_by_reason_and_side(self) -> None:
        harm = report().parameters[1]
        assert missing_sentence(harm) == (
            "Without a level: 1 before and 4 after refused; 1 before and 1 after missing."
        )
        assert missing_sentence(report().parameters[0]) == ""

    def test_usage(self) -> None:
        assert usage_sentence(report()) == "No model was called; no text left this machine."
        used = report().usage.model_copy(update={"calls": 1200, "cost": None})
        assert usage_sentence(report(usage=used)).startswith("1,200 model calls")
        assert "cost unknown" in usage_sentence(report(usage=used))
        worse = used.model_copy(update={"unusable": 30, "failed": 2})
        assert "1,200 model calls (30 unusable, 2 more failed)" in usage_sentence(report(usage=worse))

    def test_candidates_come_chosen_first_then_by_share(self) -> None:
        ids = [candidate.id for candidate in candidates_by_share(report())]
        assert ids == ["words", "data:harm_verdict", "sentences", "second_person", "lists"]


class TestSides:
    def test_files(self) -> None:
        assert words.side_names(report()) == ("before.jsonl", "after.jsonl")

    def test_values_of_a_sweep(self) -> None:
        sweep = report(control=Control(name="checkpoint", before=(0, 4), after=(8, 12, 16)))
        assert words.side_names(sweep) == ("checkpoint 0 and 4", "checkpoint 8, 12 and 16")
