"""Whether tensors hold numbers only."""

import torch


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether no value of a tensor of floats is NaN or infinite.

    One such value makes the sum NaN or infinite, whatever the others are, and a sum makes no copy: values are looked at
    one by one only where the sum is not finite, which may be mere overflow.
    """
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32))) or bool(torch.isfinite(tensor).all())
