"""Models of a hub, with a stand-in for the hub: files that timm itself writes, and the errors of its client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hub_files
import numpy as np
import pytest
import torch

import whyscan
from whyscan.errors import BadModel
from whyscan.models import backbones, checkpoint, hub
from whyscan.models.doctor import examine
from whyscan.study.settings import plans
from whyscan.training.settings import TrainSettings

NAMES = ["glioma", "meningioma", "pituitary"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What `timm.models.push_to_hf_hub` uploads, written by timm's own function."""
    pretrained = {"mean": [0.1, 0.2, 0.3], "std": [0.4] * 3}
    return hub_files.write(tmp_path / "tumour-resnet", pretrained, label_names=NAMES)


@pytest.fixture
def asked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str | None]]:
    """What the hub was asked for; it answers with the repository's files, or with the client's own errors."""
    import huggingface_hub
    from huggingface_hub import errors

    found: list[tuple[str, str, str | None]] = []

    def answer(repo: str, file: str, *, revision: str | None = None) -> str:
        found.append((repo, file, revision))
        if not (repository / file).is_file():
            raise errors.EntryNotFoundError("404")
        return str(repository / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", answer)
    return found


def expected(repository: Path, pixels: np.ndarray) -> np.ndarray:
    """What timm's own loader makes of the same files."""
    model = backbones.timm_library().create_model(f"local-dir:{repository}", pretrained=True).eval()
    with torch.inference_mode():
        scores = model((torch.from_numpy(pixels) - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)) / 0.4)
    return np.asarray(scores.softmax(1).numpy())


@pytest.mark.parametrize("name", ["hf-hub:someone/tumour-resnet", "hf_hub:someone/tumour-resnet@v2"])
def test_a_model_of_hugging_face_answers_as_timm_does(
    name: str, repository: Path, asked: list[tuple[str, str, str | None]]
) -> None:
    model = whyscan.load(name)
    revision = "v2" if "@" in name else None
    assert asked == [("someone/tumour-resnet", each, revision) for each in ("config.json", "model.safetensors")]
    assert list(model.classes) == NAMES
    assert model.input_size == (160, 160)
    pixels = np.random.default_rng(0).uniform(size=(2, 3, 160, 160)).astype(np.float32)
    np.testing.assert_allclose(model.predict(pixels), expected(repository, pixels), atol=1e-6)
    facts = examine(model)
    assert facts.white_box
    assert facts.architecture == "test_resnet"
    assert facts.classes_from == "its config.json"
    assert "its config.json says so" in facts.scaling_from


def test_a_folder_that_was_fetched_elsewhere_is_the_same_model(repository: Path, asked: list[Any]) -> None:
    assert whyscan.load(repository).hash == whyscan.load("hf-hub:someone/tumour-resnet").hash
    assert whyscan.load(repository).name == "tumour-resnet"


def test_timm_names_mean_the_published_repository(asked: list[tuple[str, str, str | None]]) -> None:
    whyscan.load("timm:test_resnet.r160_in1k", classes=NAMES)
    assert asked[0] == ("timm/test_resnet.r160_in1k", "config.json", None)


def test_another_number_of_class_names_is_refused(repository: Path) -> None:
    with pytest.raises(BadModel, match="2 class names"):
        whyscan.load(repository, classes=["a", "b"])


def test_a_pickle_is_not_an_alternative(repository: Path, asked: list[Any]) -> None:
    (repository / "model.safetensors").rename(repository / "pytorch_model.bin")
    with pytest.raises(BadModel, match="refused: it can run code"):
        whyscan.load("hf-hub:someone/tumour-resnet")
    with pytest.raises(BadModel, match=r"no model\.safetensors"):
        whyscan.load(repository)


def test_without_a_network_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import errors

    def nothing(*_: Any, **__: Any) -> str:
        raise errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", nothing)
    with pytest.raises(BadModel, match=r"hf download someone/thing config\.json model\.safetensors --local-dir DIR"):
        whyscan.load("hf-hub:someone/thing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": None, "architectures": ["ViTForImageClassification"]}, "ViTForImageClassification"),
        ({"architecture": "../../evil"}, "an architecture of this timm"),
        ({"model_args": {"checkpoint_path": "/etc/passwd"}}, "checkpoint_path"),
        ({"pretrained_cfg": {"input_size": [3, -4, -4]}}, "damaged"),
        ({"pretrained_cfg": {"mean": ["x"], "std": [1]}}, "damaged"),
        ({"architecture": "test_vit"}, "test_vit"),
    ],
)
def test_a_config_is_data_and_is_checked(change: dict[str, Any], words: str, repository: Path) -> None:
    path = repository / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadModel, match=words):
        whyscan.load(repository)


@pytest.mark.parametrize("name", ["hf-hub:nothing", "hf-hub:../../etc", "hf-hub:a/b/c", "timm:no_such_network"])
def test_names_that_no_hub_has(name: str, asked: list[Any]) -> None:
    with pytest.raises(BadModel):
        whyscan.load(name)
    assert not asked


def test_the_names_of_imagenet_are_a_thousand_different_ones() -> None:
    found = hub.imagenet_names(1000)
    assert found is not None
    assert len(set(found)) == 1000
    assert found[0] == "tench"
    assert hub.imagenet_names(10) is None


def test_a_hubs_model_is_a_backbone_to_train(repository: Path, asked: list[Any], tmp_path: Path) -> None:
    made = backbones.build("hf-hub:someone/tumour-resnet", "imagenet", ["no", "yes"])
    own = whyscan.load(repository).network.get_submodule("trunk")
    same = made.network.get_submodule("trunk").state_dict()
    assert all(torch.equal(value, same[key]) for key, value in own.state_dict().items() if not key.startswith("fc."))
    assert made.about["mean"] == (0.1, 0.2, 0.3)
    assert made.about["origin"] == "hf-hub:someone/tumour-resnet"
    checkpoint.save(made, tmp_path / "model")
    asked.clear()
    assert checkpoint.load(tmp_path / "model").hash == made.hash
    assert not asked, "a trained model needs no hub"


def test_in_a_run_it_goes_by_what_a_folder_can_be_called() -> None:
    (plan,) = plans(["hf-hub:someone/tumour-resnet@v2"], TrainSettings())
    assert (plan.name, plan.backbone) == ("tumour-resnet-v2", "hf-hub:someone/tumour-resnet@v2")


def test_a_name_inside_a_file_asks_no_hub(repository: Path, asked: list[Any], tmp_path: Path) -> None:
    """Only who calls whyscan may have it open the network: a file of weights, or a record, may not."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(repository / "model.safetensors")
    save_file(tensors, tmp_path / "weights.safetensors", metadata={"timm_model": "hf-hub:someone/tumour-resnet"})
    with pytest.raises(BadModel, match="leave it out"):
        whyscan.load(tmp_path / "weights.safetensors")
    made = backbones.build("test_resnet", "none", ["no", "yes"])
    checkpoint.save(made, folder := tmp_path / "model")
    record = json.loads((folder / "model.json").read_text())
    for change in ({"backbone": "hf-hub:a/b", "architecture": "hf-hub:a/b"}, {"architecture": "hf-hub:a/b"}):
        (folder / "model.json").write_text(json.dumps({**record, **change}))
        with pytest.raises(BadModel, match="architecture 'hf-hub:a/b'"):
            checkpoint.load(folder)
    assert not asked
