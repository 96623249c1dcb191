"""Statistical procedures: one file a procedure, one visible registry.

Every procedure validates its input, computes the observed statistic, its null or sampling distribution, and
returns an `Inference`. Names are imported when first used, so that `import analyses.inference` is fast.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from simxfer.common.errors import unknown


@dataclass(frozen=True)
class Procedure:
    """One procedure: where it lives, whether its error rates allow it as a main analysis, its use."""

    path: str
    """module:function."""
    recommended: bool
    use: str


_HERE = "analyses.inference"

PROCEDURES: dict[str, Procedure] = {
    "crossed_effects": Procedure(
        f"{_HERE}.mixed.model:crossed_effects", True, "a linear mixed model with crossed random effects"
    ),
    "likelihood_ratio": Procedure(
        f"{_HERE}.mixed.comparison:likelihood_ratio", True, "are the terms of a larger mixed model needed"
    ),
    "pair_regression": Procedure(
        f"{_HERE}.pairs.regression:pair_regression",
        True,
        "an outcome on a similarity that varies by pair of tasks",
    ),
    "language_regression": Procedure(
        f"{_HERE}.pairs.by_language:language_regression",
        False,
        "an outcome on a similarity that varies by pair of tasks and language",
    ),
    "pair_interaction": Procedure(
        f"{_HERE}.pairs.interaction:pair_interaction",
        True,
        "does a similarity matter alike under two methods",
    ),
    "leave_one_out": Procedure(
        f"{_HERE}.pairs.influence:leave_one_out", True, "does a slope hang on one task or one language"
    ),
    "specification_curve": Procedure(
        f"{_HERE}.pairs.multiverse:specification_curve", True, "all defensible analyses judged as one"
    ),
    "permute_tasks": Procedure(
        f"{_HERE}.pairs.permutation:permute_tasks",
        True,
        "association of two tables of task pairs, whole tasks moved",
    ),
    "permute_labels": Procedure(
        f"{_HERE}.languages.permutation:permute_labels", True, "correlation over languages without kinship"
    ),
    "pgls": Procedure(f"{_HERE}.languages.pgls:pgls", True, "a regression over languages that are kin"),
    "morans_i": Procedure(
        f"{_HERE}.languages.autocorrelation:morans_i", True, "do kin resemble each other in a value"
    ),
    "crossed_bootstrap": Procedure(
        f"{_HERE}.resampling.pigeonhole:crossed_bootstrap",
        True,
        "interval of a statistic over crossed factors",
    ),
    "simultaneous_means": Procedure(
        f"{_HERE}.resampling.simultaneous:simultaneous_means",
        True,
        "means by group with joint intervals (max-T)",
    ),
    "max_t": Procedure(
        f"{_HERE}.pairs.max_statistic:max_t", True, "many similarity measures judged as a family"
    ),
    "paired_randomisation": Procedure(
        f"{_HERE}.resampling.sign_flips:paired_randomisation",
        True,
        "two systems on the same examples or cells",
    ),
    "set_contrast": Procedure(
        f"{_HERE}.sets:set_contrast", True, "two arms of sets of languages, or their diversity"
    ),
    "method_difference": Procedure(
        f"{_HERE}.methods:method_difference", True, "one training method against another over replicates"
    ),
    "equivalence": Procedure(f"{_HERE}.tost:equivalence", True, "is an effect too small to matter"),
    "order_contrasts": Procedure(
        f"{_HERE}.orders:order_contrasts", True, "does the order of three tasks matter, and which is last"
    ),
    "power_of_grid": Procedure(f"{_HERE}.pairs.power:power_of_grid", True, "what this grid could have found"),
    "rank_agreement": Procedure(
        f"{_HERE}.rankings.agreement:rank_agreement", True, "do methods, seeds or languages rank tasks alike"
    ),
    "intraclass_correlation": Procedure(
        f"{_HERE}.rankings.reliability:intraclass_correlation",
        True,
        "absolute agreement of scores between seeds",
    ),
    "seed_reliability": Procedure(
        f"{_HERE}.rankings.reliability:seed_reliability", True, "how reliable is a mean over seeds"
    ),
    "wild_cluster_bootstrap": Procedure(
        f"{_HERE}.resampling.wild_bootstrap:wild_cluster_bootstrap",
        False,
        "one coefficient with few clusters",
    ),
    "cluster_ols": Procedure(
        f"{_HERE}.resampling.cluster_robust:cluster_ols",
        False,
        "least squares with cluster-robust standard errors",
    ),
    "mantel": Procedure(f"{_HERE}.languages.mantel:mantel", False, "correlation of two distance matrices"),
}

_HELPERS: dict[str, str] = {
    "holm": f"{_HERE}.multiplicity:holm",
    "benjamini_hochberg": f"{_HERE}.multiplicity:benjamini_hochberg",
    "Inference": f"{_HERE}.result:Inference",
    "genealogical_covariance": f"{_HERE}.languages.genealogy:genealogical_covariance",
    "without_relatives": f"{_HERE}.languages.genealogy:without_relatives",
    "specific_part": f"{_HERE}.pairs.by_language:specific_part",
    "pair_table": f"{_HERE}.pairs.regression:pair_table",
    "Truth": f"{_HERE}.calibration.simulate:Truth",
    "simulate_grid": f"{_HERE}.calibration.simulate:simulate_grid",
    "headroom": f"{_HERE}.diagnostics:headroom",
    "ceiling_check": f"{_HERE}.diagnostics:ceiling_check",
    "chance_corrected_logit": f"{_HERE}.diagnostics:chance_corrected_logit",
    "chance_corrected_points": f"{_HERE}.diagnostics:chance_corrected_points",
    "collinearity": f"{_HERE}.pairs.influence:collinearity",
    "error_rates": f"{_HERE}.rates:error_rates",
    "simulate_families": f"{_HERE}.calibration.simulate:simulate_families",
    "simulate_results": f"{_HERE}.calibration.simulate:simulate_results",
}

__all__ = ["PROCEDURES", "Procedure", *PROCEDURES, *_HELPERS]


def __getattr__(name: str) -> Any:
    """Import a procedure or helper when it is first asked for (PEP 562)."""
    path = PROCEDURES[name].path if name in PROCEDURES else _HELPERS.get(name)
    if path is None:
        raise AttributeError(unknown("name in analyses.inference", name, [*PROCEDURES, *_HELPERS]))
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
