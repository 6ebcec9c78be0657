"""``docs/policy-keys.md``, written from the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pydantic import JsonValue

from invarlock.policy.catalog import Entry, catalog, relaxing
from invarlock.policy.schema import Tier

_HEAD = """\
# Policy keys

Written by `invarlock policy keys --markdown > docs/policy-keys.md` from the schema in `invarlock/policy/`.

Keys are spelled as in `runtime/tiers.yaml`, below a tier. Configs and profiles set the same keys below
`guards:`, and reports show them below `resolved_policy`; there `spectral_guard`, `rmt_guard`,
`variance_guard` and `tau_guard` are `spectral`, `rmt`, `variance` and `tau`. `*` stands for each family: ffn, attn,
embed, other; in `tau_guard` for each head.

A **calibrated** key is derived from measured runs; where a sweep is named, a reviewed patch of that sweep
may change it. A **policy** key is a choice, changed by hand. *Relaxes* is the change that makes its gate
easier to pass.

| layer | wins over the ones below |
|---|---|
| config | `guards:` of the run's config |
| edit | what the edit is known to need: `quant_rtn` sets `rmt.deadband` to 0.15 |
| profile | `guards:` of `runtime/profiles/<profile>.yaml` |
| tiers.yaml | the tier, in `$INVARLOCK_CONFIG_ROOT/runtime/tiers.yaml` or the shipped one |
| built-in | what the file leaves out |

`invarlock policy show --tier balanced` prints the value of every key with the layer that set it.
"""


def key_document() -> str:
    """The whole document, in Markdown."""
    sections = groupby(catalog().values(), key=lambda entry: entry.file_key.split(".")[0])
    return "\n".join([_HEAD, *(line for name, entries in sections for line in _section(name, list(entries)))])


def _section(name: str, entries: list[Entry]) -> Iterator[str]:
    yield f"## {name}\n"
    yield "| key | controls | set by | relaxes | balanced | conservative | aggressive |"
    yield "|---|---|---|---|---|---|---|"
    for entry in entries:
        values = " | ".join(value_text(entry.built_in(tier)) for tier in Tier)
        controls = entry.controls.replace("|", "\\|")
        yield f"| `{entry.file_key}` | {controls} | {set_by(entry)} | {relaxing(entry.key)} | {values} |"
    seen = dict.fromkeys(part for entry in entries for part in entry.evidence)
    yield "\nSeen in reports: " + ", ".join(f"`{part}`" for part in seen) + ".\n"


def set_by(entry: Entry) -> str:
    """The kind of a key, with the sweep that recommends its value."""
    return f"{entry.key.kind.value} ({entry.key.sweep})" if entry.key.sweep else entry.key.kind.value


def value_text(value: JsonValue) -> str:
    """A value on one line; per family, one number where all are equal, else ffn / attn / embed / other."""
    if isinstance(value, dict):
        texts = [value_text(each) for each in value.values()]
        return texts[0] if len(set(texts)) == 1 else " / ".join(texts)
    if isinstance(value, list):
        return ", ".join(map(value_text, value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
