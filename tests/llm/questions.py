"""Questions that are easy to judge: how long is this word?"""

from llm.openai_server import caption_of
from rebind.llm import Answerer, LanguageModel, Patience, Question, Unusable

SCHEMA = {
    "type": "object",
    "properties": {"length": {"type": "integer"}},
    "required": ["length"],
    "additionalProperties": False,
}
QUICK = {"timeout": 5.0, "attempts": 3, "first_wait": 0.01, "longest_wait": 0.02}


def length_of(answer):
    if not isinstance(answer.get("length"), int):
        raise Unusable("no length")
    return answer["length"]


def question(word):
    messages = (
        {"role": "system", "content": "Answer with the length."},
        {"role": "user", "content": f"Caption: {word}"},
    )
    return Question(messages, SCHEMA, length_of)


def counted(body):
    """A right answer."""
    return {"length": len(caption_of(body))}


def words(count):
    return [f"{number:03d}".ljust(3 + number % 7, "x") for number in range(count)]


def model(server, patience=None, **settings):
    patience = Patience(**{**QUICK, **(patience or {})})
    return LanguageModel(model="tiny", base_url=getattr(server, "url", server), patience=patience, **settings)


def ask(server, texts, patience=None, **settings):
    return Answerer(model(server, patience, **settings)).answers([question(text) for text in texts])
