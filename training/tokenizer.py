"""Build the tiny CLIP tokenizer: byte-level BPE with ``</w>``, as CLIP's, on the world's captions.

The start and end tokens get the two highest ids: CLIP pools at the highest id of a text.

Usage: ``python -m training.tokenizer``
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from training.common import Scenes
from training.paths import CHECKPOINTS_DIR

CONTEXT_LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
TOKENIZER_DIR = CHECKPOINTS_DIR / "tokenizer"
TEMPLATE_WORDS = (
    "a photo of a picture of an itap of a good photo of the small large clean close-up there is "
    "in the scene one my this that's plant animal vehicle fruit building thing image drawing"
)


def build(folder: Path = TOKENIZER_DIR) -> CLIPTokenizer:
    """Train the BPE and write the tokenizer's files into ``folder``."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=1200, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    bpe.train_from_iterator([*Scenes.load().captions, *[TEMPLATE_WORDS] * 20], trainer)
    merges = [tuple(merge) for merge in json.loads(bpe.to_str())["model"]["merges"]]
    merged = (left + right for left, right in merges)
    tokens = dict.fromkeys([*alphabet, *(letter + "</w>" for letter in alphabet), *merged, START, END])
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        model_max_length=CONTEXT_LENGTH,
        pad_token=END,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


if __name__ == "__main__":
    built = build()
    print(f"{len(built)} tokens in {TOKENIZER_DIR}")
