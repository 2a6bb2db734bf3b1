"""A large run that is there already: when it is taken, and when not."""

import json
from pathlib import Path

import pytest

from demo.students import HANDED_IN
from dl1.data.corpus import load_corpus
from dl1.gpt.kept_run import larger_run
from dl1.gpt.runs import RECORD, WEIGHTS
from dl1.gpt.student_module import load_module
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells

NOTEBOOK = Path(__file__).resolve().parents[3] / "source" / "assignment2" / "2a_gpt_components.ipynb"
RUN = HANDED_IN / "runs" / "2b_gpt_training"


@pytest.fixture(scope="module")
def gpt(tmp_path_factory):
    """The reference's module, with which the demo's run was trained."""
    folder = tmp_path_factory.mktemp("gpt")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        inprocess.run(
            NOTEBOOK,
            cells=lambda cell: "demo" not in cell["metadata"].get("tags", []) and notebook_cells.role(cell) != "test",
        )
    return load_module(folder / "gpt.py")


def found(gpt, folder: Path, **changes):
    """What is taken of the demo's run with these changes of its record, by a student with a model of another size."""
    record = json.loads((RUN / RECORD).read_text()) | {"profile": "full"} | changes
    (folder / RECORD).write_text(json.dumps(record))
    (folder / WEIGHTS).write_bytes((RUN / WEIGHTS).read_bytes())
    corpus = load_corpus("tales")
    tokenizer = CharTokenizer(record["characters"])
    model = gpt.GPT(gpt.GPTConfig.preset("gpt-nano", n_layer=1, vocab_size=tokenizer.vocab_size, block_size=64))
    return larger_run(model, tokenizer.encode(corpus.split()[1]), folder, corpus)


@pytest.mark.usefixtures("one_thread")
def test_a_finished_run_that_is_true_is_taken_with_its_own_sizes(gpt, tmp_path, capsys):
    run = found(gpt, tmp_path)
    assert run.model.config.n_layer == 3
    assert not run.model.training
    assert "set DL1_PROFILE to quick" in capsys.readouterr().out


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "changes",
    [{"profile": "quick"}, {"steps": 10}, {"validation_loss": 0.9}, {"corpus_sha256": "0" * 64}, {"config": {}}],
)
def test_another_one_is_not(gpt, tmp_path, capsys, changes):
    assert found(gpt, tmp_path, **changes) is None
    assert capsys.readouterr().out == ""


def test_nothing_there(gpt, tmp_path):
    assert larger_run(gpt.GPT(gpt.GPTConfig()), None, tmp_path, load_corpus("tales")) is None
