"""Which methods a classifier can serve: those that look inside need the network itself, not only its answers."""

from __future__ import annotations

from whyscan.errors import BadModel
from whyscan.models.classifier import Classifier

ANSWERS_ONLY = ("lime", "shap", "owen", "occlusion", "rise", "anchors")
"""The methods that need no more than answers. Their table, `METHODS`, stands on this module; a test compares them."""

INSTEAD = f"use {', '.join(ANSWERS_ONLY[:-1])} or {ANSWERS_ONLY[-1]}"


def need_gradients(classifier: Classifier, method: str) -> None:
    """Refuse a black box before any work is done.

    Args:
        method: how the method that looks inside is called.

    Raises:
        BadModel: the classifier answers, but its network cannot be differentiated.
    """
    if not getattr(classifier, "white_box", True):
        came = f"{classifier.name} is a black box: {method} needs what is inside the network"
        raise BadModel(came, "a network that can be differentiated", INSTEAD)
