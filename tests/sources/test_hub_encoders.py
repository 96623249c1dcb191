"""Encoders named by a hub id: from the cache alone, named by their commit."""

from pathlib import Path

import huggingface_hub.constants
import pytest
from hub_cache import COMMIT
from support import write_xlmr_checkpoint

from simxfer.common.errors import InputError
from simxfer.common.hubcache import Repository, cached, point
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.pretrained import hub_repository, resolve_encoder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    cached.cache_clear()
    return tmp_path


@pytest.fixture
def snapshot(cache: Path) -> Path:
    """An encoder in the cache, on branch main."""
    folder = write_xlmr_checkpoint(cache / "models--tiny--xlmr" / "snapshots" / COMMIT)
    point(Repository("tiny/xlmr", "model"), folder)
    return folder


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("FacebookAI/xlm-roberta-large", Repository("FacebookAI/xlm-roberta-large", "model", "main")),
        ("tiny/xlmr@v1.0", Repository("tiny/xlmr", "model", "v1.0")),
        ("random(tiny/xlmr)", Repository("tiny/xlmr", "model", "main")),
        ("world/w0-s0", None),
        ("./tiny/xlmr", None),
        ("/tiny/xlmr", None),
        ("xlmr", None),
    ],
)
def test_which_names_mean_a_repository(name: str, repository: Repository | None) -> None:
    assert hub_repository(name) == repository


def test_a_folder_comes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny" / "xlmr").mkdir(parents=True)
    assert hub_repository("tiny/xlmr") is None


def test_a_cached_encoder_is_its_commit_and_loads(snapshot: Path) -> None:
    encoder = resolve_encoder("tiny/xlmr")
    assert encoder.is_local and (encoder.model, encoder.layers, encoder.positions) == ("tiny/xlmr", 2, 128)
    assert encoder.fingerprint() == f"hub:tiny/xlmr@{COMMIT}"
    assert load_encoder(encoder).config.num_hidden_layers == 2
    assert load_tokenizer(encoder)("a")["input_ids"]


def test_its_random_control_reads_the_same_configuration(snapshot: Path) -> None:
    control = resolve_encoder("random(tiny/xlmr)")
    assert control.random and control.name == "random(tiny/xlmr)" and control.layers == 2


def test_an_encoder_that_is_not_in_the_cache_can_be_planned_not_loaded() -> None:
    encoder = resolve_encoder("tiny/xlmr@v2")
    assert not encoder.is_local
    assert (encoder.model, encoder.fingerprint()) == ("tiny/xlmr", "hub:tiny/xlmr@v2")
    with pytest.raises(InputError, match=r"'tiny/xlmr@v2' is not in the local .*simxfer fetch GRID"):
        load_tokenizer(encoder)


def test_a_snapshot_without_weights_is_refused(snapshot: Path) -> None:
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"lacks model.safetensors"):
        resolve_encoder("tiny/xlmr")


def test_a_revision_can_be_moved_between_commits(snapshot: Path) -> None:
    other = write_xlmr_checkpoint(snapshot.with_name("f" * 40), seed=1)
    point(Repository("tiny/xlmr", "model"), other)
    assert resolve_encoder("tiny/xlmr").hub == f"tiny/xlmr@{other.name}"
    cached.cache_clear()
    point(Repository("tiny/xlmr", "model"), snapshot)
    assert resolve_encoder("tiny/xlmr").hub == f"tiny/xlmr@{COMMIT}"
