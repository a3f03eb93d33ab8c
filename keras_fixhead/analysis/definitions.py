"""What the numbers of an analysis are called, and how each is defined."""

RETRIEVAL = {
    "images": "number of images, the same number from each class, 2,000 at most",
    "recall_at_1": "Recall@1, share of images whose nearest other image is of their class (by the cosine of features)",
    "recall_at_2": "Recall@2, the same for one of the 2 nearest",
    "recall_at_4": "Recall@4, the same for one of the 4 nearest",
    "recall_at_8": "Recall@8, the same for one of the 8 nearest",
    "r_precision": "R-precision, share of an image's class among its R nearest images; R is the number of other "
    "images of its class",
    "map_at_r": "MAP@R, precision at each of the R nearest images that is of its class, added up and divided by R, "
    "the number of other images of its class",
    "nearest_10": "share of images whose class has most votes among the 10 nearest other images",
    "auroc": "verification, probability that a pair of one class has a larger cosine than a pair of two classes",
    "equal_error_rate": "verification, error rate where as many pairs of one class are refused as others are accepted",
    "accept_at_0.001": "verification, share of pairs of one class that are accepted when 0.1 % of the others are",
    "accept_at_0.01": "verification, the same at 1 %",
    "accept_at_0.1": "verification, the same at 10 %",
}
"""Numbers on retrieval and verification."""
SCORES = {
    "max_cosine": "cosine to the nearest class vector",
    "max_logit": "largest logit",
    "max_probability": "largest probability",
    "energy": "energy (logsumexp of the logits)",
    "nearest_neighbours": "distance to the 50th nearest embedding of training images",
    "virtual_logit": "ViM without bias (energy minus what lies outside the principal space of training features, which "
    "are divided by their lengths for cosine logits)",
}
"""Scores of open-set recognition."""
DETECTION = {
    "auroc": "AUROC, probability that an image of an unknown class gets the smaller score",
    "fpr_at_95": "share of known images taken for unknown when 95 % of the unknown ones are found",
    "aupr_unknown": "average precision with unknown images as positives",
    "aupr_known": "average precision with known images as positives",
}
"""Measures of such a score."""

DEFINITIONS: dict[str, str] = {
    "accuracy.accuracy": "share of images whose largest logit is that of their class",
    "accuracy.chance": "share of the most frequent class among the test images: the accuracy of naming it every time",
    "accuracy.validation_accuracy": "the same as accuracy, on validation images",
    "class_vectors.mean_cosine": "mean cosine between two different class vectors",
    "class_vectors.max_cosine": "largest cosine between two different class vectors",
    "class_vectors.high_cosine": "95th percentile of the cosines between two different class vectors",
    "class_vectors.simplex_cosine": "-1 / (m - 1): the cosine between all pairs of a simplex, the smallest possible "
    "largest cosine if m <= d + 1",
    "class_vectors.cosine_bound": "lower bound on the largest cosine of m vectors in d dimensions (simplex, orthoplex, "
    "Levenshtein)",
    "class_vectors.welch_bound": "Welch's lower bound on the largest absolute cosine of m vectors in d dimensions",
    "class_vectors.randomness_distance": "largest gap between the share of pairs up to a cosine and the Beta law of "
    "random directions (Kolmogorov-Smirnov distance)",
    "class_vectors.randomness_p_value": "share of sets of random directions that are at least as far from the law; "
    "small values speak against random directions",
    "class_vectors.groups_within": "mean cosine between class vectors of one group of look-alike classes",
    "class_vectors.groups_across": "mean cosine between class vectors of different groups",
    "class_vectors.groups_difference": "groups_within minus groups_across",
    "class_vectors.groups_p_value": "share of permutations of the classes with at least this difference",
    "confusion.ordered_correlation": "Spearman's correlation, over ordered pairs (i, j) of different classes, of "
    "cosine(w_i, w_j) and the number of images of i predicted as j",
    "confusion.ordered_ceiling": "largest value of it that any similarity without ties can reach: counts have ties, "
    "and differ between (i, j) and (j, i)",
    "confusion.ordered_p_value": "share of permutations of the classes with at least this correlation",
    "confusion.unordered_correlation": "the same over unordered pairs, the errors of both directions added",
    "confusion.unordered_ceiling": "largest value of it that ties allow",
    "confusion.unordered_p_value": "share of permutations of the classes with at least this correlation",
    "confusion.ordered_means_correlation": "control: the same, over ordered pairs, with cosines between the mean "
    "embeddings of classes instead of class vectors",
    "confusion.unordered_means_correlation": "control: the same over unordered pairs",
    "confusion.errors": "number of misclassified images",
    "confusion.errors_inside_groups": "share of all errors between classes of one group of look-alike classes",
    "compactness.own": "mean cosine of features to the class vector of their own class",
    "compactness.predicted": "mean cosine of features to the class vector of the predicted class (the paper's Table 4)",
    "compactness.predicted_if_right": "the same, over correctly classified images",
    "compactness.predicted_if_wrong": "the same, over misclassified images",
    "compactness.nearest_wrong": "mean cosine of features to the nearest class vector of another class",
    "compactness.margin": "mean of own minus nearest_wrong",
    "separability.intra_class_angle": "mean angle between an embedding and the mean embedding of its class, in degrees",
    "separability.inter_class_angle": "mean angle between mean embeddings of different classes, in degrees",
    "separability.smallest_inter_class_angle": "smallest angle between mean embeddings of two classes, in degrees",
    "separability.angle_ratio": "intra_class_angle divided by inter_class_angle; both are means, so it does not show "
    "classes whose means nearly coincide: compare smallest_inter_class_angle and nearest_mean_accuracy",
    "separability.within_to_between": "mean squared distance of embeddings to the mean of their class, divided by that "
    "of class means to the mean of the class means: smaller is better separated (a mean, like angle_ratio)",
    "separability.nearest_mean_accuracy": "share of images whose embedding is nearest to the mean of its own class",
    "reach.reachable_cosine_mean": "largest cosine to its class vector that features without negative entries can "
    "reach, mean over classes (1 if features can be negative)",
    "reach.reachable_cosine_min": "smallest of these",
    "reach.reachable_cosine_max": "largest of these",
    "reach.share_reached": "compactness.own divided by reachable_cosine_mean",
    "reach.best_loss": "smallest cross-entropy that any features can reach at this scale, mean over classes, in nats",
    "reach.best_cosine": "cosine to the own class vector at that loss, mean over classes",
    "reach.training_loss": "training cross-entropy of the last epoch, in nats, on augmented images",
    "collapse.nc1": "NC1, variability inside classes: trace(S_W S_B^+) / m, of covariances within and between classes; "
    "as in all measures of collapse, features are divided by their lengths for cosine logits, which do not see them",
    "collapse.nc2_norms": "NC2, equal norms: standard deviation of the lengths of centred class means divided by their "
    "mean",
    "collapse.nc2_cosines": "NC2, for heads that are not a simplex: mean absolute difference of the cosines between "
    "centred class means and those between the head's own centred class vectors",
    "collapse.nc2_simplex": "NC2, as usual: mean absolute difference of the cosines between centred class means and "
    "-1 / (m - 1)",
    "collapse.nc3": "NC3, self-duality: distance of centred class means and the head's own centred class vectors, both "
    "as matrices of Frobenius norm 1",
    "collapse.nc4": "NC4: share of images whose nearest class mean is not the predicted class",
    "collapse.cdnv": "class-distance normalized variance: mean over pairs of classes of (variance i + variance j) / "
    "(2 |mean i - mean j|^2)",
    "calibration.ece": "expected calibration error: mean gap between accuracy and confidence, 15 bins of equal width, "
    "the last one closed",
    "calibration.adaptive_ece": "the same with 15 bins of equal numbers of images",
    "calibration.largest_gap": "largest gap of any of the bins of equal width",
    "calibration.nll": "mean cross-entropy, in nats",
    "calibration.brier": "mean squared distance of probabilities from the one-hot label, summed over classes",
    "calibration.mean_confidence": "mean probability of the predicted class",
    "calibration.largest_probability": "largest probability of any image and class",
    "calibration.ceiling": "largest probability that cosine logits of scale S allow (the paper's Equation 5)",
    "calibration.temperature": "T with the smallest cross-entropy of softmax(logits / T), fitted on validation images",
    "calibration.ece_after": "ece of softmax(logits / T)",
    "calibration.adaptive_ece_after": "adaptive_ece of softmax(logits / T)",
    "calibration.nll_after": "nll of softmax(logits / T)",
    "calibration.brier_after": "brier of softmax(logits / T)",
    **{f"retrieval.{name}": f"test images: {text}" for name, text in RETRIEVAL.items()},
    **{f"held_out.{name}": f"images of unknown classes: {text}" for name, text in RETRIEVAL.items()},
    **{f"open_set.{measure}_{score}": f"{of}: {text}" for score, of in SCORES.items()
       for measure, text in DETECTION.items()},
}
"""'section.name' of a number -> its definition. Every number of an analysis is here."""
