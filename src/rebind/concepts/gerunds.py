"""Words in "-ing": which are nouns, which modify which nouns, and which take no object."""

from __future__ import annotations

from rebind.concepts.words import word_set

#: Words in "-ing" that are nouns wherever they stand.
NOUNS = word_set(
    "building clothing ceiling railing evening morning string king ring wing awning wedding pudding lightning sibling "
    "duckling thing spring earring icing frosting topping seasoning flooring siding paneling bedding stocking "
    "dwelling plumbing sling wainscoting molding moulding piping handwriting shilling sterling scaffolding herring "
    "dumpling seedling sapling gosling stuffing firefighting guttering shelving"
)

#: Words in "-ing" that are nouns after a determiner, a preposition or one of the nouns named here.
AFTER_NOUN = {
    "crossing": word_set("railroad railway train street pedestrian road rail zebra deer crosswalk cattle border"),
    "painting": word_set("oil wall face landscape horse cat dog"),
    "setting": word_set("table place office outdoor room park dinner city street garden restaurant"),
    "lighting": word_set("track street stage christmas room ceiling"),
    "covering": word_set("floor wall window bed"),
    "landing": word_set("stair boat moon"),
    "drawing": word_set("chalk pencil line sidewalk"),
    "writing": word_set("chinese english japanese graffiti"),
    "dressing": word_set("salad ranch"),
    "filling": word_set("pie cream fruit cherry"),
    "meeting": word_set("business team staff"),
    "seating": word_set("stadium bench outdoor"),
    "parking": word_set("street bike bicycle valet"),
    "opening": word_set("window door cave"),
    "swing": word_set("tire porch tree golf rope bat baseball tennis"),
}

#: Gerunds and the nouns that they make a name with: "parking lot".
COMPOUNDS = {
    "living": word_set("room rooms area areas space quarters"),
    "dining": word_set("room rooms table tables area hall set car chair chairs space tent"),
    "parking": word_set("lot lots meter meters garage garages space spaces sign signs area spot spots deck ramp"),
    "swimming": word_set("pool pools hole trunks suit suits area cap goggles"),
    "cutting": word_set("board boards block surface tool tools mat"),
    "shopping": word_set("cart carts bag bags center centre mall district area basket street trolley"),
    "washing": word_set("machine machines basin area"),
    "sewing": word_set("machine machines kit table supplies"),
    "frying": word_set("pan pans"),
    "baking": word_set("sheet sheets pan pans dish dishes tray trays soda tin supplies ingredients"),
    "mixing": word_set("bowl bowls board"),
    "rolling": word_set("pin pins chair suitcase luggage hills hill bag"),
    "fishing": word_set("boat boats pole poles rod rods net nets pier gear village vessel vessels line trip dock"),
    "skating": word_set("rink ramp park trick tricks area bowl"),
    "skateboarding": word_set("ramp park trick tricks gear competition"),
    "riding": word_set("ring clothes gear boots lesson mower outfit toy horse helmet arena uniform competition event"),
    "drinking": word_set("glass glasses fountain fountains cup cups straw hole"),
    "cooking": word_set("utensils utensil pot pots area stove equipment oil show class range supplies surface top"),
    "serving": word_set("dish dishes tray trays plate plates platter spoon bowl utensils table"),
    "sitting": word_set("room area rooms areas"),
    "seating": word_set("area areas arrangement"),
    "waiting": word_set("room area"),
    "sleeping": word_set("bag bags quarters area"),
    "walking": word_set("path paths stick sticks trail bridge cane area street sign poles"),
    "changing": word_set("table room"),
    "wrapping": word_set("paper"),
    "racing": word_set("car cars bike bikes boat suit gear track horse uniform helmet motorcycle"),
    "jumping": word_set("obstacle competition event ramp course horse"),
    "landing": word_set("strip gear area gears field"),
    "crossing": word_set("sign signs light signal lights guard walk signals gate"),
    "driving": word_set("range wheel"),
    "steering": word_set("wheel wheels"),
    "running": word_set("water track shoes shoe board suit back"),
    "training": word_set("wheels area camp facility course"),
    "gaming": word_set("system console unit controller remote controllers device chair room systems controls"),
    "boxing": word_set("ring gloves glove match game"),
    "surfing": word_set("board boards competition gear lesson lessons contest event"),
    "skiing": word_set("gear equipment poles outfit slope trail area competition event lesson attire course clothes"),
    "snowboarding": word_set("gear competition event trick"),
    "working": word_set("area desk station space"),
    "vending": word_set("machine machines"),
    "lighting": word_set("fixture fixtures"),
    "bathing": word_set("suit suits area"),
    "camping": word_set("gear tent chair site"),
    "rocking": word_set("chair chairs horse"),
    "flying": word_set("disc disk saucer"),
    "viewing": word_set("area platform deck"),
    "grazing": word_set("area field land"),
    "playing": word_set("field fields card cards area court"),
    "batting": word_set("helmet cage practice gloves position stance glove box"),
    "catching": word_set("mitt glove"),
    "hiking": word_set("trail boots gear path"),
    "carrying": word_set("case bag"),
    "packing": word_set("box boxes material"),
    "stopping": word_set("sign"),
    "warning": word_set("sign signs light lights tape"),
    "dressing": word_set("room table gown"),
    "moving": word_set("truck van boxes"),
    "eating": word_set("area utensils utensil establishment"),
    "paving": word_set("stones stone"),
    "tiling": word_set("floor"),
    "measuring": word_set("cup cups tape spoon spoons"),
    "writing": word_set("desk utensil utensils pad"),
    "reading": word_set("glasses lamp material room"),
    "holding": word_set("pen area cell"),
    "cleaning": word_set("supplies product products equipment"),
    "boarding": word_set("pass gate area ramp"),
    "loading": word_set("dock zone area ramp"),
    "smoking": word_set("area sign pipe"),
}

#: Intransitive gerunds: a noun that follows cannot be their object, so they modify it.
INTRANSITIVE = word_set(
    "hanging smiling crashing growing matching remaining surrounding oncoming floating blooming glowing sliding "
    "steaming winding flowing towering spinning flashing sparkling shining setting overhanging neighboring adjoining "
    "corresponding existing interesting amazing stunning charming boring opposing visiting standing barking sleeping "
    "laughing crying falling burning boiling looking tasting smelling"
)
