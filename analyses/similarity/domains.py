"""How well an encoder's states tell two languages (domains) apart: the proxy A-distance."""

from dataclasses import dataclass

import numpy as np

from analyses.similarity.arrays import pair


@dataclass(frozen=True)
class ADistance:
    """The proxy A-distance 2 (1 - 2 e) of two sets of states, from the held-out error e of a classifier."""

    errors: int
    """Held-out texts that the classifier got wrong."""
    n: int
    """Held-out texts of both sides."""
    level: float = 0.95

    @property
    def raw(self) -> float:
        """The distance, -2 to 2; by chance below 0 where nothing tells the sides apart."""
        return 2 * (1 - 2 * self.errors / self.n)

    @property
    def clipped(self) -> float:
        """The distance, 0 to 2."""
        return max(0.0, self.raw)

    @property
    def interval(self) -> tuple[float, float]:
        """Limits of the raw distance, from Wilson's interval of the error: not a point where the error is 0."""
        from scipy.stats import binomtest

        found = binomtest(self.errors, self.n).proportion_ci(self.level, method="wilson")
        return float(2 * (1 - 2 * found.high)), float(2 * (1 - 2 * found.low))


def proxy_a_distance(source: np.ndarray, target: np.ndarray) -> ADistance:
    """Return how well two sets of states are told apart by a classifier that has seen neither held-out half.

    The classifier is a fresh logistic regression (L2, C = 1, features as they are), trained on the even rows of each
    side and asked about the odd ones; the larger side is cut to the size of the smaller one. The discriminator of an
    adversarial training would not do: the encoder was trained to fool it. What it says saturates at 2.

    Args:
        source: states of texts of one language, (rows, dimensions), none of them trained on.
        target: those of another one, (rows, dimensions).

    Raises:
        InputError: not two tables of as many dimensions, fewer than 4 rows of a side, or values that are no numbers.

    Source: Ben-David et al. 2007, Analysis of representations for domain adaptation; Ganin et al. 2016, section 5.

    Example:
        >>> import numpy as np
        >>> from analyses.similarity import proxy_a_distance
        >>> rng = np.random.default_rng(0)
        >>> states = rng.normal(size=(400, 3))
        >>> near, far = proxy_a_distance(states[:200], states[200:]), proxy_a_distance(states, states + 9)
        >>> near.interval[0] < 0 < near.interval[1], far.raw, far.errors, far.n
        (True, 2.0, 0, 400)
    """
    from sklearn.linear_model import LogisticRegression

    source, target = pair(source, target, least=4)
    rows = min(len(source), len(target))
    sides = source[:rows], target[:rows]
    seen, held_out = (np.concatenate([states[i::2] for states in sides]) for i in (0, 1))
    labels = [np.repeat([0, 1], len(half) // 2) for half in (seen, held_out)]
    classifier = LogisticRegression(C=1.0, max_iter=10_000, tol=1e-8).fit(seen, labels[0])
    wrong = int((classifier.predict(held_out) != labels[1]).sum())
    return ADistance(wrong, len(held_out))
