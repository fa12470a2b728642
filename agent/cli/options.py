"""The arguments and flags that commands share, each declared once; `agent.settings` says what a value may be.

Values stay as they were typed: settings check them, so that a flag, a variable and a settings file that hold the
same mistake get the same line.
"""

from pathlib import Path
from typing import Annotated

import typer


def examples(*lines: str) -> str:
    """The end of a command's help: what people type most."""
    commands = "\n".join(f"  {line}" for line in lines)
    return (
        f"Examples:\n\n\b\n{commands}\n\nAny command takes --debug: the traceback of an error instead of one line."
    )


# How files are read

PromptField = Annotated[
    str | None, typer.Option("--prompt-field", metavar="FIELD", help="Field that holds the prompt.")
]
ResponseField = Annotated[
    str | None, typer.Option("--response-field", metavar="FIELD", help="Field that holds the response.")
]
PromptIdField = Annotated[
    str | None, typer.Option("--prompt-id-field", metavar="FIELD", help="Field that holds the prompt's id.")
]
PairBy = Annotated[
    str | None,
    typer.Option(
        "--pair-by",
        metavar="auto|id|text",
        help="What tells that two rows answer the same prompt.  [default: auto]",
    ),
]
Thinking = Annotated[
    str | None,
    typer.Option("--thinking", metavar="keep|strip", help="A <think> block before the answer.  [default: keep]"),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="COLUMN",
        help="Column of one long file that tells the sides apart, by --before and --after.",
    ),
]
BeforeColumn = Annotated[
    str | None,
    typer.Option("--before-column", metavar="COLUMN", help="Column of one wide file with the responses before."),
]
AfterColumn = Annotated[
    str | None,
    typer.Option("--after-column", metavar="COLUMN", help="Column of one wide file with the responses after."),
]
ScoreFiles = Annotated[
    list[Path] | None,
    typer.Option("--scores", metavar="FILE", help="Scores in a file of their own, joined by id; may be repeated."),
]

# What is compared, and how the search goes

Before = Annotated[
    str | None,
    typer.Option(
        "--before", metavar="VALUES", help="Side before: values of the control parameter, as 0,2 or 20:40."
    ),
]
After = Annotated[
    str | None, typer.Option("--after", metavar="VALUES", help="Side after: values of the control parameter.")
]
Claim = Annotated[
    str | None,
    typer.Option(
        "--claim",
        metavar="auto|fixed|random",
        help="About these prompts, or prompts like these.  [default: auto: random from 20 prompts on]",
    ),
]
Domain = Annotated[
    str | None,
    typer.Option("--domain", metavar="NAME", help="Compare answers to the prompts of this domain alone."),
]
UseScores = Annotated[
    bool | None,
    typer.Option(
        "--use-scores/--no-use-scores", help="Take the scores that came with the data as order parameters too."
    ),
]
MissingAsLevel = Annotated[
    bool | None,
    typer.Option(
        "--missing-as-level/--no-missing-as-level",
        help="Make a missing score a level instead of dropping the row.",
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--given", metavar="MEASURE", help="Take a measure as known and report what it leaves; repeatable."
    ),
]
MinGain = Annotated[
    str | None,
    typer.Option("--min-gain", metavar="X", help="Smallest gain that adds a parameter.  [default: 0.01]"),
]
MaxParameters = Annotated[
    str | None, typer.Option("--max-parameters", metavar="N", help="Most parameters in the set.  [default: 6]")
]
Rounds = Annotated[
    str | None, typer.Option("--rounds", metavar="N", help="Most rounds of proposing.  [default: 3]")
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="SPEC",
        help="Who proposes; may be repeated: builtin, openai:MODEL, anthropic:MODEL, either with "
        "@http://HOST:PORT for a server of your own, or hf:PATH.  [default: builtin]",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option("--judge", metavar="SPEC", help="Who judges what models propose.  [default: the first --model]"),
]
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="TEXT", help="What proposers should know; judges never see it."),
]
JudgeAll = Annotated[
    bool | None,
    typer.Option("--judge-all/--race", help="Drop no proposal early by a race on a few samples."),
]
MeasureFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--measure-file",
        metavar="FILE.py",
        help="A measure of your own: Python with one function; may be repeated.",
    ),
]
Seed = Annotated[
    str | None,
    typer.Option("--seed", metavar="N", help="Seed: the same seed gives the same report.  [default: 0]"),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name of the discovery in the run.  [default: d1, d2, ...]"),
]

# What language models may take

MaxCalls = Annotated[
    str | None, typer.Option("--max-calls", metavar="N", help="Budget of calls to language models.")
]
MaxCost = Annotated[
    str | None, typer.Option("--max-cost", metavar="X", help="Budget of those calls in US dollars.")
]
MaxMinutes = Annotated[
    str | None,
    typer.Option(
        "--max-minutes", metavar="N", help="Budget of wall time; the report is written when it is spent."
    ),
]
Prices = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="Prices of models, over the program's own.")
]
CriteriaPerCall = Annotated[
    str | None,
    typer.Option(
        "--criteria-per-call", metavar="N", help="Most questions a judge answers in one call.  [default: 6]"
    ),
]
JudgeTemplate = Annotated[
    Path | None,
    typer.Option("--judge-template", metavar="FILE", help="A judge prompt of your own (Jinja)."),
]

# How models answer and are scored

Prompts = Annotated[
    str,
    typer.Option(
        "--prompts",
        metavar="SET|FILE[,...]",
        help="Prompt sets (see `orderparam probes`) or files of prompts.",
    ),
]
Draws = Annotated[
    str | None,
    typer.Option("--draws", metavar="N", help="Responses a prompt and checkpoint.  [default: 16]"),
]
Temperature = Annotated[
    str | None, typer.Option("--temperature", metavar="X", help="Divides the logits.  [default: 1]")
]
MaxNewTokens = Annotated[
    str | None, typer.Option("--max-new-tokens", metavar="N", help="A response is cut there.  [default: 256]")
]
System = Annotated[
    str | None,
    typer.Option("--system", metavar="TEXT", help="System prompt for the prompts that bring none."),
]
Engine = Annotated[
    str | None,
    typer.Option("--engine", metavar="transformers|vllm", help="What samples.  [default: transformers]"),
]
SamplesSeed = Annotated[str | None, typer.Option("--seed", metavar="N", help="Seed of the samples.  [default: 0]")]
Band = Annotated[
    str | None,
    typer.Option(
        "--band",
        metavar="N",
        help="Score a sample under so many checkpoints on either side of its own.  "
        "[default: all, 8 where there are more than 32]",
    ),
]

# Where models run

Device = Annotated[
    str | None,
    typer.Option("--device", metavar="cpu|cuda|cuda:N", help="Where the model runs.  [default: a GPU, if any]"),
]

# How a command ends and what it says

MadeRun = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where files become a run.  [default: orderparam-BEFORE-AFTER]"),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the run.")]
FailAbove = Annotated[
    str | None,
    typer.Option(
        "--fail-above", metavar="X", help="Exit with 3 if the lower limit of the total dissimilarity is above X."
    ),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="NAME>X",
        help="Exit with 3 if the lower limit of the dissimilarity of a parameter or measure is above X; may be "
        "repeated.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be compared, and write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[
    bool | None, typer.Option("--quiet", help="No progress and no notes; warnings and the result remain.")
]
