"""The training run: batches, steps, validation, checkpoints, a time limit, resume, Ctrl-C.

One process or several (``accelerate launch`` / torchrun): each process draws its own part of every step's rows.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from adapters_core.data.batching import TrainingBatch, TrainingRow, collate
from adapters_core.errors import NumericalError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.training import metrics_file
from adapters_core.training.checkpoint import Progress, latest_checkpoint, load_checkpoint, save_checkpoint
from adapters_core.training.initialisation import initialise
from adapters_core.training.losses import AdaptedLoss, LossParts
from adapters_core.training.rows import RowSource
from adapters_core.training.settings import TrainingSettings

Metrics = dict[str, float]
Watcher = Callable[[int, Metrics], None]
_VALIDATION_STEP = -1
_LARGEST_BAD_STEPS = 20


@dataclass(kw_only=True)
class TrainingRun:
    """A run on its folder; :meth:`train` goes on from the newest checkpoint there."""

    base: BaseModel
    generator: Generator
    rows: RowSource
    settings: TrainingSettings
    folder: Path
    watchers: tuple[Watcher, ...] = ()
    """Called with (step, metrics) for every step and validation, on the main process."""
    checkpoint_dtype: torch.dtype = torch.float32
    clock: Callable[[], float] = time.monotonic
    held_out: RowSource | None = None
    """Rows that are validated; None: rows of the training texts, at steps that training never draws."""
    _signalled: bool = field(default=False, init=False)
    _stop: bool = field(default=False, init=False)
    """What all processes agreed on, so that none waits for one that has left."""

    def train(self) -> Progress:
        """Train until the step or time limit, or until interrupted, and leave a checkpoint.

        Raises:
            NumericalError: the loss stayed NaN or infinite.
            StorageError: a checkpoint could not be written.
        """
        self._signalled = self._stop = False
        accelerator = Accelerator(
            cpu=self.base.device.type == "cpu", gradient_accumulation_steps=self.settings.accumulation
        )
        module = AdaptedLoss(self.base, self.generator)
        optimizer = _optimizer(module, self.settings)
        progress = Progress()
        if newest := latest_checkpoint(self.folder):
            progress = load_checkpoint(newest, self.generator, optimizer)
        elif self.settings.start_tokens:
            initialise(self.base, self.generator, self.rows.start_texts(self.settings.start_tokens))
        if accelerator.is_main_process:  # a run that was killed had gone on from its last checkpoint
            metrics_file.keep_until(self.folder / metrics_file.NAME, progress.step)
        prepared, optimizer = accelerator.prepare(module, optimizer)
        started, before, saved = self.clock(), progress.seconds, progress.seconds
        bad = 0
        with self._interruptible():
            while not self._done(progress):
                self._set_rate(optimizer, progress)
                metrics, tokens = self._step(accelerator, prepared, optimizer, progress.step)
                if self.settings.gain_learning_rate:
                    module.fold_gains()
                bad = 0 if metrics["finite"] else bad + 1
                if bad >= _LARGEST_BAD_STEPS:
                    raise NumericalError(f"the loss was not finite in {bad} steps in a row: lower the learning rate")
                progress = self._advance(accelerator, progress, tokens, before + self.clock() - started)
                if (progress.step % self.settings.validate_every == 0 or self._done(progress)) and not self._stop:
                    metrics |= self.validate(module)
                self._report(accelerator, progress, metrics)
                if progress.seconds - saved > self.settings.checkpoint_every_s:
                    self._save(accelerator, optimizer, progress)
                    saved = progress.seconds
            self._save(accelerator, optimizer, progress)
        return progress

    @torch.no_grad()
    def validate(self, module: AdaptedLoss) -> Metrics:
        """Cross-entropy (nats per token) of validation rows: with the right adapter, a wrong one and none.

        Where no batch has two contexts (a corpus of one short document), there is no wrong one to report.
        """
        found: Metrics = {}
        rows = max(2, self.settings.batch_rows)  # the wrong adapter is that of the next row
        for name, objective in self.settings.objectives.items():
            if objective.share <= 0:
                continue
            right: list[float] = []
            wrong: list[float] = []
            none: list[float] = []
            for part in range(max(1, self.settings.validation_rows // rows)):
                source = self.held_out or self.rows
                batch = self._collated(source.batch(_VALIDATION_STEP, part, objective=name, rows=rows))
                right.append(float(module(batch).cross_entropy))
                other, bare = module.controls(batch)
                wrong += [] if other is None else [other]
                none.append(bare)
            for key, losses in ((name, right), (f"{name}/wrong", wrong), (f"{name}/none", none)):
                if losses:
                    found[f"validation/{key}"] = math.fsum(losses) / len(losses)
        return found

    def _step(
        self,
        accelerator: Accelerator,
        module: torch.nn.Module,
        optimizer: Any,  # noqa: ANN401  # accelerate wraps the optimizer
        step: int,
    ) -> tuple[Metrics, int]:
        metrics: Metrics = {}
        tokens, total = 0, 0.0
        for part in range(self.settings.accumulation):
            index = part * accelerator.num_processes + accelerator.process_index
            batch = self._collated(self.rows.batch(step, index))
            with accelerator.accumulate(module):
                parts: LossParts = module(batch)
                loss = parts.total(self.settings.objectives[batch.objective])
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    norm = accelerator.clip_grad_norm_(module.parameters(), self.settings.gradient_clip)
                    finite = bool(torch.isfinite(torch.as_tensor(norm)))
                    metrics |= {"gradient_norm": float(norm), "finite": float(finite)}
                    if finite:
                        optimizer.step()
                    optimizer.zero_grad()
            tokens += batch.tokens
            total += float(loss.detach())
            metrics[f"loss/{batch.objective}"] = float(parts.cross_entropy.detach())
            if parts.distillation is not None:
                metrics[f"distillation/{batch.objective}"] = float(parts.distillation.detach())
        metrics["loss"] = total / self.settings.accumulation
        return metrics, tokens

    def _collated(self, rows: Sequence[TrainingRow]) -> TrainingBatch:
        return move(collate(rows, self.base.require_tokenizer().pad_token_id or 0), self.base.device)

    def _advance(self, accelerator: Accelerator, progress: Progress, tokens: int, seconds: float) -> Progress:
        """One step on, with the main process's clock and anyone's interruption.

        Every process decides from these on its learning rate, its next checkpoint and its end: they must decide alike.
        """
        stop = self._signalled
        if accelerator.num_processes > 1:
            mine = torch.tensor(
                [tokens, float(stop), seconds if accelerator.is_main_process else 0.0],
                dtype=torch.float64,
                device=accelerator.device,
            )
            tokens, stopped, seconds = accelerator.reduce(mine, reduction="sum").tolist()
            stop = stopped > 0
        self._stop = stop
        return Progress(step=progress.step + 1, tokens=progress.tokens + int(tokens), seconds=seconds)

    def _done(self, progress: Progress) -> bool:
        return self._stop or progress.share_of(self.settings) >= 1

    def _set_rate(self, optimizer: Any, progress: Progress) -> None:  # noqa: ANN401  # accelerate wraps the optimizer
        share = progress.share_of(self.settings)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * self.settings.rate_factor(progress.step, share)

    def _report(self, accelerator: Accelerator, progress: Progress, metrics: Metrics) -> None:
        if not accelerator.is_main_process:
            return
        row = {**asdict(progress), **metrics}
        metrics_file.append_row(self.folder / metrics_file.NAME, row)
        for watcher in self.watchers:
            watcher(progress.step, row)

    def _save(self, accelerator: Accelerator, optimizer: Any, progress: Progress) -> None:  # noqa: ANN401  # wrapped
        if accelerator.is_main_process:
            inner = getattr(optimizer, "optimizer", optimizer)
            save_checkpoint(
                self.folder,
                self.generator,
                inner,
                progress,
                description={"settings": self.settings.to_json()},
                dtype=self.checkpoint_dtype,
                keep=self.settings.keep_checkpoints,
            )
        accelerator.wait_for_everyone()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Turn the first Ctrl-C (or termination) into an orderly end after the step under way."""

        def stop(_signal: int, _frame: object) -> None:
            self._signalled = True

        try:
            before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: whoever runs us handles signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def interrupted(self) -> bool:
        """Whether the last :meth:`train` was ended by a signal."""
        return self._stop


def _optimizer(module: AdaptedLoss, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW over the generator and, at a rate of their own, the gains of its sites."""
    trained = [{"params": list(module.generator.parameters()), "peak": settings.learning_rate}]
    if settings.gain_learning_rate:
        trained.append({"params": [module.log_gain_N], "peak": settings.gain_learning_rate, "weight_decay": 0.0})
    else:
        module.log_gain_N.requires_grad = False
    return torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def move(batch: TrainingBatch, device: torch.device) -> TrainingBatch:
    """The batch on another device."""

    def place(part: Any) -> Any:  # noqa: ANN401  # Sequences or None
        if part is None:
            return None
        return replace(part, **{f: getattr(part, f).to(device) for f in ("ids_BT", "mask_BT", "predicts_BT")})

    return replace(batch, context=place(batch.context), target=place(batch.target), teacher=place(batch.teacher))
