"""Bots in a social network, to play with: does attention ignore them, and does that find them?"""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
from tqdm.auto import tqdm

from dl1.errors import CourseError
from dl1.graphs.widgets.bot_network import HUMANS, STEPS, BotNetwork, MakeLayer, Outcome, Setting, make_network, measure
from dl1.graphs.widgets.bot_pictures import draw_outcome, draw_sweep, sentence
from dl1.notebook.runs import is_rerun

_DISGUISES, _SEEDS = (0.0, 0.5, 0.75, 1.0), 6
# What nbgrader runs: enough to see that it runs.
_FEW_STEPS = 5
_LISTED = 8


def bot_demo(make_attention: MakeLayer, make_mean: MakeLayer) -> None:
    """Forty humans in four communities and some bots: train both layers, and see whom attention listens to.

    Sliders change the bots, and each change trains both layers anew, which takes less than a second. Below stands a
    figure for print: two networks, and the measures over the bots' disguise for several seeds. Where nobody can move
    a slider, in a notebook that nbgrader runs, there is only this figure, after a few steps. What a layer gets wrong is
    said in one line.

    Args:
        make_attention: from (in_features, out_features) to a layer with ``layer(x, edge_index, debug=True)``.
        make_mean: from (in_features, out_features) to a layer that takes the mean over the neighbours.

    Raises:
        NotImplementedError: a layer is not finished.
    """
    try:
        if not is_rerun():
            # Imported here, because without a front end there is nothing to display in.
            from IPython.display import display

            display(BotDemo(make_attention, make_mean).box)
        show_sweep(make_attention, make_mean)
    except CourseError as error:
        print(f"Nothing to show yet: {error}.")


def show_sweep(make_attention: MakeLayer, make_mean: MakeLayer) -> None:
    """The figure for print, from six seeds; from one seed and a few steps where nbgrader runs the notebook.

    Raises:
        CourseError: a layer returns something else than it should.
        NotImplementedError: a layer is not finished.
    """
    seeds, steps, disguises = (1, _FEW_STEPS, (0.0, 1.0)) if is_rerun() else (_SEEDS, STEPS, _DISGUISES)
    settings = [Setting(bots=0, seed=seed) for seed in range(seeds)]
    settings += [Setting(disguise=disguise, seed=seed) for disguise in disguises for seed in range(seeds)]
    outcomes = {}
    for setting in tqdm(settings, desc="networks", leave=False, disable=is_rerun()):
        outcomes[setting] = measure(make_attention, make_mean, make_network(setting), setting.seed, steps)
    examples = [(make_network(s), outcomes[s], s) for s in (Setting(disguise=0.0), Setting(disguise=1.0))]
    sweep = {d: [outcome for s, outcome in outcomes.items() if s.bots and s.disguise == d] for d in disguises}
    draw_sweep(examples, sweep, [outcome for s, outcome in outcomes.items() if not s.bots])
    plt.show()


class BotDemo:
    """The widget and its parts.

    Attributes:
        bots, links, disguise: sliders.
        another: button for the next seed.
        picture: the trained network.
        table: the latest settings and what was measured.
        setting, outcome: of the present network.
        box: all of it.

    Raises:
        CourseError: a layer returns something else than it should.
        NotImplementedError: a layer is not finished.
    """

    def __init__(self, make_attention: MakeLayer, make_mean: MakeLayer) -> None:
        self._make_attention, self._make_mean = make_attention, make_mean
        self._rows: list[tuple[Setting, Outcome]] = []
        self.setting = Setting()
        self._make_controls()
        self.picture, self.table = ipywidgets.HTML(), ipywidgets.HTML()
        for slider in (self.bots, self.links, self.disguise):
            slider.observe(lambda _: self._try(self.setting.seed), "value")
        self.another.on_click(lambda _: self._try(self.setting.seed + 1))
        row = ipywidgets.HBox(
            [self.bots, self.links, self.disguise, self.another],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        self.box = ipywidgets.VBox([row, self.picture, self.table])
        self._train(self.setting.seed)

    def _make_controls(self) -> None:
        # Trained when a slider is let go, because each value on the way would be.
        described: dict[str, Any] = {"continuous_update": False, "style": {"description_width": "initial"}}
        self.bots = ipywidgets.IntSlider(
            value=self.setting.bots, min=0, max=20, description="Bots", layout={"width": "18em"}, **described
        )
        self.links = ipywidgets.IntSlider(
            value=self.setting.links,
            min=1,
            max=HUMANS,
            description="Links per bot",
            layout={"width": "21em"},
            **described,
        )
        self.disguise = ipywidgets.FloatSlider(
            value=0.0, min=0.0, max=1.0, step=0.05, description="Disguise", layout={"width": "20em"}, **described
        )
        self.another = ipywidgets.Button(
            description="Another network", icon="random", tooltip="Other humans, other bots, other first weights"
        )

    def _try(self, seed: int) -> None:
        # What a callback raises is shown nowhere.
        try:
            self._train(seed)
        except CourseError as error:
            self.picture.value = html.escape(f"Nothing to show: {error}.")

    def _train(self, seed: int) -> None:
        self.setting = Setting(self.bots.value, self.links.value, self.disguise.value, seed)
        network = make_network(self.setting)
        self.outcome = measure(self._make_attention, self._make_mean, network, seed)
        self._rows = [(self.setting, self.outcome), *self._rows][:_LISTED]
        self.picture.value = _img(network, self.outcome, self.setting)
        self.table.value = _table_html(self._rows)


def _img(network: BotNetwork, outcome: Outcome, setting: Setting) -> str:
    buffer = io.BytesIO()
    figure = draw_outcome(network, outcome, setting)
    figure.savefig(buffer, format="png", dpi=95, pil_kwargs={"compress_level": 2})
    words = (
        f"{setting.bots} bots with {setting.links} links each; {sentence(outcome, setting)}; "
        "people assigned to the right community: "
        f"mean {outcome.convolution:.0%}, attention {outcome.attention:.0%}"
    )
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    # With its proportions given, the page doesn't jump at each change.
    size = f'width="{round(10.2 * 95)}" height="{round(4.4 * 95)}" style="max-width:100%;height:auto"'
    return f'<img {size} alt="{html.escape(words)}" src="data:image/png;base64,{code}">'


def _table_html(rows: list[tuple[Setting, Outcome]]) -> str:
    """The settings tried, the latest first."""
    names = ["network", "bots", "links", "disguise", "mean", "attention", "to bots · degree", "AUC"]
    head = "".join(f'<th scope="col" style="padding:0 10px;text-align:right">{name}</th>' for name in names)
    lines = []
    for setting, outcome in rows:
        received = "–" if outcome.bots_received is None else f"{outcome.bots_received:.2f}"
        auc = "–" if outcome.auc is None else f"{outcome.auc:.2f}"
        cells = [setting.seed, setting.bots, setting.links, f"{setting.disguise:.2f}"]
        cells += [f"{outcome.convolution:.0%}", f"{outcome.attention:.0%}", received, auc]
        lines.append("".join(f'<td style="padding:0 10px;text-align:right">{cell}</td>' for cell in cells))
    return (
        f'<table style="line-height:1.4"><caption style="text-align:left">Tried so far</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
    )
