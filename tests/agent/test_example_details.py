"""Examples of a report carry the domain of their prompt and, where the run holds it, the evidence of tokens."""

from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.discovery import discover_run
from agent.settings import DiscoverSettings, from_keywords
from probes.errors import InputError
from tests.agent.test_word_marks import EVIDENCE, TEXT, WORDS, token_run, words_are_tokens
from tests.agent.worlds import rows_of, run_of
from tools.report.document import EXAMPLE_LIMIT, Report, Shown

__all__ = ["words_are_tokens"]  # a fixture: the tokenizer of these runs

SETTINGS = from_keywords(DiscoverSettings, {"processes": 1, "resamples": 199})


def shown(report: Report) -> list[Shown]:
    examples = [*report.set.unexplained.examples, *(one for each in report.parameters for one in each.examples)]
    return [one for example in examples for one in (example.before, example.after) if one is not None]


def test_every_token_has_its_place_and_its_evidence(tmp_path: Path) -> None:
    found = shown(discover_run(token_run(tmp_path / "run"), SETTINGS))
    assert found
    ends = [end - 1 for end in accumulate(len(word) + 1 for word in WORDS)]
    for one in found:
        assert one.response == TEXT
        assert list(one.token_ends) == ends
        assert one.token_evidence == pytest.approx(EVIDENCE)


def test_of_a_cut_answer_those_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = WORDS * 40
    decoder = SimpleNamespace(text=lambda ids: " ".join(words[one] for one in ids))
    monkeypatch.setattr("runs.checkpoints.outline_of", lambda run: decoder)
    found = shown(discover_run(token_run(tmp_path / "run", " ".join(words), EVIDENCE * 40), SETTINGS))
    assert found
    for one in found:
        assert one.response.endswith("more characters]")
        assert len(one.token_ends) == len(one.token_evidence)
        assert 0 < len(one.token_ends) < len(words)
        assert one.token_ends[-1] <= EXAMPLE_LIMIT


def test_a_run_without_them_has_none_and_one_that_cannot_use_them_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = discover_run(run_of(tmp_path / "plain", rows_of(lambda *_: TEXT, prompts=8, draws=6)), SETTINGS)
    assert all(one.token_ends == () for one in shown(plain))
    assert not [warning for warning in plain.warnings if "were not marked" in warning]

    def missing(run: object) -> None:
        raise InputError("this needs the backend")

    monkeypatch.setattr("runs.checkpoints.outline_of", missing)
    report = discover_run(token_run(tmp_path / "run"), SETTINGS)
    assert all(one.token_ends == () for one in shown(report))
    assert [warning for warning in report.warnings if "were not marked: this needs the backend" in warning]


def test_the_domain_of_the_prompt_is_told(tmp_path: Path) -> None:
    run = run_of(
        tmp_path / "run", rows_of(lambda prompt, side, rng: f"word {'yes ' * (3 * side)}", prompts=8, draws=6)
    )
    domains = dict(zip(*(run.prompts()[name].to_pylist() for name in ("prompt_id", "domain")), strict=True))
    report = discover_run(run, SETTINGS)
    examples = [one for each in report.parameters for one in each.examples]
    assert examples
    assert all(one.domain == (domains[one.prompt_id] or "") for one in examples)
