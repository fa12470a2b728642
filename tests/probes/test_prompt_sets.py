"""Prompt sets: the shipped ones are what they promise; a user's own are read, or refused by place and field."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import InputError
from probes.prompt import Prompt, PromptSet, text_of_turns
from probes.prompt_sets import load_prompt_file, near_duplicates, prompt_set, prompt_sets, sample, set_or_file
from runs.formats.chat import Turn, chat_prompt

SHIPPED = [prompt for name in prompt_sets() for prompt in prompt_set(name).prompts]


def asked(prompt: Prompt) -> str:
    """What the user says last."""
    return prompt.messages[-1]["content"] if prompt.messages else prompt.text


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


# The sets that come with the project


def test_the_domains_are_those_promised() -> None:
    promised = "knowledge politics ethics health money law relationships work coding mathematics science history"
    others = "creative_writing self_description safety everyday_advice"
    assert set(prompt_sets()) == {*promised.split(), *others.split()}


@pytest.mark.parametrize("name", prompt_sets())
def test_a_shipped_set_is_large_varied_and_labelled(name: str) -> None:
    found = prompt_set(name)
    assert (found.name, found.licence) == (name, "Apache-2.0")
    assert found.description
    assert len(found.prompts) >= 40
    slug = re.compile(rf"{name.replace('_', '-')}(-[a-z0-9]+)+")
    topics = Counter(prompt.tags[0] for prompt in found.prompts)
    forms = Counter(tag for prompt in found.prompts for tag in prompt.tags[1:])
    for prompt in found.prompts:
        assert slug.fullmatch(prompt.id)
        assert prompt.domain == name
        assert len(prompt.tags) >= 2
        assert asked(prompt) == " ".join(asked(prompt).split())
        assert asked(prompt)[-1] in ".?!"
    assert len(topics) >= 4
    assert min(topics.values()) >= 3
    assert len(forms) >= 4
    assert forms["question"] <= 0.7 * len(found.prompts)
    lengths = sorted(len(asked(prompt).split()) for prompt in found.prompts)
    assert lengths[0] <= 7
    assert lengths[-1] >= 40


def test_shipped_prompts_are_5_to_60_words_but_for_a_few_shorter_ones() -> None:
    lengths = [len(asked(prompt).split()) for prompt in SHIPPED]
    assert 2 <= min(lengths) <= max(lengths) <= 60
    assert sum(length < 5 for length in lengths) <= 0.05 * len(lengths)


def test_shipped_ids_and_prompts_are_unique_over_all_sets() -> None:
    assert len({prompt.id for prompt in SHIPPED}) == len(SHIPPED)
    assert len({prompt.text.casefold() for prompt in SHIPPED}) == len(SHIPPED)


def test_no_two_shipped_prompts_are_nearly_the_same_within_or_across_sets() -> None:
    assert [(first.id, second.id) for first, second, _ in near_duplicates(SHIPPED, 0.5)] == []


def test_shipped_prompts_do_not_begin_alike() -> None:
    starts = Counter(" ".join(asked(prompt).casefold().split()[:3]) for prompt in SHIPPED)
    assert max(starts.values()) <= 0.04 * len(SHIPPED)


def test_a_set_is_found_by_name_or_as_a_file(tmp_path: Path) -> None:
    assert set_or_file("ethics") is prompt_set("ethics")
    own = tmp_path / "ethics.jsonl"
    own.write_text('{"prompt": "Is it right?"}\n')
    assert [prompt.text for prompt in set_or_file(str(own)).prompts] == ["Is it right?"]
    with pytest.raises(InputError, match=r"'ethic': no such set of prompts; nearest: ethics, or name a file"):
        set_or_file("ethic")
    with pytest.raises(InputError, match=r"sets are .*ethics.*politics"):
        prompt_set("../../etc/passwd")


# Nearly the same prompts, against brute force

TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=7).map(" ".join), max_size=14)


@given(TEXTS, st.sampled_from([0.2, 0.5, 0.6, 2 / 3, 0.75, 1.0]))
def test_near_duplicates_are_all_pairs_at_or_above_the_threshold(texts: list[str], threshold: float) -> None:
    prompts = [Prompt(str(index), "", text) for index, text in enumerate(texts)]
    expected = {
        (first.id, second.id)
        for index, first in enumerate(prompts)
        for second in prompts[index + 1 :]
        if len(words(first.text) & words(second.text)) / len(words(first.text) | words(second.text)) >= threshold
    }
    found = near_duplicates(prompts, threshold)
    assert len(found) == len(expected)
    assert {(first.id, second.id) for first, second, _ in found} == expected
    assert [pair.similarity for pair in found] == sorted((pair.similarity for pair in found), reverse=True)


def test_a_system_message_makes_prompts_neither_alike_nor_the_same() -> None:
    def under(system: str, text: str) -> Prompt:
        turns = ({"role": "system", "content": system}, {"role": "user", "content": text})
        return Prompt(f"{system} {text}", "", text_of_turns(turns), turns)

    long, other = "You are the friendly assistant of a garden centre.", "Be brief."
    assert near_duplicates([under(long, "What is your name?"), under(long, "Which plants like shade?")], 0.2) == []
    assert near_duplicates([under(long, "What is your name?"), under(other, "What is your name?")]) == []
    (pair,) = near_duplicates([under(long, "What is your name?"), under(long, "What was your name?")])
    assert pair.similarity == 3 / 5


# Samples of a set


def made_set(sizes: list[int]) -> PromptSet:
    prompts = [
        Prompt(f"{topic}-{index}", "", f"{topic} {index}", tags=(f"topic{topic}",) if topic else ())
        for topic, size in enumerate(sizes)
        for index in range(size)
    ]
    return PromptSet("made", "about", "CC0", tuple(prompts))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 1000), st.data())
def test_a_sample_is_spread_over_topics_nested_and_independent_of_the_files_order(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    made = made_set(sizes)
    total = sum(sizes)
    n = data.draw(st.integers(1, total))
    drawn = sample(made, n, seed)
    ids = [prompt.id for prompt in drawn.prompts]
    assert len(ids) == n
    assert ids == [prompt.id for prompt in made.prompts if prompt.id in set(ids)]
    larger = sample(made, data.draw(st.integers(n, total)), seed)
    assert set(ids) <= {prompt.id for prompt in larger.prompts}
    turned = PromptSet("other", "", "", made.prompts[::-1])
    assert set(ids) == {prompt.id for prompt in sample(turned, n, seed).prompts}
    # A topic's count is within one of c * size for a c common to all, and the counts sum to n.
    counts = Counter(prompt_id.split("-")[0] for prompt_id in ids)
    for topic, size in enumerate(sizes):
        assert abs(counts[str(topic)] - n * size / total) <= 1 + len(sizes) * size / total


def test_a_sample_of_equal_topics_has_equally_many_of_each() -> None:
    for seed in range(20):
        drawn = sample(made_set([10, 10, 10, 10]), 8, seed).prompts
        assert Counter(prompt.id.split("-")[0] for prompt in drawn) == {"0": 2, "1": 2, "2": 2, "3": 2}


def test_every_prompt_has_the_same_chance_to_be_drawn() -> None:
    made = made_set([5, 10, 15])
    counts = Counter(prompt.id for seed in range(2000) for prompt in sample(made, 6, seed).prompts)
    assert len(counts) == 30
    # 400 expected of each, standard deviation below 18 (binomial 2000 x 1/5): 5 of them, 30 prompts.
    assert all(abs(count - 400) < 90 for count in counts.values())


@pytest.mark.parametrize("n", [0, -1, 7])
def test_a_sample_larger_than_the_set_or_empty_is_refused(n: int) -> None:
    with pytest.raises(InputError, match=rf"--sample: {n}; the set 'made' has 1 to 6 to draw"):
        sample(made_set([6]), n, 0)


# A user's own files

YAML = """
name: own
description: What I ask
licence: MIT
domain: food
prompts:
  - prompt: How do I boil an egg?
    id: egg
    tags: [eggs, short]
  - prompt: "Wine: red or white?"
    domain: drink
    system: You are a waiter.
"""
JSONL = """
{"prompt": "How do I boil an egg?", "id": "egg", "domain": "food", "tags": ["eggs", "short"]}

{"prompt": "Wine: red or white?", "domain": "drink", "tags": null, "system": "You are a waiter."}
"""
CSV = """prompt,id,domain,tags,system
How do I boil an egg?,egg,food,"eggs, short",
Wine: red or white?,,drink,,You are a waiter.
"""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_same_prompts_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    files: list[tuple[str, str | bytes]] = [
        ("own.yaml", YAML),
        ("own.jsonl", JSONL),
        ("own.csv", CSV),
        ("own2.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").replace(",", ";").encode()),
        ("own.tsv", CSV.replace(",", "\t").replace("eggs\t short", "eggs; short")),
        ("own.jsonl", JSONL.replace("\n", "\r\n")),
    ]
    sets = [load_prompt_file(write(tmp_path, name, content)) for name, content in files]
    egg, wine = sets[0].prompts
    assert egg == Prompt("egg", "food", "How do I boil an egg?", None, ("eggs", "short"))
    assert wine.messages == (
        {"role": "system", "content": "You are a waiter."},
        {"role": "user", "content": "Wine: red or white?"},
    )
    assert (wine.text, wine.domain, wine.tags) == (
        "[system] You are a waiter.\n\n[user] Wine: red or white?",
        "drink",
        (),
    )
    assert re.fullmatch(r"system-you-are-a-waiter-[0-9a-f]{8}", wine.id)
    assert all(found.prompts == sets[0].prompts for found in sets)
    assert (sets[0].name, sets[0].description, sets[0].licence) == ("own", "What I ask", "MIT")
    assert (sets[1].name, sets[1].description, sets[1].licence) == ("own", "", "")


def test_turns_are_kept_and_read_as_the_import_reads_them(tmp_path: Path) -> None:
    turns = [("system", "Be brief."), ("user", "Hello?"), ("assistant", "Yes."), ("user", " Why?\r\n")]
    messages = [{"role": role, "content": content} for role, content in turns]
    row = json.dumps({"messages": messages[1:], "system": "Be brief."})
    in_cell = '"' + json.dumps(messages).replace('"', '""') + '"'
    as_yaml = "- messages: " + json.dumps(messages)
    expected = chat_prompt([Turn(role, content) for role, content in turns])
    for name, content in (("a.jsonl", row), ("a.csv", f"messages,id\n{in_cell},\n"), ("a.yml", as_yaml)):
        (prompt,) = load_prompt_file(write(tmp_path, name, content)).prompts
        assert prompt.text == expected.text
        assert prompt.messages is not None
        assert list(prompt.messages) == json.loads(expected.messages or "")


def test_one_turn_of_the_user_is_a_plain_prompt(tmp_path: Path) -> None:
    row = json.dumps({"messages": [{"role": "user", "content": "Why?"}], "id": 7})
    (prompt,) = load_prompt_file(write(tmp_path, "a.jsonl", row)).prompts
    assert prompt == Prompt("7", None, "Why?")


def test_ids_that_are_made_do_not_depend_on_the_order(tmp_path: Path) -> None:
    texts = ["Why is it so?", "Warum ist das so?", "为什么?", "Why is it so, then?"]
    rows = [json.dumps({"prompt": text}) for text in texts]
    forth = load_prompt_file(write(tmp_path, "a.jsonl", "\n".join(rows))).prompts
    back = load_prompt_file(write(tmp_path, "b.jsonl", "\n".join(rows[::-1]))).prompts
    assert forth == back[::-1]
    assert len({prompt.id for prompt in forth}) == 4
    assert all(re.fullmatch(r"[a-z0-9-]+", prompt.id) for prompt in forth)


def row(**fields: object) -> str:
    return json.dumps(fields)


def turn(role: object, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("name", "content", "hints"),
    [
        ("a.txt", "Why?", ["a.txt", ".yaml", ".jsonl", ".csv"]),
        ("a.jsonl", "", ["a.jsonl: no prompts"]),
        ("a.yaml", "", ["a.yaml: no prompts"]),
        ("a.yaml", "prompts: []", ["a.yaml: no prompts"]),
        ("a.csv", "prompt\n", ["a.csv: no prompts"]),
        ("a.jsonl", row(prompt="Why?") + '\n{"prompt": "Wh', ["a.jsonl, line 2", "not JSON"]),
        ("a.jsonl", '{"prompt": "Why?", "prompt": "How?"}', ["a.jsonl, line 1", "'prompt' occurs twice"]),
        ("a.jsonl", "[" * 100_000, ["a.jsonl, line 1", "not JSON"]),
        ("a.jsonl", '["Why?"]', ["a.jsonl, line 1", "a list"]),
        ("a.jsonl", b'{"prompt": "Why?"}\n{"prompt": "\xe9"}', ["a.jsonl, line 2", "UTF-8", "0xe9"]),
        ("a.jsonl", row(prompt=5), ["a.jsonl, line 1, field 'prompt'", "a number"]),
        ("a.jsonl", row(prompt=" \n "), ["line 1, field 'prompt'", "empty"]),
        ("a.jsonl", row(prompt="\ud800"), ["line 1, field 'prompt'", "surrogate"]),
        ("a.jsonl", row(prompt="Why?", sytem="S"), ["line 1", "'sytem'", "nearest: system"]),
        ("a.jsonl", row(prompt="Why?", response="So."), ["line 1", "'response'", "prompt, messages, id"]),
        ("a.jsonl", row(id="x"), ["line 1", "no 'prompt'"]),
        ("a.jsonl", row(prompt="Why?", messages=[turn("user", "Why?")]), ["both 'prompt' and 'messages'"]),
        ("a.jsonl", row(prompt="Why?", id=True), ["field 'id'", "true/false"]),
        ("a.jsonl", row(prompt="Why?", id="a\nb"), ["field 'id'", r"'a\nb'"]),
        ("a.jsonl", row(prompt="Why?", id="x" * 201), ["field 'id'", "200"]),
        ("a.jsonl", row(prompt="Why?", tags=3), ["field 'tags'", "a number"]),
        ("a.jsonl", row(prompt="Why?", tags=["a", None]), ["field 'tags'", "nothing"]),
        ("a.jsonl", row(prompt="Why?", domain=["a"]), ["field 'domain'", "a list"]),
        ("a.jsonl", row(messages="Why?"), ["field 'messages'", "text"]),
        ("a.jsonl", row(messages=[]), ["field 'messages'", "list of turns"]),
        ("a.jsonl", row(messages=[turn("user", "a"), turn("tool", "b")]), ["field 'messages[1]'", "'tool'"]),
        ("a.jsonl", row(messages=[turn("user", "a"), turn("system", "b")]), ["field 'messages[1]'", "'system'"]),
        ("a.jsonl", row(messages=[{"role": "user"}]), ["field 'messages[0]'", "'content'"]),
        ("a.jsonl", row(messages=[turn("user", "a"), turn("assistant", "b")]), ["'messages'", "last turn"]),
        ("a.jsonl", row(messages=[turn("user", None)]), ["field 'messages[0]'", "nothing"]),
        ("a.jsonl", row(messages=[turn("system", "a"), turn("user", "b")], system="c"), ["field 'system'"]),
        ("a.jsonl", f"{row(prompt='Why?', id='x')}\n{row(prompt='How?', id='x')}", ["line 2", "id 'x'", "line 1"]),
        ("a.jsonl", f"{row(prompt='Why  so?')}\n\n{row(prompt='why so?')}", ["line 3", "same prompt", "line 1"]),
        ("a.yaml", "prompts:\n  - prompt: Why?\n  - prompt: 12\n", ["a.yaml, line 3, field 'prompt'", "a number"]),
        ("a.yaml", "- prompt: Why?\n- prompt: no\n", ["a.yaml, line 2, field 'prompt'", "true/false", "quotes"]),
        ("a.yaml", "- prompt: Why?\n- prompt: Wine: red?\n", ["a.yaml, line 2", "not YAML", "quotes"]),
        ("a.yaml", "- prompt: Why?\n  prompt: How?\n", ["a.yaml, line 2", "'prompt' occurs twice"]),
        ("a.yaml", "licence: MIT\nname: x\nlicence: MIT\n", ["a.yaml, line 3", "'licence' occurs twice"]),
        ("a.yaml", "promts: []\n", ["a.yaml", "'promts'", "nearest: prompts"]),
        ("a.yaml", "name: x\n", ["a.yaml", "no list of prompts"]),
        ("a.yaml", "name: [x]\nprompts:\n- prompt: Why?\n", ["a.yaml, field 'name'", "a list"]),
        ("a.yaml", "just text\n", ["a.yaml", "no list of prompts"]),
        ("a.yaml", "- prompt: !!python/object/apply:os.getcwd []\n", ["a.yaml, line 1", "not YAML"]),
        ("a.yaml", "- prompt: 2026-99-99\n", ["a.yaml", "not YAML"]),
        ("a.yaml", "- &a [*a]\n", ["a.yaml, line 1", "a list where an entry belongs"]),
        ("a.yaml", "[" * 100_000, ["a.yaml", "not YAML"]),
        ("a.csv", "prompt,id\nWhy?\n", ["a.csv, line 2", "1 fields where the header has 2"]),
        ("a.csv", 'prompt,id\n"Why\nso?",a\n"How?,b\n', ["a.csv, line 4", "quote"]),
        ("a.csv", "question,id\nWhy?,a\n", ["a.csv, line 1", "'question'", "prompt, messages, id"]),
        ("a.csv", "prompt,prompt\nWhy?,a\n", ["a.csv, line 1", "'prompt' occurs twice"]),
        ("a.csv", "prompt,id\n,a\n", ["a.csv, line 2", "no 'prompt'"]),
        ("a.csv", "messages,id\nWhy?,a\n", ["a.csv, line 2, field 'messages'", "JSON"]),
    ],
)
def test_a_wrong_file_is_refused_by_place_and_field(
    tmp_path: Path, name: str, content: str | bytes, hints: list[str]
) -> None:
    with pytest.raises(InputError) as refused:
        load_prompt_file(write(tmp_path, name, content))
    line = str(refused.value)
    assert line.isprintable()
    assert len(line.removeprefix(str(tmp_path))) < 300
    assert "; " in line
    for hint in hints:
        assert hint in line


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv: not a file"):
        load_prompt_file(tmp_path / "folder.csv")
    with pytest.raises(InputError, match=r"lacks\.csv: cannot be read \(No such file"):
        load_prompt_file(tmp_path / "lacks.csv")
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(InputError, match=r"larger than 64 MiB"):
        load_prompt_file(large)


@given(st.sampled_from([".yaml", ".jsonl", ".csv", ".tsv"]), st.one_of(st.binary(), st.text().map(str.encode)))
def test_no_bytes_do_anything_but_load_or_be_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        said = "".join(prompt.id for prompt in load_prompt_file(path).prompts)
    except InputError as error:
        said = str(error)
    assert said
    assert said.isprintable()
