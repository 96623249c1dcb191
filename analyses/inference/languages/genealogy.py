"""Covariance between languages from their shared ancestors."""

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError

PREFIX = "F_"


def genealogical_covariance(features: pd.DataFrame) -> pd.DataFrame:
    """Return the covariance that shared ancestry gives languages: shared ancestors over depth.

        K_ij = |A_i and A_j| / sqrt(|A_i| |A_j|)

    with A_i the set of families and subfamilies of language i. K has a unit diagonal, is 0 between families
    and positive semidefinite (a Gram matrix of unit vectors). A tree with equal edges gives Grafen's (1989)
    Brownian covariance with every tip at height 1. A language without any known family is independent of all
    others; `without_relatives` names it.

    Args:
        features: languages (index) x family membership `F_...` (URIEL's names), 0 or 1.

    Raises:
        InputError: no `F_` column, a language twice, a value that is neither 0 nor 1.

    Example:
        >>> import pandas as pd
        >>> from analyses import genealogical_covariance
        >>> families = pd.DataFrame({"F_indo": [1, 1, 0], "F_indo_german": [1, 0, 0], "F_bantu": [0, 0, 1]})
        >>> genealogical_covariance(families.set_axis(["de", "hi", "sw"])).round(2)
              de    hi   sw
        de  1.00  0.71  0.0
        hi  0.71  1.00  0.0
        sw  0.00  0.00  1.0
    """
    columns = [name for name in features.columns if str(name).startswith(PREFIX)]
    if not columns:
        raise InputError(f"no column starts with {PREFIX!r}; expected family membership as in URIEL")
    if features.index.has_duplicates:
        twice = features.index[features.index.duplicated()][0]
        raise InputError(f"language {twice!r} occurs twice; keep one row a language")
    member = features[columns].to_numpy(dtype=float)
    if not np.isin(member, (0.0, 1.0)).all():
        raise InputError("family membership must be 0 or 1 in every row; drop the languages without a record")
    depth = member.sum(axis=1)
    # A language without a known family has depth 0: 0 / 1 makes it independent of all, and the diagonal is set.
    shared = (member @ member.T) / np.sqrt(np.maximum(1.0, np.outer(depth, depth)))
    np.fill_diagonal(shared, 1.0)
    return pd.DataFrame(shared, index=features.index, columns=features.index)


def without_relatives(covariance: pd.DataFrame) -> list[str]:
    """Return the languages that share no ancestor with any other language of the table.

    Example:
        >>> import pandas as pd
        >>> from analyses import genealogical_covariance, without_relatives
        >>> families = pd.DataFrame({"F_indo": [1, 1, 0], "F_bantu": [0, 0, 1]}, ["de", "hi", "sw"])
        >>> without_relatives(genealogical_covariance(families))
        ['sw']
    """
    off = covariance.to_numpy() - np.diag(np.diag(covariance.to_numpy()))
    return [str(name) for name, alone in zip(covariance.index, (off == 0).all(axis=1), strict=True) if alone]
