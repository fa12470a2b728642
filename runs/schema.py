"""The columns of a run's Parquet files, in one place (`prompts.parquet`, `samples.parquet`)."""

import pyarrow as pa

FORMAT = 1

PROMPTS_FILE = "prompts.parquet"
SAMPLES_FILE = "samples.parquet"
LOGLIK_FILE = "loglik.npy"
TOKEN_LOGLIK_FILE = "token_loglik.parquet"
STATE_FILE, REPORT_FILE = "state.sqlite", "report.json"  # of a discovery
LEDGER_FILE = "ledger.sqlite"
LEDGER_FORMAT = 2  # its user_version
LEDGER_TABLES = "c6fd13d99aab7154"  # the checksum of how its tables are laid out

SPLITS = ("read", "select", "report")
"""Names of the three splits; a sample's `split` is one of them."""

PROMPTS_SCHEMA = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("domain", pa.string()),
        pa.field("prompt", pa.string(), nullable=False),  # the text, all turns, as a reader sees it
        pa.field("messages", pa.string()),  # JSON list of {"role", "content"} when the prompt is a chat
    ]
)

SAMPLES_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("checkpoint", pa.int32(), nullable=False),  # index into the control parameter's values
        pa.field("draw", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("response", pa.large_string(), nullable=False),
        pa.field("token_ids", pa.list_(pa.int32())),
        pa.field("finish_reason", pa.string()),
        pa.field("logprob", pa.float64()),  # under its own checkpoint, natural logarithm
        pa.field("scores", pa.string()),  # JSON object of scores that came with the data
    ]
)
