"""States of layers that no stage trains: kept once for all stages that share them, without changing a result."""

import numpy as np
import pytest
import torch
from trained import Trained, train
from transformers import AutoModel, BertConfig

from simxfer.encoder import unpadded
from simxfer.encoder.batching import by_length, collate, token_places
from simxfer.encoder.lower import starting_above
from simxfer.encoder.network import TransferModel
from simxfer.encoder.ragged import KnownFeatures
from simxfer.encoder.unpadded import spare_padding
from simxfer.run import frozen_states

METHODS = ["full(freeze=1)", "full>full(freeze=1)", "full"]
TARGETS = ["w-xnli", "w-pos", "w-xqa", "w-xcloze", "w-tatoeba"]
GRID = {
    "name": "frozen",
    "languages": ["x-pivot", "x-agg"],
    "seeds": [0],
    "test_examples": 8,
    "methods": METHODS,
    "overrides": {"*": {"steps": 3, "batch_size": 4, "train_examples": 12, "learning_rate": 1e-2}},
    "blocks": [{"intermediates": ["none", "w-nli", "w-nli+mlm@en"], "targets": TARGETS}],
    "retrieval": {"layer": -1},
    "perturbations": ["word-drop(0.3)", "pgd(0.1)"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, checkpoint):
    """Return the grid's run with kept states, and without."""
    data = tmp_path_factory.mktemp("data")
    (data / "mlm").mkdir()
    (data / "mlm" / "en.txt").write_text("".join(f"word {i} and more\n" for i in range(30)))
    grid = GRID | {"encoders": [str(checkpoint)], "data": {"folder": str(data)}}
    kept = train(tmp_path_factory.mktemp("kept"), grid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen_states, "BYTES", 0)
        return kept, train(tmp_path_factory.mktemp("without"), grid)


def known(run: Trained, **keys) -> list[bool]:
    return run.done(run.cell(**keys).stage)["frozen_states"]


def test_scores_and_weights_are_those_of_a_run_that_computes_them(runs):
    kept, without = runs
    assert any(kept.run.frozen_states.iterdir()) and not without.run.frozen_states.exists()
    keys = ["method", "intermediate", "target", "language", "metric", "perturbation"]
    for name in ("value", "n_examples"):
        found, expected = (each.results.set_index(keys)[name].sort_index() for each in runs)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    for intermediate in ("none", "w-nli", "mlm+w-nli"):
        cell = {"intermediate": intermediate, "target": "w-pos"}
        found, expected = (each.weights(method="full(freeze=1)", **cell) for each in runs)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-3)


def test_the_done_marker_says_which_tasks_were_read_with_them(runs):
    cell = {"target": "w-xnli"}
    for intermediate in ("none", "w-nli"):
        assert known(runs[0], method="full(freeze=1)", intermediate=intermediate, **cell) == [True]
        assert known(runs[0], method="full", intermediate=intermediate, **cell) == [False]
        assert known(runs[1], method="full(freeze=1)", intermediate=intermediate, **cell) == [False]
    # Without an intermediate task there is no first phase; behind one that trained all layers nothing is known.
    assert known(runs[0], method="full>full(freeze=1)", intermediate="w-nli", **cell) == [False]
    mixture = runs[0].cell(method="full(freeze=1)", intermediate="mlm+w-nli", **cell)
    [_, between, _] = runs[0].plan.path(mixture.stage)
    # Masked text is another one at every step.
    assert runs[0].done(between.id)["frozen_states"] == [task != "mlm" for task in between.tasks]


def test_a_second_cell_computes_none_of_them_again(runs, monkeypatch):
    kept, _ = runs
    stage = kept.plan.stages[kept.cell(method="full(freeze=1)", intermediate="w-nli", target="w-pos").stage]
    monkeypatch.setattr(frozen_states, "_write", None)
    model = kept.runner.checkpoints.load(stage)
    [training] = kept.runner._training_tasks(model, stage)
    assert training.features.layers == 1 and isinstance(training.features.lower, np.memmap)
    [evaluation] = [e for e in kept.plan.evaluations[stage.id].values() if e.perturbation == "clean"]
    for language in GRID["languages"]:
        scored = kept.runner.evaluations._dataset(model, stage, evaluation, "test", "clean", language)
        assert isinstance(scored.features, KnownFeatures)
    pad = kept.runner.data.tokenizer(stage.encoder).pad_token_id
    for units in by_length(training.features, 200):
        batch = collate(training.features, units, pad, torch.device("cpu"))
        index, inside = token_places(training.features, units)
        with torch.no_grad():
            computed = model.states({"ids": batch["ids"], "mask": batch["mask"]}, 1)
        np.testing.assert_allclose(
            training.features.lower[index[inside]], computed[torch.from_numpy(inside)].numpy(), atol=1e-5
        )


@pytest.mark.parametrize("spared", [False, True])
def test_gradients_above_are_those_of_the_whole_model(spared, monkeypatch):
    monkeypatch.setattr(unpadded, "PAYS", 0)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = TransferModel(AutoModel.from_config(config))
    if spared:
        spare_padding(model.encoder)
    mask = (torch.arange(9) < torch.tensor([4, 9, 6])[:, None]).long()
    batch = {"ids": torch.randint(2, 50, mask.shape) * mask, "mask": mask}
    lower = model.states(batch, 2).detach()
    found = []
    for given in (batch, batch | {"lower": lower, "layers": torch.tensor(2)}):
        model.zero_grad()
        model.states(given)[mask > 0].square().sum().backward()
        found.append([p.grad.clone() for p in model.encoder.encoder.layer[2].parameters()])
    assert all(p.grad is None for p in model.encoder.embeddings.parameters())
    torch.testing.assert_close(found[1], found[0], atol=1e-4, rtol=1e-4)


def test_layers_are_themselves_again_afterwards():
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    encoder = AutoModel.from_config(config).eval()
    ids = torch.randint(2, 50, (2, 5))
    with torch.no_grad():
        before = encoder(ids).last_hidden_state
        with pytest.raises(RuntimeError), starting_above(encoder, 1, torch.zeros(1, 1, 3)):
            encoder(ids)
        assert torch.equal(encoder(ids).last_hidden_state, before)
