"""The coordinator's report as one HTML page without scripts and without a net, light, dark and on paper."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Sequence

from jinja2 import DictLoader, Environment, StrictUndefined

from proctor.intake.copier import printable
from proctor.pages.frame import POLICY
from proctor.pages.report_html import DOCUMENT
from proctor.pages.style import STYLE
from proctor.plugin import report_figures as figures
from proctor.plugin.course_report import CourseReport, Sheet, open_by_question
from proctor.plugin.item_statistics import FEW, histogram, items, markers, twice_marked
from proctor.plugin.standing import NOT_JUDGED, WAITS

_SHOWN = 15
_OWN_STYLE = """
table.numbers { width: 100%; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
table.numbers th, table.numbers td { padding: 0.3rem 0.5rem; border-bottom: 1px solid var(--line); }
table.numbers th, table.numbers td { text-align: left; vertical-align: top; }
table.numbers .n { text-align: right; white-space: nowrap; }
table.numbers thead th { position: sticky; top: 0; background: var(--ground); }
.wide { overflow-x: auto; }
svg.chart { width: 100%; height: auto; }
svg.chart text { fill: var(--text); font-size: 15px; }
svg.bar { width: 6rem; height: 0.8rem; display: block; margin-top: 0.35rem; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .final { fill: var(--link); }
svg .other { fill: none; stroke: var(--link); stroke-width: 1.5; stroke-dasharray: 4 2; }
svg .rest { fill: var(--raised); stroke: var(--line); stroke-width: 0.5; }
svg .spread { stroke: var(--text); stroke-width: 2; }
.odd { color: var(--open); font-weight: 600; }
tr, figure { break-inside: avoid; }
figure { margin: 0.6rem 0; }
@media print { table.numbers thead th { position: static; } .wide { overflow: visible; } }
"""
_PAGE = """{% extends "document" %}
{% block under %}
<p class="quiet">Made {{ now }}, for staff: it names students. It shows what gradebook and records \
held then.</p>
{% endblock %}
{% block main %}
<section><h2>State</h2>
<dl class="facts">
<dt>Students</dt><dd>{{ r.roster }} in the gradebook; {{ r.sheets | length }} have a graded submission</dd>
<dt>Final</dt><dd>{{ final | length }}; {{ graded | length - final | length }} more are graded, but something of them \
waits or was not judged</dd>
<dt>Waits for a person</dt><dd>{{ waiting_answers | of('answer') }} of {{ waiting_students | of('student') }}</dd>
<dt>Not judged</dt><dd>{{ unjudged_checks | of('check') }} of {{ unjudged_students | of('student') }}</dd>
<dt>Not finished</dt><dd>{{ unfinished | length }} graded in part, or to be graded again; \
{{ r.waiting_to_be_graded | length }} collected and not graded</dd>
<dt>Late</dt><dd>{{ late | length }}{% if late %}; it costs {{ "%.4g" | format(penalty) }} points in all{% endif %}</dd>
<dt>Sandbox</dt><dd>{{ sandbox }}</dd>
<dt>Memory group</dt><dd>{{ memory }}</dd>
<dt>Engine</dt><dd>{{ engines }}</dd>
</dl>
{% for line in r.problems %}<p class="odd">{{ line }}</p>{% endfor %}
</section>

<section><h2>Totals</h2>
{% if graded %}
<figure>{{ chart | safe }}<figcaption class="quiet">Submissions by points out of {{ "%.4g" | format(r.most) }}, \
lateness taken off. Filled: final. Outlined: not final, with the points that they have so far.</figcaption></figure>
<p>{{ summary }}</p>
{% else %}<p>Nothing is graded to its end.</p>{% endif %}
</section>

<section><h2>Questions</h2>
<p class="quiet">Of the {{ graded | length }} submissions that are graded to their end. <em>Difficulty</em> is the \
mean share of the points, so 1 is easy. <em>Discrimination</em> is the correlation of a question's points with those \
of all other questions together (corrected item-total), over the submissions in which all of them have points; \
questions that wait in more than a tenth of the submissions are no part of “all others”. Below {{ few }} submissions \
there is none: it would be chance.</p>
<div class="wide"><table class="numbers">
<thead><tr><th>Question</th><th class="n">Points</th><th class="n">n</th><th class="n">Mean</th><th>Difficulty</th>
<th class="n">All points</th><th class="n">None</th><th class="n">Discrimination (n)</th></tr></thead>
<tbody>
{% for q, item in questions %}
<tr><td>{{ q.label }}{% if q.title %} <span class="quiet">{{ q.title }}</span>{% endif %}\
{% if q.by_hand %} <span class="quiet">(by hand)</span>{% endif %}</td>
<td class="n">{{ "%.4g" | format(item.most) }}</td><td class="n">{{ item.n }}</td>
<td class="n">{{ item.mean | two }}</td><td>{{ item.difficulty | two }}{{ bar(item.difficulty) | safe }}</td>
<td class="n">{{ item.full | percent }}</td><td class="n">{{ item.none | percent }}</td>
<td class="n">{% if item.discrimination is not none %}\
<span{% if item.discrimination < 0.1 %} class="odd"{% endif %}>{{ item.discrimination | two }}\
{% if item.discrimination < 0.1 %} low{% endif %}</span>{% else %}{{ no_discrimination(item) }}{% endif %} \
({{ item.n_discrimination }})</td></tr>
{% endfor %}
</tbody></table></div></section>

<section><h2>Who marked</h2>
{% if not r.by_hand %}<p>No points were given by hand yet.</p>{% else %}
<p>{{ r.by_hand }} answers have points that were given by hand; of {{ r.markings | length }} it is known by whom\
{% if r.markings | length < r.by_hand %}. nbgrader's gradebook doesn't say; the formgrader writes it down from this \
version on, and points that came in another way have no name{% endif %}.</p>
{% if markers %}
<div class="wide"><table class="numbers">
<thead><tr><th>Marker</th><th class="n">Answers</th><th class="n">Mean share</th><th class="n">Spread (SD)</th>
<th>Mean ± SD</th><th class="n">Beside the others (n)</th></tr></thead>
<tbody>{% for name, m in markers %}
<tr><td>{{ name }}</td><td class="n">{{ m.n }}</td><td class="n">{{ m.mean | two }}</td>
<td class="n">{{ m.spread | two }}</td><td>{{ line(m.mean, m.spread) | safe }}</td>
<td class="n">{% if m.lenience is not none %}{{ "%+.2f" | format(m.lenience) }}\
{% else %}fewer than {{ few }}{% endif %} ({{ m.n_compared }})</td></tr>
{% endfor %}</tbody></table></div>
<p class="quiet">Shares of the points of a question. <em>Beside the others</em>: how much more (or less) this person \
gave than the others did on average for the same questions, over the answers to questions that somebody else has \
marked, too. Who marks other students' answers sees other answers: a difference may be theirs.</p>
{% endif %}
<p>{% if twice %}{{ twice | length }} answer{{ '' if twice | length == 1 else 's' }} got points from two people: \
these are {{ twice_mean | two }} of a \
question's points apart on average, {{ twice_max | two }} at most\
{% if twice | length < few %} (a small sample){% endif %}.{% else %}No answer was marked by two people, so nothing \
says how far they would agree on the same one.{% endif %}</p>
{% endif %}</section>

<section><h2>Most frequent mistakes</h2>
{% if mistakes %}<div class="wide"><table class="numbers">
<thead><tr><th class="n">Students</th><th>Notebook</th><th>What</th></tr></thead><tbody>
{% for one in mistakes %}<tr><td class="n">{{ one.sure }}{% if one.perhaps %} (+{{ one.perhaps }} perhaps){% endif %}\
</td><td>{{ one.notebook }}</td><td>{{ one.said }}{% if not one.named %} <span class="quiet">(not in the catalogue)\
</span>{% endif %}</td></tr>{% endfor %}
</tbody></table></div>
{% if r.mistakes | length > mistakes | length %}<p class="quiet">{{ r.mistakes | length - mistakes | length }} more: \
<code>python -m proctor mistakes {{ r.assignment }}</code></p>{% endif %}
{% else %}<p>No failed check.</p>{% endif %}</section>

<section><h2>What waits</h2>
{% if not (waits or unjudged or unfinished or r.waiting_to_be_graded) %}<p>Nothing.</p>{% endif %}
{% if waits %}<div class="wide"><table class="numbers">
<thead><tr><th>Question</th><th class="n">Answers that wait</th></tr></thead><tbody>
{% for q, students in waits.items() %}<tr><td>{{ q.label }} <span class="quiet">{{ q.title }}</span></td>\
<td class="n">{{ students | length }} of {{ graded | length }}</td></tr>{% endfor %}</tbody></table></div>{% endif %}
{% if unjudged %}<h3>Not judged</h3><ul>
{% for q, students in unjudged.items() %}<li>{{ q.label }}: {{ students | names }}</li>{% endfor %}</ul>{% endif %}
{% if unfinished %}<h3>Not finished</h3><ul>
{% for one in unfinished %}<li>{{ one.student | plain }}: {{ one.unfinished }}</li>{% endfor %}</ul>{% endif %}
{% if r.waiting_to_be_graded %}<h3>Collected, not graded</h3>
<p>{{ r.waiting_to_be_graded | names }}</p>{% endif %}</section>

<section><h2>Late</h2>
{% if late %}<div class="wide"><table class="numbers">
<thead><tr><th>Student</th><th class="n">After the own deadline</th><th class="n">Costs</th></tr></thead><tbody>
{% for one in late %}<tr><td>{{ one.student | plain }}</td><td class="n">{{ one.late_seconds | span }}</td>\
<td class="n">{{ "%.4g" | format(one.penalty) }}</td></tr>{% endfor %}</tbody></table></div>
{% else %}<p>Nobody, as far as the times are known.</p>{% endif %}</section>

<section><h2>Accidents and other notes of the grading</h2>
{% if notes %}<div class="wide"><table class="numbers">
<thead><tr><th class="n">Students</th><th>Note</th><th>Among them</th></tr></thead><tbody>
{% for line, students in notes %}<tr><td class="n">{{ students | length }}</td><td>{{ line }}</td>\
<td>{{ students | names(4) }}</td></tr>{% endfor %}</tbody></table></div>
{% if more_notes %}<p class="quiet">{{ more_notes }} more kinds of notes, in the records.</p>{% endif %}
{% else %}<p>None.</p>{% endif %}</section>
{% endblock %}
"""


def page(report: CourseReport, memory: str) -> str:
    """The page.

    Args:
        memory: whether there is a memory group on this machine, in words; records don't say.
    """
    graded = report.graded()
    final = [one for one in graded if one.final()]
    rows, most = report.rows(), {question: question.most for question in report.questions}
    found = items(rows, most)
    waits, unjudged = open_by_question(report, WAITS), open_by_question(report, NOT_JUDGED)
    twice = twice_marked(report.history)
    notes = sorted(report.notes.items(), key=lambda one: (-len(one[1]), one[0]))
    mistakes = sorted(report.mistakes, key=lambda one: -(one.sure + one.perhaps))
    late = sorted([one for one in report.sheets if one.late_seconds], key=lambda one: -one.late_seconds)
    return _TEMPLATES.get_template("page").render(
        r=report,
        policy=POLICY,
        title=f"{report.assignment}: report",
        style=STYLE + _OWN_STYLE,
        now=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        graded=graded,
        final=final,
        unfinished=[one for one in report.sheets if one.unfinished],
        late=late,
        penalty=sum(one.penalty for one in late),
        waits=waits,
        unjudged=unjudged,
        waiting_answers=_cells(graded, WAITS),
        waiting_students=sum(WAITS in one.open.values() for one in graded),
        unjudged_checks=_cells(graded, NOT_JUDGED),
        unjudged_students=sum(NOT_JUDGED in one.open.values() for one in graded),
        sandbox=_sandbox(report),
        memory=memory,
        engines=_counts(report.engines) or "unknown",
        chart=figures.distribution(_bins(report, final, graded), _summary(final, len(graded))),
        summary=_summary(final, len(graded)),
        questions=[(question, found[question]) for question in report.questions],
        markers=list(markers(report.markings).items()),
        twice=twice,
        twice_mean=statistics.fmean(twice) if twice else None,
        twice_max=max(twice, default=None),
        mistakes=mistakes[:_SHOWN],
        notes=notes[:_SHOWN],
        more_notes=len(notes[_SHOWN:]),
        few=FEW,
        bar=figures.share_bar,
        line=figures.spread_line,
        no_discrimination=lambda item: f"fewer than {FEW}" if item.n_discrimination < FEW else "all alike",
    )


def _cells(sheets: Sequence[Sheet], kind: str) -> int:
    return sum(one == kind for sheet in sheets for one in sheet.open.values())


def _bins(report: CourseReport, final: Sequence[Sheet], graded: Sequence[Sheet]) -> list[tuple[float, float, int, int]]:
    done = histogram([one.total for one in final], report.most)
    every = histogram([one.total for one in graded], report.most)
    return [(low, high, count, all_ - count) for (low, high, count), (_, _, all_) in zip(done, every, strict=True)]


def _summary(final: Sequence[Sheet], graded: int) -> str:
    totals = [one.total for one in final]
    if not totals:
        return f"None of {graded} totals is final yet."
    spread = f", SD {statistics.stdev(totals):.1f}" if len(totals) > 1 else ""
    small = f" This is a small sample (fewer than {FEW})." if len(totals) < FEW else ""
    return (
        f"{len(totals)} of {graded} totals are final: mean {statistics.fmean(totals):.1f}, median "
        f"{statistics.median(totals):.1f}{spread}, from {min(totals):.1f} to {max(totals):.1f}.{small}"
    )


def _sandbox(report: CourseReport) -> str:
    on, off = report.sandboxes["bwrap"], report.sandboxes["none"]
    if not on and not off:
        return "nothing is recorded"
    said = f"on for {on} notebooks" if on else ""
    return "; ".join(
        one for one in (said, f"OFF for {off} notebooks: graded without any protection" if off else "") if one
    )


def _counts(found: dict) -> str:
    return ", ".join(f"{name} ({count} notebooks)" for name, count in sorted(found.items()))


def _names(students: Sequence[str], most: int = 12) -> str:
    shown = sorted(students)[:most]
    more = f" and {len(students) - most} more" if len(students) > most else ""
    return ", ".join(printable(one) for one in shown) + more


def _span(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    return (f"{days} d " if days else "") + f"{rest // 3600} h {rest % 3600 // 60:02} min"


_TEMPLATES = Environment(
    loader=DictLoader({"document": DOCUMENT, "page": _PAGE}), autoescape=True, undefined=StrictUndefined
)
_TEMPLATES.filters |= {
    "two": lambda value: "—" if value is None else f"{value:.2f}",
    "percent": lambda value: "—" if value is None else f"{100 * value:.0f} %",
    "names": _names,
    "of": lambda count, what: f"{count} {what}{'' if count == 1 else 's'}",
    "plain": printable,
    "span": _span,
}
