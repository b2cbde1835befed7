"""A tiny segmentation model, trained for one epoch on the chips of a lake: which share of a pixel do modules cover?

    make demo                                         # builds a lake and its chips in db/demo
    .venv/bin/pip install torch                       # not a requirement of the lakehouse
    EOPV_HOME=db/demo .venv/bin/python examples/segmentation.py

Without torch it shows what a model would be trained on, and stops. docs/machine-learning.md explains the steps.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from dataflows.cubes.dataset import ChipDataset

try:
    import torch
except ModuleNotFoundError:
    torch = None  # type: ignore[assignment]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--collection", help="STAC collection; may be omitted where the chips are of one only")
    parser.add_argument("--resolution", type=int, default=8, help="H3 resolution of the blocks; the sample is a few km wide")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    dataset = ChipDataset.open(asked.collection, reflectance=True, fill=0.0)
    parts = dataset.splits(resolution=asked.resolution, seed=asked.seed, balanced=True)
    statistics = parts["train"].band_statistics()
    parts = {name: part.normalised(statistics) for name, part in parts.items()}
    print(f"{len(dataset)} samples of {dataset.table['installation_id'].nunique()} installations:")
    print(", ".join(f"{len(part)} for {name}" for name, part in parts.items()))
    for number, band in enumerate(statistics.bands):
        print(f"{band:>8}  mean {statistics.mean[number]:.4f}  stdev {statistics.stdev[number]:.4f}")
    if torch is None:
        print("torch is not installed: no model is trained")
        return

    torch.manual_seed(asked.seed)
    model = small_model(len(dataset.bands))
    batches = parts["train"].batches(asked.batch_size, seed=asked.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for batch in torch.utils.data.DataLoader(parts["train"], batch_sampler=batches):
        optimizer.zero_grad()
        loss = masked_loss(model, batch)
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.4f}")
    for name in ("val", "test"):
        print(f"{name}: loss {evaluated(model, parts[name], asked.batch_size):.4f}")


def small_model(bands: int) -> Any:
    """Three convolutions: 7 × 7 pixels are seen, 70 m at Sentinel-2's resolution."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(bands, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 1, 3, padding=1),
    )


def masked_loss(model: Any, batch: dict[str, Any]) -> Any:
    """Cross entropy with the covered share, over the pixels that show the ground."""
    valid = batch["valid"].float()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(batch["image"])[:, 0], batch["mask"], reduction="none")
    return (loss * valid).sum() / valid.sum().clamp(min=1)


def evaluated(model: Any, part: ChipDataset, batch_size: int) -> float:
    """Mean loss of a part, by batches."""
    if len(part) == 0:
        return float("nan")
    with torch.no_grad():
        loader = torch.utils.data.DataLoader(part, batch_sampler=part.batches(batch_size, shuffle=False))
        return float(np.mean([masked_loss(model, batch).item() for batch in loader]))


if __name__ == "__main__":
    main()
