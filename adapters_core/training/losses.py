"""The training losses: cross-entropy of the target under the adapter, and KL to a teacher.

    cross-entropy   mean over predicted tokens of -log p(token | prefix, adapter)          nats per token
    distillation    mean over predicted tokens of KL(teacher || adapted)                    nats per token

Shape letters: B rows, C chunks a row, T tokens, P predicted tokens of the batch, D hidden, N sites, K, V, W vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapters_core.data.batching import Sequences, TrainingBatch
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.folded import folded, normalised
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.taps import encode
from adapters_core.training.settings import Objective


@dataclass(frozen=True, kw_only=True, eq=False)
class LossParts:
    """Losses of one batch, in nats per predicted token."""

    cross_entropy: Tensor
    distillation: Tensor | None
    """None: the batch has no teacher."""

    def total(self, objective: Objective) -> Tensor:
        """The weighted sum that is trained."""
        loss = objective.cross_entropy * self.cross_entropy
        if self.distillation is not None:
            loss = loss + objective.distillation * self.distillation
        return loss


class AdaptedLoss(nn.Module):
    """Loss of a batch under the adapters its contexts generate; wraps the generator for distributed training."""

    def __init__(self, base: BaseModel, generator: Generator) -> None:
        """Hold the generator and the gains as the only trained parts; the base stays outside of the module tree."""
        super().__init__()
        self.generator = generator
        self.log_gain_N = nn.Parameter(torch.zeros(len(generator.sites), device=base.device))
        """Logarithm of a factor on every site's delta, 0 between steps (see :meth:`fold_gains`)."""
        self._base = (base,)  # a tuple hides it from parameters() and state_dict()

    def forward(self, batch: TrainingBatch) -> LossParts:
        """Losses of a batch with every row under its own adapter."""
        base = self._base[0]
        # The base computes in its own dtype and the state in float32, whatever a launcher's mixed precision says.
        with torch.autocast(base.device.type, enabled=False):
            matrix_XNKV = self._matrix(batch)
            matrix_BNKV = matrix_XNKV[list(batch.context_of_row)]
            with folded(base, self.generator, matrix_BNKV, gain_N=self.log_gain_N.exp()):
                logits_PW = predicted_logits(base, batch.target)
            return _parts(base, batch, logits_PW)

    @torch.no_grad()
    def fold_gains(self) -> None:
        """Take the gains into the generator's ``output`` and set them back to 1: what a step learned stays in place."""
        self.generator.rescale(self.log_gain_N.exp())
        self.log_gain_N.zero_()

    @torch.no_grad()
    def controls(self, batch: TrainingBatch) -> tuple[float | None, float]:
        """Cross-entropy (nats per token) with the adapter of the batch's next context, and with no adapter.

        The first is None where the batch has one context only.
        """
        base = self._base[0]
        none = float(_cross_entropy(batch, predicted_logits(base, batch.target)))
        matrix_XNKV = self._matrix(batch)
        if len(matrix_XNKV) == 1:
            return None, none
        with folded(base, self.generator, matrix_XNKV.roll(1, dims=0)[list(batch.context_of_row)]):
            return float(_cross_entropy(batch, predicted_logits(base, batch.target))), none

    def _matrix(self, batch: TrainingBatch) -> Tensor:
        """M of every context: chunks encoded by the bare base, or each under the adapter of those before it."""
        base, generator, chunks = self._base[0], self.generator, batch.chunks_per_row
        ids_XCT, mask_XCT = (t.unflatten(0, (-1, chunks)) for t in (batch.context.ids_BT, batch.context.mask_BT))
        if generator.config.encoding == "independent" or chunks == 1:
            states = encode(base, generator, batch.context.ids_BT, _mask(batch.context))
            return normalised(generator, states.unflatten(0, (-1, chunks)).sum(1))
        state_XNKV = encode(base, generator, ids_XCT[:, 0], mask_XCT[:, 0])
        for chunk in range(1, chunks):
            with folded(base, generator, normalised(generator, state_XNKV)):
                state_XNKV = state_XNKV + encode(base, generator, ids_XCT[:, chunk], mask_XCT[:, chunk])
        return normalised(generator, state_XNKV)


def predicted_logits(base: BaseModel, sequences: Sequences) -> Tensor:
    """Logits (P x W, float32) at the positions that predict, row by row; no others are computed.

    Raises:
        UnsupportedModelError: the base computes its logits in another way than by its output embeddings alone.
    """
    hidden_BTD = base.body(input_ids=sequences.ids_BT, attention_mask=_mask(sequences), use_cache=False)[0]
    return base.head_logits(hidden_BTD[sequences.predicts_BT])


def predicted_ids(sequences: Sequences) -> Tensor:
    """The tokens that are predicted (P), in the order of :func:`predicted_logits`."""
    return sequences.ids_BT[:, 1:][sequences.predicts_BT[:, :-1]]


def _mask(sequences: Sequences) -> Tensor | None:
    """None where nothing is padded: the fast attention path takes no mask."""
    return None if bool(sequences.mask_BT.all()) else sequences.mask_BT


def _cross_entropy(batch: TrainingBatch, logits_PW: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits_PW, predicted_ids(batch.target))


def _parts(base: BaseModel, batch: TrainingBatch, logits_PW: Tensor) -> LossParts:
    distillation = None
    if batch.teacher is not None:
        with torch.no_grad():
            teacher_PW = predicted_logits(base, batch.teacher).log_softmax(-1)
        distillation = nn.functional.kl_div(
            logits_PW.log_softmax(-1), teacher_PW, reduction="batchmean", log_target=True
        )
    return LossParts(cross_entropy=_cross_entropy(batch, logits_PW), distillation=distillation)
