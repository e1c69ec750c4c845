"""What a model would say had its pixels been scaled another way, without opening it again."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float32
from numpy import ndarray

from whyscan.errors import BadModel
from whyscan.models.classifier import Classifier, Pixels
from whyscan.models.doctor import normalisation_of
from whyscan.models.preprocess import NORMALISATIONS, Normalisation, name_of


def candidates(classifier: Classifier) -> dict[str, Normalisation]:
    """The scalings to try: its own first, then the usual ones.

    Raises:
        BadModel: the model scales its pixels out of sight.
    """
    own = normalisation_of(classifier)
    if own is None:
        raise BadModel(
            f"{classifier.name} scales its pixels out of sight", "a model whose scaling whyscan does", "nothing to try"
        )
    found: Mapping[str, Normalisation] = {name_of(own): own}
    return {**found, **{name: each for name, each in NORMALISATIONS.items() if name not in found}}


def logits_as_if(classifier: Classifier, pixels: Pixels, scaling: Normalisation) -> Float32[ndarray, "n k"]:
    """The logits had `pixels` (n, 3, h, w) in [0, 1] been scaled by `scaling`.

    The pixels are turned into those that the model's own scaling takes to the same numbers.
    """
    own = normalisation_of(classifier)
    assert own is not None  # `candidates` has seen to it
    return classifier.logits(own.undo(scaling.apply(pixels)).astype("float32"))
