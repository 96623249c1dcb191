"""Can the encoders of the embedded world learn paraphrase against role swap? Made rows of docs/paws-trials.csv.

    python docs/paws_trials.py docs/paws-trials.csv --seeds 0

(It was stopped after five runs; the other rows are of a grid over the task as it stood in the commit that they name.)

Base events have an agent and a patient of the same group, so that the swapped sentence is as plausible. Each gives
four pairs, in both orders: the event and its paraphrase, the event and its swap, the swap and its paraphrase, the
swap and the event. No word and no sentence tells the label. In the test all negatives are swaps: chance is 50.
"""

import argparse
import csv
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from simxfer.common.streams import stream, stream_seed
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.scoring.predict import predict
from simxfer.tasks.examples import ClassificationExample
from simxfer.tasks.record import Task
from simxfer.training.loop import fit
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask
from simxfer.world.items import Request, collect
from simxfer.world.languages import LANGUAGES, PIVOT
from simxfer.world.lexicon import lexicon
from simxfer.world.meanings import NONE, draw_events, get_world
from simxfer.world.nli import paraphrased, swapped
from simxfer.world.ontology import GROUP_OF
from simxfer.world.render import render

ENCODERS = ("world/w0-s0", "world/w0-s1", "world/w1-s0", "world/w1-s1")
N_TEST = 300
MADE_BY = "docs/paws_trials.py"
PAWS = Task(
    name="paws",
    kind="classification",
    description="Paraphrase or role swap.",
    metrics=("accuracy",),
    training_data=("world-paws",),
    languages=(PIVOT,),
    train_languages=(PIVOT,),
    labels=("different", "same"),
    source="world",
)
_GROUP = np.unique(GROUP_OF, return_inverse=True)[1]


@dataclass(frozen=True)
class Setting:
    """How a trial is trained; `easy` is the share of negatives with another argument instead of a swap."""

    setting: str
    easy: float
    examples: int
    steps: int
    batch: int
    learning_rate: float = 1e-3


SETTINGS = (
    Setting("all negatives swapped", 0.0, 12_000, 2000, 32),
    Setting("half of the negatives easy", 0.5, 8_000, 1000, 16),
)


def pairs(world: int, seed: int, split: str, n: int, easy: float) -> list[ClassificationExample]:
    """Return n pairs in the pivot, labels alike often up to chance."""
    rng = stream("paws", world, split, seed)
    request = Request(get_world(world), rng, -(-n // 4), split == "test", seed)
    events = collect(request, lambda r, rows: _events(request, r, len(rows))[:, None], _exchangeable)[:, 0]
    first = np.concatenate([events, events, swapped(events), swapped(events)])
    same = np.tile(np.repeat([True, False], len(events)), 2)
    other = np.where(rng.random(len(first)) < easy, _with_other(request, rng, first), swapped(first))
    second = paraphrased(rng, np.where(same, first, other))
    second["fronted"] = rng.random(len(second)) < 0.3
    texts = [render(c, LANGUAGES[PIVOT]).texts(lexicon(world, PIVOT)) for c in (first, second)]
    return [
        ClassificationExample(
            id=str(i), text=texts[0][i], text_pair=texts[1][i], label=PAWS.labels[int(same[i])]
        )
        for i in rng.permutation(len(first))[:n]
    ]


def _events(request: Request, rng: np.random.Generator, n: int) -> np.ndarray:
    return draw_events(request.world, rng, n, place=0.7, time=0.4, negated=0.15)


def _exchangeable(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return _GROUP[items["agent"][:, 0]] == _GROUP[items["patient"][:, 0]]


def _with_other(request: Request, rng: np.random.Generator, events: np.ndarray) -> np.ndarray:
    keep_agent = rng.random(len(events)) < 0.5
    return draw_events(
        request.world,
        rng,
        len(events),
        verb=events["verb"],
        agent=np.where(keep_agent, events["agent"], NONE),
        patient=np.where(keep_agent, NONE, events["patient"]),
    )


def trial(encoder: str, seed: int, setting: Setting) -> float:
    """Train one encoder and return its accuracy on the test pairs, in points."""
    record = resolve_encoder(encoder)
    tokenizer = load_tokenizer(record)
    values = Hyperparameters(
        learning_rate=setting.learning_rate, batch_size=setting.batch, steps=setting.steps, max_length=64
    )
    train, test = (
        make_dataset(pairs(record.world or 0, seed, split, n, easy), PAWS, tokenizer, 64, 0)
        for split, n, easy in (("train", setting.examples, setting.easy), ("test", N_TEST, 0.0))
    )
    model = TransferModel(load_encoder(record))
    model.add_head(PAWS, stream_seed(seed, "paws", "head"))
    fit(
        model,
        [TrainingTask(task=PAWS, features=train.features, values=values)],
        Settings(seed=seed, phase="paws"),
    )
    predicted = predict(model, PAWS, test, tokenizer.pad_token_id, {})
    gold = [text.strip('"') for text in test.gold["gold"]]
    return 100.0 * float(np.mean([a == b for a, b in zip(gold, predicted, strict=True)]))


def main() -> None:
    """Run every setting over encoders and seeds; append a row a run."""
    parser = argparse.ArgumentParser(description="Paraphrase trials on the encoders of the embedded world.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    new = not arguments.out.exists()
    with arguments.out.open("a", newline="") as stream_out:
        rows = csv.writer(stream_out, lineterminator="\n")
        if new:
            rows.writerow([*asdict(SETTINGS[0]), "encoder", "seed", "accuracy", "cpu_seconds", "made_by"])
        for seed in arguments.seeds:
            for setting in SETTINGS:
                for encoder in ENCODERS:
                    started = time.process_time()
                    accuracy = trial(encoder, seed, setting)
                    used = time.process_time() - started
                    rows.writerow(
                        [
                            *asdict(setting).values(),
                            encoder,
                            seed,
                            f"{accuracy:.1f}",
                            f"{used:.0f}",
                            "docs/paws_trials.py",
                        ]
                    )
                    stream_out.flush()


if __name__ == "__main__":
    main()
