"""Orders of whole tasks: of the sources and of the targets of a table of pairs, independently."""

from dataclasses import dataclass
from itertools import permutations as orders
from itertools import product
from math import factorial, prod

import numpy as np

from analyses.inference.permutation import crossed_sizes, random_orders

Groups = tuple[list[np.ndarray], list[np.ndarray]]
"""Indices of the sources, and of the targets, that may change places."""


@dataclass(frozen=True)
class Orders:
    """Orders of the sources (B, S) and of the targets (B, T) that belong together."""

    rows: np.ndarray
    columns: np.ndarray

    def only(self, piece: slice) -> "Orders":
        """Return a piece of them."""
        return Orders(self.rows[piece], self.columns[piece])


def count_orders(groups: Groups) -> int:
    """Return the number of orders of rows and columns."""
    return prod(factorial(len(group)) for side in groups for group in side)


def every_order(groups: Groups) -> tuple[Orders, Orders]:
    """Return every order of rows with every order of columns, and the identity."""
    sides = []
    for side in groups:
        size = sum(len(group) for group in side)
        found = []
        for choice in product(*(orders(group) for group in side)):
            order = np.empty(size, dtype=np.intp)
            for group, moved in zip(side, choice, strict=True):
                order[group] = moved
            found.append(order)
        sides.append(np.array(found))
    rows, columns = sides
    every = Orders(np.repeat(rows, len(columns), axis=0), np.tile(columns, (len(rows), 1)))
    return every, every.only(slice(0, 1))


def crossed_orders(groups: Groups, rng: np.random.Generator, count: int) -> tuple[Orders, Orders]:
    """Return the orders of the moved table and of the others, the identity first in each."""
    sizes = crossed_sizes(count)
    first, others = (Orders(*(random_orders(side, rng, size) for side in groups)) for size in sizes)
    return first, others


def flat_places(some: Orders, shape: tuple[int, ...]) -> np.ndarray:
    """Return the places in a flattened table that orders put into each cell, (B, S T)."""
    places = some.rows[:, :, None] * shape[1] + some.columns[:, None, :]
    return places.reshape(len(places), -1)


def composed(first: Orders, others: Orders) -> Orders:
    """Return first after the inverse of others, every one with every one, (A B) orders."""
    sides = []
    for a, b in ((first.rows, others.rows), (first.columns, others.columns)):
        # argsort of an order is its inverse.
        sides.append(a[:, np.argsort(b, axis=1)].reshape(-1, a.shape[1]))
    return Orders(*sides)
