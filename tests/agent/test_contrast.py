"""Patterns that differ between groups, against the formula, the measures made of them, and planted changes."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from agent.contrast import MIN_HITS, SAME, log_odds, patterns
from probes.measures.patterns import pattern_measure
from probes.scale import FloatArray
from probes.toy_world import before_and_after
from tools.layout import layout_of


def found_by(kind: str, text: str, texts: list[str]) -> FloatArray:
    score = pattern_measure(kind, text).score
    return np.array([score("", one) for one in texts])


def toy_groups(total: float, seed: int = 0) -> tuple[list[str], list[str], tuple[list[int], list[int]]]:
    world = before_and_after(seed, total=total, types=40)
    rng = np.random.default_rng(seed)
    draws = world.draw(rng, world.draw_prompts(rng, 12), np.tile([[9, 5], [4, 12]], (6, 1)))
    rows = list(zip(world.texts(draws)[1], draws.side_N.tolist(), draws.prompt_N.tolist(), strict=True))
    before, after = ([row for row in rows if row[1] == side] for side in (0, 1))
    prompts = ([row[2] for row in before], [row[2] for row in after])
    return [row[0] for row in before], [row[0] for row in after], prompts


def test_log_odds_by_hand() -> None:
    # 30 of 40 before, 5 of 20 after; the prior is 10 responses a group at the rate (0.75 + 0.25) / 2.
    layout, _ = layout_of(np.zeros(60, dtype=np.int64), np.repeat([0, 1], [40, 20]))
    hits = np.repeat([1, 0, 1, 0], [30, 10, 5, 15])
    z, rates = log_odds(sparse.csc_matrix(hits[:, None]), layout)
    delta = np.log(35 / 15) - np.log(10 / 20)
    assert z[0] == pytest.approx(delta / np.sqrt(1 / 35 + 1 / 15 + 1 / 10 + 1 / 20))
    np.testing.assert_allclose(rates[:, 0], [0.75, 0.25])


def test_patterns_hit_what_their_measures_hit() -> None:
    before, after, prompts = toy_groups(0.6)
    found = patterns(before, after, prompts=prompts)
    assert {one.kind for one in found} >= {"word", "phrase"}
    texts = before + after
    layout, kept = layout_of(np.array(prompts[0] + prompts[1]), np.repeat([0, 1], [len(before), len(after)]))
    assert kept.all()
    for one in found:
        hits_N = found_by(one.kind, one.text, texts)
        assert MIN_HITS <= hits_N.sum() <= len(texts) - MIN_HITS
        for side, rate in enumerate((one.rate_before, one.rate_after)):
            assert 2 * layout.weight_N[layout.side_N == side] @ hits_N[layout.side_N == side] == pytest.approx(
                rate
            )
        assert np.sign(one.z) == np.sign(one.rate_before - one.rate_after)
    for one, other in combinations(found, 2):
        a_N, b_N = (found_by(p.kind, p.text, texts) > 0 for p in (one, other))
        assert (a_N & b_N).sum() < SAME * (a_N | b_N).sum()
    assert [abs(one.z) for one in found] == sorted((abs(one.z) for one in found), reverse=True)


def test_planted_changes_come_first() -> None:
    rng = np.random.default_rng(1)
    filler = [" ".join(rng.choice(["red", "blue", "green", "one", "two"], 6)) for _ in range(200)]
    cases: list[tuple[str, str, tuple[str, str]]] = [
        ("tea, please", "tea , please", ("characters", " ,")),
        ("Fine.", "As a rule, try.", ("phrase", "as a rule")),
        ("Fine.", "Don’t!", ("word", "don't")),
        ("a b", "a  b", ("characters", "  ")),
        ("Line.\nLine.", "Line.\n\nLine.", ("characters", "\n\n")),
        ("很好", "不好", ("characters", "不")),
    ]
    for plain, changed, expected in cases:
        before = [f"{text} {plain}" for text in filler[:100]]
        after = [f"{text} {changed if i % 4 else plain}" for i, text in enumerate(filler[100:])]
        found = patterns(before, after)
        same_hits = found_by(*expected, before + after)
        np.testing.assert_array_equal(found_by(found[0].kind, found[0].text, before + after), same_hits)
        assert expected[0] == "characters" or (found[0].kind, found[0].text) == expected
        assert found[0].z < 0
        assert found[0].rate_after == pytest.approx(0.75)


def test_what_prompts_are_about_is_no_pattern() -> None:
    # Prompt 0 asks about tigers and has more answers before; prompts 1 to 4 have more after. Nothing changed.
    prompts = ([0] * 60 + [1, 2, 3, 4] * 10, [0] * 15 + [1, 2, 3, 4] * 30)
    words = ["tigers", "tea", "trains", "toys", "tents"]
    before, after = ([f"All about {words[prompt]}" for prompt in group] for group in prompts)
    assert any("tigers" in one.text for one in patterns(before, after))
    assert patterns(before, after, prompts=prompts) == []
    # One prompt's answers change their subject: that is this prompt's own.
    changed = [text.replace("tigers", "lions") for text in after]
    assert patterns(before, changed, prompts=prompts) == []
    everywhere = [text.replace("All", "Little") for text in after]
    assert {one.text for one in patterns(before, everywhere, prompts=prompts)} <= {"all about", "little about"}
    assert patterns(before, everywhere, prompts=prompts)


def test_prompts_in_one_group_only_are_left_out() -> None:
    before, after = ["yes"] * 30 + ["no"] * 30, ["yes"] * 30 + ["maybe"] * 30
    prompts = ([0, 1, 2] * 10 + [3] * 30, [0, 1, 2] * 10 + [4] * 30)
    assert patterns(before, after, prompts=prompts) == []


def test_same_responses_and_few_responses_give_none() -> None:
    texts = [f"word{i % 7} and more, {i % 3}" for i in range(200)]
    assert patterns(texts, texts) == []
    assert patterns([], []) == []
    assert patterns(["a"], []) == []
    assert patterns(["", " "] * 50, ["", "  "] * 50)[0].text == "  "
    assert patterns(["yes"] * 9, ["no"] * 9) == []


def test_at_most_so_many() -> None:
    before, after, prompts = toy_groups(0.6)
    assert patterns(before, after, prompts=prompts, most=3) == patterns(before, after, prompts=prompts)[:3]


def test_hostile_text_gives_patterns_that_can_be_measured_and_written() -> None:
    before = ["\x1b plain", "half \ud800 torn", "<script>alert(1)</script>", "x" * 300 + " y" * 9] * 20
    after = ["plain text", "\u200bplain\u200b text"] * 40
    found = patterns(before, after)
    assert any("\x1b" in one.text for one in found)
    assert any("\u200b" in one.text for one in found)
    for one in found:
        one.text.encode("utf-8")
        measure = pattern_measure(one.kind, one.text)
        assert measure.name.isprintable()
        assert found_by(one.kind, one.text, before + after).sum() >= MIN_HITS


def test_more_text_than_is_counted_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, prompts = toy_groups(0.6)
    whole = patterns(before * 20, after * 20, prompts=(prompts[0] * 20, prompts[1] * 20))
    monkeypatch.setattr("agent.contrast.CHARACTERS_COUNTED", 100_000)
    part = patterns(before * 20, after * 20, prompts=(prompts[0] * 20, prompts[1] * 20))
    assert part[0].text == whole[0].text
    assert abs(part[0].z) < abs(whole[0].z)
    assert part[0].rate_before == pytest.approx(whole[0].rate_before, abs=0.1)


def test_encyclopedia_prose_shows_by_its_commas(data_folder: Path) -> None:
    sides: list[list[str]] = []
    for name in ("base", "tuned"):
        content = json.loads((data_folder / "shapes" / f"wikitext-{name}.json").read_text(encoding="utf-8"))
        lists = [rows for rows in content["results"].values() if isinstance(rows, list)]
        sides.append([row["response"] for rows in lists for row in rows])
    first = patterns(*sides, prompts=(range(len(sides[0])), range(len(sides[1]))))[0]
    assert (first.kind, first.text) == ("characters", " ,")
    assert first.rate_before < 0.02
    assert first.rate_after > 0.95
