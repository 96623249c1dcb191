"""Every public procedure, measure and outcome has a short example in its docstring, and every example runs."""

import doctest
from collections.abc import Callable
from inspect import isclass

import pytest

import analyses
from analyses import inference, similarity

ON_DISK = ("Run", "load_run", "write_report", "encode", "encode_samples", "multilingual_e5")
"""Names that need a run directory or an encoder on disk: no example of a few lines can make one."""

NAMES = {
    **dict.fromkeys((*inference.PROCEDURES, *inference.__all__), inference),
    **dict.fromkeys((*similarity.__all__, *(m.path.split(":")[1] for m in similarity.MEASURES.values())), similarity),
    **dict.fromkeys(analyses._EXPORTS, analyses),
}  # fmt: skip
PUBLIC: dict[str, Callable] = {
    name: getattr(package, name)
    for name, package in NAMES.items()
    if callable(getattr(package, name)) and (name in ON_DISK or not isclass(getattr(package, name)))
}


def examples_of(name: str) -> list[doctest.DocTest]:
    """Return the examples of a name, in a namespace of their own: they import all that they use."""
    found = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={})
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ON_DISK])
def test_examples_run_as_printed(name):
    """Numbers may differ in digits that the example does not show, never in those that it shows."""
    found = examples_of(name)
    assert found, f"{name} has no example in its docstring"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for test in found:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", ON_DISK)
def test_exemptions_are_needed(name):
    assert name in PUBLIC, f"{name} is no public name"
    assert not examples_of(name), f"{name} has an example: take it out of ON_DISK"
