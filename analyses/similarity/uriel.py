"""URIEL's raw features (Littell et al. 2017), read from `data/typology/uriel.npz` (CC BY-SA 4.0).

The file is made by `data/typology/build.py`; its README states source, versions and licence.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from analyses.similarity.codes import iso639_3, macrolanguage
from simxfer.common.errors import InputError, unknown
from simxfer.common.shipped import data_path

KINDS = ("syntactic", "phonological", "inventory", "featural", "genetic", "geographic", "script")
"""Kinds of features; `featural` is syntactic, phonological and inventory together."""

PARTS = {"featural": ("syntactic", "phonological", "inventory")}
"""Kinds that are made of others."""

COORDINATES = ("latitude", "longitude")


@dataclass(frozen=True)
class Uriel:
    """The whole table, by kind: feature names and a (languages x features) array, NaN where not stated."""

    languages: tuple[str, ...]
    position: dict[str, int]
    names: dict[str, tuple[str, ...]]
    values: dict[str, np.ndarray]

    def rows(self, codes: list[str], kind: str) -> np.ndarray:
        """Return the (codes x features) array of one kind; NaN where URIEL states nothing.

        URIEL files part of its sources under the macrolanguage (`ara`, `est`) and part under the standard
        language (`arb`, `ekk`). What the latter's row leaves open is taken from the former's.

        Raises:
            InputError: a code is unknown, ambiguous or not in URIEL.
        """
        individual = [self._code(code) for code in codes]
        rows = self.values[kind][[self.position[code] for code in individual]].astype(np.float64)
        for i, code in enumerate(individual):
            macro = macrolanguage(code)
            if macro in self.position:
                rows[i] = np.where(np.isnan(rows[i]), self.values[kind][self.position[macro]], rows[i])
        return rows

    def _code(self, code: str) -> str:
        individual = iso639_3(code)
        if individual not in self.position:
            raise InputError(unknown("language (not in URIEL)", individual, self.languages))
        return individual


@cache
def uriel() -> Uriel:
    """Read the table once (half a second, 100 MB)."""
    with np.load(data_path("typology", "uriel.npz"), allow_pickle=False) as z:
        file = {name: z[name] for name in z.files}
    levels = np.append(file["levels"], np.nan)
    stated = levels[file["codes"].astype(np.intp)]
    names, values = {}, {}
    for kind in dict.fromkeys(str(k) for k in file["kinds"]):
        of_kind = file["kinds"] == kind
        names[kind], values[kind] = tuple(map(str, file["features"][of_kind])), stated[:, of_kind]
    for kind, parts in PARTS.items():
        names[kind] = tuple(name for part in parts for name in names[part])
        values[kind] = np.concatenate([values[part] for part in parts], axis=1)
    names["genetic"], values["genetic"] = tuple(map(str, file["families"])), _genetic(file)
    names["geographic"] = COORDINATES
    values["geographic"] = np.stack([file[name] for name in COORDINATES], axis=1).astype(np.float64)
    languages = tuple(map(str, file["languages"]))
    return Uriel(languages, {code: i for i, code in enumerate(languages)}, names, values)


def _genetic(file: dict[str, np.ndarray]) -> np.ndarray:
    """Unpack the (languages x families) matrix; a language without a genetic record is a row of NaN.

    Half precision holds 0, 1 and NaN exactly and takes 60 MB instead of 250.
    """
    matrix = np.zeros((len(file["languages"]), len(file["families"])), dtype=np.float16)
    matrix[file["family_language"], file["family_feature"]] = 1.0
    matrix[~file["family_known"]] = np.nan
    return matrix
