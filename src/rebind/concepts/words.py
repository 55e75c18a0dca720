"""The words that the repair rules know by name, grouped by what a rule does with them."""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(words.split())


def third_person(verb: str) -> str:
    """``"carry"`` -> ``"carries"``, ``"watch"`` -> ``"watches"``."""
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


#: Begin a noun phrase and are left out of the concept.
DETERMINERS = word_set(
    "a an the some any this that these those my your his her its our their each every another all both either neither "
    "what whatever which whose such"
)

#: Stand for a thing without naming it: never a concept, never part of one.
PRONOUNS = word_set(
    "i me you he him she it we us they them mine yours hers ours theirs myself yourself himself herself itself "
    "themselves ourselves someone somebody something anyone anybody anything everyone everybody everything nobody "
    "nothing none others who whom where when why how there here ones oneself whoever"
)

#: Words that neither belong to a noun phrase nor take part in a rule of their own.
BOUNDARIES = word_set(
    "about above across after against ahead along alongside amid amidst among amongst around as aside at atop away "
    "before behind below beneath beside besides between beyond by despite during except for from if in into like near "
    "nearby next of off on onto opposite out over past per since so than then though through throughout thru toward "
    "towards under underneath until unto up upon upward via while whilst with within without because although but yet "
    "together alone apart downward upright upside not n't also too just still even inside outside outdoors indoors "
    "down ready able full ina everywhere somewhere maybe perhaps however etc vs plus versus sideways backwards "
    "forward asleep awake aboard abreast astride afloat"
)

#: Verbs and modals with rules of their own.
BE = word_set("is are was were be been being am 're 'm")
HAVE = word_set("has have had having")
MODALS = word_set("can could will would shall should may might must do does did 'll 'd cannot to")
RELATIVES = word_set("that which who")

#: Tagged as something else in isolation, a noun wherever captions use them as the last word of a phrase.
NOUNS = word_set(
    "orange key adult human male female teen individual antique plastic glass cross sink sinks bear bears tracks "
    "leaves cold top chocolate t.v. tv deli maroon square turquoise christmas leather metal surfboard skateboard "
    "snowboard kitchen baby batter goalie elderly american official professional native local pet stuffing rose roses "
    "match closeup back fries sheep deer fish pedestrian vegetable vegetables commercial electric musical floral "
    "horse horses stop trim console sleep ride cover stand stands bovine remote well wild dark double single outdoor "
    "can bat bats post front side park parks lot lots ground net"
)

#: Adjectives and adverbs that are modifiers although the tagger calls them something else.
MODIFIERS = word_set(
    "several many few multiple various numerous other own more most different same no early pretty lonely friendly "
    "elderly colorful colourful shirtless multi mid off-white stuffed parked frosted sliced oncoming double-decker "
    "low high long fast deep flat curly wooly woolly ugly hilly silly lovely lively only"
)

#: Colours, which captions coordinate more than other modifiers.
COLOURS = word_set(
    "red orange yellow lime green teal cyan blue purple magenta pink white black brown gray grey gold silver navy "
    "maroon beige tan cream turquoise burgundy violet golden bronze lavender peach khaki"
)

#: Shades that may stand before a colour.
SHADES = word_set("light dark bright pale deep neon baby navy lime sky hot royal")

#: Numbers in words.
NUMBERS = word_set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty "
    "hundred dozen dozens hundreds"
)

#: Quantifiers of more than one thing.
SEVERAL = word_set("several many few multiple various numerous")

#: Quantifiers that may stand between a noun and its verb: "two men both holding rackets".
FLOATING_QUANTIFIERS = word_set("both all each")

#: Participles that do not end in "ed" and modify a noun that follows.
IRREGULAR_PARTICIPLES = word_set(
    "broken frozen worn torn fallen grown woven lit cut stolen driven drawn hidden sunken shaven unshaven shorn set "
    "built blown beaten bent wrought sawn cloven swollen overgrown homegrown spilt split shut hung known forgotten "
    "wound eaten ridden written strewn laden"
)

#: "-ed" forms that name rather than modify: "a dog named Rex".
NAMING = word_set("named called titled labeled labelled entitled")

#: Verbs that captions rarely use as nouns; base form and third person are both known.
VERBS = word_set(
    "sit lie lay eat graze pose wait gather wear hang hold carry enjoy bring take make look lean throw catch run jump "
    "sleep play ride walk talk fly hit swing climb cross follow drive travel pull push show reach stare watch perform "
    "prepare use try get go come give put keep has contain feature read cut serve roam drink feed chase swim grind "
    "attempt appear seem begin start stand rest stretch perch move pass approach enter leave cook bite lick chew "
    "sniff kick smile laugh cuddle kneel bend crouch crawl dive glide soar hover float hop leap race rush wander trot "
    "gallop compete balance touch grab raise lift lower open close turn spin pick drop place rise overlook surround "
    "fill cover hug kiss wave extend peer peek gaze glance glare observe examine inspect see view face grow bloom "
    "display depict include consist offer provide share join decorate line adorn pin wipe wash brush clean dry cast "
    "shine reflect illuminate light park stop shave comb squeeze slice chop peel pour mix stir spread grill bake "
    "roast return strike toss block celebrate argue discuss chat speak sing dance listen point hide snuggle nap doze "
    "relax lounge recline explore skate ski surf skateboard snowboard sail paddle row fish hunt shop work type write "
    "draw paint photograph film record capture help teach learn think want need love like know say tell ask call wish "
    "practice steer maneuver navigate negotiate operate fix repair build dig plant pack load unload board exit "
    "descend ascend land fall slide slip tumble crash splash wade bathe soak drip flow blow burn melt sport don dress "
    "pet groom milk herd guide lead direct control tie hook attach connect plug hurdle clear dodge tackle pitch bat "
    "dribble bounce score win tug drag haul tow roll flip twist stick protrude emerge await wake become remain stay "
    "sell buy order pay check sort sip nibble munch devour feast swallow taste smell fight wrestle charge nuzzle "
    "sprint jog hike pedal cycle state shake indicate warn advertise promote finish end set let allow boast"
)

#: Base forms that are nouns after a singular noun: "boat ride", "fruit stand".
OFTEN_NOUNS = word_set(
    "watch stand drink ride race play park cover show point state face top float plant wave stop walk place row board "
    "ski skate surf light sail paddle fish shop work type paint film record pet herd control tie hook plug hurdle "
    "pitch bat score slide crash land roll stick order check sort end set cut open view display line feature block "
    "pin brush cook call lead guide pack load sport dress drop cast cross swing dance turn pass lift hit run jump "
    "catch fall rise milk hand start finish share build slip pick trick grill roast slice mix peel skateboard "
    "snowboard swim drive charge taste cycle hike bounce flip twist tug bite kick kiss hug wash practice need help "
    "report use match fly clear love stretch rest dive spread sip travel dry clean close"
)

#: Third-person forms that are plurals after another noun: "street signs", "tennis courts".
OFTEN_PLURALS = word_set(
    "drinks races parks covers shows points states faces tops floats plants stops places rows boards skis skates "
    "lights sails paddles shops works types paints films records pets herds controls ties hooks plugs hurdles bats "
    "scores slides rolls sticks orders sorts ends sets cuts displays lines features blocks pins brushes cooks guides "
    "packs loads sports dresses drops casts crosses slices picks grills roasts surfs waves skateboards snowboards "
    "milks signs peels leaves blooms"
)

#: What follows a verb of motion rather than a noun: "a nun skis down a hill".
DIRECTIONS = word_set("down up across through over along into onto around away off out past toward towards behind")

#: Plurals that the tagger does not know as such.
PLURALS = word_set(
    "people men women children sheep kids cattle police deer giraffe zebra teeth feet geese adults mice bovine"
)

#: Whoever acts in captions: an "-s" form or a base form after one of these is its verb.
AGENTS = word_set(
    "man woman person boy girl guy lady child kid baby toddler player batter surfer skier skater skateboarder "
    "snowboarder rider cat dog horse bird cow zebra giraffe elephant he she it"
)

#: Say where in a scene something is; no concept on their own, with "of" or without.
LOCATIONS = word_set(
    "top side sides front back middle center centre left right bottom background foreground distance rear inside "
    "outside midst"
)

#: No concept when "of" follows: the object of "of" is.
RELATIONAL = word_set(
    "group groups trio duo couple bunch pair pairs lot lots number variety assortment array series set kind kinds type "
    "types sort sorts edge end ends corner base part parts portion view views close-up closeup close-ups amount plenty "
    "dozens hundreds thousands collection body bodies bits front back top bottom side sides middle center centre left "
    "right midst bit tons ton"
)

#: The picture itself: no concept when "of" follows, unless something is said about it ("black and white photo").
PICTURES = word_set("picture pictures photo photos photograph photographs image images shot shots snapshot")

#: Nouns of set phrases that name nothing visible: "make their way".
EMPTY_NOUNS = word_set("way lot lots kind sort type thing things addition fact open")

#: Say which of several places; no news beside a location: "the other side".
WHICH = word_set("other left right far near back opposite own very top bottom front same lower upper")

#: Words before "to" that make it a preposition: "next to", "close to".
BEFORE_TO = word_set("next close adjacent attached connected tied similar due according opposed thanks")
