"""What each example that is scored asks for, and what a model answers, for every kind of task.

Most kinds are answered example by example. Two are not:

- Mining: a source sentence is asked for its translations among the target sentences. Its candidates are extracted
  from a threshold on, the one with the best F1 on the dev data; without dev data the reported data choose it, and
  the score is flagged.
- Ranking: a query is asked for its candidates among those of all languages of the evaluation, its own included
  (LAReQA, Roy et al. 2020; Mewsli-X). Nothing is left out of the pool.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from simxfer.common.errors import InputError
from simxfer.encoder.dataset import Dataset, read_gold
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pairs import relevant
from simxfer.metrics import pairs_above, tune_threshold
from simxfer.scoring.predict import Pool, candidate_pool, predict, rank
from simxfer.scoring.record import Answers, pairs
from simxfer.tasks.record import Task

SELF_TUNED = "threshold-tuned-on-reported-data"


def answers(
    model: TransferModel,
    task: Task,
    languages: Sequence[str],
    dataset_of: Callable[[str], Dataset],
    dev_of: Callable[[str], Dataset | None],
    pad: int,
    protocol: dict,
) -> Iterator[tuple[str, Dataset, Answers]]:
    """Yield each language, its data and what is answered.

    Args:
        model: encoder and the task's head.
        task: what is asked.
        languages: whose data are read, one after the other; of a ranking task all share one pool.
        dataset_of: the reported data of a language.
        dev_of: other data of the language, to choose the threshold of mining on; None where there are none.
        pad: id of the padding subword.
        protocol: how retrieval and mining compare sentences.
    """
    pool = candidate_pool(model, map(dataset_of, languages), pad) if task.kind == "ranking" else None
    for language in languages:
        dataset = dataset_of(language)
        if pool is not None:
            yield language, dataset, _ranked(model, task, dataset, pool, pad, languages)
        elif task.kind == "mining":
            yield language, dataset, _mined(model, task, dataset, dev_of(language), pad, protocol)
        else:
            ids, subsets = (dataset.gold[name].tolist() for name in ("id", "subsets"))
            found = predict(model, task, dataset, pad, protocol)
            yield language, dataset, Answers(ids, subsets, read_gold(dataset), found)


def _ranked(
    model: TransferModel, task: Task, dataset: Dataset, pool: Pool, pad: int, languages: Sequence[str]
) -> Answers:
    """Return the ranked ids for every query that something in the pool is relevant to."""
    gold = read_gold(dataset)
    queries = dataset.gold[[g["side"] == "query" for g in gold]]
    keys = [g["keys"] for g in gold if g["side"] == "query"]
    ranked = rank(model, dataset, pool, pad)
    wanted = [pool.ids[hits].tolist() for hits in relevant(keys, pool.keys)]
    asked = [i for i, found in enumerate(wanted) if found]
    if not asked:
        raise InputError(
            f"{task.name}: the pool of {', '.join(languages)} answers none of the {len(keys)} queries"
        )
    flags = []
    if len(languages) < len(task.languages):
        flags.append(f"pool-of-{len(languages)}-of-{len(task.languages)}-languages")
    if len(asked) < len(keys):
        flags.append(f"queries-without-candidate={len(keys) - len(asked)}")
    ids, subsets = (queries[name].iloc[asked].tolist() for name in ("id", "subsets"))
    return Answers(ids, subsets, [wanted[i] for i in asked], [ranked[i] for i in asked], tuple(flags))


def _mined(
    model: TransferModel, task: Task, dataset: Dataset, dev: Dataset | None, pad: int, protocol: dict
) -> Answers:
    """Return the extracted target ids of every source sentence."""
    candidates = predict(model, task, dataset, pad, protocol)
    ids, subsets, gold = _sources(dataset)
    if dev is None:
        threshold = _threshold(candidates, ids, gold, task)
    else:
        tuned_ids, _, tuned_gold = _sources(dev)
        threshold = _threshold(predict(model, task, dev, pad, protocol), tuned_ids, tuned_gold, task)
    extracted: dict[str, list[str]] = defaultdict(list)
    for source, target in pairs_above(candidates, threshold):
        extracted[str(source)].append(str(target))
    flags = () if dev is not None else (SELF_TUNED,)
    return Answers(ids, subsets, gold, [extracted[i] for i in ids], flags)


def _sources(dataset: Dataset) -> tuple[list[str], list[str], list]:
    rows = zip(dataset.gold["id"], dataset.gold["subsets"], read_gold(dataset), strict=True)
    sources = [(name, subsets, gold["matches"]) for name, subsets, gold in rows if gold["side"] == "source"]
    ids, subsets, gold = (list(column) for column in zip(*sources, strict=True))
    return ids, subsets, gold


def _threshold(candidates: list, ids: list[str], gold: list, task: Task) -> float:
    wanted = pairs(ids, gold)
    if not wanted:
        raise InputError(
            f"{task.name}: none of the {len(ids)} source sentences has a translation, so that no threshold can be "
            "chosen and nothing scored; read more of them"
        )
    return tune_threshold(candidates, wanted)
