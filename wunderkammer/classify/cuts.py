"""The rules about what networks see in crops."""

from wunderkammer.classify.params import ClassifyParams, OutlierParams, SimilarParams
from wunderkammer.crops.cuts import Cut


def classify_cuts(params: ClassifyParams) -> list[Cut]:
    """Crops of another class, or not surely enough of a wanted one."""
    if params.rule == "top1":
        words = "rank of the likeliest wanted class; filter.classify.classes"
        return [Cut(measure="class_rank", reason="other_class", words=words, at_most=1)]
    return [
        Cut(
            measure="class_probability",
            reason="other_class",
            words="probability of the wanted classes; filter.classify.min_probability",
            at_least=params.min_probability,
        )
    ]


def similar_cuts(params: SimilarParams) -> list[Cut]:
    """Crops that are like none of the examples."""
    return [
        Cut(
            measure="similarity",
            reason="unlike_examples",
            words="cosine to the nearest example; filter.similar.min_similarity",
            at_least=params.min_similarity,
        )
    ]


def outlier_cuts(params: OutlierParams) -> list[Cut]:
    """Crops that are like no others."""
    return [
        Cut(
            measure="outlier_score",
            reason="outlier",
            words="mean of 1 - cosine to the nearest crops; filter.outliers.max_score",
            at_most=params.max_score,
        )
    ]
