"""Prompts to embeddings, each once: what was embedded before is kept. Knows no sampler and no placement."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from torch import Tensor

KEPT = 1024
"""Prompts kept: of the real encoder at most 4 MiB each, and only the tokens a prompt has."""

_log = logging.getLogger(__name__)


@lru_cache(maxsize=KEPT)
def _clean(prompt: str) -> str:
    """A prompt as WanPipeline cleans it: mended, unescaped, single spaces. Negative prompts come with every clip."""
    cleaned: str = prompt_clean(prompt)
    return cleaned


class Prompts:
    """Embeds prompts as WanPipeline does: cleaned, padded to a fixed length with zeros behind their last token."""

    def __init__(self, tokenizer: Any, encoder: Any, *, tokens: int, kept: int = KEPT) -> None:
        """``tokens`` is the length prompts are padded to; there is no mask, so it changes the picture."""
        self._tokenizer, self._encoder = tokenizer, encoder
        self._tokens, self._kept = tokens, kept
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def missing(self, prompts: Sequence[str]) -> list[str]:
        """Those of the prompts that must be embedded: where there are none, the encoder need not be on the device."""
        return [prompt for prompt in dict.fromkeys(map(_clean, prompts)) if prompt not in self._cache]

    def embed(self, prompts: Sequence[str], device: torch.device, encoding: Callable[[], torch.device]) -> Tensor:
        """Embeddings of the prompts, (prompts, tokens, width), on ``device``, in the encoder's dtype.

        ``encoding`` is called where the encoder is needed and gives the device it is on. One prompt a forward, so that
        a prompt's embedding does not depend on its company.
        """
        cleaned = [_clean(prompt) for prompt in prompts]
        due = self.missing(prompts)
        self.misses += len(due)
        self.hits += len(prompts) - len(due)
        if due:
            place = encoding()
            for prompt in due:
                self._cache[prompt] = self._embedded(prompt, place)
        found = []
        for prompt in cleaned:
            self._cache.move_to_end(prompt)
            found.append(self._padded(self._cache[prompt].to(device)))
        while len(self._cache) > self._kept:
            self._cache.popitem(last=False)
        return torch.stack(found)

    def _embedded(self, prompt: str, device: torch.device) -> Tensor:
        """The embeddings of a prompt's own tokens, (its tokens, width), on the host."""
        known = self._tokenizer(prompt, max_length=self._tokens, truncation=True).input_ids
        own = len(known)
        if own == self._tokens and len(self._tokenizer(prompt).input_ids) > self._tokens:
            _log.warning("prompt cut to its first %d tokens: %.60s…", self._tokens, prompt)
        # Padded here: the tokenizer would take as long for that again.
        ids = torch.full((1, self._tokens), self._tokenizer.pad_token_id)
        ids[0, :own] = torch.tensor(known)
        mask = (torch.arange(self._tokens) < own)[None].long()
        ids, mask = ids.to(device), mask.to(device)
        hidden: Tensor = self._encoder(ids, mask).last_hidden_state[0, :own]
        return hidden.cpu()

    def _padded(self, embedding: Tensor) -> Tensor:
        return torch.nn.functional.pad(embedding, (0, 0, 0, self._tokens - len(embedding)))
