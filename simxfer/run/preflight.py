"""The data of a plan, looked at before anything is trained: what cannot be scored or trained on is refused together.

Whether a file has gold shows when it is read. Found out at the evaluation, one language without gold would cost the
training of its target, and the scores of all other languages.
"""

import json
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.plan import Plan
from simxfer.scoring.protocol import Evaluation
from simxfer.sources import read_examples
from simxfer.sources.items import item_of
from simxfer.sources.leaks import Leaks
from simxfer.sources.perturb import CLEAN
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.training.methods import load_method

TestData = dict[str, dict[str, dict[str, Any]]]
"""Target -> language -> {examples: how many, flags: what is noted of them}."""


def read_tests(plan: Plan, receipts: Path) -> TestData:
    """Return what the test data of real targets hold; those that `receipts` of an earlier start tells are not read.

    Raises:
        InputError: data of some targets and languages cannot be scored; all are named, each with its reason.
    """
    earlier = json.loads(receipts.read_text())["targets"] if receipts.exists() else {}
    found: TestData = {}
    faults: dict[str, dict[str, str]] = {}
    for target, evaluation in _evaluations(plan).items():
        told = earlier.get(target, {})
        if told.get("test_data") and evaluation.revision in told["data_revisions"]:
            found[target] = told["test_data"]
            continue
        found[target] = {}
        for language in evaluation.languages:
            try:
                found[target][language] = _look(evaluation, language)
            except InputError as error:
                faults.setdefault(target, {})[language] = str(error)
    if faults:
        raise InputError(_message(faults))
    return found


def _evaluations(plan: Plan) -> dict[str, Evaluation]:
    """Return one clean evaluation of every real target: of one that is read whole, as all are, with most besides."""
    every = [e for found in plan.evaluations.values() for e in found.values()]
    every.sort(key=lambda evaluation: bool(evaluation.tuned_on))
    return {e.target: e for e in every if e.perturbation == CLEAN and not get_task(e.target).world}


def _look(evaluation: Evaluation, language: str) -> dict[str, Any]:
    """Return the counts of one language's test data, after a look at what a threshold is tuned on as well."""
    for split in filter(None, (evaluation.tuned_on, evaluation.split)):
        request = DataRequest(
            evaluation.target,
            split,
            language,
            limit=evaluation.limit,
            folder=evaluation.folder,
            fields=evaluation.fields,
        )
        examples = read_examples(request)
    noted = Counter({"without-gold": examples.without_gold}) + examples.noted
    return {"examples": len(examples), "flags": [f"{name}={count}" for name, count in noted.items()]}


def refuse_leaks(plan: Plan) -> None:
    """Refuse training data of which no batch is left without the rows that share an item with scored ones.

    Raises:
        InputError: there are such data; all are named, with the counts.
    """
    faults = {}
    for stage in plan.stages.values():
        for data, parts, values in zip(stage.data, stage.parts, stage.hyperparameters, strict=True):
            for (name, split), language in product(parts, data.read_in):
                request = DataRequest(name, split, language)
                leaks, out = plan.leaks.get(request.place), len(plan.left_out(request, data.read_in))
                if leaks and leaks.rows - out < values["batch_size"]:
                    faults[request.place] = _leak(request, leaks, out, values["batch_size"])
    if faults:
        raise InputError(
            "training data that share their items with what is scored; nothing was trained:\n"
            + "\n".join(f"  {fault}" for fault in faults.values())
            + "\nTrain on other data, or score fewer languages (`data: {tasks: {TARGET: {untested: [...]}}}`) or fewer "
            "test_examples: only rows that share an item with scored ones are left out"
        )


def refuse_encoders(plan: Plan) -> None:
    """Refuse methods that find no place in an encoder for what they train beside it.

    Raises:
        InputError: there are such methods; all are named, with the encoder.
    """
    asked = {(s.encoder, s.method) for s in plan.stages.values() if load_method(s.method).beside}
    if not asked:
        return
    from simxfer.encoder.loading import shape_of
    from simxfer.encoder.network import TransferModel

    faults = []
    for name, method in sorted(asked):
        try:
            load_method(method).prepare(TransferModel(shape_of(resolve_encoder(name))), 0)
        except InputError as error:
            faults.append(f"  {method}, {name}: {error}")
    if faults:
        raise InputError("methods that do not fit their encoders; nothing was trained:\n" + "\n".join(faults))


def _leak(request: DataRequest, leaks: Leaks, out: int, batch: int) -> str:
    shared = ", ".join(f"{count} with {target}" for target, count in leaks.shared.items())
    item = item_of(get_task(request.task)).name
    return (
        f"{request.task}, {request.split}, {request.language}: of {leaks.rows} rows {out} are left out, as they share "
        f"{item} or id ({shared}); {leaks.rows - out} remain, and a batch has {batch}"
    )


def _message(faults: dict[str, dict[str, str]]) -> str:
    listed = "\n".join(
        f"  {target}, {language}: {reason}"
        for target, reasons in faults.items()
        for language, reason in reasons.items()
    )
    leave_out = ", ".join(f"{target}: {{untested: [{', '.join(found)}]}}" for target, found in faults.items())
    return (
        f"test data that cannot be scored; nothing was trained:\n{listed}\n"
        f"Bring other files, or leave these languages out in the grid file: `data: {{tasks: {{{leave_out}}}}}`"
    )
