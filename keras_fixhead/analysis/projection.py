"""Features in two dimensions, to be drawn: as they are, by PCA, or by t-SNE."""
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.arrays import few_of_each, finite_rows
from keras_fixhead.analysis.geometry import unit_rows
from keras_fixhead.errors import ArgumentError

DRAWN_CLASSES = 10
"""Number of classes in a picture of features."""
DRAWN_IMAGES = 1_000
"""Number of images in a picture of features."""


@dataclass(frozen=True)
class Plane:
    """Features of some images of a set, and the class vectors, in a plane.

    Attributes:
        points: shape (n, 2).
        labels: shape (n,).
        vectors: class vectors, scaled to the mean length of the features, shape (m, 2).
        chosen: which images of the set they are, shape (n,).
        share: share of the features' variance in the plane; 1 if features have two dimensions.
        directions: whether features were divided by their lengths.
        flat: whether the features have two dimensions.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.integer[Any]]
    vectors: NDArray[np.float64]
    chosen: NDArray[np.intp]
    share: float
    directions: bool
    flat: bool

    def facts(self) -> dict[str, Any]:
        """Returns what a caption says of it, ready for JSON; see `figures.features.plane_text`."""
        return {"images": len(self.labels), "classes": len(np.unique(self.labels)), "of": len(self.vectors),
                "share": self.share, "directions": self.directions, "flat": self.flat}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Returns what is drawn, in small types, by the names under which results keep it."""
        return {"plane_points": self.points.astype(np.float32), "plane_labels": self.labels.astype(np.uint16),
                "plane_vectors": self.vectors.astype(np.float32)}


def feature_plane(features: NDArray[np.floating], labels: NDArray[np.integer[Any]], class_vectors: ArrayLike, *,
                  cosine: bool) -> Plane | None:
    """Returns features of `DRAWN_IMAGES` images, as many of each of `DRAWN_CLASSES` classes, in a plane.

    Classes are spread evenly over all that have images. Where more than two features make cosine logits, they are
    divided by their lengths first: a few long ones would hide all others.

    Args:
        features: shape (N, d).
        labels: integers in [0, m), shape (N,).
        class_vectors: shape (m, d).
        cosine: whether logits are cosines.

    Returns:
        the plane; None for features of one dimension.

    Raises:
        ArgumentError: (a ValueError) for values that are not finite.

    Example:
        >>> plane = feature_plane(np.eye(3), np.arange(3), np.eye(3), cosine=False)
        >>> plane.points.shape, plane.vectors.shape, round(plane.share, 6)
        ((3, 2), (3, 2), 1.0)
    """
    if features.shape[1] < 2:
        return None
    found = np.unique(labels)
    classes = found[np.unique(np.linspace(0, len(found) - 1, DRAWN_CLASSES).astype(int))]
    members = np.flatnonzero(np.isin(labels, classes))
    chosen = members[few_of_each(labels[members], DRAWN_IMAGES)]
    rows, flat = features[chosen], features.shape[1] == 2
    directions = cosine and not flat
    points, vectors, share = principal_projection(_unit(rows) if directions else rows, class_vectors)
    return Plane(points, labels[chosen], vectors, chosen, share, directions, flat)


def _unit(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Features of length 1; those of length 0 stay as they are."""
    lengths = np.linalg.norm(np.asarray(features, np.float64), axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


def principal_projection(features: ArrayLike, class_vectors: ArrayLike) -> tuple[
        NDArray[np.float64], NDArray[np.float64], float]:
    """Returns features and class vectors in the plane of the features' largest variance, and its share of the variance.

    Features of two dimensions are returned as they are. Class vectors are directions: they are scaled to the mean
    length of the features before they are projected.

    Args:
        features: shape (N, d), d at least 2.
        class_vectors: shape (m, d).

    Returns:
        arrays of shape (N, 2) and (m, 2), and a share in [0, 1].

    Raises:
        ArgumentError: (a ValueError) for values that are not finite, or fewer than 2 dimensions.

    Example:
        >>> points, vectors, share = principal_projection([[0.0, 1.0], [2.0, 0.0]], [[0.0, 3.0]])
        >>> points.tolist(), vectors.tolist(), share
        ([[0.0, 1.0], [2.0, 0.0]], [[0.0, 1.5]], 1.0)
    """
    rows, vectors = finite_rows("features", features), finite_rows("class_vectors", class_vectors)
    if rows.shape[1] < 2:
        raise ArgumentError("Features of one dimension cannot be drawn in a plane.")
    vectors = unit_rows(vectors) * np.linalg.norm(rows, axis=1).mean()
    if rows.shape[1] == 2:
        return rows, vectors, 1.0
    _, sizes, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    signs = np.sign(directions[np.arange(2), np.abs(directions[:2]).argmax(axis=1)])  # the same on every machine
    plane = (directions[:2] * signs[:, None]).T
    share = float((sizes[:2] ** 2).sum() / max(float((sizes**2).sum()), 1e-300))
    return rows @ plane, vectors @ plane, share  # not centred: lines to class vectors begin at the origin


def neighbour_embedding(features: ArrayLike, *, seed: int = 0) -> NDArray[np.float64]:
    """Returns embeddings laid out by t-SNE, shape (N, 2): near ones stay near; distances between groups mean little.

    Args:
        features: shape (N, d), N at least 5.
        seed: seed of the layout.

    Raises:
        ArgumentError: (a ValueError) for values that are not finite, or fewer than 5 rows.

    Reference: van der Maaten and Hinton (2008), JMLR 9; scikit-learn's implementation with cosine distances.
    """
    from sklearn.manifold import TSNE  # slow to import

    rows = finite_rows("features", features)
    if len(rows) < 5:
        raise ArgumentError(f"t-SNE needs at least 5 images, got {len(rows)}.")
    found = TSNE(perplexity=min(30.0, (len(rows) - 1) / 3), metric="cosine", init="random", random_state=seed,
                 max_iter=500).fit_transform(rows)
    return np.asarray(found, np.float64)


def turn(points: ArrayLike) -> NDArray[np.float64]:
    """Returns the angle of each point in a plane around the origin, in degrees in [0, 360).

    Example:
        >>> turn([[1.0, 0.0], [0.0, -1.0]]).tolist()
        [0.0, 270.0]
    """
    rows = np.asarray(points, np.float64)
    return np.degrees(np.arctan2(rows[:, 1], rows[:, 0])) % 360
