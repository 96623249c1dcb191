"""Predictions of a model whose logits or states the test decides."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from torch import nn

from simxfer.encoder.dataset import Dataset, as_digests, make_dataset
from simxfer.encoder.loading import load_encoder
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.metrics import METRICS
from simxfer.scoring.evaluate import dev_score, evaluate
from simxfer.scoring.predict import MAX_ANSWER_TOKENS, _best_spans, _pool, embed, predict
from simxfer.scoring.protocol import Evaluation
from simxfer.scoring.search import nearest
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import RetrievalExample, SpanExample, TaggingExample

PAD = 1


class Told(TransferModel):
    """A model whose logits are a function of the ids: each subword always says the same."""

    def __init__(self, outputs: int, whole: bool, seed: int = 0) -> None:
        nn.Module.__init__(self)  # there is no encoder
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(3000, outputs, generator=generator))
        self.whole = whole

    def states(self, batch) -> torch.Tensor:
        logits = self.table[batch["ids"]]
        return (logits * batch["mask"][..., None]).sum(dim=1) if self.whole else logits

    def logits(self, task: str, states: torch.Tensor) -> torch.Tensor:
        return states


@pytest.fixture(scope="module")
def dataset_of(world_tokenizer):
    def make(name: str, n: int = 30, language: str = "x-agg", max_length: int = 64):
        examples = read_examples(DataRequest(name, "test", language, limit=n))
        return make_dataset(examples, get_task(name), world_tokenizer, max_length, 8)

    return make


@pytest.fixture(scope="module")
def model(checkpoint):
    return TransferModel(load_encoder(resolve_encoder(str(checkpoint)))).eval()


def rows_of(features):
    return [features.ids[a:b] for a, b in zip(features.starts[:-1], features.starts[1:], strict=True)]


def test_classification_takes_the_highest_label_in_the_order_of_the_examples(dataset_of, monkeypatch):
    monkeypatch.setattr("simxfer.scoring.predict.MAX_TOKENS", 100)  # many batches, sorted by length
    dataset, task, told = dataset_of("w-xnli"), get_task("w-xnli"), Told(3, whole=True)
    logits = [told.table[row].sum(dim=0) for row in rows_of(dataset.features)]
    expected = [task.labels[int(values.argmax())] for values in logits]
    assert predict(told, task, dataset, PAD) == expected
    assert len(set(expected)) > 1


def test_multiple_choice_takes_the_highest_choice(dataset_of, monkeypatch):
    monkeypatch.setattr("simxfer.scoring.predict.MAX_TOKENS", 150)
    dataset, told = dataset_of("w-xcloze"), Told(1, whole=True)
    scores = [float(told.table[row].detach().sum()) for row in rows_of(dataset.features)]
    bounds = dataset.features.unit_starts
    expected = [int(np.argmax(scores[a:b])) for a, b in pairwise(bounds)]
    assert predict(told, get_task("w-xcloze"), dataset, PAD) == expected
    assert len(set(expected)) > 1


def test_tagging_puts_windows_together(world_tokenizer):
    task, told = get_task("w-pos"), Told(10, whole=False)
    rng = np.random.default_rng(0)
    words = [tuple(rng.choice(["be", "fagekop", "hehu", "rakezi"], n)) for n in (40, 3, 17)]
    examples = [TaggingExample(id=str(i), words=w, tags=("NOUN",) * len(w)) for i, w in enumerate(words)]
    dataset = make_dataset(examples, task, world_tokenizer, 10, 0)
    assert dataset.features.n_rows > 6
    first = {w: world_tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in set(sum(words, ()))}
    expected = [[task.labels[int(told.table[first[w]].argmax())] for w in sentence] for sentence in words]
    assert predict(told, task, dataset, PAD) == expected


def brute_force_span(logits, places):
    inside = [i for i, (a, _) in enumerate(places) if a >= 0]
    spans = [(i, j) for i in inside for j in inside if i <= j < i + MAX_ANSWER_TOKENS]
    if not spans:
        return None
    i, j = max(spans, key=lambda span: logits[span[0], 0] + logits[span[1], 1])
    return logits[i, 0] + logits[j, 1], places[i][0], places[j][1]


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(0, 80), st.integers(0, 2**32 - 1))
def test_the_best_span_is_the_best_of_all(question, context, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(question + context, 2)).astype(np.float32)
    places = np.full((question + context, 2), -1)
    places[question:] = np.arange(context)[:, None] * 3 + [0, 2]
    at, windows = question + context, torch.full((2, question + context + 3, 2), 9.0)
    windows[1, :at] = torch.from_numpy(logits)
    inside = torch.zeros(windows.shape[:2], dtype=torch.bool)  # nothing of the first window, no padding
    inside[1, question:at] = True
    expected = brute_force_span(logits, places)
    scores, first, last = _best_spans(windows, inside)
    assert scores[0] == -np.inf
    if expected is None:
        assert scores[1] == -np.inf
    else:
        found = float(scores[1]), *places[first[1], :1], *places[last[1], 1:]
        assert found == (pytest.approx(expected[0]), *expected[1:])


def test_of_equal_spans_the_earliest_is_taken():
    logits, context = torch.zeros(1, 50, 2), torch.ones(1, 50, dtype=torch.bool)
    context[0, :3] = False
    assert [int(x) for x in _best_spans(logits, context)] == [0, 3, 3]
    logits[0, [4, 9], 0] = 1.0
    logits[0, [7, 12, 40], 1] = 1.0
    assert [int(x) for x in _best_spans(logits, context)] == [2, 4, 7]


def test_span_qa_takes_the_best_window(world_tokenizer):
    examples = read_examples(DataRequest("w-xqa", "test", "x-pivot", limit=30))
    context = " ".join(
        dict.fromkeys(" ".join(e.texts[1] for e in examples).split())
    )  # each word once, so that no two spans tie
    example = SpanExample(id="1", question="cifi be", context=context, answers=((0, context.split()[0]),))
    dataset = make_dataset([example], get_task("w-xqa"), world_tokenizer, 32, 8)
    features, told = dataset.features, Told(2, whole=False)
    best = (-np.inf, 0, 0)
    for a, b in zip(features.starts[:-1], features.starts[1:], strict=True):
        logits = told.table[features.ids[a:b]].detach().numpy()
        best = max(best, brute_force_span(logits, features.spans[a:b].tolist()))
    assert predict(told, get_task("w-xqa"), dataset, PAD) == [context[best[1] : best[2]]]


SQUAD2 = get_task("squad_v2")


class Scored(TransferModel):
    """A model whose logits are given row by row: the first `rows[k]` belong to the row that begins with id k."""

    def __init__(self, table: dict[tuple[int, ...], list[list[float]]]) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.zeros(1))
        self.table = table

    def logits(self, task: str, states: torch.Tensor) -> torch.Tensor:
        return states

    def states(self, batch) -> torch.Tensor:
        out = torch.zeros(*batch["ids"].shape, 2)
        for k, (ids, mask) in enumerate(zip(batch["ids"], batch["mask"], strict=True)):
            values = self.table[tuple(ids[mask == 1].tolist())]
            out[k, : len(values)] = torch.tensor(values)
        return out


def windows_with_logits(world_tokenizer, best: list[float], none: list[float]) -> tuple:
    """One question in two windows; in window k the best span has the score best[k], no answer none[k]."""
    words = ["be", "fagekop", "hehu", "rakezi", "cifi", "fage"]
    example = SpanExample(id="1", question="ri", context=" ".join(words), answers=())
    short = len(world_tokenizer("ri", " ".join(words[:4]))["input_ids"])
    dataset = make_dataset([example], SQUAD2, world_tokenizer, short, 1)
    features, table, texts = dataset.features, {}, []
    assert features.n_rows == 2
    for k, (a, b) in enumerate(pairwise(features.starts)):
        [*_, at] = np.flatnonzero(features.spans[a:b, 0] >= 0)  # the window's last subword
        logits = np.full((b - a, 2), -9.0)
        logits[at], logits[0] = best[k] / 2, none[k] / 2
        table[tuple(features.ids[a:b].tolist())] = logits.tolist()
        first, last = features.spans[a + at]
        texts.append(example.context[first:last])
    return Scored(table), dataset, texts


@pytest.mark.parametrize(("best", "none", "expected"), [
    ([3.0, 1.0], [2.0, 2.5], 0),  # an answer beats no answer in its window
    ([1.0, 3.0], [2.0, 2.5], 1),
    ([1.0, 1.5], [2.0, 2.5], None),
    ([3.0, 1.0], [4.0, 2.5], 0),  # the lowest score of no answer counts, whichever window it is from
    ([3.0, 1.0], [4.0, 3.5], None),
    ([2.0, 1.0], [2.0, 5.0], None),  # a tie is no answer
])  # fmt: skip
def test_no_answer_competes_with_the_best_span_of_all_windows(best, none, expected, world_tokenizer):
    told, dataset, texts = windows_with_logits(world_tokenizer, best, none)
    assert texts[0] != texts[1]
    wanted = "" if expected is None else texts[expected]
    assert predict(told, SQUAD2, dataset, PAD) == [wanted]
    always = texts[int(np.argmax(best))]
    assert predict(told, get_task("w-xqa"), dataset, PAD) == [always]  # every question has an answer there


def test_pooling_by_hand():
    states = torch.arange(20.0).view(2, 5, 2)
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    mean = torch.stack([states[0, 1:3].mean(dim=0), states[1, 1:4].mean(dim=0)])
    torch.testing.assert_close(_pool(states, mask, "mean"), mean)
    torch.testing.assert_close(_pool(states, mask, "first"), states[:, 0])
    every = torch.stack([states[0, :4].mean(dim=0), states[1].mean(dim=0)])
    torch.testing.assert_close(_pool(states, mask, "mean", special_tokens=True), every)
    assert torch.isfinite(_pool(states, torch.tensor([[1, 1, 0, 0, 0]] * 2), "mean")).all()  # an empty text


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_embeddings_are_the_pooled_layer_of_each_row(layer, model, dataset_of, monkeypatch):
    monkeypatch.setattr("simxfer.scoring.predict.MAX_TOKENS", 64)
    features = dataset_of("w-tatoeba", 10).features
    found = embed(model, features, PAD, layer, "mean")
    for row, ids in enumerate(rows_of(features)):
        tensor = torch.tensor(ids.astype(np.int64))[None]
        with torch.no_grad():
            hidden = model.encoder(input_ids=tensor, output_hidden_states=True).hidden_states[layer]
        expected = hidden[0, 1:-1].mean(dim=0).numpy()
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


@pytest.mark.parametrize("centre", [True, False])
def test_retrieval_is_sklearns(centre, model, dataset_of):
    dataset = dataset_of("w-tatoeba", 40)
    vectors = embed(model, dataset.features, PAD, 1, "mean").astype(np.float64)
    queries, candidates = vectors[0::2], vectors[1::2]
    if centre:
        queries, candidates = queries - queries.mean(axis=0), candidates - candidates.mean(axis=0)
    theirs = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(candidates)
    expected = dataset.gold["id"].to_numpy()[theirs.kneighbors(queries, return_distance=False)[:, 0]]
    protocol = {"layer": 1, "pooling": "mean", "centre": centre}
    assert predict(model, get_task("w-tatoeba"), dataset, PAD, protocol) == list(expected)


@pytest.mark.parametrize("special_tokens", [True, False])
def test_the_pivot_asks_as_in_xtreme(special_tokens, model, dataset_of):
    """XTREME's `similarity_search(x=foreign, y=english)`: of every English sentence the nearest foreign one."""
    dataset = dataset_of("w-tatoeba", 40)
    protocol = {"layer": 1, "pooling": "mean", "centre": False, "special_tokens": special_tokens}
    rows = [torch.tensor(ids.astype(np.int64))[None] for ids in rows_of(dataset.features)]
    cut = slice(None) if special_tokens else slice(1, -1)
    with torch.no_grad():
        states = [model.encoder(row, output_hidden_states=True).hidden_states[1][0, cut] for row in rows]
    vectors = torch.nn.functional.normalize(torch.stack([state.mean(dim=0) for state in states]), dim=1)
    foreign, english = vectors[0::2], vectors[1::2]
    ids = dataset.gold["id"].to_numpy()
    expected = {
        "from-pivot": ids[(english @ foreign.T).argmax(dim=1).numpy()],
        "to-pivot": ids[(foreign @ english.T).argmax(dim=1).numpy()],
    }
    for direction, found in expected.items():
        asked = protocol | {"direction": direction}
        assert predict(model, get_task("w-tatoeba"), dataset, PAD, asked) == list(found)
    assert list(expected["from-pivot"]) != list(expected["to-pivot"])


def test_a_sentence_is_its_own_translation(model, world_tokenizer):
    texts = ["be fagekop", "hehu rakezi ri", "cifi be"]
    examples = [RetrievalExample(id=f"e{i}", text=t, translation=t) for i, t in enumerate(texts)]
    dataset = make_dataset(examples, get_task("w-tatoeba"), world_tokenizer, 64, 0)
    protocol = {"layer": -1, "pooling": "mean", "centre": True}
    assert predict(model, get_task("w-tatoeba"), dataset, PAD, protocol) == ["e0", "e1", "e2"]


@pytest.mark.parametrize("neighbours", [2, 5])
def test_retrieval_by_margin(neighbours, model, dataset_of):
    dataset = dataset_of("w-tatoeba", 40)
    vectors = embed(model, dataset.features, PAD, 1, "mean")
    found = nearest(vectors[0::2], vectors[1::2], 1, "margin", neighbours).ids[:, 0]
    protocol = {"layer": 1, "pooling": "mean", "centre": False, "scoring": "margin", "neighbours": neighbours}
    predicted = predict(model, get_task("w-tatoeba"), dataset, PAD, protocol)
    assert predicted == list(dataset.gold["id"].to_numpy()[found])
    assert predicted != predict(model, get_task("w-tatoeba"), dataset, PAD, protocol | {"scoring": "cosine"})


def evaluation(target: str, *languages: str, **values) -> Evaluation:
    return Evaluation(
        target=target, split="test", languages=languages, revision="r", draw=0, world=0, **values
    )


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["w-xnli", "w-xcloze", "w-pos", "w-xqa", "w-tatoeba"])
def test_the_encoder_computes_in_the_numerics_and_heads_in_single_precision(
    name, numerics, checkpoint, dataset_of
):
    model, task = TransferModel(load_encoder(resolve_encoder(str(checkpoint)))), get_task(name)
    if task.kind != "retrieval":
        model.add_head(task, seed=0)
    computed: dict[str, set] = {"encoder": set(), "heads": set()}
    for part, found in computed.items():
        for module in getattr(model, part).modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda _, given, out, found=found: found.add(out.dtype))
    dataset, protocol = dataset_of(name, 12), {"layer": 1, "pooling": "mean", "centre": True}
    asked = evaluation(name, "x-agg", numerics=numerics, protocol=protocol)
    frames = evaluate(model, asked, lambda _: dataset, PAD)
    assert len(frames["predictions"]) == 12
    if task.kind != "retrieval":
        assert 0 <= dev_score(model, task, dataset, PAD, "x-agg", numerics) <= 100
    assert computed["encoder"] == {torch.bfloat16 if numerics == "bf16" else torch.float32}
    assert computed["heads"] == ({torch.float32} if model.heads else set())
    assert asked.id == evaluation(name, "x-agg", numerics=numerics, protocol=protocol).id
    assert asked.id != replace(asked, numerics="bf16" if numerics == "fp32" else "fp32").id


def test_scores_are_the_metrics_over_the_test_set_and_its_subsets(dataset_of):
    task, told = get_task("w-is-a"), Told(2, whole=True)
    made = {code: dataset_of("w-is-a", 60, code) for code in ("x-pivot", "x-agg")}
    frames = evaluate(told, evaluation("w-is-a", *made), made.__getitem__, PAD)
    scores, predictions = frames["scores"], frames["predictions"]
    for code, dataset in made.items():
        gold = [json.loads(text) for text in dataset.gold["gold"]]
        predicted = predict(told, task, dataset, PAD)
        rows = scores[scores["language"] == code].set_index("split")
        assert rows.loc["test", "value"] == METRICS["accuracy"](gold, predicted).value
        assert rows.loc["test", "n_examples"] == 60
        unseen = [i for i, names in enumerate(dataset.gold["subsets"]) if "unseen" in names.split()]
        value = METRICS["accuracy"]([gold[i] for i in unseen], [predicted[i] for i in unseen]).value
        assert rows.loc["test/unseen", "value"] == value
        assert rows.loc["test/unseen", "n_examples"] == len(unseen) < 60
        part = predictions[predictions["language"] == code]
        assert [json.loads(p) for p in part["prediction"]] == predicted
        assert list(part["example_id"]) == list(dataset.gold["id"])
    assert {"test", "test/seen", "test/unseen"} <= set(scores["split"])
    assert frames["examples"]["tp"].isna().all()


def test_example_scores_of_tagging_carry_counts(dataset_of):
    frames = evaluate(Told(4, False), evaluation("w-ner", "x-agg"), lambda _: dataset_of("w-ner"), PAD)
    examples = frames["examples"]
    tp, fp, fn = (int(examples[name].sum()) for name in ("tp", "fp", "fn"))
    scores = frames["scores"].set_index("metric")["value"]
    assert scores["chunk_f1"] == pytest.approx(200 * tp / max(1, 2 * tp + fp + fn))
    assert set(scores.index) == {"chunk_f1", "token_accuracy"}
    assert examples["score"].between(0, 1).all()


def test_flags_warn_of_zero_scores_and_unknown_subwords(dataset_of, monkeypatch):
    dataset = dataset_of("w-xnli", 10)
    monkeypatch.setattr("simxfer.scoring.answers.predict", lambda *_: ["nothing"] * 10)
    features = replace(dataset.features, counts=np.array([2, 10, 100, 3]))
    strange = Dataset(features, dataset.gold, {"without-text": 4})
    frames = evaluate(Told(3, whole=True), evaluation("w-xnli", "x-agg"), lambda _: strange, PAD)
    [row] = frames["scores"].to_dict("records")
    assert row["flags"] == "unknown-subwords;without-gold=3;without-text=4;all-zero"
    assert (row["truncated"], row["unknown_share"]) == (2, pytest.approx(0.1))
    assert isinstance(frames["examples"], pd.DataFrame)


def test_scores_tell_what_was_seen_in_training_and_what_no_constant_answer_beats(dataset_of, monkeypatch):
    dataset, task = dataset_of("w-xnli", 90), get_task("w-xnli")
    gold = [json.loads(text) for text in dataset.gold["gold"]]
    seen = set(dataset.gold["digest"][:7])
    parts = [np.sort(as_digests(part)) for part in (sorted(seen)[:4], [], sorted(seen)[2:])]
    for predictions, flags in ((["neutral"] * 90, ["chance-level"]), (gold, [])):
        monkeypatch.setattr("simxfer.scoring.answers.predict", lambda *_, found=predictions: found)
        told = Told(3, whole=True)
        frames = evaluate(told, evaluation(task.name, "x-agg"), lambda _: dataset, PAD, parts, ["slow"])
        repeated = int(dataset.gold["digest"].isin(seen).sum())
        assert repeated >= 7
        assert list(frames["scores"]["flags"]) == [";".join(["slow", f"seen-in-training={repeated}", *flags])]


def test_labels_that_the_gold_lacks_are_named(dataset_of, monkeypatch):
    dataset = dataset_of("w-xnli", 40)
    gold = ["entailment", "neutral"] * 20
    told = Dataset(dataset.features, dataset.gold.assign(gold=[json.dumps(g) for g in gold]))
    monkeypatch.setattr("simxfer.scoring.answers.predict", lambda *_: gold)
    frames = evaluate(Told(3, whole=True), evaluation("w-xnli", "x-agg"), lambda _: told, PAD)
    assert list(frames["scores"]["flags"]) == ["labels-without-gold=contradiction"]
