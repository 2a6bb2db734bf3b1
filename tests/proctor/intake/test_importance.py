import pytest

from proctor.intake.importance import importance


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("z/deep/down/1a.ipynb", "a.py"),
        ("1a.ipynb.txt", "a.json"),
        ("timestamp.txt", "a.json"),
        ("runs/model.safetensors", "a.zip"),
        ("homework/runs/a/model.pt", "photo.png"),
        ("runs/gpt/checkpoints/step.pt", "data/cifar-10-batches-py/data_batch_1"),
        ("gpt.py", "data/x.py"),
        ("photo.jpg", "movie.mp4"),
        ("movie.mp4", "data/set.bin"),
        ("movie.mp4", "venv/lib/x.py"),
        ("movie.mp4", "__pycache__/x.ipynb"),
        ("movie.mp4", "hf_cache/model.bin"),
        ("movie.mp4", "cifar-10-batches-py/data_batch_1"),
        ("graph_data.json", "dataset/x.json"),
    ],
)
def test_what_can_be_had_again_is_left_out_first_and_notebooks_last(earlier, later):
    assert importance(earlier) < importance(later)
