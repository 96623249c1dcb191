"""Plans, statuses, tasks and progress as text for people."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simxfer.grid.cost import CHARACTERS_PER_SUBWORD, UTILISATION, Cost, project
from simxfer.grid.file import Grid
from simxfer.grid.parts import Retrieval
from simxfer.grid.plan import PRETRAINED, TARGET, Plan, Stage
from simxfer.run.progress import Progress, Status
from simxfer.sources.request import UNRESOLVED
from simxfer.tasks import TASKS, get_task
from simxfer.tasks.record import Task
from simxfer.training.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    import pandas as pd

LINE_SECONDS = 15.0
"""How often progress prints a line where there is no terminal."""


def plan_text(grid: Grid, plan: Plan, stages: bool = False) -> str:
    """Return a plan in a few lines, or with every stage."""
    by_phase: dict[str, int] = {}
    for stage in plan.stages.values():
        by_phase[stage.phase] = by_phase.get(stage.phase, 0) + 1
    trained = [stage for stage in plan.stages.values() if stage.phase != PRETRAINED]
    cost = project(plan, grid.keep_checkpoints)
    scored = sum(len(e.languages) for found in plan.evaluations.values() for e in found.values())
    lines = [
        f"{grid.name}: {grid.description}".rstrip(": "),
        f"  cells        {len(plan.cells)}: {len(grid.encoders)} encoders, {len(grid.intermediates)} intermediates, "
        f"{len(grid.targets)} targets, {len({c.seed for c in plan.cells})} seeds, {len(grid.methods)} methods"
        + f", {len(grid.selections)} selections" * (len(grid.selections) > 1)
        + (
            ", and the no-pretraining control"
            if any(block.no_pretraining_control for block in grid.blocks)
            else ""
        ),
        f"  to train     {len(trained)} stages (unshared: {plan.unshared_stages}): "
        + ", ".join(f"{n} {phase}" for phase, n in by_phase.items() if phase != PRETRAINED),
        f"  to read      {sum(stage.cost for stage in trained):,} training sequences",
        f"  to score     {scored:,} pairs of target and language",
        f"  on disk      {_checkpoints(grid, plan)} checkpoints"
        + (f", {cost.checkpoint_bytes / 1e9:,.1f} GB" if cost.checkpoint_bytes else ""),
        *_projection(plan, cost),
        *_provisional(plan),
        *_left_out(plan),
        *_mixtures(trained),
    ]
    if stages:
        lines += [
            f"  {stage.id}  {'  ' * (len(plan.path(stage.id)) - 1)}{stage.title}"
            + f": {_updates(stage)}" * (stage.phase != PRETRAINED)
            for stage in plan.stages.values()
        ]
    return "\n".join(lines)


def planned_scores(plan: Plan) -> "pd.DataFrame":
    """Return a row a planned score on the whole test set: the key columns of the results table."""
    import pandas as pd

    columns = ["checkpoint", "method", "intermediate", "target", "language", "perturbation", "seed"]
    rows = [
        (cell.checkpoint, cell.method, cell.intermediate, cell.target, language, e.perturbation, cell.seed)
        for cell in plan.cells
        for e in (plan.evaluations[cell.stage][name] for name in (cell.evaluation, *cell.perturbed))
        for language in e.languages
    ]
    return pd.DataFrame(rows, columns=columns)


def _projection(plan: Plan, cost: Cost) -> list[str]:
    """Say what real data would cost on a GPU, what that assumes, and which records it had to guess at."""
    if all(get_task(e.target).world for found in plan.evaluations.values() for e in found.values()):
        return []
    lines = [
        f"  subwords     about {cost.training_subwords / 1e6:,.0f} million in training, "
        f"{cost.scored_subwords / 1e6:,.0f} million in scoring ({CHARACTERS_PER_SUBWORD:g} characters a subword)",
        f"  GPU time     about {cost.gpu_hours:,.2g} hours of one H200, if it reaches {100 * UTILISATION:.0f} % of its "
        "bf16 peak: projected, not measured"
        if cost.flops
        else "  GPU time     not known: the configuration of an encoder is not at hand",
    ]
    return lines + [f"  guessed      sizes or lengths of {', '.join(cost.guessed)}"] * bool(cost.guessed)


def _provisional(plan: Plan) -> list[str]:
    """Say that ids will change where data or encoders are not at hand."""
    texts = [text for stage in plan.stages.values() for text in stage.revisions]
    missing = sum(UNRESOLVED in text for text in dict.fromkeys(texts))
    if not missing:
        return []
    return [
        f"  not at hand  {missing} data sets: stage ids are provisional until `simxfer fetch` has brought them"
    ]


def _left_out(plan: Plan) -> list[str]:
    """Say which training rows are left out because they share an item with scored ones."""
    return [
        f"  left out     {len(leaks.ids)} of {leaks.rows} rows of {place}: they share an item with what is scored of "
        + ", ".join(leaks.shared)
        for place, leaks in plan.leaks.items()
    ]


def _mixtures(trained: Iterable[Stage]) -> list[str]:
    """Say what each task of a mixture gets, once for all methods that give it the same."""
    found: dict[str, dict[str, None]] = {}
    for stage in trained:
        if len(stage.data) > 1:
            found.setdefault(_updates(stage), {})[stage.method] = None
    return [
        f"  a mixture    {text}" + f" by {', '.join(methods)}" * (list(methods) != ["full"])
        for text, methods in found.items()
    ]


def _updates(stage: Stage) -> str:
    """Return the updates and epochs of each task of a stage, by the records' sizes."""
    return "; ".join(
        f"{each.task} {each.updates:,} updates ({each.epochs:.3g} epochs)" for each in stage.expected
    )


def _checkpoints(grid: Grid, plan: Plan) -> int:
    kept = (s for s in plan.stages.values() if grid.keep_checkpoints == "all" or s.phase != TARGET)
    return sum(stage.checkpoints for stage in kept)


def status_text(name: str, found: Status) -> str:
    """Return how far a run is."""
    lines = [
        f"{name}: {'complete' if found.complete else 'not complete'}",
        f"  stages trained   {found.trained} of {found.stages}",
        f"  targets scored   {found.evaluated} of {found.evaluations}",
    ]
    return "\n".join([*lines, *(f"  failed           {text}" for text in found.failed)])


def flags_text(results: "pd.DataFrame") -> str:
    """Return one line a warning: how many scores carry it and of which targets; empty where there is none."""
    flags = results[["target"]].assign(flag=results["flags"].fillna("").str.split(";")).explode("flag")
    flags["flag"] = [flag.partition("=")[0] for flag in flags["flag"]]
    flags = flags[flags["flag"] != ""]
    lines = [
        f"  {flag}: {len(rows)} of {len(results)} scores ({_shortened(tuple(sorted(rows['target'].unique())), 8)})"
        for flag, rows in flags.groupby("flag")
    ]
    return "\n".join(["flagged, see the column flags of the results:", *lines]) if lines else ""


def task_list() -> str:
    """Return one line a task."""
    wide = max(len(name) for name in TASKS)
    return "\n".join(
        f"{task.name:{wide}}  {task.kind:15}  {'/'.join(task.roles):19}  {task.description}"
        for task in TASKS.values()
    )


def task_text(task: Task) -> str:
    """Return everything the record of a task says."""
    shown = {
        "name": task.name,
        "kind": task.kind,
        "description": task.description,
        "plays": ", ".join(task.roles),
        "scores": ", ".join(task.metrics),
        "labels": _shortened(task.labels),
        "trains on": ", ".join(task.training_data),
        "training languages": ", ".join(task.train_languages),
        "test languages": ", ".join(task.languages),
        "test sets": "translations of each other" if task.parallel else "not parallel",
        "scored apart": ", ".join(task.subsets),
        **{f"recipe {name}": _trained(task, recipe) for name, recipe in RECIPES.items()},
        **{f"{name} differs": recipe.differs.get(task.kind, "") for name, recipe in RECIPES.items()},
        "sizes": ", ".join(f"{split} {n:,}" for split, n in task.sizes),
        "spelled": ", ".join(f"{found} = {label}" for found, label in task.spellings.items()),
        "scored split": "" if task.world else task.test_split,
        "chosen on": _chosen_on(task),
        **_places(task),
        "licence": task.licence,
        "citation": task.citation,
    }
    return "\n".join(f"{name:19} {value}" for name, value in shown.items() if value)


def _places(task: Task) -> dict[str, str]:
    """Return where the data of a task stand."""
    if task.world:
        return {"source": "embedded world"}
    hub, files = task.hub, task.files
    places = {"hub": f"{hub.id}, {hub.config}" if hub else "not there with all it needs: give native files"}
    for split, patterns in files.paths.items() if files else ():
        folders = " or ".join((task.name, *(files.folders if files else ())))
        places[f"files of {split}"] = f"{folders} / {' or '.join(patterns)}"
    return places


def _trained(task: Task, recipe: Recipe) -> str:
    """Return what a recipe says of a task, empty where it is not meant for it."""
    if task.world != (recipe.name == "world"):
        return ""
    if not task.training_data:
        return _read(task, recipe)
    values = recipe.hyperparameters(task.name)
    length = f"{values.steps} steps" if values.steps else f"{values.epochs:g} epochs"
    warmup = f"{values.warmup_steps} steps" if values.warmup_steps else f"{100 * values.warmup_share:g} %"
    return (
        f"learning rate {values.learning_rate:g}, batch {values.batch_size}, {length}, warm-up {warmup}, at most "
        f"{values.max_length} subwords, checkpoint: {values.selection}"
        + f" of every {values.look_every} steps" * bool(values.look_every)
        + ", one task after the other" * values.in_turn
        + (_windows(values.stride) if task.kind == "span" else "")
    )


def _windows(stride: int) -> str:
    return f", windows {'overlap' if stride >= 0 else 'advance'} by {abs(stride)}"


def _read(task: Task, recipe: Recipe) -> str:
    """Return how a recipe reads the sentences of a task that is not trained."""
    reads = Retrieval(**recipe.retrieval)
    layer = "14 of 24, 8 of 12" if reads.layer is None else str(reads.layer)
    counted = "all tokens" if reads.special_tokens else "the tokens without the special ones"
    asked = "both ways" if task.kind == "mining" else reads.direction
    return (
        f"hidden state {layer}, {reads.pooling} of {counted}, {'' if reads.centre else 'not '}centred, "
        f"direction: {asked}"
    )


def _chosen_on(task: Task) -> str:
    """Return the data that a best checkpoint of a real task is chosen on."""
    if task.world or not task.training_data:
        return ""
    names = task.data_tasks if task.selects_on == "held-out" else task.dev_tasks or task.data_tasks
    return f"English {task.selects_on} data of {', '.join(names)}"


def _shortened(names: tuple[str, ...], most: int = 40) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows how far a run is: a bar, or lines where there is no terminal."""
    if not sys.stderr.isatty():
        yield _line_reporter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("measuring", total=1.0)
        yield lambda found: bar.update(task, completed=found.share, description=_said(found))


def _said(found: Progress) -> str:
    """Return what is said beside the share: the time left, the speed, the first stage at work."""
    if found.left is None:
        return "measuring how long it takes"
    left = f"about {found.left / 60:.1f} minutes left" if found.left else ""
    speed = f"{found.speed:,.0f} subwords/s" if found.speed else ""
    return ", ".join(filter(None, [left, speed, *found.at_work[:1]]))


def _line_reporter() -> Callable[[Progress], None]:
    started = time.monotonic()
    state = {"printed": started, "share": -1.0}

    def report(found: Progress) -> None:
        now = time.monotonic()
        if (now - state["printed"] < LINE_SECONDS and found.share < 1) or state["share"] == 1:
            return
        state.update(printed=now, share=found.share)
        said = [f"{100 * found.share:3.0f} % after {(now - started) / 60:.1f} minutes", _said(found)]
        print(", ".join(filter(None, said)), file=sys.stderr, flush=True)

    return report
