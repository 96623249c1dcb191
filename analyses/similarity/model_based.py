"""How well an encoder's features, or a source model's outputs, already solve a target task.

All are functions of arrays: features (examples, dimensions), labels (examples,). Higher means that the model
behind the features transfers better. `linear_cka` compares two sets of features of the same examples.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, pinvh

from analyses.similarity.arrays import classes, coded, matrix, unit_rows
from analyses.similarity.evidence import max_log_evidence
from simxfer.common.errors import InputError

ROUNDING = 1e-10
"""Eigenvalues of a covariance below this share of the largest are rounding."""

SAME_COSINE = 1e-12
"""Cosines that differ by no more are equal up to rounding."""


def log_me(features: np.ndarray, labels: np.ndarray) -> float:
    """LogME: maximum log evidence per example of linear regressions on one-hot labels, averaged over classes.

    y ~ N(0, I/beta + F F'/alpha), maximised over alpha and beta (You et al. 2021, equation 2). Range
    (-inf, inf); +inf where the features reproduce the labels exactly with fewer dimensions than examples.

    The authors' fixed-point code leaves out -(D - k)/2 log(alpha) where the rank k is below the dimension D
    (120 features of 60 examples: 3.7 instead of -0.25); this is the evidence itself, and it is maximised
    without a limit on iterations.

    Example:
        >>> import numpy as np
        >>> from analyses import log_me
        >>> labels = np.array([0, 1] * 50)
        >>> noise = np.random.default_rng(1).normal(size=(100, 8))
        >>> informed = noise + labels[:, None]
        >>> round(log_me(noise, labels), 2), round(log_me(informed, labels), 2)
        (-1.07, -0.74)
    """
    features = matrix(features, "features", least=2)
    index, n_classes = classes(labels, len(features))
    targets = np.eye(n_classes)[index]
    return float(np.mean(max_log_evidence(features, targets)) / len(features))


def regularized_h_score(features: np.ndarray, labels: np.ndarray) -> float:
    """H-score with a Ledoit-Wolf shrunk covariance; range 0 to (classes - 1) n / (n - 1), n the examples.

    tr(S_a^-1 (1 - a) S_between), Ibrahim et al. 2022, equation 5. The plain H-score saturates at classes - 1
    where there are as many dimensions as examples. Where nothing is shrunk and the covariance is singular (two
    distinct points in equal numbers) S^-1 is the pseudo-inverse, as in the authors' code.

    Example:
        >>> import numpy as np
        >>> from analyses import regularized_h_score
        >>> labels = np.array([0, 1] * 50)
        >>> noise = np.random.default_rng(1).normal(size=(100, 8))
        >>> informed = noise + labels[:, None]
        >>> round(regularized_h_score(noise, labels), 2), round(regularized_h_score(informed, labels), 2)
        (0.0, 0.63)
    """
    features = matrix(features, "features", least=2)
    index, n_classes = classes(labels, len(features))
    x = features - features.mean(axis=0)
    covariance, shrinkage = _ledoit_wolf(x)
    if not covariance.any():
        return 0.0
    sizes = np.bincount(index, minlength=n_classes)
    means = (np.eye(n_classes)[index].T @ x) / sizes[:, None]
    # The shrinkage is the least eigenvalue, relative to their mean: below ROUNDING no Cholesky factor is sure to exist.
    if shrinkage > ROUNDING:
        solved = cho_solve(cho_factor(covariance), means.T)
    else:
        solved = pinvh(covariance, rtol=ROUNDING) @ means.T
    between = (sizes * (means * solved.T).sum(axis=1)).sum() / (len(x) - 1)
    return float((1 - shrinkage) * between)


def transrate(features: np.ndarray, labels: np.ndarray, eps: float = 1e-4) -> float:
    """TransRate: coding rate of the features less the mean coding rate of the classes.

    R(Z) - sum_c R(Z_c) / C with R(Z) = logdet(I + Z'Z / (n eps)) / 2 on features centred as a whole (Huang et
    al. 2022, as in the authors' code: classes weigh equally). Range (-inf, inf). It depends strongly on eps:
    compare at one eps only.

    Example:
        >>> import numpy as np
        >>> from analyses import transrate
        >>> labels = np.array([0, 1] * 50)
        >>> noise = np.random.default_rng(1).normal(size=(100, 8))
        >>> apart = noise * (np.arange(8) // 4 == labels[:, None])
        >>> round(transrate(noise, labels), 1), round(transrate(apart, labels), 1)
        (0.2, 12.9)
    """
    if not eps > 0:
        raise InputError(f"eps is {eps}; expected a number above 0")
    features = matrix(features, "features", least=2)
    index, n_classes = classes(labels, len(features))
    x = features - features.mean(axis=0)
    return _coding_rate(x, eps) - float(np.mean([_coding_rate(x[index == c], eps) for c in range(n_classes)]))


def knn_accuracy(features: np.ndarray, labels: np.ndarray, k: int = 5) -> float:
    """Leave-one-out accuracy of the k nearest neighbours by cosine; range [0, 1] (Renggli et al. 2022).

    A tie between classes goes to the class of the nearest of the tied neighbours. Neighbours at one distance share
    their places, and classes that are tied even so the prediction, so that the order of the examples does not
    matter. A zero vector has no neighbours and raises.

    Example:
        >>> import numpy as np
        >>> from analyses import knn_accuracy
        >>> features = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0], [0.1, 1.0], [0.2, 1.0]])
        >>> knn_accuracy(features, np.array([0, 0, 0, 1, 1, 1]), k=2)
        1.0
        >>> round(knn_accuracy(features, np.array([0, 0, 0, 1, 1, 0]), k=2), 2)
        0.67
    """
    features = matrix(features, "features", least=2)
    index, n_classes = classes(labels, len(features))
    if not 1 <= k < len(features):
        raise InputError(f"k is {k}; expected 1 to {len(features) - 1} neighbours")
    x = unit_rows(features)
    if np.isnan(x).any():
        raise InputError("features hold a zero vector, which has no cosine; drop it")
    # 1,024 rows of cosines at a time: 80 MB for 10,000 examples.
    right = [_knn_right(x, index, start, k, n_classes) for start in range(0, len(x), 1024)]
    return float(np.concatenate(right).mean())


def leep(source_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """LEEP: mean log likelihood of the labels under the source model's empirical predictor; range (-inf, 0].

    Nguyen et al. 2020, equation 2.

    Args:
        source_probabilities: (examples, source labels), rows sum to 1.
        labels: (examples,).

    Example:
        >>> import numpy as np
        >>> from analyses import leep
        >>> labels = np.array(["no", "no", "yes", "yes"])
        >>> sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
        >>> round(leep(sure, labels), 2), round(leep(np.full((4, 2), 0.5), labels), 2)
        (-0.2, -0.69)
    """
    theta = matrix(source_probabilities, "source_probabilities", least=2)
    if (theta < 0).any() or not np.allclose(theta.sum(axis=1), 1.0, atol=1e-4):
        raise InputError("source_probabilities are no distributions; expected rows >= 0 that sum to 1")
    index, n_classes = classes(labels, len(theta))
    joint = np.eye(n_classes)[index].T @ theta
    # A source label of probability 0 everywhere has an empty column, which no example asks for.
    conditional = joint / np.maximum(joint.sum(axis=0), np.finfo(float).tiny)
    return float(np.log((theta @ conditional.T)[np.arange(len(theta)), index]).mean())


def nce(source_labels: np.ndarray, labels: np.ndarray) -> float:
    """NCE: minus the conditional entropy of the labels given the source labels, in nats; range (-inf, 0].

    Tran et al. 2019, equation 4. Log likelihood of the labels as in `leep`, with hard source labels.

    Example:
        >>> import numpy as np
        >>> from analyses import nce
        >>> labels = np.array(["no", "no", "yes", "yes"])
        >>> round(nce(np.array([7, 7, 3, 3]), labels), 2), round(nce(np.array([7, 3, 7, 3]), labels), 2)
        (0.0, -0.69)
    """
    source, count = coded(source_labels, len(classes(labels, len(labels))[0]), "source_labels")
    return leep(np.eye(count)[source], labels)


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment of two sets of features of the same examples; range [0, 1], symmetric.

    |Y'X|^2 / (|X'X| |Y'Y|) on centred columns, Kornblith et al. 2019, equation 3. NaN where features are
    constant. Biased towards 1 where there are fewer examples than dimensions.

    Args:
        x: (examples, dimensions).
        y: (examples, other dimensions), the same examples in the same order.

    Example:
        >>> import numpy as np
        >>> from analyses import linear_cka
        >>> x, other = np.random.default_rng(1).normal(size=(2, 200, 3))
        >>> turned = 5 * x[:, [2, 0, 1]] + 1
        >>> round(linear_cka(x, turned), 2), linear_cka(x, other) < 0.1
        (1.0, True)
    """
    x, y = matrix(x, "x", least=2), matrix(y, "y", least=2)
    if len(x) != len(y):
        raise InputError(f"x has {len(x)} examples and y {len(y)}; expected the same examples")
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    # Norms of examples x examples or of dimensions x dimensions are the same: the smaller are taken.
    if len(x) < max(x.shape[1], y.shape[1]):
        gram_x, gram_y = x @ x.T, y @ y.T
        cross, norms = (gram_x * gram_y).sum(), np.linalg.norm(gram_x) * np.linalg.norm(gram_y)
    else:
        cross, norms = np.linalg.norm(y.T @ x) ** 2, np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(min(1.0, cross / norms)) if norms > 0 else np.nan


def taskemb(x: np.ndarray, y: np.ndarray) -> float:
    """Similarity of two tasks' diagonal Fisher information; range [0, 1], symmetric.

    cos(x / (x + y), y / (x + y)) after each is scaled to sum 1, over the weights that either depends on: one
    minus the symmetric TASK2VEC distance of Achille et al. 2019, in which weights of all sizes of gradient
    count alike. The scaling is added here: how well a task is learnt scales its whole Fisher information and
    is no similarity. 1 for proportional vectors, 0 for tasks that depend on different weights; NaN where one
    depends on none.

    Args:
        x: (weights,), not negative.
        y: (weights,), of the same encoder.

    Raises:
        InputError: other shapes, or values that are negative, NaN or infinite.

    Example:
        >>> import numpy as np
        >>> from analyses import taskemb
        >>> fisher = np.array([4.0, 2.0, 0.0])
        >>> round(taskemb(fisher, 10 * fisher), 2), round(taskemb(fisher, np.array([0.0, 0.0, 1.0])), 2)
        (1.0, 0.0)
    """
    x, y = (np.asarray(v, dtype=np.float64) for v in (x, y))
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"Fisher vectors have shapes {x.shape} and {y.shape}; expected those of one encoder")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() >= 0 and y.min() >= 0):
        raise InputError("Fisher vectors hold negative, NaN or infinite values; expected means of squares")
    if not (x.any() and y.any()):
        return np.nan
    x, y = x / x.sum(), y / y.sum()
    used = (x + y) > 0
    share = x[used] / (x + y)[used]
    return float(share @ (1 - share) / (np.linalg.norm(share) * np.linalg.norm(1 - share)))


# Own code: scikit-learn's ledoit_wolf gives the same values in six times the time (2,000 x 1,024: .97 s for .17).
def _ledoit_wolf(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the shrunk covariance of centred x and the shrinkage (Ledoit and Wolf 2004, lemma 3.3)."""
    n, d = x.shape
    covariance = x.T @ x / n
    mean = np.trace(covariance) / d
    spread = (covariance**2).sum() - d * mean**2
    noise = (((x * x).sum(axis=1) ** 2).sum() / n - (covariance**2).sum()) / n
    shrinkage = float(np.clip(noise / spread, 0.0, 1.0)) if spread > 0 else 0.0
    covariance *= 1 - shrinkage
    covariance[np.diag_indices(d)] += shrinkage * mean
    return covariance, shrinkage


def _coding_rate(x: np.ndarray, eps: float) -> float:
    """Half the log determinant of I + X'X / (n eps), from the smaller Gram matrix."""
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    gram /= len(x) * eps
    gram[np.diag_indices(len(gram))] += 1.0
    return float(np.log(np.diag(np.linalg.cholesky(gram))).sum())


# Own code: scikit-learn's neighbours cut ties at the k-th place by the order of the examples, and to ask for more and
# mend that takes 1.2 (2,000 x 1,024) to 1.9 times (5,000 x 384) as long.
def _knn_right(x: np.ndarray, index: np.ndarray, start: int, k: int, n_classes: int) -> np.ndarray:
    """Return for a block of examples the share of the prediction that falls on their class."""
    block = np.arange(start, min(start + 1024, len(x)))
    similarity = x[block] @ x.T
    similarity[np.arange(len(block)), block] = -np.inf
    farthest = np.partition(similarity, -k, axis=1)[:, -k] - SAME_COSINE
    most = int((similarity >= farthest[:, None]).sum(axis=1).max())
    nearest = np.argpartition(-similarity, most - 1, axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(similarity, nearest, axis=1), axis=1)
    nearest = np.take_along_axis(nearest, order, axis=1)
    weights = _vote_weights(np.take_along_axis(similarity, nearest, axis=1), k)
    votes = np.stack([(weights * (index[nearest] == c)).sum(axis=1) for c in range(n_classes)], axis=1)
    winners = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    return winners[np.arange(len(block)), index[block]] / winners.sum(axis=1)


def _vote_weights(similarity: np.ndarray, k: int) -> np.ndarray:
    """Return the votes (n, m) of neighbours sorted from near to far: k in all, those at one distance alike.

    A vote weighs a little less the farther the neighbour, by less than one vote in all: ties go to the nearest.
    """
    n, m = similarity.shape
    places = np.zeros(m)
    # What is added is half a vote in all, so that no majority is overturned.
    places[:k] = 1 + np.arange(k, 0, -1) / (k * (k + 1))
    steps = np.diff(similarity, axis=1) < -SAME_COSINE
    group = np.cumsum(np.hstack([np.zeros((n, 1), dtype=int), steps]), axis=1) + m * np.arange(n)[:, None]
    total = np.bincount(group.ravel(), np.tile(places, n), minlength=n * m)
    return (total / np.maximum(1, np.bincount(group.ravel(), minlength=n * m)))[group]
