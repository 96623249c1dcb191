"""The local Hugging Face cache (HF_HOME): what `simxfer fetch` fills and all else only reads.

A repository's files stand in `snapshots/COMMIT`; `refs/REVISION` names the commit that a branch stands for. Equal
commits are equal files. Nothing here opens a connection.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from simxfer.common.atomic import write_text

TOKENIZER_FILES = ("tokenizer.json", "sentencepiece.bpe.model", "vocab.txt")
"""Files of which an encoder has at least one."""
TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files beside them that change how text is cut (casing, added tokens)."""
ENCODER_FILES = ("config.json", "model.safetensors", *TOKENIZER_FILES, *TOKENIZER_SETTINGS)
"""What an encoder is made of: configuration, safetensors and tokenizer; no pickled weights and no code."""


@dataclass(frozen=True, order=True)
class Repository:
    """A model or data set on the hub, at a branch, tag or commit."""

    id: str
    """`org/name`."""
    type: Literal["model", "dataset"]
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.type} {self.id}@{self.revision}"


@cache  # a plan asks for every language of every stage
def cached(repository: Repository, patterns: tuple[str, ...]) -> Path | None:
    """Return the snapshot folder of a repository if every file of it that matches a pattern is in the cache.

    The name of the folder is the commit. A snapshot that a killed download left behind is not returned. Answers
    are remembered: a process sees the cache as it was when it first asked.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repository.id,
            repo_type=repository.type,
            revision=repository.revision,
            allow_patterns=list(patterns),
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    return Path(folder)


def point(repository: Repository, snapshot: Path) -> None:
    """Let the revision of a repository stand for the commit of a snapshot in the cache."""
    if repository.revision != snapshot.name:
        write_text(snapshot.parents[1] / "refs" / repository.revision, snapshot.name)
