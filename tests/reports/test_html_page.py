import pytest

from invarlock.reports.html_page import (
    Column,
    Tone,
    badge,
    command,
    element,
    facts,
    figure,
    fold,
    items,
    link,
    page,
    table,
    wide_figure,
)

HOSTILE = '<i title="&">\'</i>'
ESCAPED = "&lt;i title=&#34;&amp;&#34;&gt;&#39;&lt;/i&gt;"


@pytest.mark.parametrize(
    "made",
    [
        element("p", HOSTILE),
        badge(HOSTILE, Tone.BAD),
        command(HOSTILE),
        items([HOSTILE]),
        facts({HOSTILE: HOSTILE}),
        table(HOSTILE, [Column(HOSTILE)], [[HOSTILE]]),
        figure(HOSTILE, element("svg"), HOSTILE),
        fold(HOSTILE, HOSTILE),
        wide_figure(HOSTILE, element("svg")),
        link(HOSTILE, HOSTILE),
        page(HOSTILE, HOSTILE),
    ],
)
def test_what_is_given_is_escaped(made):
    assert HOSTILE not in made
    assert ESCAPED in made


def test_what_was_made_is_not_escaped_again():
    assert element("p", element("b", "a & b")) == "<p><b>a &amp; b</b></p>"


def test_a_link_is_a_path_and_never_a_script():
    assert link("a", "runs/x y.json") == '<a href="runs/x%20y.json">a</a>'
    assert 'href="javascript%3Aalert' in link("a", "javascript:alert(1)")


def test_numbers_are_marked_for_alignment():
    made = table("t", [Column("name"), Column("size", number=True)], [["a", "1"]])
    assert '<th scope="col" class="number">size</th>' in made
    assert '<td>a</td><td class="number">1</td>' in made


def test_a_ragged_row_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        table("t", [Column("a"), Column("b")], [["1"]])


def test_nothing_is_listed_as_nothing():
    assert items([]) == ""
