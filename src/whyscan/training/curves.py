"""Learning curves: one row an epoch, as CSV, picture and TensorBoard events."""

from __future__ import annotations

import contextlib
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from whyscan.records import files

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch.

    Attributes:
        epoch: 1, 2, ... through all phases.
        phase: "head", "finetune" or "frozen".
        train_loss, train_accuracy: mean over the epoch's own batches, as they were learned from (augmented, in
            train mode). The loss is plain cross-entropy in nats, without smoothing and class weights, so that it
            can be laid beside the validation's.
        validation_loss, validation_accuracy: after the epoch, in eval mode.
        learning_rate: the largest of the last step.
        seconds: of the training part, without the validation.
        images: how many training scans went through the network.
    """

    epoch: int
    phase: str
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    images: int


COLUMNS = tuple(field.name for field in fields(EpochRow))


def write_csv(path: Path, rows: Sequence[EpochRow]) -> None:
    """The whole table anew: after a kill there is no half a row."""
    files.write_rows(path, [_texts(row) for row in rows], COLUMNS)


def _texts(row: EpochRow) -> dict[str, Any]:
    return {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in asdict(row).items()}


def write_picture(path: Path, rows: Sequence[EpochRow], title: str, best_epoch: int) -> None:
    """Loss and accuracy over the epochs, as PNG, with the epoch that was kept marked."""
    from whyscan.render import figures

    figure = figures.curves([asdict(row) for row in rows], title, best_epoch=best_epoch)
    with files.atomic(path) as file:
        figure.savefig(file, format="png", dpi=120)


@contextlib.contextmanager
def board(folder: Path, rows: Sequence[EpochRow]) -> Iterator[Callable[[EpochRow], None]]:
    """A function that tells TensorBoard of each further epoch; it does nothing where tensorboard is missing.

    The events are a convenience beside curves.csv, so a disk that refuses them is logged and the training goes on.
    The file is given a name without this machine's, which TensorBoard puts there, when the training ends.

    Args:
        folder: of the event files; those of an interrupted training are replaced by one that starts with `rows`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    writer: Any = None

    def tell(row: EpochRow) -> None:
        nonlocal writer
        try:
            if writer is not None:
                _tell(writer, row)
        except OSError as error:
            _refused(folder, error)
            writer = None

    try:
        writer = _writer(folder)
    except OSError as error:
        _refused(folder, error)
    try:
        for row in rows:
            tell(row)
        yield tell
    finally:
        with contextlib.suppress(OSError):
            if writer is not None:
                writer.close()
            for number, file in enumerate(sorted(folder.glob("events.out.tfevents.*"))):
                file.rename(folder / f"events.out.tfevents.{number}.whyscan")


def _tell(writer: Any, row: EpochRow) -> None:
    for measure in ("loss", "accuracy"):
        for part in ("train", "validation"):
            writer.add_scalar(f"{measure}/{part}", getattr(row, f"{part}_{measure}"), row.epoch)
    writer.add_scalar("learning_rate", row.learning_rate, row.epoch)
    writer.flush()


def _refused(folder: Path, error: OSError) -> None:
    _log.warning("no TensorBoard events in %s: %s; the training goes on without", folder, error.strerror or error)


def _writer(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensorboard's own imports
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(str(folder))
