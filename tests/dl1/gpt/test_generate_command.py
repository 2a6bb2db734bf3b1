"""The command line that lets a trained model write."""

import shutil
from pathlib import Path

import pytest

from dl1.gpt.exported import export_generation
from dl1.gpt.generate_command import main
from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "source" / "assignment2"


def without_tests(cell: dict) -> bool:
    return "demo" not in cell["metadata"].get("tags", []) and notebook_cells.role(cell) != "test"


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """What both notebooks export, and a trained run."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(ROOT / "demo" / "handed_in", folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("2a_gpt_components", "2b_gpt_training"):
            results = inprocess.run(SOURCE / f"{name}.ipynb", cells=without_tests)
            assert [result.error_text for result in results if not result.ok] == []
    return folder


@pytest.fixture
def folder(exported, tmp_path, monkeypatch, one_thread) -> Path:
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_and_a_seed_repeats_it(folder, capsys):
    texts = []
    for arguments in (["--seed", "1"], ["--seed", "1"], ["--seed", "2"]):
        assert main(["--prompt", "The king ", "--characters", "40", *arguments]) == 0
        texts.append(capsys.readouterr().out.removesuffix("\n"))
    assert texts[0] == texts[1] != texts[2]
    assert all(text.startswith("The king ") and len(text) == 49 for text in texts)


def test_greedy_is_the_same_for_every_seed(folder, capsys):
    texts = set()
    for seed in ("1", "2"):
        assert main(["--greedy", "--characters", "30", "--seed", seed]) == 0
        texts.add(capsys.readouterr().out)
    assert len(texts) == 1


def test_generate_is_a_method_of_the_exported_class(folder):
    import torch

    from dl1.gpt.student_module import load_module

    module = load_module(folder / "gpt.py")
    model = module.GPT(module.GPTConfig(vocab_size=10, block_size=8))
    idx = torch.zeros(2, 3, dtype=torch.int64)
    assert torch.equal(model.eval().generate(idx, 4), module.generate(model, idx, 4))
    assert (folder / "gpt.py").read_text().count("GPT.generate = generate") == 1


def test_exporting_twice_adds_it_once(folder):
    namespace = {"__name__": __name__, "next_token_probabilities": 1, "generate": 2}
    export_generation(namespace)
    export_generation(namespace)
    text = (folder / "gpt.py").read_text()
    assert text.count("GPT.generate = generate") == 1
    assert "class GPT" in text
    assert text.count("generate = 2") == 1


def test_nothing_is_exported_without_2a(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    export_generation({"__name__": __name__, "next_token_probabilities": 1, "generate": 2})
    assert "run 2a_gpt_components to its last cell" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prompt", "☃"], "☃"),
        (["--prompt", ""], "at least one character"),
        (["--temperature", "0"], "temperature must be above 0"),
        (["--top-p", "1.5"], "top-p"),
        (["--run", "nowhere"], "train the model first"),
        (["--module", "nowhere.py"], "nowhere.py was not found"),
    ],
)
def test_mistakes_end_in_one_line(folder, capsys, arguments, says):
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("dl1.generate: ")
    assert says in said
    assert said.count("\n") == 1


def test_a_module_without_generate_is_told(folder, capsys):
    (folder / "gpt.py").write_text("class GPT: pass\n")
    assert main([]) == 1
    assert "run the export cell of 2b_gpt_training" in capsys.readouterr().err


def test_an_unfinished_generate_is_told(folder, capsys):
    with (folder / "gpt.py").open("a") as file:
        file.write("\n\ndef generate(*args, **kwargs):\n    raise NotImplementedError\n")
    assert main([]) == 1
    assert "generate" in capsys.readouterr().err
