"""Beam search and group beam search once more, item by item and token by token, in the words of their rules."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from generation_toy import START, ToyModel

NOWHERE = np.float32(-1e9)
Entry = tuple[np.float32, list[int]]


@dataclass
class Rules:
    """The settings of a search, with the names of the configuration."""

    num_beams: int
    max_length: int
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    eos_token_id: tuple[int, ...] = (1,)
    #: A further reason for a sequence to end.
    stops: Callable[[list[int]], bool] = lambda ids: False

    def hits(self, ids: list[int]) -> bool:
        return ids[-1] in self.eos_token_id or len(ids) >= self.max_length or self.stops(ids)

    def normalised(self, total: np.float32, new_tokens: int) -> np.float32:
        return np.float32(total / np.float32(new_tokens**self.length_penalty))

    def bound(self, total: np.float32, length: int) -> np.float32:
        """The best normalised score that a running sequence is credited with."""
        longest = self.early_stopping == "never" and self.length_penalty > 0
        return self.normalised(total, (self.max_length if longest else length) - 1)


def best(entries: list[Entry], count: int) -> list[Entry]:
    return sorted(entries, key=lambda entry: -entry[0])[:count]


def continuations(model: ToyModel, item: int, running: list[Entry], count: int) -> list[Entry]:
    found = []
    for total, ids in running:
        log_probs = model.log_probs(ids, item).astype(np.float32)
        found += [(np.float32(total + log_probs[token]), [*ids, token]) for token in range(len(log_probs))]
    return best(found, count)


@dataclass
class Item:
    running: list[Entry]
    #: Finished sequences; a place that is still empty holds ``NOWHERE``.
    finished: list[Entry] = field(default_factory=list)
    open: bool = True


def beam_oracle(model: ToyModel, items: int, rules: Rules) -> list[list[Entry]]:
    """Return the finished sequences of every item, best first."""
    beams = rules.num_beams
    states = [Item([(np.float32(0 if beam == 0 else -1e9), [START]) for beam in range(beams)]) for _ in range(items)]
    length = 1
    while True:
        length += 1
        all_hit = True
        for item, state in enumerate(states):
            per_beam = max(2, 1 + len(rules.eos_token_id))
            candidates = continuations(model, item, state.running, per_beam * beams)
            hit = [rules.hits(ids) for _, ids in candidates]
            all_hit = all_hit and all(hit)
            still = [
                (np.float32(total + NOWHERE * ended), ids) for (total, ids), ended in zip(candidates, hit, strict=True)
            ]
            state.running = best(still, beams)
            full = len(state.finished) == beams and rules.early_stopping is True
            if state.open and not full:
                ended = [entry for entry, hits in list(zip(candidates, hit, strict=True))[:beams] if hits]
                state.finished += [(rules.normalised(total, length - 1), ids) for total, ids in ended]
                state.finished = best(state.finished, beams)
            worst = state.finished[-1][0] if len(state.finished) == beams else NOWHERE
            state.open = state.open and bool(rules.bound(state.running[0][0], length) > worst)
        complete = all(len(state.finished) == beams for state in states)
        if not any(state.open for state in states) or (rules.early_stopping is True and complete) or all_hit:
            return [state.finished for state in states]


def group_oracle(
    model: ToyModel, item: int, rules: Rules, groups: int, diversity_penalty: float, pad: int
) -> list[Entry]:
    """Return all finished sequences of one item over its groups, best first, each without its end token."""
    size = rules.num_beams // groups
    running = [[(np.float32(0 if beam == 0 else -1e9), [START]) for beam in range(size)] for _ in range(groups)]
    finished: list[list[tuple[float, list[int]]]] = [[] for _ in range(groups)]
    done = [False] * groups
    length = 1
    while not all(done) and length < rules.max_length:
        length += 1
        chosen: list[int] = []
        for group in range(groups):
            if done[group]:
                chosen += [pad] * size
                continue
            found = []
            for total, ids in running[group]:
                scores = model.log_probs(ids, item).astype(np.float32)
                for token in chosen:
                    scores[token] -= np.float32(diversity_penalty)
                found += [(np.float32(total + scores[token]), [*ids, token]) for token in range(len(scores))]
            candidates = best(found, max(2, 1 + len(rules.eos_token_id)) * size)
            running[group] = []
            for rank, (total, ids) in enumerate(candidates):
                if ids[-1] not in rules.eos_token_id:
                    running[group].append((total, ids))
                elif rank < size:
                    finished[group].append((float(total) / (length - 1) ** rules.length_penalty, ids[:-1]))
                    finished[group] = sorted(finished[group], key=lambda entry: -entry[0])[:size]
                if len(running[group]) == size:
                    break
            chosen += [ids[-1] for _, ids in running[group]]
            if len(finished[group]) == size:
                bound = (
                    float(candidates[0][0])
                    / (
                        (rules.max_length if rules.early_stopping == "never" and rules.length_penalty > 0 else length)
                        - 1
                    )
                    ** rules.length_penalty
                )
                done[group] = rules.early_stopping is True or finished[group][-1][0] >= bound
    for group in range(groups):
        if not done[group]:
            for total, ids in running[group]:
                finished[group].append((float(total) / (length - 1) ** rules.length_penalty, ids))
            finished[group] = sorted(finished[group], key=lambda entry: -entry[0])[:size]
    pooled = [(np.float32(score), ids) for group in finished for score, ids in group]
    return best(pooled, len(pooled))
