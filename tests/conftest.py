"""What all tests share: reference data beside the project, small checkpoints, and that skips do not hide in CI.

torch is imported inside the fixtures, so that tests of the analyses start without it.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).parents[2] / "shared"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a worker, as in a run

# How long an example takes depends on who else uses the machine.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real benchmark files and official outputs; tests that read it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: official outputs and benchmark files were NOT compared")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    """Folders of two checkpoints with random weights, by their tokenizer: world and unigram."""
    from support import write_xlmr_checkpoint

    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: write_xlmr_checkpoint(root / kind, tokenizer=kind) for kind in ("world", "unigram")}


@pytest.fixture(scope="session")
def checkpoint(checkpoints) -> Path:
    """The folder of the checkpoint with the world's tokenizer."""
    return checkpoints["world"]


@pytest.fixture(scope="session", params=["world", "unigram"])
def tokenizer(request, checkpoints):
    """Each of the two tokenizers in turn."""
    return _tokenizer(checkpoints[request.param])


@pytest.fixture(scope="session")
def world_tokenizer(checkpoint):
    """The world's tokenizer."""
    return _tokenizer(checkpoint)


def _tokenizer(folder: Path):
    from simxfer.encoder.loading import load_tokenizer
    from simxfer.encoder.pretrained import resolve_encoder

    return load_tokenizer(resolve_encoder(str(folder)))
