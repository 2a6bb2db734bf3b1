"""The angle sweep: batches of tensors, as the notebook's reference solution turns them, against PIL, image by image.

    python benchmarks/rotation_sweep.py                     2,000 images at 13 angles, both ways; about a minute

Prints the seconds of both ways in one run on this machine, and by how much their accuracies differ. The images are
CIFAR-10 where it was downloaded, else the digits; the network is trained for one epoch, so that its accuracies mean
something.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dl1.data.images import ImageSet, load_images
from proctor.notebooks import cells as notebook_cells

NOTEBOOK = Path(__file__).resolve().parent.parent / "source" / "assignment2" / "1b_rotation.ipynb"
ANGLES = list(range(0, 361, 30))


def from_the_notebook() -> dict:
    """The network and the sweep of the notebook's reference."""
    wanted = ("q1_2_network", "q1_2b_sweep")
    namespace: dict = {"torch": torch, "nn": nn, "F": F}
    exec("from torchvision.transforms.functional import rotate", namespace)
    for cell in notebook_cells.read(NOTEBOOK)["cells"]:
        if notebook_cells.grade_id(cell) in wanted:
            exec(notebook_cells.without_markers(notebook_cells.source(cell)), namespace)
    return namespace


def image_by_image(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, batch_size: int) -> list[float]:
    """The usual way: each picture through PIL, then a batch of them through the model."""
    model.eval()
    accuracies = []
    for angle in ANGLES:
        right = 0
        for start in range(0, len(images), batch_size):
            turned = [to_pil_image(image).rotate(angle) for image in images[start : start + batch_size]]
            batch = torch.stack([pil_to_tensor(picture).float() / 255 for picture in turned])  # (B, 3, 32, 32)
            with torch.no_grad():
                right += (model(batch).argmax(1) == labels[start : start + batch_size]).sum().item()
        accuracies.append(right / len(images))
    return accuracies


def train(model: nn.Module, images: ImageSet) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for chosen in torch.randperm(len(images)).split(64):
        loss = F.cross_entropy(model(images.images[chosen].float() / 255), images.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2_000, help="number of test images (default: 2000)")
    count = parser.parse_args().images
    training_set, test_set = load_images()
    test_set = test_set.first(count)
    notebook = from_the_notebook()
    torch.manual_seed(0)
    # The kit's training leaves the network in this memory format.
    model = notebook["Cnn"]().to(memory_format=torch.channels_last)
    train(model, training_set.first(10_000))
    images, labels = test_set.images.float() / 255, test_set.labels
    sweep = notebook["accuracy_per_angle"]
    # Libraries load what they need with the first call.
    sweep(model, images[:500], labels[:500], [30], 500)
    image_by_image(model, test_set.images[:64], labels[:64], 64)

    print(f"{len(images):,} images of {test_set.name}, {len(ANGLES)} angles, {torch.get_num_threads()} threads")
    started = time.perf_counter()
    batched = sweep(model, images, labels, ANGLES, 500)
    batched_seconds = time.perf_counter() - started
    started = time.perf_counter()
    single = image_by_image(model, test_set.images, labels, 500)
    single_seconds = time.perf_counter() - started
    started = time.perf_counter()
    with torch.no_grad():
        for _ in ANGLES:
            for batch in images.split(500):
                model(batch)
    network_seconds = time.perf_counter() - started
    difference = max(abs(a - b) for a, b in zip(batched, single, strict=True))
    print(f"image by image, PIL       {single_seconds:7.1f} s")
    print(f"batches of tensors        {batched_seconds:7.1f} s   {single_seconds / batched_seconds:5.2f} times as fast")
    print(f"the network alone         {network_seconds:7.1f} s")
    turning = (single_seconds - network_seconds) / (batched_seconds - network_seconds)
    print(f"turning alone             {turning:.1f} times as fast")
    print(f"accuracies differ by at most {100 * difference:.2f} percentage points")


if __name__ == "__main__":
    main()
