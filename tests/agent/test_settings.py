"""Settings: their four places and the precedence between them, and refusals that name the place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.settings import (
    BY_FLAG_ONLY,
    KEYS,
    DiscoverSettings,
    OutputSettings,
    ReadSettings,
    flag_of,
    from_keywords,
    load,
    shown,
)
from probes.errors import InputError
from runs.names import is_plain_name


def write_toml(folder: Path, text: str) -> Path:
    (folder / "orderparam.toml").write_text(text, encoding="utf-8")
    return folder


def refusal(flags: dict[str, object], environ: dict[str, str], folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(DiscoverSettings, flags, environ, folder)
    message = str(caught.value)
    assert message.isprintable()  # one line without control characters
    return message


def test_flags_before_variables_before_the_file_before_defaults(tmp_path: Path) -> None:
    folder = write_toml(tmp_path, "seed = 1\nrounds = 1\nmin_gain = 0.1\n")
    environ = {"ORDERPARAM_SEED": "2", "ORDERPARAM_ROUNDS": "2"}
    found = load(DiscoverSettings, {"seed": "3", "rounds": None, "given": []}, environ, folder)
    assert (found.seed, found.rounds, found.min_gain, found.max_parameters) == (3, 2, 0.1, 6)
    assert found.given == ()


def test_a_setting_of_another_kind_is_known_and_passed_over(tmp_path: Path) -> None:
    folder = write_toml(tmp_path, 'pair_by = "id"\nquiet = true\nseed = 4\n')
    assert load(ReadSettings, {}, {}, folder).pair_by == "id"
    assert load(OutputSettings, {}, {}, folder).quiet is True
    assert load(DiscoverSettings, {}, {}, folder).seed == 4


def test_the_working_directory_and_the_process_are_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_toml(tmp_path, "seed = 5\n"))
    monkeypatch.setenv("ORDERPARAM_ROUNDS", "7")
    found = load(DiscoverSettings, {})
    assert (found.seed, found.rounds) == (5, 7)


def test_a_variable_spells_a_list_with_commas_and_a_file_writes_one(tmp_path: Path) -> None:
    assert load(DiscoverSettings, {}, {"ORDERPARAM_GIVEN": "words, code"}, tmp_path).given == ("words", "code")
    folder = write_toml(tmp_path, 'given = ["words", "code"]\n')
    assert load(DiscoverSettings, {}, {}, folder).given == ("words", "code")


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "place", "hint"),
    [
        ({"seed": "t"}, {}, "", "--seed: 't'", "integer"),
        ({"seed": "-1"}, {}, "", "--seed: '-1'", "greater than or equal to 0"),
        ({"min_gain": "nan"}, {}, "", "--min-gain: 'nan'", "finite"),
        ({"min_gain": "1.5"}, {}, "", "--min-gain: '1.5'", "less than or equal to 1"),
        ({"claim": "both"}, {}, "", "--claim: 'both'", "'fixed' or 'random'"),
        ({"name": "../x"}, {}, "", "--name: '../x'", "letters, digits"),
        ({"max_minutes": "0"}, {}, "", "--max-minutes: '0'", "greater than 0"),
        ({}, {"ORDERPARAM_SEED": "t"}, "", "ORDERPARAM_SEED: 't'", "integer"),
        ({}, {"ORDERPARAM_SEDE": "1"}, "", "ORDERPARAM_SEDE", "nearest: ORDERPARAM_SEED"),
        ({}, {"ORDERPARAM_MEASURE_FILES": "x.py"}, "", "ORDERPARAM_MEASURE_FILES", "--measure-file"),
        ({}, {}, "seed = 'x'", "orderparam.toml: seed: 'x'", "integer"),
        ({}, {}, "seed = true", "orderparam.toml: seed: True", "not true or false"),
        ({}, {}, "seeed = 1", "orderparam.toml: 'seeed'", "nearest: seed"),
        ({}, {}, "zzz = 1", "orderparam.toml: 'zzz'", "known: "),
        ({}, {}, "measure_files = ['x.py']", "orderparam.toml: measure_files", "--measure-file"),
        ({}, {}, "given = ['a@http://host/v1']", "orderparam.toml: given", "no server address"),
        ({}, {}, "seed = 1 1", "orderparam.toml: not a TOML file", "line 1"),
    ],
)
def test_a_wrong_value_is_refused_by_its_place(
    flags: dict[str, object], environ: dict[str, str], toml: str, place: str, hint: str, tmp_path: Path
) -> None:
    message = refusal(flags, environ, write_toml(tmp_path, toml))
    assert message.startswith(place)
    assert hint in message


def test_a_settings_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orderparam.toml").write_bytes(b"\xff\xfe")
    assert "not a TOML file" in refusal({}, {}, tmp_path)


def test_keys_read_elsewhere_are_left_alone(tmp_path: Path) -> None:
    environ = {"ORDERPARAM_API_KEY": "secret", "ORDERPARAM_TEST_DATA": "/data", "PATH": "/bin"}
    assert load(DiscoverSettings, {}, environ, tmp_path) == load(DiscoverSettings, {}, {}, tmp_path)


def test_keywords_of_the_api_read_neither_variables_nor_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_toml(tmp_path, "seed = 5\n"))
    monkeypatch.setenv("ORDERPARAM_SEED", "6")
    assert from_keywords(DiscoverSettings, {}).seed == 0
    with pytest.raises(InputError, match="'sede': no such setting; nearest: seed"):
        from_keywords(DiscoverSettings, {"sede": 1})
    with pytest.raises(InputError, match="seed: 'x': input should be a valid integer"):
        from_keywords(DiscoverSettings, {"seed": "x"})


def test_every_setting_belongs_to_one_kind_and_has_one_flag() -> None:
    assert len(set(KEYS)) == len(KEYS)
    flags = [flag_of(key) for key in KEYS]
    assert len(set(flags)) == len(flags)
    assert set(KEYS) >= BY_FLAG_ONLY


@given(st.text(max_size=100))
def test_a_plain_name_is_never_a_path(name: str) -> None:
    if is_plain_name(name):
        assert Path("run", name).parent == Path("run")
        assert Path(name).name == name
        assert not name.startswith(("-", "."))
        assert name.isascii()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-x", ".x", "a" * 65, "ä", "a b", "a\n"])
def test_names_that_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)


@given(st.text(max_size=300))
def test_what_is_shown_of_a_value_is_short_and_printable(value: str) -> None:
    assert shown(value).isprintable()
    assert len(shown(value)) <= 60


def test_a_value_refused_is_shown_as_it_was_given(tmp_path: Path) -> None:
    for values, told in ((("code",), "'code'"), (("code>0.1", "words"), "'code>0.1, words'")):
        with pytest.raises(InputError, match=f"^--fail-if: {told}: say 'NAME>X' in quotes"):
            load(OutputSettings, {"fail_if": values}, {}, tmp_path)
