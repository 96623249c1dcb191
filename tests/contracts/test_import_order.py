"""The one place that holds the order of imports: a room imports only rooms below it, lazily or not."""

import pytest
from trees import below, imported, modules

ROOMS = (
    *("common", "metrics", "schema", "tasks", "world", "sources", "encoder", "scoring", "training", "grid"),
    *("run", "cli"),
)
"""The tower of simxfer/, bottom first."""

FLOORS = (
    ("figures", "outcomes", "sequences"),
    ("run", "similarity", "inference", "robustness"),
    ("questions", "prediction"),
    ("report",),
)
"""analyses/, bottom first; what stands on one floor may import each other without a circle of modules."""

CONTRACTS = (
    "simxfer.common.errors",
    "simxfer.common.identity",
    "simxfer.common.shipped",
    "simxfer.common.streams",
    "simxfer.common.packaged",
    "simxfer.metrics",
    "simxfer.schema",
    "simxfer.tasks",
)
"""What analyses may import of the core."""

HEAVY = ("torch", "transformers", "sentence_transformers")
HEAVY_ROOMS = ("encoder", "scoring", "training", "run")
LIGHT = (
    *("simxfer.encoder.pretrained", "simxfer.encoder.ragged", "simxfer.scoring.protocol"),
    *("simxfer.scoring.record", "simxfer.training.recipes", "simxfer.training.methods"),
    *("simxfer.encoder.inspect", "simxfer.run.inspection"),
    *("simxfer.run.opening", "simxfer.run.progress", "simxfer.run.results", "simxfer.run.claims"),
)
"""Modules of heavy rooms that are read where torch is not loaded."""


def of_project(module: str, *, lazily: bool = True) -> set[str]:
    """Modules of the project that a module imports."""
    return imported(modules()[module], lazily=lazily) & modules().keys()


def test_every_room_has_its_place():
    rooms = {name.split(".")[1] for name in modules() if name.startswith("simxfer.")} - {"__main__"}
    floors = {name.split(".")[1] for name in modules() if name.startswith("analyses.")}
    assert rooms == set(ROOMS)
    assert floors == {room for floor in FLOORS for room in floor}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room):
    allowed = {f"simxfer.{name}" for name in ROOMS[: ROOMS.index(room) + 1]}
    allowed |= {"analyses"} if room == "cli" else set()
    for module in modules():
        if below(module, f"simxfer.{room}"):
            wrong = {n for n in of_project(module) if not any(below(n, room) for room in allowed)} - {
                "simxfer"
            }
            assert not wrong, f"{module} imports {sorted(wrong)}"


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_analyses_import_only_what_stands_below_and_the_contracts_of_the_core(floor):
    allowed = {*CONTRACTS, *(f"analyses.{room}" for rooms in FLOORS[: floor + 1] for room in rooms)}
    for module in modules():
        if any(below(module, f"analyses.{room}") for room in FLOORS[floor]):
            wrong = {n for n in of_project(module) if not any(below(n, one) for one in allowed)}
            assert not wrong, f"{module} imports {sorted(wrong)}"


def test_the_command_line_loads_the_analyses_when_it_needs_them():
    for module, tree in modules().items():
        if below(module, "simxfer.cli"):
            assert not {n for n in imported(tree, lazily=False) if below(n, "analyses")}, module


def test_no_circle_of_modules_lazy_imports_counted():
    """Leaves are taken away until nothing is left; what cannot be taken away stands in a circle."""
    arrows = {module: of_project(module) for module in modules()}
    while leaves := [module for module, found in arrows.items() if not found & arrows.keys()]:
        for module in leaves:
            del arrows[module]
    assert not arrows, f"circles among {sorted(arrows)}"


def test_no_circle_of_rooms_lazy_imports_counted():
    """The tower has none by its order; rooms of one floor of analyses must not import each other in a circle."""
    arrows: dict[str, set[str]] = {}
    for module in modules():
        if module.startswith("analyses."):
            room = module.split(".")[1]
            others = {n.split(".")[1] for n in of_project(module) if n.startswith("analyses.")}
            arrows.setdefault(room, set()).update(others - {room})
    while leaves := [room for room, found in arrows.items() if not found & arrows.keys()]:
        for room in leaves:
            del arrows[room]
    assert not arrows, f"circles among {sorted(arrows)}"


def test_torch_stands_in_the_rooms_that_compute():
    for module, tree in modules().items():
        heavy = {n for n in imported(tree) if any(below(n, library) for library in HEAVY)}
        if any(below(module, f"simxfer.{room}") for room in HEAVY_ROOMS) and module not in LIGHT:
            continue
        if below(module, "analyses") or module == "simxfer.cli.doctor":
            heavy = {n for n in imported(tree, lazily=False) if any(below(n, library) for library in HEAVY)}
        assert not heavy, f"{module} imports {sorted(heavy)}"


def test_common_is_no_bag():
    """What stands in common imports nothing of simxfer but common, and at least three rooms use it; a folder is one."""
    entries = {".".join(module.split(".")[:3]) for module in modules() if below(module, "simxfer.common")}
    for entry in entries - {"simxfer.common"}:
        users = {
            other.split(".")[1] if other.startswith("simxfer.") else "analyses"
            for other in modules()
            if any(below(n, entry) for n in of_project(other)) and not below(other, "simxfer.common")
        }
        assert len(users) >= 3, f"{entry} is used by {sorted(users)} only"
