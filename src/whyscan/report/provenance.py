"""The provenance section: what made these figures, so that they can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from whyscan.records.run import Run
from whyscan.report.words import flat, plain

_DATES = ("finished", "created", "started", "when", "date")


def asked(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked for, as (name, text) rows."""
    wanted = manifest.get("asked")
    document = wanted if isinstance(wanted, Mapping) else {k: v for k, v in manifest.items() if k != "versions"}
    return flat(document)


def date(manifest: Mapping[str, Any]) -> str:
    """When the run was made, as the manifest says; the page never asks the clock."""
    written = next((plain(manifest[key]) for key in _DATES if manifest.get(key)), "")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return written
    zone = moment.tzname() or ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {zone}".rstrip()


def section(
    run: Run,
    manifest: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    compared: Mapping[str, Any] | None,
    gallery: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Seeds, versions and hashes."""
    seeds = {
        "audit and split": (audit or {}).get("seed"),
        "comparison (bootstrap)": (compared or {}).get("seed"),
        "gallery, LIME and SHAP": (gallery or {}).get("seed"),
    }
    return {
        "manifest": flat(manifest),
        "seeds": [(name, str(seed)) for name, seed in seeds.items() if seed is not None],
        "models": [_model(name, run.model(name)) for name in run.models()],
    }


def _model(name: str, model: Mapping[str, Any]) -> dict[str, str]:
    versions = model.get("versions") or {}
    return {
        "name": name,
        "architecture": plain(model.get("architecture") or model.get("backbone")),
        "origin": plain(model.get("origin")),
        "seed": plain((model.get("training") or {}).get("seed")),
        "hash": str(model.get("weights_sha256") or "not given"),
        "versions": ", ".join(f"{key} {plain(value)}" for key, value in versions.items()),
    }
