"""What the project computes of a few fixed inputs, to be compared with what it computed when its versions were set.

`python tests/reference/versions/computed.py` writes computed.json anew; it refuses while something has changed whose
version in simxfer/common/identity.py was not raised. Nothing here depends on the machine: weights come from a formula,
there is no dropout, and losses are compared with a tolerance.
"""

import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from simxfer.common import identity
from simxfer.encoder.dataset import Dataset, make_dataset, training_features
from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import Features
from simxfer.scoring.evaluate import evaluate
from simxfer.scoring.protocol import Evaluation
from simxfer.sources import read_examples
from simxfer.sources.perturb import MIXES, PERTURBATIONS, parse
from simxfer.sources.perturb.examples import perturbed
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    Examples,
    MiningExample,
    RankingExample,
    RetrievalExample,
    SpanExample,
    TaggingExample,
    TextExample,
)
from simxfer.training.loop import fit
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask
from simxfer.world.lexicon import lexicon

FILE = Path(__file__).with_name("computed.json")
VERSIONS = {
    "readers": "READER_VERSION",
    "features": "FEATURES_VERSION",
    "perturbations": "PERTURBATION_VERSION",
    "results": "CODE_VERSION",
}
"""Part of the file -> the version that stands for it."""

_SENTENCES = [
    "the cat saw a sea in the rain",
    "the dog saw a tree in the fog",
    "the man saw a sea in the sun",
]
_LONG = " ".join([*_SENTENCES, "and so it went on"] * 6)
_MINED = [MiningExample(id=f"{side[0]}{i}", text=text, side=side, matches=(f"t{i}",) if side == "source" else ())
          for side in ("source", "target") for i, text in enumerate(_SENTENCES)]  # fmt: skip
_RANKED = [RankingExample(id=f"{side[0]}{i}", text=text, text_pair=pair, side=side, keys=(f"k{i}",))
           for side, pair in (("query", None), ("candidate", _LONG)) for i, text in enumerate(_SENTENCES)]  # fmt: skip
EXAMPLES: dict[str, list[AnyExample]] = {
    "xnli": [ClassificationExample(id=str(i), text=_LONG if i == 1 else text, text_pair=text[4:], label=label)
             for i, (text, label) in enumerate(zip(_SENTENCES, get_task("xnli").labels, strict=True))],
    "xcopa": [ChoiceExample(id=str(i), context=text, choices=(text[4:], "no"), label=i % 2)
              for i, text in enumerate(_SENTENCES)],
    "panx": [TaggingExample(id="0", words=("the", "cat", "\u200e", "Ab"), tags=("O", "B-PER", "I-PER", "B-LOC")),
             TaggingExample(id="1", words=tuple(_LONG.split()), tags=("O", "B-ORG") * (len(_LONG.split()) // 2))],
    "squad_v1": [SpanExample(id=str(i), question="who saw a tree", context=text, answers=((4, text[4:7]),))
                 for i, text in enumerate([*_SENTENCES, _LONG])],
    "tatoeba": [RetrievalExample(id=str(i), text=text, translation=text[4:]) for i, text in enumerate(_SENTENCES)],
    "bucc2018": list(_MINED),
    "mewslix": list(_RANKED),
    "mlm": [TextExample(id=str(i), text=text) for i, text in enumerate([*_SENTENCES, _LONG])],
}  # fmt: skip
NATIVE = {
    "panx/dev-en.tsv": "en:the\tO\nen:cat\tB-PER\n\nen:a\tO\n",
    "xnli/test-en.tsv": "so it was\tit was\tentailment\nno\tyes\tcontradiction\n",
    "mnli/train.tsv": "sentence1\tsentence2\tgold_label\na b\tc\tneutral\n",
    "pawsx/dev-en.tsv": "so it was\tit was\t1\n",
    "squad_v1/dev-v1.1.json": json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [
        {"context": "A lake is near.", "qas": [
            {"id": "q", "question": "What?", "answers": [{"text": "lake", "answer_start": 2}]}]}]}]}),
    "tatoeba/tatoeba.swh-eng.swh": "Habari.\nNdiyo.\n",
    "tatoeba/tatoeba.swh-eng.eng": "Hello.\nYes.\n",
}  # fmt: skip
READ = [("panx", "dev", "en"), ("xnli", "test", "en"), ("mnli", "train", "en"), ("pawsx", "dev", "en"),
        ("squad_v1", "dev", "en"), ("tatoeba", "test", "sw")]  # fmt: skip


def readers() -> dict[str, str]:
    """Return the digest of the examples of native files, by task."""
    with tempfile.TemporaryDirectory() as name:
        for file, text in NATIVE.items():
            path = Path(name) / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        requests = [DataRequest(*place, folder=name) for place in READ]
        return {r.task: _digest(map(repr, read_examples(r))) for r in requests}


def features() -> dict[str, str]:
    """Return the digest of the arrays and gold of fixed examples, by task."""
    return {name: _digest(_arrays(dataset)) for name, dataset in _datasets().items()}


def perturbations() -> dict[str, str]:
    """Return the digest of texts, with words of the world in them, under every perturbation."""
    text = " ".join(["The naïve café, so to say:", *lexicon(0, "x-pivot").words[:12]])
    given = Examples([ClassificationExample(id=str(i), text=text, label="x") for i in range(9)])
    asked = DataRequest("w-xnli", "test", "x-pivot")
    calls = {name: parse(f"{name}(0.6{',x-lex' * (name in MIXES)})") for name in PERTURBATIONS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "en-en.txt").write_text("naïve simple\nnaïve plain\nsay tell\n")
        requests = {"substitute": DataRequest("xnli", "test", "en", lexicons=folder)}
        made = {
            name: perturbed(given, replace(call, request=requests.get(name, asked)))
            for name, call in calls.items()
        }
    return {name: _digest([*map(repr, found), repr(found.noted)]) for name, found in made.items()}


def results() -> dict[str, list]:
    """Return, by task, losses and gradient norms of four steps, then predictions; of a mixture its losses."""
    datasets = _datasets()
    found = {}
    for name in (*(n for n in EXAMPLES if get_task(n).training_data or n == "mlm"), "xnli+panx"):
        tasks = [_training(part, datasets[part]) for part in name.split("+")]
        model, rows = _model([t.task for t in tasks]), []
        fit(model, tasks, Settings(seed=5, phase="target", log_every=1, pad=1, mask=4), rows.append)
        found[name] = [x for row in rows for x in (row["loss"], row["gradient_norm"])]
        if len(tasks) == 1 and name != "mlm":
            found[f"{name}, predicted"] = _predicted(model, name, datasets[name], {})
    for name, scoring in (("tatoeba", "cosine"), ("bucc2018", "margin")):
        protocol = {"layer": -1, "pooling": "mean", "centre": True, "scoring": scoring, "neighbours": 2}
        found[f"{name}, predicted"] = _predicted(_model([]), name, datasets[name], protocol)
    return found


def _datasets() -> dict[str, Dataset]:
    tokenizer = load_tokenizer(resolve_encoder("world/w0-s0"))
    return {name: make_dataset(found, get_task(name), tokenizer, 48, 12) for name, found in EXAMPLES.items()}


def _training(name: str, dataset: Dataset) -> TrainingTask:
    values = Hyperparameters(learning_rate=1e-2, batch_size=2, micro_batch_size=0, steps=4, warmup_steps=2)
    return TrainingTask(
        task=get_task(name), features=training_features(get_task(name), dataset), values=values
    )


def _model(tasks: list) -> TransferModel:
    """Return a model of two layers whose weights are a sine, without dropout."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = XLMRobertaConfig(
        **sizes,
        vocab_size=1200,
        max_position_embeddings=66,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = TransferModel(XLMRobertaModel(config, add_pooling_layer=False))
    for task in tasks:
        model.add_head(task, seed=1)
    with torch.no_grad():
        for k, weight in enumerate(model.parameters()):
            places = torch.arange(weight.numel(), dtype=torch.float64).reshape(weight.shape)
            weight.copy_(0.3 * torch.sin(1.7 * places + k) + (weight.ndim == 1) * 0.5)
    return model.eval()


def _predicted(model: TransferModel, name: str, dataset: Dataset, protocol: dict) -> list[str]:
    task = get_task(name)
    language = (task.train_languages or task.languages)[0]
    evaluation = Evaluation(
        target=name, split="test", languages=(language,), revision="", draw=0, world=0,
        protocol=protocol or {"layer": -1, "pooling": "first", "centre": False, "scoring": "cosine"},
    )  # fmt: skip
    frames = evaluate(model, evaluation, lambda _: dataset, 1)
    return [*frames["predictions"]["prediction"], *(f"{v:.4g}" for v in frames["scores"]["value"])]


def _arrays(dataset: Dataset) -> Iterator[str]:
    for field in fields(Features):
        array = getattr(dataset.features, field.name)
        yield f"{field.name} {array.dtype} {array.shape} {np.asarray(array).tolist()}"
    yield dataset.gold.to_json()


def _digest(texts: Any) -> str:
    return identity.hashed("\n".join(texts), 8).hex()


def computed() -> dict[str, dict[str, Any]]:
    """Return every part with its version, as it stands in the file."""
    parts = {"readers": readers, "features": features, "perturbations": perturbations, "results": results}
    return {
        name: {"version": getattr(identity, VERSIONS[name]), "of": part()} for name, part in parts.items()
    }


def differing(stored: dict, now: dict) -> list[str]:
    """Return which entries of two parts differ; numbers may by a thousandth."""
    names = {**stored, **now}
    return [name for name in names if not _same(stored.get(name), now.get(name))]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-6)
    return a == b


def main() -> None:
    """Write the file anew."""
    now = json.loads(json.dumps(computed()))
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name, part in stored.items():
        changed = differing(part["of"], now[name]["of"])
        if changed and part["version"] == now[name]["version"]:
            sys.exit(f"{', '.join(changed)}: raise {VERSIONS[name]} in simxfer/common/identity.py first")
    FILE.write_text(json.dumps(now, indent=1) + "\n")


if __name__ == "__main__":
    main()
