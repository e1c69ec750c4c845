"""Published data sets that `whyscan data fetch` knows: where they lie, and what proves that they are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One folder of a data set.

    Attributes:
        files: how many there are.
        digest: SHA-256 of the lines "<SHA-256 of the file>  <file's name>" in the order of the names.
    """

    files: int
    digest: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set.

    Attributes:
        title: what it is.
        mirrors: addresses of the same zip archive, tried in turn.
        parts: its folders, relative to its root, which may lie in one folder more in the archive.
        note: what a user must know before using it.
    """

    title: str
    mirrors: tuple[str, ...]
    parts: Mapping[str, Part]
    note: str


DATASETS: Mapping[str, Dataset] = {
    "brain-tumor-mri": Dataset(
        "Brain Tumor Classification (MRI): 3,264 slices of four classes (Bhuvaji et al.)",
        (
            "https://github.com/SartajBhuvaji/Brain-Tumor-Classification-DataSet/archive/refs/heads/master.zip",
            "https://codeload.github.com/SartajBhuvaji/Brain-Tumor-Classification-DataSet/zip/refs/heads/master",
        ),
        {
            "Training/glioma_tumor": Part(826, "69c5a246cdf0244aaf0bf2ff16b474709896533f0f854895ef4cf12d7c654f62"),
            "Training/meningioma_tumor": Part(822, "767eddc3d104a35f788b300eb94a037eb993fdde392a0db262167683e7de6f48"),
            "Training/no_tumor": Part(395, "4aba3adea63f46e87bc8d650060d92ff5f4d0aab341e4601a394b360b9c4964a"),
            "Training/pituitary_tumor": Part(827, "1d097cd808cf8f84c5262c5a604724e83a54afbb26234a1dfe9a55160a9e134c"),
            "Testing/glioma_tumor": Part(100, "d7b7207842fff6b336ce4d8c33c2ee54b10766519477367f940dcc077ad36b48"),
            "Testing/meningioma_tumor": Part(115, "efda6b335c3e9327b205979e4815a28cf6f65c8841379723e91a2b37ebbfb639"),
            "Testing/no_tumor": Part(105, "f2d29686ab03dff929f97355f152a9b10399f9e274f98d35c2ec9b393ef49567"),
            "Testing/pituitary_tumor": Part(74, "3250f55e813fde2695a7cb932648da150805aa1714ea126f33d274f7eb53a9d6"),
        },
        "Its test leaks: see what `whyscan audit` says of it.",
    ),
}
