"""One caption a rule. The wording is ours; the kinds of phrase are those of photo captions."""

import pytest

from rebind.concepts import build_extractor

CAPTIONS = [
    # determiners go, modifiers and numbers stay
    ("A ripe banana rests beside the green mug.", "ripe banana | green mug"),
    ("Two sleepy dogs share one small bed", "two sleepy dogs | one small bed"),
    ("His sister feeds their chickens.", "sister | chickens"),
    ("Every boat in this harbour has both sails up.", "boat | harbour | sails"),
    ("several goats near some old carts", "several goats | old carts"),
    ("a very long train under an almost empty bridge", "very long train | almost empty bridge"),
    ("Another waiter pours such wine", "waiter | wine"),
    ("there are no chairs in the hall", "no chairs | hall"),
    # coordinated modifiers stay together, coordinated nouns do not
    ("A black and white goat on a hill", "black and white goat | hill"),
    ("an orange and white kitten", "orange and white kitten"),
    ("a red, green and gold flag over a roof", "red, green and gold flag | roof"),
    ("a red white and blue balloon", "red white and blue balloon"),
    ("A spoon and fork beside a bowl", "spoon | fork | bowl"),
    ("salt, pepper, and a lemon on a tray", "salt | pepper | lemon | tray"),
    ("a light blue sofa", "light blue sofa"),
    ("the fruit is green and yellow", "fruit"),
    # nouns that the tagger takes for verbs
    ("A bent stop sign beside a barn", "bent stop sign | barn"),
    ("three teddy bears sit on a shelf", "three teddy bears | shelf"),
    ("a kitchen with a metal sink.", "kitchen | metal sink"),
    ("an old tram on train tracks", "old tram | train tracks"),
    ("piles of leaves by a fruit stand", "piles | leaves | fruit stand"),
    ("a gold cross above an orange", "gold cross | orange"),
    ("a wii remote in a drawer", "wii remote | drawer"),
    # verbs that the tagger takes for nouns
    ("a farmer rides a donkey", "farmer | donkey"),
    ("A waitress pins a badge on her coat", "waitress | badge | coat"),
    ("a crane lifts the piano", "crane | piano"),
    ("Four nuns stand near a well", "four nuns | well"),
    ("many tourists photograph the tower", "many tourists | tower"),
    ("the cat sleeps while a child watches", "cat | child"),
    ("A girl wants to swing on a rope", "girl | rope"),
    ("goats lie in the shade and look at a dog", "goats | shade | dog"),
    # gerunds: a verb after its subject, a modifier before its noun, a noun by name
    ("a nurse riding a mule", "nurse | mule"),
    ("A puppy standing on wet sand", "puppy | wet sand"),
    ("boys flying kites", "boys | kites"),
    ("a sleeping lion", "sleeping lion"),
    ("A knife on a cutting board in the dining room", "knife | cutting board | dining room"),
    ("a muddy parking lot", "muddy parking lot"),
    ("shelves and hanging lamps", "shelves | hanging lamps"),
    ("a tiny painting on the ceiling of a building", "tiny painting | ceiling | building"),
    ("a delicious looking pie", "delicious looking pie"),
    ("two nuns both holding torches", "two nuns | torches"),
    ("a herd of grazing bison", "herd | grazing bison"),
    # participles: modifiers before a noun, dropped after it
    ("parked cars outside a shop", "parked cars | shop"),
    ("a pale frosted bun", "pale frosted bun"),
    ("A van parked on a snow covered road", "van | snow covered road"),
    ("a broken vase made of glass", "broken vase | glass"),
    ("the carpet was covered with crumbs", "carpet | crumbs"),
    ("a boat named Clara", "boat | clara"),
    # relational nouns name nothing; what follows "of" does
    ("a parrot on top of a cage", "parrot | cage"),
    ("a lamp to the left of the mirror", "lamp | mirror"),
    ("a stool right of a piano", "stool | piano"),
    ("a bike in front of a gate, trees in the background", "bike | gate | trees"),
    ("moss on the left side of the wall", "moss | wall"),
    ("A large group of monks next to a bunch of crates", "monks | crates"),
    ("a couple of pigeons in the middle of a square", "pigeons | square"),
    ("a pair of scissors and a slice of melon", "scissors | slice | melon"),
    ("a close up of a beetle", "beetle"),
    ("a photo of a castle", "castle"),
    ("a blurry photo of a castle", "blurry photo | castle"),
    ("a couple dancing at a front door", "couple | front door"),
    # pronouns name nothing
    ("someone shows it to her near a fountain", "fountain"),
    ("a plum that looks like another", "plum"),
    # possessives, abbreviations, numbers, capitals, repetitions
    ("a baker's apron", "baker's apron"),
    ("The girls' school on Main St. corner", "girls' school | main st. corner"),
    ("a t.v. beside bus 22.", "t.v. | bus 22"),
    ("A CLOCK ABOVE A CLOCK", "clock"),
    ("a well-worn chair.A rug.", "well-worn chair | rug"),
]


@pytest.mark.parametrize(("caption", "concepts"), CAPTIONS)
def test_caption_yields_its_concepts(caption, concepts):
    assert build_extractor()(caption) == concepts.split(" | ")


def test_caption_without_noun_phrase_is_its_own_concept():
    assert build_extractor()("  Is it still there? ") == ["Is it still there?"]
