"""Training examples from a file of prompts and responses, refused by line before the first step."""

from dataclasses import dataclass
from pathlib import Path

from probes.errors import InputError
from runs.formats.chat import Prompt
from runs.formats.fields import Named, Plan, plan_of
from runs.formats.record import Source, refuse, shown
from runs.formats.rows import Responses, read_responses
from runs.formats.source import open_source
from runs.models import LanguageModel, Message


@dataclass(frozen=True)
class TrainingExample:
    """The ids of a prompt and of its response with the token that ends it.

    response_start: index of the response's first token; the loss is on the tokens from there on.
    """

    ids: tuple[int, ...]
    response_start: int

    @property
    def response_tokens(self) -> int:
        """How many tokens are learned, the one that ends the response included."""
        return len(self.ids) - self.response_start


def read_training_data(
    path: Path,
    language_model: LanguageModel,
    *,
    prompt_field: str | None = None,
    response_field: str | None = None,
    system: str | None = None,
    max_tokens: int | None = None,
) -> list[TrainingExample]:
    """The examples of a file, in its order: prompt and response in fields of their own, or chats (`messages`).

    Of a chat, the assistant's last turn is the response. system: for examples without a system prompt. max_tokens:
    the model's context by default. Raises InputError, by line and field: no such field, no prompt, an empty or
    missing response, an example that is too long.
    """
    source = open_source(path, [name for name in (prompt_field, response_field) if name])
    plan = plan_of(source, Named(prompt_field, response_field))
    responses = Responses()
    read_responses(source, plan, responses, lambda record: record.number, "keep")  # lines stand for conditions
    path_of_response = plan.response or plan.chat
    field = path_of_response.name if path_of_response else ""
    for line in responses.missing:
        raise _refused(source, line, field, "no response", "each example needs one")
    limit = max_tokens or language_model.context_length
    examples = []
    rows = zip(responses.condition_N, responses.text_N, responses.response_N, strict=True)
    for line, prompt, response in rows:
        example = _example(responses.prompts[prompt], response, system, language_model, source, line, field)
        if limit is not None and len(example.ids) > limit:
            raise _too_long(source, plan, line, len(example.ids), limit, max_tokens is None)
        examples.append(example)
    return examples


def _example(
    prompt: Prompt,
    response: str,
    system: str | None,
    language_model: LanguageModel,
    source: Source,
    line: int,
    field: str,
) -> TrainingExample:
    turns: list[Message] = [{"role": role, "content": content} for role, content in prompt.turns]
    if system is not None and prompt.system is None:
        turns.insert(0, {"role": "system", "content": system})
    learned = language_model.response_ids(response) if response.strip() else []
    if not learned:
        raise _refused(source, line, field, "a response without a token", "leave the row out or fill it in")
    try:
        before = language_model.prompt_ids(prompt.text, turns)
    except InputError as error:
        raise InputError(f"{source.place(line)}: {error}") from error
    return TrainingExample((*before, *learned, language_model.end_id), len(before))


def _refused(source: Source, line: int, field: str, wrong: str, right: str) -> InputError:
    return refuse(f"{source.place(line)}, field {shown(field)}", wrong, right)


def _too_long(source: Source, plan: Plan, line: int, tokens: int, limit: int, of_model: bool) -> InputError:
    whose = "the model's context holds" if of_model else "--max-tokens allows"
    fields = [path.name for path in (plan.prompt, plan.response, plan.chat) if path is not None]
    return refuse(
        f"{source.place(line)}, field {shown(fields[-1])}",
        f"the example has {tokens:,} tokens, and {whose} {limit:,}",
        "shorten it or leave it out",
    )
