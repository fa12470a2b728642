"""What a person types becomes a candidate, or a line that says what would be right."""

from collections.abc import Iterator

import pytest

from agent.repl.asking import asked_for, measures_near
from agent.repl.session import Session
from agent.repl.trying import brought_in
from probes.errors import InputError
from tests.agent.repl.sessions import session_on
from tests.agent.worlds import rows_of, run_of, shorter


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    run = run_of(tmp_path_factory.mktemp("asked") / "run", rows_of(shorter, prompts=10, draws=6))
    with session_on(run.path) as opened:
        yield opened


class TestMeasures:
    @pytest.mark.parametrize("text", ["words", "code:words", "pattern:word:lorem", "pattern:phrase:lorem ipsum"])
    def test_by_name_or_written_out(self, session: Session, text: str) -> None:
        candidate = asked_for(session.state, session.bench, text)
        assert candidate["judge"].endswith(text)
        assert candidate["origin"] == "person"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("wrods", "did you mean words"),
            ("data:tone", "no such score came with the data"),
            ("file:/tmp/x.py", "only when it is named by --measure-file"),
        ],
    )
    def test_an_unknown_one_is_an_error(self, session: Session, text: str, why: str) -> None:
        with pytest.raises(InputError, match=why):
            asked_for(session.state, session.bench, text)

    def test_what_fills_one_level_is_screened_out_with_the_reason(self, session: Session) -> None:
        candidate = asked_for(session.state, session.bench, "pattern:word:zebra")
        update = brought_in(session.state, session.bench, candidate)
        assert update["candidates"][-1]["status"] == "screened out"
        assert update["candidates"][-1]["dropped"] == "it does not fill two levels on the read split"


class TestQuestionsOffline:
    @pytest.mark.parametrize("text", ['"How long is the answer?"', "How long is the answer?"])
    def test_a_judge_is_needed_and_what_comes_close_is_offered(self, session: Session, text: str) -> None:
        with pytest.raises(InputError, match=r"--judge SPEC.*come close: words"):
            asked_for(session.state, session.bench, text)

    def test_where_none_comes_close_it_is_said_where_all_are_listed(self, session: Session) -> None:
        with pytest.raises(InputError, match=r"--judge SPEC\); `orderparam probes --measures` lists"):
            asked_for(session.state, session.bench, '"Zyx?"')

    def test_what_shares_no_word_with_any_is_offered_nothing(self) -> None:
        for question in ("Zyx?", "what is this", "which of these are they"):
            assert measures_near(question) == []
        assert measures_near("Does the answer hold program code?")[0].id == "code"
