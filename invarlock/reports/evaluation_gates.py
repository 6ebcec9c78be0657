"""The top of an evaluation's page: the verdict, and each gate with the numbers and the policy it was made from."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from invarlock.gates.support import GateStatus
from invarlock.reports.evaluation_report import Outcome
from invarlock.reports.explanation import Comparison, Explanation, GateExplanation, Setting
from invarlock.reports.html_page import (
    Column,
    Content,
    Tone,
    badge,
    element,
    facts,
    fold,
    items,
    section,
    table,
)

WORDS = {Outcome.PASS: "Pass", Outcome.FAIL: "Fail", Outcome.ABORTED: "Aborted"}
_TONES = {Outcome.PASS: Tone.GOOD, Outcome.FAIL: Tone.BAD, Outcome.ABORTED: Tone.BAD}
_UNENFORCED = {
    GateStatus.RECORDED: "recorded only",
    GateStatus.UNDERPOWERED: "too little evidence",
    GateStatus.OFF: "off",
}


def head(explained: Explanation) -> Markup:
    """Who against whom, under which policy."""
    about: dict[str, Content] = {
        "edit": explained.edit,
        "tier": explained.policy.tier,
        "profile": explained.policy.profile,
        "assurance": explained.policy.assurance,
        "policy": element("code", explained.policy.digest),
        "evaluation": element("code", explained.run_key[:12]),
    }
    title = element(
        "h1", explained.subject.id, element("span", f"against {explained.baseline.id}", kind="against")
    )
    return element("header", element("p", "InvarLock evaluation", kind="eyebrow"), title, facts(about))


def banner(explained: Explanation) -> Markup:
    """The verdict, and why."""
    tone = _TONES[explained.outcome]
    code = badge(f"exit code {explained.exit_code}", tone)
    caution = element("p", element("strong", explained.caution)) if explained.caution else Markup()
    return element(
        "div",
        caution,
        element("div", element("strong", WORDS[explained.outcome]), code, kind="head"),
        element("p", explained.headline),
        items(explained.reasons),
        element("p", explained.data, kind="muted"),
        kind=f"banner {tone}",
    )


def advice(explained: Explanation) -> Markup:
    """What to do; nothing where there is nothing to do."""
    return section("What to do", items(explained.next_steps)) if explained.next_steps else Markup()


def gates(explained: Explanation) -> Markup:
    """A card a gate."""
    return section("Gates", element("div", *(_card(gate) for gate in explained.gates), kind="grid"))


def settings(used: Sequence[Setting]) -> Markup:
    """The policy values behind something, and who set each; nothing for none."""
    if not used:
        return Markup()
    rows = [(element("code", each.path), each.text, each.set_by) for each in used]
    layers = ", ".join(dict.fromkeys(each.set_by for each in used))
    values = table("Policy in force", (Column("key"), Column("value"), Column("set by")), rows)
    return fold(f"Thresholds set by {layers}", values)


def _card(gate: GateExplanation) -> Markup:
    return element(
        "div",
        element("div", element("h3", gate.title), _state(gate), kind="head"),
        element("p", element("code", gate.flag), kind="muted"),
        element("p", gate.finding),
        _comparisons(gate.comparisons),
        element("div", items(gate.notes), kind="muted"),
        settings(gate.settings),
        kind="card" if gate.acceptable else "card bad",
    )


def _state(gate: GateExplanation) -> Markup:
    found = badge("holds", Tone.GOOD) if gate.acceptable else badge("fails", Tone.BAD)
    if gate.status is GateStatus.ENFORCED:
        return found
    caveat = badge(_UNENFORCED[gate.status], Tone.WARN)
    return caveat if gate.acceptable else element("span", found, " ", caveat)


def _comparisons(compared: Sequence[Comparison]) -> Markup:
    """What, value with interval, and the rule: three narrow columns that a phone has room for."""
    rows = [
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            _two_lines(each.what, each.note),
            _two_lines(element("b", each.value_text), each.interval_text),
            each.rule_text if each.holds else element("span", f"✗ {each.rule_text}", kind="beyond"),
        )
        for each in compared
    ]
    return (
        Markup('<table class="fit"><tbody>{}</tbody></table>').format(Markup().join(rows))
        if rows
        else Markup()
    )


def _two_lines(first: Content, second: str) -> Markup:
    return Markup("{}<br/><small>{}</small>").format(first, second) if second else element("span", first)
