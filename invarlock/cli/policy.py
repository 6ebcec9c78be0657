"""``invarlock policy``: what is in force, what a change would do, and what each key means."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from invarlock.cli import policy_history
from invarlock.cli.console import out
from invarlock.policy.catalog import catalog, relaxing
from invarlock.policy.diff import Change, Direction, diff_files, is_patch
from invarlock.policy.key_document import key_document, set_by, value_text
from invarlock.policy.resolution import Layer, ResolvedPolicy, resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import load_tiers
from invarlock.policy.tree import flatten

app = typer.Typer(
    no_args_is_help=True,
    help="Look at tier policy: values in force, differences, checks, the catalog of keys, its history.",
)
app.command()(policy_history.history)
app.command("verify-history")(policy_history.verify_history)
app.command("record-edit")(policy_history.record_edit)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

_COLOUR = {Direction.LOOSENING: "yellow", Direction.TIGHTENING: "green", Direction.NEUTRAL: "dim"}


@app.command()
def show(
    tier: Annotated[Tier, typer.Option(help="Whose thresholds.")] = Tier.BALANCED,
    profile: Annotated[str | None, typer.Option(help="Run profile: ci, ci_cpu, release or dev.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config whose guards: and edit: apply, as in a run.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the policy that a run would be judged by, with the layer that set each value.

    Example:  invarlock policy show --tier conservative --profile release
    """
    edit, guards = None, None
    if config is not None:
        from invarlock.config import load_sweep_config

        sweep = load_sweep_config(config)
        edit, guards = sweep.edit.name, sweep.guards
    resolved = resolve_policy(tier, profile=profile, edit=edit, guards=guards)
    if as_json:
        print(json.dumps(resolved.as_report(), indent=2))
    else:
        out.print(_policy_table(resolved))
        out.print(f"policy digest [bold]{resolved.digest}[/]  sha256 {resolved.sha256}")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A tiers.yaml.")],
    new: Annotated[Path, typer.Argument(help="Another, or a patch: a file named tiers_patch*.yaml.")],
    as_json: AsJson = False,
) -> None:
    """Show what NEW changes in OLD: value by value, and whether that loosens or tightens the gate.

    A patch holds only the keys to change and is laid over OLD. A key left out has its built-in value.

    Example:  invarlock policy diff configs/runtime/tiers.yaml OUT/tiers_patch_spectral_null.yaml
    """
    changes = diff_files(old, new)
    if as_json:
        print(json.dumps([change.model_dump(mode="json") for change in changes], indent=2))
        return
    out.print(escape(f"{old} + patch {new.name}" if is_patch(new) else f"{old} → {new}"), soft_wrap=True)
    for tier, of_tier in groupby(changes, key=lambda change: change.tier):
        out.print(diff_table(tier, list(of_tier)))
    if not changes:
        out.print("No difference.")


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="A tiers.yaml or a patch.")]) -> None:
    """Check a tiers file or patch. Every problem is named with line, column and key; exit 2 if there is one.

    Example:  invarlock policy validate configs/runtime/tiers.yaml
    """
    tiers = load_tiers(file)
    keys = len(flatten(tiers.given()))
    names = ", ".join(tier.value for tier in tiers.tiers())
    out.print(f"{escape(str(file))}: valid, {keys} values for {names}", soft_wrap=True)


@app.command()
def keys(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/policy-keys.md.")] = False,
) -> None:
    """List every policy key: what it controls, who sets it, and which change relaxes it.

    Example:  invarlock policy keys --json
    """
    if as_json:
        print(json.dumps([entry.as_json() for entry in catalog().values()], indent=2))
    elif markdown:
        print(key_document(), end="")
    else:
        out.print(_key_table())


def _policy_table(resolved: ResolvedPolicy) -> Table:
    table = Table(
        Column("key", overflow="fold"), "value", "set by", title=f"Policy of tier {resolved.tier.value}"
    )
    sources = {override.path: override.source for override in resolved.overrides}
    for path, value in flatten(resolved.policy.model_dump(mode="json")).items():
        layer = resolved.origins[path]
        plain = layer in (Layer.TIER, Layer.BUILT_IN)
        source = layer.value if plain else f"[bold yellow]{escape(sources[path])}[/]"
        table.add_row(escape(path), escape(value_text(value)), source)
    return table


def diff_table(tier: Tier, changes: list[Change]) -> Table:
    """Every value of ``tier`` that changes."""
    table = Table(Column("key", overflow="fold"), title=tier.value)
    for column in ("old", "new", "change"):
        table.add_column(column, justify="right")
    table.add_column("direction")
    table.add_column("kind")
    for change in changes:
        share = "" if change.relative is None else f"{change.relative:+.1%}"
        direction = direction_text(change.direction)
        path = change.path.removeprefix(f"{tier.value}.")
        cells = map(escape, (path, value_text(change.old), value_text(change.new), share))
        table.add_row(*cells, direction, change.kind.value)
    return table


def direction_text(direction: Direction) -> str:
    """What a change does, in its colour."""
    return f"[{_COLOUR[direction]}]{direction.value}[/]"


def _key_table() -> Table:
    table = Table(
        Column("key in tiers.yaml", overflow="fold", min_width=24),
        "controls",
        "set by",
        "relaxes",
        title="Policy keys",
        show_lines=True,
    )
    for entry in catalog().values():
        table.add_row(entry.file_key, entry.controls, set_by(entry), relaxing(entry.key))
    return table
