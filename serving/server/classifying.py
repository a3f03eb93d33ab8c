"""Classifying one encoded picture: the call of the model, and what its outputs say."""
from typing import Any

import numpy as np

from fixhead_serving.server.predicting import Call
from fixhead_serving.server.refusals import InvalidRequest
from fixhead_serving.server.versions import LoadedVersion
from fixhead_serving.specs import Tensors

SIGNATURE = "serving_bytes"


def picture_call(version: LoadedVersion, picture: bytes) -> Call:
    """Returns the call that classifies an encoded picture.

    Raises:
        InvalidRequest: if the model does not take encoded pictures.
    """
    signature = version.signatures.get(SIGNATURE)
    texts = [] if signature is None else [name for name, each in signature.inputs.items() if each.dtype == "DT_STRING"]
    if signature is None or len(texts) != 1 or len(signature.inputs) != 1:
        raise InvalidRequest(f"The model does not take encoded pictures: it has no signature '{SIGNATURE}' with one "
                             "string input. fixhead export writes one.")
    return Call(version, SIGNATURE, {texts[0]: np.array([picture], object)})


def classification(outputs: Tensors) -> dict[str, Any]:
    """Returns the class of the only picture of a call: label, class_index and probability, and all probabilities.

    Of a model that never has all probabilities, `top` has those of its best classes instead.

    Raises:
        InvalidRequest: if the model's outputs do not tell.

    Example:
        >>> classification({"probabilities": np.array([[0.25, 0.75]]), "label": np.array([b"dog"], object)})
        {'label': 'dog', 'class_index': 1, 'probability': 0.75, 'probabilities': [0.25, 0.75]}
    """
    if "top_probabilities" in outputs:
        return _best(outputs)
    shares = outputs.get("probabilities")
    if shares is None or shares.ndim != 2 or len(shares) != 1:
        raise InvalidRequest(f"The model does not classify pictures: it returns {', '.join(sorted(outputs))}, but no "
                             "probabilities.")
    index = int(outputs["class_index"][0]) if "class_index" in outputs else int(shares[0].argmax())
    label = outputs["label"][0] if "label" in outputs else None
    return {"label": label.decode("utf-8", "replace") if isinstance(label, bytes) else label, "class_index": index,
            "probability": float(shares[0, index]), "probabilities": [float(each) for each in shares[0]]}


def _best(outputs: Tensors) -> dict[str, Any]:
    classes, names, shares = (outputs[name][0].tolist() for name in ("top_classes", "top_labels", "top_probabilities"))
    best = [{"label": name.decode("utf-8", "replace") if isinstance(name, bytes) else name, "class_index": number,
             "probability": share} for number, name, share in zip(classes, names, shares, strict=True)]
    return {**best[0], "top": best}
