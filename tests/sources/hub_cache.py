"""Data sets written as Parquet files and laid out as the Hugging Face cache lays them out."""

from pathlib import Path
from typing import Any

from datasets import Dataset, Features

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write_parquet(path: Path, rows: list[dict[str, Any]], features: Features) -> Path:
    """Write rows with their features in the schema, as the hub's converter does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(path)
    return path


def write_cached(
    hub: Path,
    name: str,
    folders: dict[str, list[dict[str, Any]]],
    features: Features,
    revision: str = "refs/convert/parquet",
    commit: str = COMMIT,
) -> Path:
    """Write a data set into the cache folder `hub`; return its snapshot."""
    storage = hub / f"datasets--{name.replace('/', '--')}"
    reference = storage / "refs" / revision
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.write_text(commit)
    snapshot = storage / "snapshots" / commit
    for folder, rows in folders.items():
        write_parquet(snapshot / folder / "0000.parquet", rows, features)
    return snapshot
