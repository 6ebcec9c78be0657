"""What the cells of a column of samples may be, in text, in JSON and in arrays."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np

_TRUTH = {"true": True, "false": False}
# pandas leaves NaN out of the files that it writes; these keep it.
_KEEPING_NAN = {
    ".csv": 'to_csv(path, na_rep="nan")',
    ".jsonl": "json.dumps of each row, which keeps NaN",
    ".parquet": "pyarrow.array(q_abs, from_pandas=False)",
}


class ColumnKind(StrEnum):
    """Named as a message names its cells."""

    Q_ABS = "a number >= 0, nan or inf"
    LABEL = "true or false"
    ID = "an integer or text"

    @property
    def fix(self) -> str:
        """What to do about a cell that is none."""
        return {
            ColumnKind.Q_ABS: "write |Q|, or nan for a fault",
            ColumnKind.LABEL: "write true where the truth is in range, else false",
            ColumnKind.ID: "name every sample",
        }[self]

    def fix_of_missing(self, suffix: str) -> str:
        """What to do about a cell without a value, in a file of this suffix."""
        if self is not ColumnKind.Q_ABS:
            return self.fix
        return (
            f"pandas writes NaN so. If the sample is a fault, write nan: {_KEEPING_NAN[suffix]}, or an .npz; "
            "if |Q| is not known, leave the row out"
        )

    def of_text(self, cell: str) -> float | bool | str:
        """The value that a text file's ``cell`` spells. ValueError where it spells none."""
        if self is ColumnKind.Q_ABS:
            if "_" in cell:  # which Python, and nobody else, reads over
                raise ValueError("not a number")
            return _not_negative(float(cell))
        if self is ColumnKind.LABEL and cell.strip().lower() not in _TRUTH:
            raise ValueError("not boolean")
        return cell if self is ColumnKind.ID else _TRUTH[cell.strip().lower()]

    def of_json(self, cell: object) -> float | bool | str | int:
        """The value of a JSON ``cell``. ValueError where it has another type: null is no NaN, and 1 not true."""
        if self is ColumnKind.LABEL and isinstance(cell, bool):
            return cell
        if self is ColumnKind.Q_ABS and isinstance(cell, int | float) and not isinstance(cell, bool):
            return _not_negative(_float(cell))
        if self is ColumnKind.ID and isinstance(cell, int | str) and not isinstance(cell, bool):
            str(cell).encode()  # UnicodeEncodeError, a ValueError: half of a surrogate pair is no text
            return cell
        raise ValueError("another type")

    def allows(self, dtype: np.dtype[Any]) -> bool:
        """Whether an array of ``dtype`` holds such cells; a negative |Q| is found where it is read."""
        if self is ColumnKind.Q_ABS:
            return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize <= 8)
        return dtype.kind == "b" if self is ColumnKind.LABEL else dtype.kind in "iuUO"


def _not_negative(value: float) -> float:
    if value < 0:
        raise ValueError("negative")
    return value


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError as error:  # an integer of more than 308 digits
        raise ValueError("too large") from error
