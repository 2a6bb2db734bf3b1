import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10

from dl1.data.images import ImageSet, load_images
from dl1.errors import CourseError

PER_BATCH = 4


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, named by DL1_DATA; the current folder belongs to no course."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("DL1_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def fake_cifar(data, monkeypatch):
    """Six batches of four images in CIFAR-10's format, whose checksums torchvision is told; returns their folder."""
    folder = data / "cifar-10-batches-py"
    folder.mkdir()

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    rows = np.random.default_rng(0)
    batches = []
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        pixels = rows.integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8)
        batches.append([name, write(name, {"data": pixels, "labels": [0, 9, 3, 5]})])
    names = [f"class {number}" for number in range(10)]
    monkeypatch.setattr(CIFAR10, "train_list", batches[:5])
    monkeypatch.setattr(CIFAR10, "test_list", batches[5:])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": write("batches.meta", {"label_names": names})})
    return folder


@pytest.fixture
def three():
    images = torch.arange(3 * 3 * 32 * 32).reshape(3, 3, 32, 32).remainder(256).to(torch.uint8)
    return ImageSet(images, torch.tensor([2, 0, 1]), ("a", "b", "c"), "letters")


def test_an_image_is_scaled_and_its_label_is_an_int(three):
    image, label = three[0]
    assert image.dtype == torch.float32
    assert image.shape == (3, 32, 32)
    assert image[0, 0, 0] == 0
    assert image[0, 7, 31] == 1  # pixel 255
    assert type(label) is int
    assert label == 2


def test_the_transform_gets_the_scaled_image(three):
    seen = []
    doubled = three.with_transform(lambda image: seen.append(image) or 2 * image)
    assert torch.equal(doubled[1][0], 2 * three[1][0])
    assert seen[0].dtype == torch.float32
    assert seen[0].max() <= 1


def test_another_transform_shares_the_tensors_and_leaves_the_first_alone(three):
    other = three.with_transform(torch.neg)
    assert other.images.data_ptr() == three.images.data_ptr()
    assert other.labels.data_ptr() == three.labels.data_ptr()
    assert (other.classes, other.name) == (three.classes, three.name)
    assert three.transform is None
    assert other.with_transform(None).transform is None


def test_the_first_keep_their_transform_and_share_the_tensors(three):
    two = three.with_transform(torch.neg).first(2)
    assert len(two) == 2
    assert two.transform is torch.neg
    assert two.images.data_ptr() == three.images.data_ptr()
    assert two.labels.tolist() == [2, 0]
    assert len(three.first(10)) == 3


@pytest.mark.parametrize("count", [0, -1])
def test_no_images_are_refused(count, three):
    with pytest.raises(CourseError, match="ask for 1 or more"):
        three.first(count)


def test_iterating_ends(three):
    assert [label for _, label in three] == [2, 0, 1]


def test_a_loader_makes_batches(three):
    images, labels = next(iter(DataLoader(three, batch_size=3)))
    assert images.shape == (3, 3, 32, 32)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [2, 0, 1]


def test_cifar_is_read_from_the_data_folder(fake_cifar, capsys):
    training, test = load_images()
    assert (len(training), len(test)) == (5 * PER_BATCH, PER_BATCH)
    for images in (training, test):
        assert images.name == "CIFAR-10"
        assert images.images.dtype == torch.uint8
        assert images.images.shape == (len(images), 3, 32, 32)
        assert images.images.is_contiguous()
        assert images.labels.dtype == torch.int64
        assert images.classes == tuple(f"class {number}" for number in range(10))
    assert capsys.readouterr().out == ""


def test_cifars_pixels_and_labels_are_the_files(fake_cifar):
    with (fake_cifar / "data_batch_2").open("rb") as file:
        batch = pickle.load(file)
    training, _ = load_images()
    expected = torch.from_numpy(batch["data"]).reshape(PER_BATCH, 3, 32, 32)  # (N, 3072) -> (N, 3, 32, 32)
    assert torch.equal(training.images[PER_BATCH : 2 * PER_BATCH], expected)
    assert training.labels[PER_BATCH : 2 * PER_BATCH].tolist() == batch["labels"]


def test_a_limit_holds_for_both_sets(fake_cifar):
    training, test = load_images(limit=6)
    assert (len(training), len(test)) == (6, PER_BATCH)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_damaged_file_is_named_and_the_digits_dont_stand_in(name, fake_cifar, capsys):
    (fake_cifar / name).write_bytes((fake_cifar / name).read_bytes()[:-1])
    with pytest.raises(CourseError, match=rf"{name} is damaged: python -m dl1.download"):
        load_images()
    assert capsys.readouterr().out == ""


def test_missing_files_are_counted(fake_cifar):
    for name in ("data_batch_1", "data_batch_2"):
        (fake_cifar / name).unlink()
    with pytest.raises(CourseError, match="is missing, and 1 more: "):
        load_images()


def test_files_that_torchvision_refuses_are_explained(fake_cifar, data):
    """A manifest may bless what is no CIFAR-10: nothing is unpickled unless torchvision knows its checksum, too."""
    other = fake_cifar / "test_batch"
    other.write_bytes(b"other")
    lines = [f'"{path.name}" = "md5:{hashlib.md5(path.read_bytes()).hexdigest()}"' for path in fake_cifar.iterdir()]
    head = (
        '[cifar10]\ntitle = "CIFAR-10"\nurls = []\narchive = "a"\nchecksum = "md5:0"\nfolder = "cifar-10-batches-py"\n'
    )
    (data / "manifest.toml").write_text("\n".join([head, "[cifar10.files]", *lines]))
    with pytest.raises(CourseError, match="torchvision doesn't take .*delete that folder"):
        load_images()


def test_without_cifar_the_digits_stand_in_and_it_is_said(data, capsys):
    training, test = load_images()
    assert (len(training), len(test)) == (1437, 360)
    assert training.name == test.name == "embedded digits"
    printed = capsys.readouterr().out
    assert f"CIFAR-10 was not found in {data.resolve()}" in printed
    assert "embedded digits" in printed
    assert "python -m dl1.download" in printed
    assert len(printed.splitlines()) == 2


def test_the_digits_are_grey_and_use_the_whole_range(data):
    for images in load_images():
        assert images.images.dtype == torch.uint8
        assert images.images.shape == (len(images), 3, 32, 32)
        assert images.images.min() == 0
        assert images.images.max() == 255
        assert torch.equal(images.images[:, 0], images.images[:, 1])
        assert torch.equal(images.images[:, 0], images.images[:, 2])
        assert images.labels.dtype == torch.int64
        assert images.classes == tuple("0123456789")


def test_the_digits_test_set_is_balanced_and_every_class_is_trained_on(data):
    training, test = load_images()
    assert test.labels.bincount().tolist() == [36] * 10
    assert training.labels.bincount().min() >= 130
    # A short beginning holds every class, so that a limit leaves something to learn.
    assert len(set(training.first(100).labels.tolist())) == 10


def test_every_digit_is_in_one_of_the_sets_with_its_label(data):
    training, test = load_images()
    images, labels = torch.cat([training.images, test.images]), torch.cat([training.labels, test.labels])
    ink = images[:, 0].double().sum(dim=(1, 2)) / 16  # (N,): each pixel of a digit became 16
    digits = load_digits()
    for digit in range(10):
        expected = torch.from_numpy(digits.images[digits.target == digit]).sum(dim=(1, 2)) / 16 * 255
        # Smoothing keeps the sum; rounding to whole numbers moves each of the 64 pixels by half of one at most.
        torch.testing.assert_close(ink[labels == digit].sort().values, expected.sort().values, atol=32, rtol=0)


def test_the_digits_look_like_digits(data):
    """A nearest mean, on pixels, tells most of them apart: 88 % when this was written, 10 % if labels were mixed up."""
    training, test = load_images()
    means = torch.stack([training.images[training.labels == digit].float().mean(0) for digit in range(10)])
    nearest = torch.cdist(test.images.float().flatten(1), means.flatten(1)).argmin(1)
    assert (nearest == test.labels).float().mean() > 0.8


def test_the_split_is_the_same_every_time(data):
    first, second = load_images(), load_images()
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_a_wrong_variable_is_no_reason_for_the_digits(data, monkeypatch):
    monkeypatch.setenv("DL1_DATA", str(data / "missing"))
    with pytest.raises(CourseError, match="DL1_DATA"):
        load_images()


def test_the_real_cifar(tmp_path, monkeypatch):
    real = os.environ.get("DL1_TEST_CIFAR")
    if not real:
        pytest.skip("no CIFAR-10: set DL1_TEST_CIFAR to the folder that holds cifar-10-batches-py")
    monkeypatch.chdir(Path(__file__).parent)  # the course's manifest, with the SHA-256 of every file
    monkeypatch.setenv("DL1_DATA", real)
    training, test = load_images()
    assert training.labels.bincount().tolist() == [5000] * 10
    assert test.labels.bincount().tolist() == [1000] * 10
    assert training.classes[0] == "airplane"
    assert training.classes[9] == "truck"
    # The first training image is a frog.
    assert training[0][1] == training.classes.index("frog")
    # The usual normalisation of CIFAR-10, to the digits that are always given: 0.4914, 0.4822, 0.4465.
    means = torch.stack([training.images[:, channel].double().mean() / 255 for channel in range(3)])
    torch.testing.assert_close(means, torch.tensor([0.4914, 0.4822, 0.4465]).double(), atol=1e-4, rtol=0)
