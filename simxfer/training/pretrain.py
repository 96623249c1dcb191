"""Makes the encoders that ship with the project: small XLM-R models, pretrained by plain MLM on a world's text.

    python -m simxfer.training.pretrain --out data/encoders

writes one folder an encoder in the files that XLM-R ships (config.json, model.safetensors, tokenizer.json,
tokenizer_config.json), and card.json: command, seeds, versions, SHA-256 of the files, cost and learning curve.
Size, batch and learning rate are those of the pilot experiment; the number of steps was set on the first encoder's
curve of MLM loss and retrieval, before these encoders were fine-tuned. Other sizes and lengths were compared only
afterwards (docs/encoder-choice.csv); the recipe was not changed by it.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaForMaskedLM

from simxfer import world as embedded
from simxfer.common.atomic import write_json
from simxfer.common.identity import sha256
from simxfer.common.streams import stream_seed
from simxfer.encoder.dataset import Dataset, make_dataset
from simxfer.encoder.features import mlm_features
from simxfer.encoder.network import TransferModel
from simxfer.encoder.ragged import Features, join_features
from simxfer.scoring.predict import predict
from simxfer.tasks import get_task
from simxfer.tasks.record import Task
from simxfer.training.loop import fit
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask

ENCODERS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2))
"""(world, pretraining seed) of every shipped encoder; all of them ship, none was picked. Six, so that the encoder
can be the replicate of an interval, which fewer than five levels do not carry."""

MLM = Task(
    name="mlm",
    kind="mlm",
    description="Masked language modelling on the text of all languages.",
    metrics=(),
    training_data=("world-text",),
    languages=tuple(embedded.LANGUAGES),
    train_languages=tuple(embedded.LANGUAGES),
    roles=(),
    world=True,
)

MASKED_SHARE = 0.25
"""Share of subwords that are masked: more than usual, as sentences are short and training is."""


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """Size and pretraining of an encoder."""

    hidden: int = 64
    layers: int = 3
    heads: int = 4
    positions: int = 66
    """XLM-R counts positions from 2 on: sequences of at most 64 subwords."""
    initializer_range: float = 0.05
    documents: int = 14_000
    """Documents a language."""
    pivot_share: float = 1.2
    """Documents of the pivot, relative to another language's."""
    steps: int = 8_000
    batch_tokens: int = 1_024
    learning_rate: float = 3e-3
    warmup_share: float = 0.06
    curve_every: int = 500
    """Steps between two points of the learning curve."""


def make_encoder(
    world: int, seed: int, out: Path, recipe: PretrainingRecipe, stop_after: int | None = None
) -> Path:
    """Pretrain one encoder and write its folder `out/wWORLD-sSEED`.

    The stream of everything random is named by (seed, world); the tokenizer and the text of a world are the
    same for all its seeds but for the documents drawn.

    Args:
        world: number of the world.
        seed: pretraining seed.
        out: folder of the encoders.
        recipe: size and pretraining.
        stop_after: leave the schedule of `recipe.steps` at the first point of the learning curve from this step on:
            the curve so far is then that of the whole pretraining. None: never.
    """
    torch.set_num_threads(1)
    started = time.process_time()
    folder = out / f"w{world}-s{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    embedded.save_tokenizer(embedded.train_tokenizer(world), folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    features = _features(world, seed, tokenizer, recipe)
    network = _network(world, seed, tokenizer, recipe)
    curve = _train(network, features, world, seed, tokenizer, recipe, stop_after or recipe.steps)
    network.save_pretrained(folder)
    card = {
        "model": f"world-xlmr-{recipe.hidden}x{recipe.layers}",
        "world": world,
        "pretraining_seed": seed,
        "languages": list(embedded.LANGUAGES),
        "generator": embedded.VERSION,
        "command": f"python -m simxfer.training.pretrain --only {world},{seed}"
        + (f" --stop-after {stop_after}" if stop_after else ""),
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in network.parameters()),
        "training_subwords": len(features.ids),
        "cpu_seconds": round(time.process_time() - started, 1),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "curve": curve,
        "sha256": {p.name: sha256(p) for p in sorted(folder.iterdir()) if p.name != "card.json"},
    }
    write_json(folder / "card.json", card)
    return folder


def _features(world: int, seed: int, tokenizer: Any, recipe: PretrainingRecipe) -> Features:
    parts = []
    for language in embedded.LANGUAGES:
        share = recipe.pivot_share if language == embedded.PIVOT else 1.0
        texts = list(embedded.corpus(world, language, int(recipe.documents * share), seed))
        parts.append(mlm_features(texts, tokenizer, recipe.positions - 2))
    return join_features(parts)


def _network(world: int, seed: int, tokenizer: Any, recipe: PretrainingRecipe) -> XLMRobertaForMaskedLM:
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.hidden,
        max_position_embeddings=recipe.positions,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=recipe.initializer_range,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(stream_seed(seed, f"world-{world}", "pretraining", "init"))
    return XLMRobertaForMaskedLM(config)


class _LongEnough(Exception):
    """Ends a pretraining before its schedule does."""


def _train(
    network: XLMRobertaForMaskedLM,
    features: Features,
    world: int,
    seed: int,
    tokenizer: Any,
    recipe: PretrainingRecipe,
    stop_after: int,
) -> list[dict]:
    """Pretrain in place; return the learning curve."""
    model = TransferModel(network.roberta)
    model.heads[MLM.name] = network.lm_head
    values = Hyperparameters(
        learning_rate=recipe.learning_rate,
        batch_size=0,
        batch_tokens=recipe.batch_tokens,
        steps=recipe.steps,
        warmup_share=recipe.warmup_share,
        max_length=recipe.positions - 2,
    )
    settings = Settings(
        seed=seed,
        phase=f"pretraining-world-{world}",
        pad=tokenizer.pad_token_id,
        mask=tokenizer.mask_token_id,
        masked_share=MASKED_SHARE,
        log_every=recipe.curve_every,
    )
    tests = _retrieval_tests(world, tokenizer, recipe)
    curve: list[dict] = []

    def log(row: Mapping[str, Any]) -> None:
        curve.append(
            {"step": row["step"], "mlm_loss": round(row["loss"], 4), **_retrieval(model, tests, tokenizer)}
        )
        print(f"w{world}-s{seed}", json.dumps(curve[-1]), flush=True)
        model.train()
        if row["step"] >= stop_after:
            raise _LongEnough

    with suppress(_LongEnough):
        fit(model, [TrainingTask(task=MLM, features=features, values=values)], settings, log)
    return curve


def _retrieval_tests(world: int, tokenizer: Any, recipe: PretrainingRecipe) -> dict[str, Dataset]:
    task = get_task("w-tatoeba")
    return {
        code: make_dataset(
            embedded.examples(world, task.name, "test", code), task, tokenizer, recipe.positions - 2, 0
        )
        for code in task.languages
    }


def _retrieval(model: TransferModel, tests: dict[str, Dataset], tokenizer: Any) -> dict:
    """Return the share of sentences whose nearest pivot sentence is their translation, mean and by language."""
    task, found = get_task("w-tatoeba"), {}
    protocol = {"layer": RETRIEVAL_LAYER, "pooling": "mean", "centre": True}
    for code, dataset in tests.items():
        nearest = predict(model, task, dataset, tokenizer.pad_token_id, protocol)
        found[code] = round(float(np.mean(dataset.gold["id"].to_numpy() == np.array(nearest))), 3)
    return {"retrieval": round(float(np.mean(list(found.values()))), 4), "retrieval_by_language": found}


RETRIEVAL_LAYER = 2
"""Hidden layer that retrieval reads, here and in the default grid."""


def main() -> None:
    """Make the encoders, as many at a time as there are cores."""
    parser = argparse.ArgumentParser(description="Make the encoders of the embedded world.")
    parser.add_argument("--out", type=Path, default=Path("data/encoders"), help="folder of the encoders")
    parser.add_argument("--only", default="", help="WORLD,SEED of a single encoder")
    parser.add_argument(
        "--steps", type=int, default=PretrainingRecipe().steps, help="pretraining steps (fewer for a try)"
    )
    parser.add_argument(
        "--stop-after", type=int, help="leave the schedule at this point of the curve (for a check)"
    )
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count(), help="encoders at a time")
    arguments = parser.parse_args()
    recipe = replace(PretrainingRecipe(), steps=arguments.steps)
    pairs = [tuple(int(n) for n in arguments.only.split(","))] if arguments.only else ENCODERS
    jobs = [(world, seed, arguments.out, recipe, arguments.stop_after) for world, seed in pairs]
    with multiprocessing.get_context("spawn").Pool(min(arguments.workers, len(jobs))) as pool:
        for folder in pool.starmap(make_encoder, jobs, chunksize=1):
            print(folder)


if __name__ == "__main__":
    main()
