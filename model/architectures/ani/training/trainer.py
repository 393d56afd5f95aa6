"""The training loop: all members in one step, each with its own clipping, stopping and best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

from model.architectures.ani.network import StackedNetworks, free_weights
from model.architectures.ani.settings import AniSettings
from model.architectures.ani.training.minibatch import EnvironmentCache, Minibatch
from model.history import MemberHistory

_WARM_UP_SHARE = 0.05
_LAST_RATE_SHARE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What all members of a committee learn, each its own part, and how.

    Attributes
    ----------
    start : StackedNetworks
        Where they start.
    batches : sequence of Minibatch
    validation : sequence of (Minibatch or None)
        Of each member alone; None where it has nothing to validate on.
    environments : EnvironmentCache
        Of all minibatches.
    settings : AniSettings
    max_epochs : int
    learning_rate : float
    frozen_layers : sequence of int
    seed : int
        Of the order of the minibatches.
    """

    start: StackedNetworks
    batches: Sequence[Minibatch]
    validation: Sequence[Minibatch | None]
    environments: EnvironmentCache
    settings: AniSettings
    max_epochs: int
    learning_rate: float
    frozen_layers: Sequence[int]
    seed: int


class Trainer:
    """State of the training of some members: weights, their moving average, each one's best."""

    def __init__(self, lesson: Lesson, members: range) -> None:
        self.lesson = lesson
        self.settings = lesson.settings
        self.start = lesson.start.only(members)
        self.batches = [batch.of_members(members) for batch in lesson.batches]
        self.validation = lesson.validation[members.start : members.stop]
        networks = lesson.environments.basis.networks(self.start)
        self.shape = networks.shape
        self.moves = (
            free_weights(self.shape, lesson.frozen_layers, networks.device)
            if lesson.frozen_layers
            else None
        )
        self.weights = networks.weights
        self.moments, self.squares = (torch.zeros_like(self.weights) for _ in range(2))
        self.adam_steps = list(self.weights.new_zeros(len(self.weights)))
        self.average = networks.weights.clone()
        self.best = networks.weights.clone()
        self.steps = 0

    def run(self) -> tuple[StackedNetworks, tuple[MemberHistory, ...]]:
        """Train until every member has stopped; return the weights of each that are kept."""
        patience = self.settings.patience_epochs
        members = range(len(self.weights))
        generator = torch.Generator().manual_seed(self.lesson.seed)
        losses: list[list[float]] = [[] for _ in members]
        least = [self._validate(m) for m in members]
        best_epoch, running = [0 for _ in members], list(members)
        for epoch in range(1, self.lesson.max_epochs + 1):
            for index in torch.randperm(len(self.batches), generator=generator).tolist():
                self._step(self.batches[index], running)
            for member in running:
                loss = self._validate(member)
                losses[member].append(loss)
                # A member without a validation part keeps its last weights.
                stops_early = patience is not None and self.validation[member] is not None
                if loss < least[member] or not stops_early:
                    least[member], best_epoch[member] = loss, epoch
                    self.best[member] = self.average[member]
            if patience is not None:
                running = [m for m in running if epoch - best_epoch[m] < patience]
            if not running:
                break
        histories = tuple(
            MemberHistory(
                best_epoch=best_epoch[m], epochs=len(losses[m]), validation_loss=tuple(losses[m])
            )
            for m in members
        )
        trained = StackedNetworks(shape=self.shape, weights=self.best)
        return self.lesson.environments.basis.learned(self.start, trained), histories

    def _rate(self) -> float:
        """Return the learning rate of this step: a short warm-up, then a straight line down."""
        done = self.steps / (self.lesson.max_epochs * len(self.batches))
        return self.lesson.learning_rate * max(
            _LAST_RATE_SHARE, min(done / _WARM_UP_SHARE, 1 - done)
        )

    def _step(self, batch: Minibatch, running: Sequence[int]) -> None:
        weights = self.weights.detach().requires_grad_()
        networks = StackedNetworks(shape=self.shape, weights=weights)
        losses = batch.losses(networks, self.lesson.environments[batch], self.settings.force_weight)
        # Members do not see each other: the gradient of the sum is each member's own.
        share = batch.learns / batch.learns.sum(1, keepdim=True).clamp(min=1)
        torch.autograd.backward((losses * share).sum())
        gradient = weights.grad
        assert gradient is not None, "the loss depends on the weights"
        if self.moves is not None:
            gradient *= self.moves
        for row in gradient:
            row *= (self.settings.max_gradient_norm / row.norm()).clamp(max=1)
        self.steps += 1
        self._adam(gradient, running)
        decay = min(self.settings.weight_average_decay, (1 + self.steps) / (10 + self.steps))
        self.average.lerp_(self.weights, 1 - decay)

    def _adam(self, gradient: Tensor, running: Sequence[int]) -> None:
        """Change the weights of members that have not stopped.

        torch's function, not its class, which loads torch's compiler: two CPU seconds a process.
        """
        stacked = (self.weights, gradient, self.moments, self.squares)
        weights, gradients, moments, squares = ([of[m] for m in running] for of in stacked)
        adam(
            weights,
            gradients,
            moments,
            squares,
            max_exp_avg_sqs=[],
            state_steps=[self.adam_steps[m] for m in running],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.99,
            lr=self._rate(),
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def _validate(self, member: int) -> float:
        batch = self.validation[member]
        if batch is None:
            return math.nan
        weights = self.average[member : member + 1]
        networks = StackedNetworks(shape=self.shape, weights=weights)
        with torch.no_grad():
            losses = batch.losses(
                networks, self.lesson.environments[batch], self.settings.force_weight
            )
        return float(losses.mean())
