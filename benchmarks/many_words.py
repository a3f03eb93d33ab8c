r"""Trains a spelling corrector with one class per English word: 127,818 classes, fixed and learned class vectors.

    python -m venv VENV && VENV/bin/pip install -e . -r requirements/many-words.txt
    VENV/bin/python benchmarks/many_words.py                            # seeds 0 to 2 of all arms
    VENV/bin/python benchmarks/many_words.py --arms random --seeds 0-2

Classes are the words of 3 to 20 letters from a to z in the English list of the package pyspellchecker. An example is a
word with one random edit: a letter deleted, replaced or inserted, or two neighbours swapped. Forms that are words
themselves are drawn again. The CRC-32 of a form decides whether it belongs to training (8 of 10), validation or test,
so no tested form is seen in training. The input counts the character n-grams (2 to 4 letters) of the form, hashed into
4,096 bins; a network of two layers gives 256 features.

`random` and `n-grams` end in a `StreamingHead` with products in bfloat16. The class vectors of `random` are random
signs, drawn again whenever they are needed. Those of `n-grams` are made from the words: the same counts of each word,
projected to 256 numbers by random signs; they are fixed, too, and held in memory. `learned` ends in a `HypersphereHead`
in float32 that learns its class vectors. All have cosine logits, the same scale, optimizer, weights at the start and
examples, and train through `model.fit`. Each run has a process of its own. Memory is its peak resident
size, less that before the model was built, when the words and the framework were loaded. Finished runs are kept under
`runs/many_words` and not repeated. The list's own package is asked for the same corrections, for comparison.
"""
import argparse
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from many_classes import _peak as peak_memory

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "many_words"
PAGE = ROOT / "docs" / "many_classes.md"
BLOCK = "many words"
ARMS = ("random", "n-grams", "learned")
EPOCHS, BATCH, RATE = 4, 512, 1e-3
BINS, HIDDEN, DIM = 4096, 1024, 256
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TRAIN, VALIDATION, TEST = range(2, 10), range(1, 2), range(1)
"""Remainders of a form's CRC-32 by 10."""
TESTED, ASKED = 20_000, 2_000
EVALUATION_SEED = 2024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", default="0-2", help="first and last seed (default: 0-2)")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="forms that are predicted")
    parser.add_argument("--page-only", action="store_true", help="only write the table, from the JSON file")
    from report import RESULTS, out_option, write_block

    out_option(parser, RESULTS / "many_words.json")
    options = parser.parse_args()
    if not options.page_only:
        first, last = (int(each) for each in options.seeds.split("-"))
        for seed in range(first, last + 1):
            for arm in options.arms:
                run(arm, seed, options.epochs, options.split)
        if options.split == "validation" or options.epochs != EPOCHS:
            return
        write_results(options.out)
    if options.out.resolve() == RESULTS / "many_words.json":
        write_block(BLOCK, block(json.loads(options.out.read_text())), PAGE)


def run(arm: str, seed: int, epochs: int, split: str) -> None:
    """Trains one model in a process of its own, unless its result is there."""
    file = RUNS / f"{arm}-{seed}-{epochs}-{split}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        worker_arguments = [arm, str(seed), str(epochs), split, str(file)]
        subprocess.run([sys.executable, __file__, "--worker", *worker_arguments], check=True)
    print(file.name, file.read_text().strip())


def worker(arm: str, seed: int, epochs: int, split: str, file: Path) -> None:
    """Trains and tests a model, and writes what was measured."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    words = dictionary()
    model_of("random", words[:1000], seed, 1).fit(np.zeros((8, BINS)), np.zeros(8), verbose=0)  # loads the framework
    before = peak_memory()
    keras.utils.set_random_seed(seed)
    model = model_of(arm, words, seed, epochs * (len(words) // BATCH))
    start = time.perf_counter(), time.process_time()
    model.fit(batches_of(words, seed), epochs=epochs, verbose=2 if sys.stderr.isatty() else 0)
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    memory = peak_memory() - before
    labels, forms = examples(words, TESTED, TEST if split == "test" else VALIDATION, (EVALUATION_SEED,))
    classes = np.concatenate([best_classes(model, arm, forms[i:i + BATCH]) for i in range(0, TESTED, BATCH)])
    hits = classes == labels[:, None]
    result = {"classes": len(words), "top-1": float(hits[:, 0].mean()), "top-5": float(hits.any(axis=1).mean()),
              "memory": memory, "seconds": seconds[0], "processor_seconds": seconds[1]}
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(result))
    aside.rename(file)


def model_of(arm: str, words: Sequence[str], seed: int, steps: int) -> Any:
    """Returns a compiled model of n-gram counts. All arms start from the same weights of the network."""
    import keras

    import keras_fixhead

    inputs = keras.Input((BINS,))
    start = keras.initializers.HeNormal
    hidden = keras.layers.Dense(HIDDEN, activation="relu", kernel_initializer=start(seed))(inputs)
    features = keras.layers.Dense(DIM, kernel_initializer=start(seed + 1000))(hidden)
    common: dict[str, Any] = {"logits": "cos", "scale": "auto", "seed": seed}
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    loss: Any = keras_fixhead.StreamingLoss()
    if arm == "random":
        head = keras_fixhead.StreamingHead(len(words), class_vectors="rademacher", in_memory=False,
                                           product_dtype="bfloat16", **common)
    elif arm == "n-grams":
        head = keras_fixhead.StreamingHead(len(words), class_vectors=projected(words, seed), product_dtype="bfloat16",
                                           **common)
    else:
        head = keras_fixhead.HypersphereHead(len(words), class_vectors="rademacher", fixed=False, **common)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Model(inputs, head(features))
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    return model


def best_classes(model: Any, arm: str, forms: Sequence[str], count: int = 5) -> np.ndarray:
    """Returns the best classes of each form, the best first."""
    outputs = model(counts(forms))
    if arm != "learned":
        return np.asarray(model.layers[-1].top_classes(outputs, k=count)[1])
    return np.argsort(-np.asarray(outputs), axis=1, kind="stable")[:, :count]


def projected(words: Sequence[str], seed: int) -> np.ndarray:
    """Returns a class vector for each word, from the counts of its n-grams, without their mean: float32 (m, DIM)."""
    vectors = _products(words, seed)
    vectors -= vectors.mean(axis=0)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _products(forms: Sequence[str], seed: int) -> np.ndarray:
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), (BINS, DIM))
    return np.concatenate([counts(forms[i:i + 4096]) @ signs for i in range(0, len(forms), 4096)])


def dictionary() -> list[str]:
    """Returns the English words of pyspellchecker with 3 to 20 letters from a to z, sorted."""
    from spellchecker import SpellChecker

    found = SpellChecker(language="en").word_frequency.words()
    return sorted(word for word in found if 3 <= len(word) <= 20 and set(word) <= set(LETTERS))


def batches_of(words: Sequence[str], seed: int) -> Any:
    """Returns shuffled batches. In an epoch no word appears twice; words that do not fill a batch wait for the next."""
    import keras

    class Batches(keras.utils.PyDataset):
        epoch = 0

        def __init__(self) -> None:
            super().__init__()
            self.known = frozenset(words)
            self._shuffle()

        def __len__(self) -> int:
            return len(words) // BATCH

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            labels = self.order[index * BATCH:(index + 1) * BATCH]
            rng = np.random.default_rng((seed, self.epoch, index))
            forms = [misspelled(words[each], self.known, TRAIN, rng) for each in labels]
            return counts(forms), labels

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self._shuffle()

        def _shuffle(self) -> None:
            self.order = np.random.default_rng((seed, self.epoch)).permutation(len(words))

    return Batches()


def examples(words: Sequence[str], count: int, split: range, seed: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """Returns `count` random words' numbers and a misspelled form of each that belongs to a split."""
    rng = np.random.default_rng(seed)
    labels, known = rng.choice(len(words), count, replace=False), frozenset(words)
    return labels, [misspelled(words[each], known, split, rng) for each in labels]


def misspelled(word: str, known: frozenset[str], split: range, rng: np.random.Generator) -> str:
    """Returns the word with one random edit that is not a word and belongs to the split."""
    return next(form for form in _edited(word, rng) if form not in known and zlib.crc32(form.encode()) % 10 in split)


def _edited(word: str, rng: np.random.Generator) -> Iterator[str]:
    while True:
        edit, at, letter = int(rng.integers(4)), int(rng.integers(len(word))), LETTERS[rng.integers(26)]
        head, rest = word[:at], word[at:]
        if edit == 0:
            form = head + rest[1:]
        elif edit == 1:
            form = head + letter + rest[1:]
        elif edit == 2:
            form = head + letter + rest
        else:
            form = head + rest[1:2] + rest[:1] + rest[2:]
        if form != word:
            yield form


def counts(forms: Sequence[str]) -> np.ndarray:
    """Returns the hashed counts of character n-grams, scaled to unit length: float32 (N, BINS)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=BINS, dtype=np.float32)
    return np.asarray(vectorizer.transform(forms).toarray())


def write_results(out: Path) -> None:
    """Writes the accuracies and memory of the runs that are there, and the accuracy of pyspellchecker."""
    from report import measurement, write_report

    done = []
    for arm in ARMS:
        found = [json.loads(file.read_text()) for file in sorted(RUNS.glob(f"{arm}-*-{EPOCHS}-test.json"))]
        for metric, unit in (("top-1", "1"), ("top-5", "1"), ("memory", "B"), ("processor_seconds", "s")):
            if found:
                done.append(measurement(
                    name=f"{arm}/{metric}", metric=metric, unit=unit, values=[each[metric] for each in found],
                    warmup="none", config={"classes": found[0]["classes"], "epochs": EPOCHS, "batch_size": BATCH,
                                           "features": DIM, "test forms": TESTED}))
    words = dictionary()
    labels, forms = examples(words, TESTED, TEST, (EVALUATION_SEED,))
    write_report(out, done, command="VENV/bin/python benchmarks/many_words.py", counts={
        "tested": TESTED, "right without training": nearest(words, labels, forms),
        "asked of pyspellchecker": ASKED, "right by pyspellchecker": corrected(words, labels[:ASKED], forms[:ASKED])})


def nearest(words: Sequence[str], labels: np.ndarray, forms: Sequence[str], seed: int = 0) -> int:
    """Returns how many forms have their own word's vector of `projected` nearest to their own projected counts."""
    mean = _products(words, seed).mean(axis=0)
    vectors, found = projected(words, seed), _products(forms, seed) - mean
    best = [(found[i:i + BATCH] @ vectors.T).argmax(axis=1) for i in range(0, len(forms), BATCH)]
    return int((np.concatenate(best) == labels).sum())


def corrected(words: Sequence[str], labels: np.ndarray, forms: Sequence[str]) -> int:
    """Returns how many forms pyspellchecker corrects to the word that was meant."""
    from spellchecker import SpellChecker

    checker = SpellChecker(language="en")
    return sum(checker.correction(form) == words[label] for label, form in zip(labels, forms, strict=True))


def block(report: dict[str, Any]) -> list[str]:
    """Returns the table of the page about very many classes."""
    found = {each["name"]: each for each in report["measurements"]}
    lines = ["| class vectors | n | word found | among the first 5 | memory |", "|---|---:|---:|---:|---:|"]
    said = {"random": "fixed: random signs, drawn again (`StreamingHead`, bfloat16)",
            "n-grams": "fixed: made from the words' n-grams (`StreamingHead`, bfloat16)",
            "learned": "learned (`HypersphereHead`, float32)"}
    for arm, name in said.items():
        if f"{arm}/top-1" not in found:
            lines.append(f"| {name} | 0 | not measured | not measured | not measured |")
            continue
        one, five, memory = (found[f"{arm}/{metric}"] for metric in ("top-1", "top-5", "memory"))
        lines.append(f"| {name} | {one['n']} | {_percent(one)} | {_percent(five)} | {memory['median'] / 1e9:.2f} GB |")
    counted = report["counts"]
    asked, right = counted["asked of pyspellchecker"], counted["right by pyspellchecker"]
    untrained = 100 * counted["right without training"] / counted["tested"]
    return [*lines, f"| nearest vector made from n-grams, without a network | | {untrained:.1f} % | | |",
            f"| pyspellchecker itself, {asked:,} of the forms | | {100 * right / asked:.1f} % | | |"]


def _percent(one: dict[str, Any]) -> str:
    spread = f" ({100 * min(one['values']):.1f} to {100 * max(one['values']):.1f})" if one["n"] > 1 else ""
    return f"{100 * one['mean']:.1f} %{spread}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], Path(sys.argv[6]))
    else:
        main()
