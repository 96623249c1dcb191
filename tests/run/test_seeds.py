"""What a seed decides: everything random of a run, and nothing that another cell of the same seed does not share.

Every interval rests on it: seeds are replicates, and equal seeds of `none` and of an intermediate are a pair.
"""

import json
from itertools import product

import pytest
import torch
from trained import Trained, same, train

from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task

SEEDS = (0, 1)


def grid(checkpoint, **changes) -> dict:
    return {
        "name": "seeds",
        "encoders": [str(checkpoint)],
        "blocks": [{"intermediates": ["none", "w-roles"], "targets": ["w-xnli", "w-is-a"]}],
        "seeds": list(SEEDS),
        "languages": ["x-pivot", "x-agg"],
        "test_examples": 8,
        "overrides": {"*": {"steps": 3, "batch_size": 2, "train_examples": 12}},
    } | changes


def seeds_differ(made: Trained, **keys) -> bool:
    return not same(*(made.weights(seed=seed, **keys) for seed in SEEDS))


@pytest.fixture(scope="module")
def made(tmp_path_factory, checkpoint) -> Trained:
    return train(tmp_path_factory.mktemp("seeds"), grid(checkpoint))


@pytest.fixture(scope="module")
def standing(tmp_path_factory, checkpoint) -> Trained:
    """The intermediate takes no step: it differs from `none` in its stages alone."""
    steps = {"*": {"steps": 3, "batch_size": 2, "train_examples": 12}, "w-roles": {"steps": 0}}
    return train(tmp_path_factory.mktemp("standing"), grid(checkpoint, overrides=steps))


@pytest.mark.parametrize("intermediate", ["none", "w-roles"])
@pytest.mark.parametrize("target", ["w-xnli", "w-is-a"])
def test_every_seed_trains_weights_of_its_own(made, intermediate, target):
    assert seeds_differ(made, intermediate=intermediate, target=target)


def test_every_seeds_scores_are_rows(made):
    keys = ["intermediate", "target", "language", "split", "metric"]
    rows = {seed: made.results[made.results["seed"] == seed] for seed in SEEDS}
    assert len(rows[0]) > 8 and rows[0][keys].to_numpy().tolist() == rows[1][keys].to_numpy().tolist()
    assert len(rows[0]) + len(rows[1]) == len(made.results)
    assert set(rows[0]["stage"]).isdisjoint(rows[1]["stage"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("target", ["w-xnli", "w-is-a"])
def test_none_and_an_intermediate_are_a_pair_at_equal_seeds(standing, made, seed, target):
    """Where the intermediate leaves the encoder alone, head, order of batches and dropout leave no other difference."""
    paired = [standing.weights(seed=seed, target=target, intermediate=i) for i in ("none", "w-roles")]
    assert same(*paired)
    assert not same(paired[0], made.weights(seed=seed, target=target, intermediate="w-roles"))


def test_what_the_seed_decides_where_nothing_is_trained(tmp_path, checkpoint):
    """No steps: the head is the seed's, the pretrained encoder everybody's, and the control's encoder the seed's."""
    block = {"intermediates": ["none"], "targets": ["w-xnli"], "no_pretraining_control": True}
    made = train(
        tmp_path, grid(checkpoint, blocks=[block], overrides={"*": {"steps": 0, "train_examples": 4}})
    )
    names = {cell.checkpoint for cell in made.plan.cells}
    assert len(names) == 2
    for name in names:
        a, b = (made.weights(seed=seed, checkpoint=name) for seed in SEEDS)
        differ = {key for key in a if a[key].ndim == 2 and not torch.equal(a[key], b[key])}
        matrices = {key for key in a if a[key].ndim == 2}
        heads = {key for key in matrices if key.startswith("w-xnli.")}
        assert heads and differ == (matrices if name.startswith("random(") else heads)


def test_training_data_are_the_seeds_draw(made):
    """A seed draws its sample of the training data: other sentences, so other numbers of subwords."""
    for target in ("w-xnli", "w-is-a"):
        cells = [made.cell(seed=seed, target=target, intermediate="none") for seed in SEEDS]
        receipts = [json.loads(made.run.stage(cell.stage).done.read_text())["data"] for cell in cells]
        assert [[row["examples"] for row in rows] for rows in receipts] == [[12], [12]]
        assert receipts[0][0]["subwords"] != receipts[1][0]["subwords"]


@pytest.mark.parametrize("target", ["w-xnli", "w-is-a"])
def test_test_sets_are_one_for_all_seeds_unless_their_labels_are_drawn(made, target):
    """What the scores of single examples say about their gold is the gold of the seed's own draw, or of draw 0."""
    drawn = get_task(target).drawn_labels
    golds = []
    for seed, code in product(SEEDS, ("x-pivot", "x-agg")):
        request = DataRequest(target, "test", code, draw=seed if drawn else 0, limit=8)
        gold = {example.id: example.label for example in read_examples(request)}
        keys = {"seed": seed, "target": target, "intermediate": "none"}
        scored = made.examples(**keys).merge(made.predictions(**keys), validate="one_to_one")
        scored = scored[scored["language"] == code].set_index("example_id")
        right = {i: json.loads(scored["prediction"][i]) == gold[i] for i in gold}
        assert right == (scored["score"] == 1).to_dict()
        golds.append(gold)
    assert (golds[0] != golds[2]) == drawn


def test_training_on_the_same_text_is_random_by_the_seed(tmp_path, checkpoint):
    """Native text has no draw, the head is the checkpoint's own: masking, dropout and order are all that is left."""
    (tmp_path / "mlm").mkdir()
    (tmp_path / "mlm" / "en.txt").write_text("".join(f"word {i} and more\n" for i in range(12)))
    block = {"intermediates": ["mlm@en"], "targets": ["w-tatoeba"]}
    made = train(tmp_path, grid(checkpoint, blocks=[block], data={"folder": str(tmp_path)}))
    assert seeds_differ(made)
