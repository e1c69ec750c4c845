"""Class names: from a list, a file, or a file that lies beside the model, in the order of the scores."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whyscan.errors import BadModel

BESIDE = ("labels.txt", "classes.txt", "class_names.txt", "classes.json", "class_names.json", "class_indices.json",
          "labels.json", "labels.csv", "classes.csv")  # fmt: skip
"""What such a file is called; before these, the model's own name with .labels.txt, .classes.json and so on."""
LIMIT = 2**20
_COLUMNS = ("name", "class", "class_name", "label")
_INDICES = ("index", "id", "class_index", "class_id")
_LAYOUT = "one name a line, a CSV with the column name (and index), or a JSON list or object"


def class_names(given: Sequence[str] | str | Path) -> tuple[str, ...]:
    """Names as they were given: a list, a file of names, or one text with commas ("glioma,no_tumor").

    Raises:
        BadModel: fewer than two, one twice or empty; or a file that cannot be read.
    """
    if isinstance(given, Path):
        return read_names(given)
    if isinstance(given, str):
        if "," not in given or Path(given).is_file():
            return read_names(Path(given))
        return checked([name.strip() for name in given.split(",")], "classes")
    return checked(list(given), "classes")


def names_beside(model: Path) -> tuple[tuple[str, ...], Path] | None:
    """The names in a file beside the model, and that file; None where there is none.

    Raises:
        BadModel: there is one, and it cannot be read.
    """
    own = [f"{model.stem}.{name}" for name in BESIDE]
    for name in (*own, *BESIDE):
        if (path := model.parent / name).is_file():
            return read_names(path), path
    return None


def read_names(path: Path) -> tuple[str, ...]:
    """The names in a text file, a CSV or a JSON file.

    JSON is a list, {"0": "glioma"} or, as Keras writes class_indices, {"glioma": 0}.

    Raises:
        BadModel: missing, too large, or not such a file.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise BadModel(f"{path} is larger than {LIMIT} bytes", "a short list of names", "check the path")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        mend = "name a file of class names, or the names with commas between them"
        raise BadModel(f"class names from {path}: {reason}", _LAYOUT, mend) from error
    return parse(text, path)


def parse(text: str, path: Path) -> tuple[str, ...]:
    """The names in a file's text; its ending says which kind it is. Raises BadModel as `read_names` does."""
    kind = path.suffix.lower()
    if kind == ".json":
        return checked(_of_json(text, path), str(path))
    if kind in (".csv", ".tsv"):
        return checked(_of_table(text, path, "\t" if kind == ".tsv" else ","), str(path))
    return checked([line.strip() for line in text.splitlines() if line.strip()], str(path))


def checked(names: Sequence[object], where: str) -> tuple[str, ...]:
    """Raises BadModel unless these are two or more different names."""
    found = [name for name in names if isinstance(name, str) and name.strip()]
    if len(found) != len(names) or len(found) < 2 or len(set(found)) < len(found):
        came = ", ".join(map(str, names[:12])) or "nothing"
        raise BadModel(f"{where}: {came}", "two or more different class names", "name every class once")
    return tuple(found)


def numbered(width: int) -> tuple[str, ...]:
    """Names for want of any: "class 0", "class 1"; two for a head of one output."""
    return tuple(f"class {i}" for i in range(max(width, 2)))


def _of_json(text: str, path: Path) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{path} is not JSON ({error})", _LAYOUT, "write it again") from error
    if isinstance(found, Mapping) and len(found) == 1 and isinstance(next(iter(found.values())), list | dict):
        found = next(iter(found.values()))  # {"classes": [...]}
    if isinstance(found, list):
        return found
    if not isinstance(found, Mapping):
        raise BadModel(f"{path} holds a {type(found).__name__}", _LAYOUT, "write it again")
    if all(isinstance(value, int) and not isinstance(value, bool) for value in found.values()):
        return _in_order({value: name for name, value in found.items()}, len(found), path)
    by_index = {int(key): value for key, value in found.items() if key.isascii() and key.isdigit() and len(key) < 7}
    return _in_order(by_index, len(found), path)


def _of_table(text: str, path: Path, comma: str) -> list[Any]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=comma, strict=True)]
    except csv.Error as error:
        raise BadModel(f"{path} is not a CSV ({error})", _LAYOUT, "export it again") from error
    rows = [row for row in rows if any(row)]
    head = [cell.lower() for cell in rows[0]] if rows else []
    name = next((head.index(each) for each in _COLUMNS if each in head), None)
    index = next((head.index(each) for each in _INDICES if each in head), None)
    if name is not None:
        rows = rows[1:]
    elif rows and len(head) <= 2:  # no header: names alone, or index and name
        name, index = len(head) - 1, 0 if len(head) == 2 else None
    if name is None or any(len(row) != len(head) for row in rows):
        raise BadModel(f"{path} has the columns {', '.join(head) or 'none'}", _LAYOUT, "add the column name")
    if index is None:
        return [row[name] for row in rows]
    digits = [row[index] for row in rows]
    if not all(each.isascii() and each.isdigit() and len(each) < 7 for each in digits):
        raise BadModel(f"{path} has the indices {', '.join(digits[:8])}", "whole numbers from 0", "number the classes")
    return _in_order({int(row[index]): row[name] for row in rows}, len(rows), path)


def _in_order(names: Mapping[int, Any], count: int, path: Path) -> list[Any]:
    if sorted(names) != list(range(count)):
        came = ", ".join(map(str, sorted(names)[:12])) or "none"
        raise BadModel(f"{path} numbers its {count} classes {came}", f"0 to {count - 1}", "number every class once")
    return [names[i] for i in range(count)]
