"""A sweep as files: the record in JSON and a compact report in Markdown (design page 5)."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import ValidationError

from invarlock.digests import canonical_json
from invarlock.errors import StoreError
from invarlock.files import write_atomic, write_json
from invarlock.problems import problems_of
from invarlock.record import Record
from invarlock.tau.errors import TauError
from invarlock.tau.sweep_record import Interval, TauSweep, counts_of, sweep_of

KIND = "tau_infer_sweep"
_ROUNDING = 1e-9  # relative; what versions of scipy may differ by
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class TauSweepFiles(Record):
    """Where a sweep was written."""

    json_path: Path
    markdown_path: Path


def write_tau_infer_sweep(
    out_dir: str | os.PathLike[str],
    curves: Mapping[str, object] | TauSweep,
    *,
    provenance: Mapping[str, object] | None = None,
    name: str = KIND,
) -> TauSweepFiles:
    """Write ``<name>.json`` and ``<name>.md`` into ``out_dir``, which is made where it is missing.

    The same arguments give the same bytes. Both files are complete on disk before either gets its name, the JSON
    last: it is never there without its report, and where anything is wrong both names keep what they had.

    Parameters
    ----------
    curves: what :func:`invarlock.tau.sweep.tau_infer_sweep_from_q_abs` gave.
    provenance: JSON values that say where |Q| came from: split, head, model digest, magnitude convention.
    name: of both files, without a folder.

    Raises TauError, a ValueError, on curves whose counts and rates disagree, provenance that is no JSON and a name
    that is no plain file name; StoreError where the folder cannot be written, or has a folder of such a name.
    """
    if not _NAME.fullmatch(name):
        raise TauError(f"{name!r} is no plain file name", fix="name the folder in out_dir")
    sweep, origin = checked_sweep(curves), _checked_provenance({} if provenance is None else provenance)
    folder = Path(out_dir)
    files = TauSweepFiles(json_path=folder / f"{name}.json", markdown_path=folder / f"{name}.md")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}.", dir=folder) as staged:
            markdown, record = Path(staged, files.markdown_path.name), Path(staged, files.json_path.name)
            write_atomic(markdown, sweep_markdown(sweep, origin).encode())
            write_json(record, {"kind": KIND, **sweep.model_dump(mode="json"), "provenance": origin})
            for path in (files.markdown_path, files.json_path):
                if path.is_dir() and not path.is_symlink():
                    raise IsADirectoryError(errno.EISDIR, "a folder has this name")
            markdown.replace(files.markdown_path)
            record.replace(files.json_path)
    except OSError as error:
        fix = "check that the folder exists and is writable"
        raise StoreError(f"cannot write: {error.strerror}", where=folder / name, fix=fix) from error
    return files


def checked_sweep(curves: Mapping[str, object] | TauSweep) -> TauSweep:
    """``curves`` as a record. TauError unless every rate and interval is that of its counts.

    Intervals may differ by a rounding, as they do between versions of scipy.
    """
    try:
        sweep = TauSweep.model_validate(curves)
        again = sweep_of(counts_of(sweep))
    except ValidationError as error:
        first = problems_of(error, TauSweep)[0]
        raise TauError(f"curves: {first}", fix="pass what tau_infer_sweep_from_q_abs gave") from error
    differing = [key for key in TauSweep.model_fields if not _same(key, again, sweep)]
    if differing:
        raise TauError(f"curves: {differing[0]} is not what the counts give", fix="sweep again")
    return sweep


def _same(key: str, again: TauSweep, sweep: TauSweep) -> bool:
    ours, theirs = getattr(again, key), getattr(sweep, key)
    if not key.endswith("_interval") or len(ours) != len(theirs):
        return bool(ours == theirs)
    left, right = ([end for pair in found for end in pair or (math.nan,) * 2] for found in (ours, theirs))
    return np.allclose(left, right, rtol=_ROUNDING, atol=0, equal_nan=True)


def sweep_markdown(sweep: TauSweep, provenance: Mapping[str, object]) -> str:
    """The report: samples, a row a tau, provenance."""
    lines = [
        "# tau_infer sweep",
        "",
        f"{sweep.n} samples: {sweep.n_in} in range, {sweep.n_cens} censored; {sweep.n_fault} of them faults "
        f"({sweep.n_fault_in} in range, {sweep.n_fault_cens} censored), on the bottom at every tau. "
        f"|Q| and tau compared in {sweep.dtype}.",
        "",
        "fn_in: share of the samples in range that are on the bottom. fp_cens: share of the censored that are not. "
        f"bottom: share of all that are. In brackets Clopper-Pearson at {sweep.confidence:.0%}, each tau for itself.",
        *(f"\n{key} is empty: {reason}." for key, reason in sorted(sweep.reasons.items())),
        "",
        "| tau | fn_in | fp_cens | bottom |",
        "|---:|---:|---:|---:|",
    ]
    columns = (
        zip(sweep.fn_in, sweep.fn_in_interval, strict=True),
        zip(sweep.fp_cens, sweep.fp_cens_interval, strict=True),
        zip(sweep.bottom_rate, sweep.bottom_rate_interval, strict=True),
    )
    for tau, *cells in zip(sweep.taus, *columns, strict=True):
        lines.append(f"| {tau!r} | " + " | ".join(_cell(rate, interval) for rate, interval in cells) + " |")
    shown = json.dumps(provenance, indent=2, sort_keys=True, ensure_ascii=False)
    return "\n".join([*lines, "", "## Provenance", "", "```json", shown, "```", ""])


def _cell(rate: float | None, interval: Interval | None) -> str:
    return "" if rate is None or interval is None else f"{rate:.4g} [{interval[0]:.4g}, {interval[1]:.4g}]"


def _checked_provenance(provenance: Mapping[str, object]) -> dict[str, object]:
    try:
        plain: dict[str, object] = json.loads(canonical_json(dict(provenance)))
    except (TypeError, ValueError) as error:
        raise TauError(f"provenance is no JSON: {error}", fix="pass plain values") from error
    return plain
