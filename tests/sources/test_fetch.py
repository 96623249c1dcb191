"""`simxfer fetch` against a hub on this machine: what it brings, refuses, and goes on with."""

import subprocess
from pathlib import Path

import pytest
from fetching import GRID, PARQUET, Command, cached_file, command, fetched, locked, refused
from hub_server import Files, LocalHub

from simxfer.common.identity import sha256
from simxfer.grid.fetch import fetch


def test_everything_a_grid_reads_is_fetched_and_locked(
    simxfer: Command, grid: Path, hub: LocalHub, hub_files: dict[str, Files], tmp_path: Path
) -> None:
    fetched(simxfer)
    repositories = locked(grid)
    assert set(repositories) == {"tiny/xlmr", "nyu-mll/glue", "facebook/xnli"}
    glue = repositories["nyu-mll/glue"]
    assert glue["type"] == "dataset" and glue["revision"] == PARQUET
    assert glue["commit"] == hub.revisions["datasets/nyu-mll/glue", PARQUET]
    assert glue["rows"] == {"mnli/train": 24, "qqp/train": 10}  # XNLI is trained on MNLI; two shards
    assert repositories["facebook/xnli"]["rows"] == {"en/test": 12, "sw/test": 12}
    encoder = repositories["tiny/xlmr"]["files"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(encoder)
    assert all("/" not in name and name.endswith((".json", ".safetensors")) for name in encoder)
    for name, entry in encoder.items():
        assert entry["sha256"] == sha256(cached_file(tmp_path, name))
        assert entry["bytes"] == len(hub_files["encoder"][name])
    assert sorted(hub.downloads) == sorted(
        {*encoder, *glue["files"], *repositories["facebook/xnli"]["files"]}
    )


@pytest.mark.slow
def test_what_was_fetched_trains_without_a_connection(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    assert simxfer("plan", "tiny.yaml").returncode == 0  # before anything is there
    assert hub.calls == 0
    fetched(simxfer)
    calls = hub.calls
    done = simxfer("train", "tiny.yaml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert hub.calls == calls
    plan = (grid.parent / "runs" / "tiny" / "plan.json").read_text()
    repositories = locked(grid)
    assert f"hub:tiny/xlmr@{repositories['tiny/xlmr']['commit']}" in plan
    assert f"hub:nyu-mll/glue:mnli:train@{repositories['nyu-mll/glue']['commit']}" in plan
    assert "unresolved" not in plan


def test_a_second_fetch_asks_for_nothing_and_changes_nothing(
    simxfer: Command, grid_fetched: Path, hub: LocalHub
) -> None:
    before = grid_fetched.with_suffix(".lock.json").read_bytes()
    fetched(simxfer)
    assert hub.calls == 0
    assert grid_fetched.with_suffix(".lock.json").read_bytes() == before


def test_a_killed_fetch_goes_on_with_the_next_one(
    environment: dict[str, str], simxfer: Command, grid: Path, hub: LocalHub, tmp_path: Path
) -> None:
    hub.stalled.add("mnli/train/0001.parquet")
    with subprocess.Popen(command("fetch", "tiny.yaml"), cwd=tmp_path, env=environment) as running:
        assert hub.reached.wait(60)
        running.kill()
    hub.stalled.clear()
    hub.released.set()
    assert not grid.with_suffix(".lock.json").exists()
    hub.downloads.clear()
    fetched(simxfer)
    assert "mnli/train/0001.parquet" in hub.downloads
    assert "model.safetensors" not in hub.downloads
    assert locked(grid)["nyu-mll/glue"]["rows"]["mnli/train"] == 24


def test_a_file_that_never_comes_whole_is_refused(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    hub.spoilt.add("en/test/0000.parquet")
    refused(simxfer("fetch", "tiny.yaml"), "en/test/0000.parquet was fetched twice", "checksum")
    assert not grid.with_suffix(".lock.json").exists()


def test_what_the_hub_does_not_have_is_named(
    simxfer: Command, grid: Path, hub: LocalHub, hub_files: dict[str, Files]
) -> None:
    hub.publish(
        "dataset", "facebook/xnli", PARQUET, {"en/test/0000.parquet": b"", "sw/dev/0000.parquet": b""}
    )
    refused(simxfer("fetch", "tiny.yaml"), "'sw/test'", "Did you mean", "en/test")
    hub.publish(
        "dataset", "facebook/xnli", PARQUET, {"sw/partial-test/0000.parquet": b"", **hub_files["glue"]}
    )
    grid.write_text(GRID.replace("[en, sw]", "[sw]"))
    refused(simxfer("fetch", "tiny.yaml"), "only a part of sw/test")


def test_an_encoder_without_safetensors_is_refused(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    hub.publish("model", "tiny/xlmr", "main", {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    refused(simxfer("fetch", "tiny.yaml"), "lacks model.safetensors and a tokenizer", "save_pretrained")
    assert hub.downloads == []


def test_a_hub_that_cannot_be_asked_is_explained(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    refused(simxfer("fetch", "tiny.yaml", HF_HUB_OFFLINE="1"), "connected machine", "HF_HUB_OFFLINE")
    refused(simxfer("fetch", "tiny.yaml", HF_ENDPOINT="http://127.0.0.1:9"), "connected machine")
    hub.gated.add("models/tiny/xlmr")
    refused(simxfer("fetch", "tiny.yaml"), "tiny/xlmr", "gated", "hf auth login")
    grid.write_text(GRID.replace("tiny/xlmr", "tiny/none"))
    refused(simxfer("fetch", "tiny.yaml"), "tiny/none", "not on the hub")
    hub.gated.clear()
    grid.write_text(GRID.replace("tiny/xlmr", "tiny/xlmr@v9"))
    refused(simxfer("fetch", "tiny.yaml"), "tiny/xlmr has no revision 'v9'")


def test_the_embedded_world_needs_no_fetching(grid: Path) -> None:
    world = {"tiny/xlmr": "world/w0-s0", "qqp": "w-nli", "xnli": "w-xnli", "[en, sw]": "all"}
    text = GRID
    for real, artificial in world.items():
        text = text.replace(real, artificial)
    grid.write_text(text)
    said: list[str] = []
    assert fetch(grid, say=said.append) is None
    assert "nothing to fetch" in said[0] and not grid.with_suffix(".lock.json").exists()


def test_what_the_hub_lacks_is_said_and_the_rest_is_fetched(simxfer: Command, grid: Path) -> None:
    grid.write_text(
        GRID.replace("targets: [xnli]", "targets: [xnli, bucc2018]").replace("[en, sw]", "[en, zh, sw]")
    )
    done = simxfer("fetch", "tiny.yaml")
    assert "bucc2018 in zh: not on the hub" in done.stdout
    refused(done, "'zh/test'")  # nor does this hub have XNLI in Chinese
