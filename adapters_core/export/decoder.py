"""The linears of a base that an adapter may change."""

from torch import nn

from adapters_core.modeling.base_model import BaseModel


def decoder_linears(base: BaseModel) -> dict[str, nn.Linear]:
    """Every linear of every decoder layer by module path; embeddings and the output head are no sites."""
    return {
        f"{base.layers_path}.{index}.{path}": module
        for index, layer in enumerate(base.layers)
        for path, module in layer.named_modules()
        if isinstance(module, nn.Linear)
    }
