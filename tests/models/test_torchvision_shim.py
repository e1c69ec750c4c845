"""The shim is asked in a fresh process: this one has long imported torchvision."""

import subprocess
import sys


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_after_it_transforms_and_timm_import_and_a_second_call_does_nothing():
    out = _run(
        "from whyscan.models import torchvision_shim as shim; shim.ensure(); shim.ensure()\n"
        "import timm, torchvision\n"
        "from torchvision.transforms import v2\n"
        "print(timm.is_model('resnet50'), hasattr(v2, 'Resize'), len(shim._declared) <= 1)"
    )
    assert out == "True True True"


def test_importing_it_imports_neither_torch_nor_torchvision():
    out = _run(
        "import sys, whyscan.models.torchvision_shim\nprint('torch' in sys.modules, 'torchvision' in sys.modules)"
    )
    assert out == "False False"


def test_a_pair_that_matches_is_left_alone(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    out = _run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from whyscan.models import torchvision_shim as shim; shim.ensure()\n"
        "print(shim._declared, 'torch' in sys.modules)"
    )
    assert out == "[] False"


def test_another_failure_is_not_hidden(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('broken otherwise')")
    out = _run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from whyscan.models import torchvision_shim as shim\n"
        "try:\n    shim.ensure()\nexcept RuntimeError as error:\n    print(error, shim._declared)"
    )
    assert out == "broken otherwise []"


def test_a_half_import_is_forgotten_and_the_schemas_declared(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "inner.py").write_text("")
    (package / "__init__.py").write_text(
        "import torch\nfrom . import inner\n"
        "@torch.library.register_fake('torchvision::nms')\ndef fake(dets, scores, iou_threshold): ...\n"
    )
    out = _run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from whyscan.models import torchvision_shim as shim; shim.ensure()\n"
        "import torch, torchvision\n"
        "print(len(shim._declared), torchvision.inner is sys.modules['torchvision.inner'])\n"
        "print(torch.ops.torchvision.qnms.default._schema)"
    )
    assert out.splitlines()[0] == "1 True"
    assert "Tensor dets" in out
