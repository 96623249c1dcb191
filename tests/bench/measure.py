"""The one place where time is taken: rounds of A B A B ..., medians, ratios."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf, nan
from typing import Literal

import numpy as np

Clock = Literal["cpu", "wall"]


class Seconds(float):
    """What a subject returns that has timed itself."""


Subject = Callable[[], object]
"""What is timed: the call, unless it returns `Seconds`."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: a median of ours, a median of theirs, how many times faster ours is."""

    bench: str
    what: str
    """What is measured, on which data."""
    unit: str
    """Unit of `ours` and `theirs`: s, or something per second or minute."""
    ours: float = nan
    against: str = ""
    """The other implementation; empty where there is none."""
    theirs: float = nan
    ratio: float = nan
    """Median over the rounds of their seconds over ours: above 1, ours is faster."""
    ratio_low: float = nan
    """Smallest ratio of a round."""
    ratio_high: float = nan
    target: str = ""
    met: bool | None = None
    """Whether the target was met in this run; None where there is none or nothing was measured."""
    rounds: int = 0
    note: str = ""


@dataclass(frozen=True)
class Timer:
    """How often everything is measured, and on which clock."""

    rounds: int = 5
    clock: Clock = "cpu"

    def now(self) -> float:
        """Return seconds: CPU time of this process and of its finished children, or the wall clock."""
        if self.clock == "wall":
            return time.perf_counter()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used)

    def interleave(
        self, subjects: Mapping[str, Subject], *, most: int | None = None, warm: bool = True
    ) -> dict[str, np.ndarray]:
        """Return the seconds of every subject, (rounds,), measured in turns.

        Args:
            subjects: by name, in the order of a round.
            most: at most so many rounds, for subjects that take long.
            warm: run every subject once before, unmeasured (caches, imports, allocators).
        """
        rounds = min(self.rounds, most or self.rounds)
        seconds: dict[str, list[float]] = {name: [] for name in subjects}
        for k in range(-int(warm), rounds):
            for name, subject in subjects.items():
                taken = self._seconds(subject)
                if k >= 0:
                    seconds[name].append(taken)
        return {name: np.array(values) for name, values in seconds.items()}

    def _seconds(self, subject: Subject) -> float:
        start = self.now()
        result = subject()
        return result if isinstance(result, Seconds) else self.now() - start


def alone(
    bench: str,
    what: str,
    seconds: np.ndarray,
    *,
    work: float = nan,
    unit: str = "s",
    at_most: float = inf,
    at_least: float = 0.0,
    note: str = "",
) -> Row:
    """Return the row of something that is compared with nothing.

    Args:
        seconds: (rounds,).
        work: what was done in that time, counted per `unit`; without it the row states seconds.
        at_most, at_least: target of the value, in the row's unit.
    """
    value = _value(seconds, work, unit)
    target = f"at most {at_most:g}" if at_most < inf else f"at least {at_least:,.0f}" if at_least else ""
    met = at_least <= value <= at_most if target else None
    return Row(
        bench=bench, what=what, unit=unit, ours=value, target=target, met=met, rounds=len(seconds), note=note
    )


def compared(
    bench: str,
    what: str,
    ours: np.ndarray,
    against: str,
    theirs: np.ndarray,
    *,
    work: float = nan,
    unit: str = "s",
    times: float | None = None,
    note: str = "",
) -> Row:
    """Return the row of two implementations measured in turns.

    The ratio is the median of the rounds' ratios: what slows the machine for a while slows both.

    Args:
        ours, theirs: seconds, (rounds,).
        work: as in `alone`, equal for both.
        times: target of the ratio.
    """
    ratios = theirs / ours
    ratio = float(np.median(ratios))
    return Row(
        bench=bench,
        what=what,
        unit=unit,
        ours=_value(ours, work, unit),
        against=against,
        theirs=_value(theirs, work, unit),
        ratio=ratio,
        ratio_low=float(ratios.min()),
        ratio_high=float(ratios.max()),
        target="" if times is None else f"{times:g}x",
        met=None if times is None else ratio >= times,
        rounds=len(ours),
        note=note,
    )


def absent(bench: str, what: str, against: str, remedy: str) -> Row:
    """Return the row of a comparison that could not be made, and how to make it possible."""
    return Row(bench=bench, what=what, unit="", against=against, note=f"not measured: {remedy}")


def has(package: str) -> bool:
    """Tell whether a Python package can be imported."""
    return find_spec(package) is not None


def _value(seconds: np.ndarray, work: float, unit: str) -> float:
    median = float(np.median(seconds))
    if np.isnan(work):
        return median
    return work / median * (60 if unit.endswith("/min") else 1)
