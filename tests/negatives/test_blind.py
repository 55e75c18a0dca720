import math
from collections import Counter

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from rebind.negatives.blind import BlindScore, CaptionModel, Pairs, draw, length_gaps, sample_folds
from rebind.negatives.judges import TextJudge
from rebind.negatives.language_model import cross_fitted_likelihood
from rebind.negatives.telltale import cross_fitted_gaps, pair_features
from rebind.negatives.word_grams import WordGrams
from rebind.types import UserError

CORPUS = [
    "a red cup on a table",
    "a blue cup on a red table",
    "a dog on a couch",
    "a dog and a cat on a red couch",
    "two dogs on a table",
    "a man with a dog",
]


class PlainKneserNey:
    """Interpolated Kneser-Ney trigrams, written out with dictionaries as the textbooks have it."""

    def __init__(self, captions):
        sentences = [["<s>", "<s>", *caption.split(), "</s>"] for caption in captions]
        trigrams = Counter(tuple(s[i - 2 : i + 1]) for s in sentences for i in range(2, len(s)))
        bigrams = Counter(gram[1:] for gram in trigrams)
        words = Counter(gram[1:] for gram in bigrams)
        self.counts = [words, bigrams, trigrams]
        self.discounts = []
        for counts in self.counts:
            once, twice = (sum(n == k for n in counts.values()) for k in (1, 2))
            self.discounts.append((once + 1) / (once + 2 * twice + 2))

    def probability(self, gram):
        if not gram:
            return 1 / (len(self.counts[0]) + 1)
        counts, discount = self.counts[len(gram) - 1], self.discounts[len(gram) - 1]
        after = {other: n for other, n in counts.items() if other[:-1] == gram[:-1]}
        backed_off = self.probability(gram[1:])
        if not after:
            return backed_off
        own = max(counts[gram] - discount, 0)
        return (own + discount * len(after) * backed_off) / sum(after.values())

    def likelihood(self, caption):
        s = ["<s>", "<s>", *caption.split(), "</s>"]
        return sum(math.log(self.probability(tuple(s[i - 2 : i + 1]))) for i in range(2, len(s)))


def test_likelihood_is_that_of_kneser_ney_written_out():
    asked = ["a red dog on a couch", "couch a on dog red a", "an unheard word", "a red cup on a table", "a", "man"]
    grams = WordGrams.of([*CORPUS, *asked])
    folds = np.array([0] * len(CORPUS) + [1] * len(asked))
    found = cross_fitted_likelihood(grams, folds, folds == 0)[len(CORPUS) :]
    plain = PlainKneserNey(CORPUS)
    np.testing.assert_allclose(found, [plain.likelihood(text) for text in asked], rtol=1e-12)


def test_probabilities_of_all_next_words_sum_to_one():
    plain = PlainKneserNey(CORPUS)
    words = [*(word for (word,) in plain.counts[0]), "<unknown>"]
    for start in [("<s>", "<s>"), ("<s>", "a"), ("a", "dog"), ("dog", "flies"), ("it", "flies")]:
        assert sum(plain.probability((*start, word)) for word in words) == pytest.approx(1)


def test_words_unheard_of_are_unlikely_but_not_impossible():
    pairs = Pairs(["a dog on a cup"], ["a dog on a cup"], ["new"])
    often = ["a dog on a cup", "a cup on a dog"] * 5  # no word is rare here, so that none is left for what is unseen
    gap = CaptionModel(often, [f"{n}" for n in range(10)])(Pairs(pairs.captions, ["a zebra on a cup"], ["new"]))
    assert 0 < gap["likelihood"][0] < 50


def test_no_caption_is_judged_by_a_model_that_read_its_sample():
    pairs = Pairs(["a zebra sings"], ["a sings zebra"], ["s"])
    with_own = CaptionModel([*CORPUS, "a zebra sings", "a zebra sings"], [*"abcdef", "s", "s"])
    without = CaptionModel(CORPUS, list("abcdef"))
    other = CaptionModel([*CORPUS, "a zebra sings"], [*"abcdef", _key_of_another_fold("s")])
    assert with_own(pairs)["likelihood"] == pytest.approx(without(pairs)["likelihood"], rel=0.2)
    assert other(pairs)["likelihood"][0] > with_own(pairs)["likelihood"][0] + 0.5


def _key_of_another_fold(key):
    return next(other for other in "tuvwxyz" if sample_folds([other])[0] != sample_folds([key])[0])


def test_per_word_divides_by_words_and_end():
    pairs = Pairs(["a red cup on a table"], ["a red cup"], ["new"])
    model = CaptionModel(CORPUS, list("abcdef"))
    folds = sample_folds([*"abcdef", "new"])
    plain = PlainKneserNey([text for text, fold in zip(CORPUS, folds, strict=False) if fold != folds[-1]])
    one, other = plain.likelihood("a red cup on a table"), plain.likelihood("a red cup")
    gaps = model(pairs)
    np.testing.assert_allclose(gaps["likelihood"], [one - other])
    np.testing.assert_allclose(gaps["likelihood_per_word"], [one / 7 - other / 4])


def test_length_prefers_the_shorter():
    pairs = Pairs(["a dog", "a big dog", "a dog"], ["a dog and a cat", "a dog", "a cat"], ["a", "b", "c"])
    assert length_gaps(pairs)["length"].tolist() == [3, -1, 0]


def test_a_blind_score_counts_ties_half_and_draws_samples_whole():
    score = BlindScore.of(np.array([1.0, 2.0, -1.0, 0.0]), np.array([0, 0, 1, 2]))
    assert (score.accuracy, score.n) == (0.625, 4)
    many = np.tile([1.0, -1.0], 200)
    alone, whole = BlindScore.of(many, np.arange(400)), BlindScore.of(np.repeat(many[:40], 10), np.arange(400) // 10)
    assert alone.low == pytest.approx(0.45, abs=0.01)
    assert alone.high - alone.low < whole.high - whole.low


def test_folds_and_draws_depend_on_the_key_alone():
    keys = [f"key {number}" for number in range(2000)]
    folds = sample_folds(keys)
    assert np.array_equal(sample_folds(keys[::-1])[::-1], folds)
    assert np.bincount(folds).min() > 300
    assert not np.array_equal(sample_folds(keys, seed=1), folds)
    numbers = np.array([draw(key) for key in keys])
    assert 0 <= numbers.min() < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.03


def test_the_classifier_finds_what_gives_foils_away_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    words = np.array(["dog", "cat", "man", "bus", "cup", "hat", "tree", "boat"])
    captions = [f"a {a} near a {b}" for a, b in rng.choice(words, (400, 2))]
    told = [
        f"a {a} near a {b}" if lucky else f"a {a} near the {b}"
        for a, b, lucky in zip(*rng.choice(words, (2, 400)), rng.random(400) < 0.2, strict=True)
    ]
    noise = [f"a {a} near a {b}" for a, b in rng.choice(words, (400, 2))]
    folds, everything = np.arange(400) % 5, np.ones(400, dtype=bool)
    found = cross_fitted_gaps(pair_features(captions, told), folds, everything)
    nothing = cross_fitted_gaps(pair_features(captions, noise), folds, everything)
    assert (found > 0).mean() > 0.8
    assert abs((np.sign(nothing) + 1).mean() / 2 - 0.5) < 0.07


def test_the_classifier_never_learns_from_the_pair_that_it_judges():
    captions, foils = [f"a one{i} here" for i in range(50)], [f"a other{i} here" for i in range(50)]
    gaps = cross_fitted_gaps(pair_features(captions, foils), np.arange(50) % 5, np.ones(50, dtype=bool))
    assert not gaps.any()  # every telltale word occurs in one pair only
    assert not cross_fitted_gaps(pair_features(captions, captions), np.arange(50) % 5, np.zeros(50, dtype=bool)).any()


@pytest.fixture(scope="module")
def tokenizer():
    backend = Tokenizer(models.WordLevel(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=["<unk>", "<s>", "</s>"]))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@pytest.fixture(scope="module")
def language_model(tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=1, eos_token_id=2
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


PAIRS = Pairs(
    ["a red cup on a table", "a dog", "two dogs on a table"], ["a table on a red cup", "a", "a dog"], list("abc")
)


def test_a_causal_language_model_judges_by_log_likelihood(language_model, tokenizer):
    gaps = TextJudge(str(language_model), batch_size=2)(PAIRS)
    network = transformers.AutoModelForCausalLM.from_pretrained(language_model).eval()

    def likelihood(text):
        ids = [1, *tokenizer(text)["input_ids"]]
        with torch.inference_mode():
            logs = network(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return sum(logs[place, token].item() for place, token in enumerate(ids[1:])), len(ids) - 1

    both = [(likelihood(one), likelihood(other)) for one, other in zip(PAIRS.captions, PAIRS.foils, strict=True)]
    np.testing.assert_allclose(gaps["tiny-gpt2"], [one[0] - other[0] for one, other in both], rtol=1e-4)
    per_token = [one[0] / one[1] - other[0] / other[1] for one, other in both]
    np.testing.assert_allclose(gaps["tiny-gpt2_per_token"], per_token, rtol=1e-4)


@pytest.mark.parametrize("labels", [1, 3])
def test_a_classifier_judges_by_its_last_label(tokenizer, tmp_path, labels):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, num_labels=labels,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path / "judge")
    tokenizer.save_pretrained(tmp_path / "judge")
    gaps = TextJudge(str(tmp_path / "judge"))(PAIRS)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "judge").eval()

    def plausibility(text):
        with torch.inference_mode():
            logits = network(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits[0].double()
        shares = logits.softmax(-1)
        return logits.item() if labels == 1 else (shares[-1] / (1 - shares[-1])).log().item()

    assert list(gaps) == ["judge"]
    expected = [plausibility(one) - plausibility(other) for one, other in zip(PAIRS.captions, PAIRS.foils, strict=True)]
    np.testing.assert_allclose(gaps["judge"], expected, rtol=1e-3, atol=1e-5)


def test_a_model_that_is_none_is_said_to_be_none(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty as a language model or a sequence classifier"):
        TextJudge(str(tmp_path / "empty"))
