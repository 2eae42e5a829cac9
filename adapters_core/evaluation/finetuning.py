"""The two ways to give a model a context by training on it: LoRA (peft) and full fine-tuning.

Both predict the next token of the context, on a copy of the base's module tree: the base itself is never written to,
so nothing has to be put back, not even after an error.

Shape letters: T tokens, W vocabulary.
"""

import copy
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from adapters_core.data.batching import Ids
from adapters_core.data.tokens import text_ids
from adapters_core.errors import ConfigError, ContextError, IntegrityError, NumericalError
from adapters_core.evaluation.methods import Adapted
from adapters_core.evaluation.question_files import SuiteDocument
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.lora import Pair

if TYPE_CHECKING:
    from transformers import PreTrainedModel


MIN_WINDOW = 3
"""Even windows of at most so many tokens have two at least: one to read and one to predict."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How a context is trained on."""

    steps: int
    """Optimizer steps (AdamW, constant rate, no weight decay), one window of the context each, in turn."""
    learning_rate: float
    window_tokens: int = 1024
    """Most tokens of a window."""
    gradient_norm: float = 1.0
    """Gradients are scaled down to at most this norm."""
    seed: int = 0
    """Of LoRA's initial weights."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ConfigError: a field is out of its bounds.
        """
        if self.steps < 1 or self.window_tokens < MIN_WINDOW:
            raise ConfigError(
                f"fine-tuning needs at least 1 step and windows of {MIN_WINDOW} tokens, "
                f"got {self.steps} and {self.window_tokens}"
            )
        if not 0 < self.learning_rate < float("inf") or not 0 < self.gradient_norm < float("inf"):
            raise ConfigError(
                f"learning_rate and gradient_norm must be positive and finite, "
                f"got {self.learning_rate} and {self.gradient_norm}"
            )


# Chosen on three fictional documents (360 to 405 tokens), SmolLM2, float32, by gold-answer NLL; no context: 5.59.
#   LoRA  10 steps at 1e-3: 4.17    20 at 1e-3: 4.40    20 at 3e-4: 4.52    20 at 3e-3: 4.78
#   full  10 steps at 2e-4: 3.87    10 at 5e-5: 4.00
LORA_TRAINING = FineTuning(steps=10, learning_rate=1e-3)
FULL_TRAINING = FineTuning(steps=10, learning_rate=2e-4)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoraTuned:
    """LoRA (Hu et al. 2021) by peft on every linear of the base but its output layer."""

    base: BaseModel
    training: FineTuning = LORA_TRAINING
    rank: int = 8
    alpha: float = 16.0
    name: str = "lora"

    @contextmanager
    def adapt(self, document: SuiteDocument) -> Iterator[Adapted]:
        """Train on the document; the result is read off as pairs and applied like a generated adapter.

        Raises:
            NumericalError: the loss is not finite.
        """
        started = time.perf_counter()
        pairs = self.train(document.text)
        seconds = time.perf_counter() - started
        nbytes = sum(t.numel() * t.element_size() for pair in pairs.values() for t in (pair.a_RI, pair.b_OR))
        yield Adapted(base=self.base, pairs=pairs, context=None, seconds=seconds, nbytes=nbytes)

    def train(self, text: str) -> dict[str, Pair]:
        """The trained factors by module path, float32, the scale alpha / rank baked into B."""
        from peft import LoraConfig, get_peft_model
        from peft.tuners.lora import LoraLayer

        config = LoraConfig(r=self.rank, lora_alpha=self.alpha, lora_dropout=0.0, target_modules="all-linear")
        with torch.random.fork_rng(), warnings.catch_warnings():
            # peft asks transformers for a name that transformers is giving up
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
            torch.manual_seed(self.training.seed)
            tuned = get_peft_model(tree_sharing_weights(self.base.model), config)
        fit(tuned, windows(self.base, text, self.training.window_tokens), self.training)
        prefix = "base_model.model."
        return {
            path.removeprefix(prefix): _pair(layer)
            for path, layer in tuned.named_modules()
            if isinstance(layer, LoraLayer)
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class FullyTuned:
    """All weights trained, in a float32 copy of the base."""

    base: BaseModel
    training: FineTuning = FULL_TRAINING
    name: str = "full"

    @contextmanager
    def adapt(self, document: SuiteDocument) -> Iterator[Adapted]:
        """Train a copy on the document; it is dropped afterwards.

        Raises:
            NumericalError: the loss is not finite.
            IntegrityError: the base was written to (checked by digest, before and after).
        """
        before = digest_tensors(self.base.model.named_parameters())
        started = time.perf_counter()
        model = copy.deepcopy(self.base.model).float().requires_grad_(requires_grad=True)
        fit(model, windows(self.base, document.text, self.training.window_tokens), self.training)
        seconds = time.perf_counter() - started
        tuned = BaseModel(model, self.base.tokenizer, source=f"{self.base.source}, fully fine-tuned")
        yield Adapted(base=tuned, pairs={}, context=None, seconds=seconds, nbytes=tuned.nbytes)
        if (after := digest_tensors(self.base.model.named_parameters())) != before:
            raise IntegrityError(f"the base must stay {before[:16]} while a copy is trained, got {after[:16]}")


def tree_sharing_weights(model: "PreTrainedModel") -> "PreTrainedModel":
    """A copy of a model's modules that holds the very same tensors: what wraps modules leaves the original alone."""
    shared = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in shared})


def windows(base: BaseModel, text: str, window_tokens: int) -> tuple[Ids, ...]:
    """A text's tokens in even pieces of at most ``window_tokens`` (and of the base's window).

    Raises:
        ContextError: a single token, after which nothing can be predicted.
    """
    ids = text_ids(base.require_tokenizer(), text)
    if len(ids) < 2:  # noqa: PLR2004  # one to read, one to predict
        raise ContextError(f"a text must have at least 2 tokens to be trained on, got {len(ids)}")
    limit = window_tokens if base.max_context is None else min(window_tokens, base.max_context)
    count = -(-len(ids) // limit)
    edges = [round(len(ids) * i / count) for i in range(count + 1)]
    return tuple(ids[start:end] for start, end in pairwise(edges))


def fit(model: nn.Module, pieces: Sequence[Ids], training: FineTuning) -> list[float]:
    """Train what requires gradients to predict the next token; the loss (nats per token) before each step.

    Raises:
        NumericalError: the loss is not finite.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=training.learning_rate, weight_decay=0.0)
    losses: list[float] = []
    with torch.enable_grad():
        for step in range(training.steps):
            loss = _next_token_loss(model, pieces[step % len(pieces)])
            losses.append(float(loss.detach()))
            if not losses[-1] < float("inf"):
                raise NumericalError(f"the loss must stay finite, got {losses[-1]} at step {step}: lower the rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, training.gradient_norm)
            optimizer.step()
    return losses


def _next_token_loss(model: nn.Module, ids: Ids) -> Tensor:
    ids_1T = torch.tensor([ids], device=next(model.parameters()).device)
    logits_TW: Tensor = model(input_ids=ids_1T, use_cache=False).logits[0, :-1].float()
    return nn.functional.cross_entropy(logits_TW, ids_1T[0, 1:])


def _pair(layer: nn.Module) -> Pair:
    """The factors of a LoRA layer of peft."""
    [name] = layer.active_adapters  # type: ignore[misc]  # peft is untyped
    scale: float = layer.scaling[name]  # type: ignore[index, assignment]  # peft is untyped
    a_RI = layer.get_parameter(f"lora_A.{name}.weight")
    b_OR = layer.get_parameter(f"lora_B.{name}.weight")
    return Pair(a_RI=a_RI.detach().float(), b_OR=scale * b_OR.detach().float())
