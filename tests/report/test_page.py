"""The page: everything of the run is in it, nothing else is, and nothing in it can act."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import synthetic

from whyscan.errors import BadRun
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.report import captions, page, rows
from whyscan.report.captions import Caption

HOSTILE = '<script>alert("1")</script>'


class Elements(HTMLParser):
    """Every element with its attributes, the text outside style, and what was left unclosed."""

    VOID = frozenset({"meta", "img", "br", "wbr", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)


def test_everything_of_the_run_is_in_the_page(run: Run, report: str) -> None:
    parsed = Elements(report)
    text = parsed.words()
    assert parsed.open == []
    for expected in (
        *synthetic.MODELS,
        *synthetic.CLASSES,
        "Research use only. Not a medical device.",
        "251 of 394 official test scans (64 %) are pixel-identical",
        "512 x 512 means tumour",
        "93.9 %", "86.2 %", "34.8 %", "65.7 %",
        "Testing/glioma_tumor/image(51).jpg",
        "every score is an upper bound",
        "official test, clean part", "official test, leaked part",
        "93.0 %", "91.0 to 95.0", "0.060",
        "not measured", "no scan of no_tumor in test-clean",
        "mobilenetv2_100 is better", "permutation by group",
        "+13.0 points", "+10.0 to +16.0", "could be chance", "< 0.001",
        "+28.0 points", "+25.0 to +31.0",  # the pair xception against the best, turned round
        "Both have the same backbone.",
        "no overfitting: the validation loss stayed near its lowest", "note on xception",
        "Drawn at random with seed 0.", "300 evaluations",
        "True: glioma_tumor, predicted: glioma_tumor, explained: pituitary_tumor",
        "Blank: negative everywhere", "14 blocks.13.conv",
        "change of probability", "logit (gradient × activation)",
        "The ranking had not settled", "at most 0.004 from the float32 model",
        "Green speaks for the explained class, magenta against it",
        "41.0 %", "4.0 %", "May conclude:", "May not conclude:",
        "1 March 2025, 12:00 UTC", "torch 2.13.0", "0f" * 32, "trunk.safetensors",
    ):  # fmt: skip
        assert re.sub(r"\s+", " ", expected) in text, expected


def test_a_model_from_elsewhere_is_cautioned_about(run: Run, tmp_path: Path, report: str) -> None:
    assert "It is not known that" not in report
    shutil.copytree(run.folder, tmp_path / "run")
    copy = Run(tmp_path / "run")
    compared: Any = copy.comparison()
    compared["models"][0]["trained_here"] = False
    compared["models"][1]["trained_here"] = None
    files.write_json(copy.compare_path, compared)
    first, second = (model["name"] for model in compared["models"][:2])
    told = Elements(page.write(copy).read_text()).words()
    assert f"It is not known that {first} and {second} learned from this run's training scans only" in told


def test_lime_of_two_models_is_said_to_share_superpixels_only_where_it_does() -> None:
    made = {name: synthetic.attributions(name, synthetic.CLASSES, *synthetic.CLASSES[:2], seed=0, size=96)["lime"]
            for name in ("a", "b")}  # fmt: skip
    target = synthetic.CLASSES[0]

    def caption() -> Caption:
        (row,) = rows._lime_pair(rows.Saved({(name, "lime"): made[name] for name in made}, ()), ["a", "b"], target)
        return row.caption

    assert caption() is captions.PAIR_LIME
    segments = made["b"][0].segments
    assert segments is not None
    made["b"] = [replace(made["b"][0], segments=segments.T.copy())]
    assert caption() is captions.PAIR_LIME_APART


def test_a_pair_outside_the_family_is_marked(report: str) -> None:
    assert report.count("not corrected: chosen to differ") == 1


def test_the_pictures_are_all_there_and_described(report: str) -> None:
    images = [a for tag, a in Elements(report).elements if tag == "img"]
    k, layers = len(synthetic.CLASSES), len(synthetic.LAYERS)
    # scan, Grad-CAM, LIME, LIME +/-, SHAP per class; strips for each traced class; 3 models side by side; LIME pair;
    # layer pair (at most 12 layers, two models) where both traced the class
    per_scan = [1 + 4 * k + layers + 3 + 2 + 2 * 12, 1 + 4 * k + 2 * layers + 3 + 2 + 2 * 12]
    planted = 2 * k + 2 * k  # two scans that carry the cue, by Grad-CAM and by LIME
    assert len(images) == sum(per_scan) + planted
    assert all(
        (each["alt"] or "").strip() and (each["src"] or "").startswith("data:image/webp;base64,") for each in images
    )


def test_titles_name_the_class_that_was_explained(report: str) -> None:
    """The panels of a scan that the best model gets wrong."""
    article = report[report.index('id="scan-2"') :]
    text = Elements(article[article.index(">") + 1 : article.index("</article>")]).words()
    assert "Best model wrong" in text
    assert "True: meningioma_tumor, predicted: no_tumor, explained: meningioma_tumor" in text
    headings = re.findall(r"Layer by layer, shallow to deep: mobilenetv2_100\. True: [^<]*?explained: (\w+)", article)
    assert headings == ["no_tumor", "meningioma_tumor"]


def test_nothing_is_loaded_and_nothing_can_run(report: str) -> None:
    parsed = Elements(report)
    tags = {tag for tag, _ in parsed.elements}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", re.sub(r"base64,[^\"]*", "", report))
    for tag, attributes in parsed.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/")), attributes
    policy = [a["content"] for tag, a in parsed.elements if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_it_can_be_read_by_ear_and_by_keyboard(report: str) -> None:
    parsed = Elements(report)
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("scope") in ("col", "row", "rowgroup") for tag, a in parsed.elements if tag == "th")
    assert all(a.get("aria-label") for tag, a in parsed.elements if tag == "svg")
    ids = [a["id"] for _, a in parsed.elements if a.get("id")]
    inside = {a["href"][1:] for tag, a in parsed.elements if tag == "a" and a.get("href")}
    assert inside <= set(ids)
    assert dict(parsed.elements)["html"] == {"lang": "en"}


def test_a_planted_shortcut_is_flagged_on_the_first_page_and_shown(report: str) -> None:
    first = report[report.index('id="short"') : report.index('id="audit"')]
    text = Elements(first[first.index(">") + 1 :].rsplit("<section", 1)[0].replace("</section>", "")).words()
    assert "Fail A model misled on purpose: Without the white square" in text
    shown = report[report.index('id="shortcut"') : report.index('id="method"')]
    for expected in ("99.0 %", "39.0 %", "50.0 to 70.0", "55.0 %", "every map was blank", "1.1 %"):
        assert expected in shown


def test_places_and_patients_stay_out(report: str) -> None:
    for secret in ("secret-hospital", "/home", "jane", *synthetic.PATIENTS):
        assert secret not in report
    assert "scan 5 of splits.csv" in Elements(report).words()


def test_the_same_run_gives_the_same_bytes(run: Run, report: str) -> None:
    assert page.write(run) == run.report_path
    assert run.report_path.read_text(encoding="utf-8") == report


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    evil = (f"a{HOSTILE}$x$", "b'\"><img src=x onerror=alert(1)>", "c&amp;{{ 7 * 7 }}")
    evil_run = synthetic.make(tmp_path, scans=1, size=32, classes=evil)
    parsed = Elements(page.html(evil_run))
    assert "script" not in {tag for tag, _ in parsed.elements}
    assert not [a for tag, a in parsed.elements if tag == "img" and not (a["src"] or "").startswith("data:")]
    for name in evil:
        assert re.sub(r"\s+", " ", name) in parsed.words()


STAGES = {
    "audit": ("audit", "The data were not audited"),
    "models": ("models", "No model is in this run"),
    "compare": ("compare", "No models were compared"),
    "explain": ("explain", "No scan was explained"),
}


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_missing_stage_is_said_to_be_missing(run: Run, tmp_path: Path, stage: str) -> None:
    copy = Run(Path(shutil.copytree(run.folder, tmp_path / "run")))
    folder, message = STAGES[stage]
    shutil.rmtree(copy.folder / folder)
    if stage != "explain":  # one drawing of the gallery in this file is enough
        shutil.rmtree(copy.folder / "explain")
    text = Elements(page.html(copy)).words()
    assert message in text
    assert not any(other in text for name, (_, other) in STAGES.items() if name not in (stage, "explain"))


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    synthetic.manifest(Run(tmp_path))
    text = Elements(page.html(Run(tmp_path))).words()
    assert all(message in text for _, message in STAGES.values())
    assert "not been audited" in text


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadRun):
        page.html(Run(tmp_path))


def test_untrained_models_and_lone_models(tmp_path: Path) -> None:
    lone = Run(tmp_path)
    synthetic.manifest(lone)
    synthetic.model(lone, "xception", epochs=0)
    text = Elements(page.html(lone)).words()
    assert "No learning curves: xception." in text
    assert "not trained in this run" in text


def test_pictures_that_are_missing_damaged_or_of_another_scan(run: Run, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(run.folder, tmp_path / "run")))
    index = json.loads(copy.gallery_path.read_text())
    first, second = (scan["models"]["mobilenetv2_100"]["files"] for scan in index["scans"])
    (copy.folder / first["gradcam"]).write_bytes(b"damaged")
    del first["shap"]
    first["lime"] = second["lime"]
    first["gradcam-layers"] = "../outside.npz"
    index["models"]["weak"] = None
    files.write_json(copy.gallery_path, {**index, "scans": index["scans"][:1]})
    text = Elements(page.html(copy)).words()
    assert "Grad-CAM, last layer of mobilenetv2_100 cannot be read" in text
    assert "Grad-CAM, every layer of mobilenetv2_100 cannot be read" in text
    assert "SHAP of mobilenetv2_100 was not made" in text
    assert "LIME of mobilenetv2_100 is about another scan or model" in text


def test_the_report_needs_no_torch() -> None:
    command = "import sys, whyscan.report.page; assert not {'torch', 'timm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)
