"""What all DICOM objects say alike: who made them, with which algorithm, in text that fits DICOM's fields."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

from whyscan import __version__
from whyscan.export.dicom_source import highdicom
from whyscan.records.attribution import Attribution

MAKER = "whyscan"
SCHEME = "99WHYSCAN"
"""The designator of codes that no public scheme has: the classes of a classifier."""
RESEARCH = "RESEARCH ONLY - not for diagnosis"


def text(words: str, limit: int = 64) -> str:
    """Words as a DICOM field of so many characters holds them: no control characters, backslash or letters outside
    ASCII (sources rarely declare a character set that has them), the end cut with "...".

    >>> text("Grad-CAM · naïve", 64)
    'Grad-CAM - naive'
    """
    plain = words.replace("·", "-").replace("×", "x").replace("−", "-").replace("\\", "/")
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\x20-\x7e]+", " ", plain).strip() or "unnamed"
    return plain if len(plain) <= limit else plain[: limit - 3].rstrip() + "..."


def file_part(name: str) -> str:
    """A class, layer or method as part of a file name; different names stay different.

    >>> file_part("glioma-meningioma"), file_part("blocks.4")
    ('glioma-meningioma', 'blocks.4')
    >>> file_part("../a"), file_part("膠質瘤")
    ('a-61b4c9', 'unnamed-c88b15')
    """
    spelt = re.sub(r"[^\w.]+", "-", text(name, 40), flags=re.ASCII).strip("-.") or "unnamed"
    return spelt if spelt == name else f"{spelt}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"


def stem(attribution: Attribution, target: str | None = None) -> str:
    """Method, model, layer and target: names an object among all that are written of one series."""
    parts = (attribution.model, attribution.method, attribution.layer, target)
    return "_".join(file_part(part) for part in parts if part)


def equipment(attribution: Attribution) -> dict[str, Any]:
    """Who made the object: the arguments of every highdicom constructor. The serial number is the model's hash."""
    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": text(attribution.model or "classifier"),
        "software_versions": __version__,
        "device_serial_number": text(attribution.model_hash or "unknown"),
    }


def method(attribution: Attribution) -> str:
    return attribution.heading or attribution.method


def parameters(attribution: Attribution) -> dict[str, str]:
    """What identifies the numbers beyond the method's name."""
    known = {
        "model": attribution.model,
        "model hash": attribution.model_hash,
        "layer": attribution.layer or "",
        "score": attribution.score,
        "seed": "" if attribution.seed is None else str(attribution.seed),
        "engine": attribution.engine,
    }
    return {name: text(value, 128) for name, value in known.items() if value}


def algorithm(attribution: Attribution) -> Any:
    """The method, its version and the model, for a segment's description."""
    hd = highdicom()
    family = hd.sr.CodedConcept("123109", "DCM", "Artificial Intelligence")
    said = parameters(attribution)
    return hd.AlgorithmIdentificationSequence(text(method(attribution)), family, __version__, MAKER, said)


def contribution(attribution: Attribution) -> Any:
    """The same for objects that have no field for algorithms: an item of the contributing equipment."""
    hd = highdicom()
    said = "; ".join(f"{name} {value}" for name, value in parameters(attribution).items())
    return hd.ContributingEquipment(
        MAKER,
        hd.sr.CodedConcept("109102", "DCM", "Processing Equipment"),
        manufacturer_model_name=text(method(attribution)),
        software_versions=__version__,
        contribution_description=text(f"{method(attribution)}: {said}", 1024),
    )
