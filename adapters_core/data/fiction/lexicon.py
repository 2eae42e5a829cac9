"""Words that invented values are made of.

Names are composed from finite lists, so that a test can show that no name of the evaluation set can ever be
composed. Common words that answer a question of the evaluation set are left out on purpose.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


MONTHS = _words("January, February, March, April, May, June, July, August, September, October, November, December")
WEEKDAYS = _words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
SMALL_NUMBERS = _words("two, three, four, five, six, seven, eight, nine, ten, eleven, twelve")

# Coined western names: onset + vowel + middle + ending.
ONSETS = _words(
    "Br, Bl, Cr, Dr, Fl, Fr, Gl, Gr, Kr, Pl, Pr, Qu, Sk, Sl, Sn, Spr, St, Str, Th, Tr, Tw, Vr, Wr, Zw, Y, V, Z"
)
VOWELS = _words("a, e, i, o, u, ae, ea, ie, oa, ei")
MIDDLES = _words(
    "ld, lk, lv, mbr, mpt, nd, ndr, ng, nt, pp, rd, rg, rk, rn, rv, ss, st, tch, tt, v, xt, zz, dd, ff, gg"
)
ENDINGS = _words("a, en, er, ia, ic, ine, is, o, on, or, ora, us, ano, ette, ley, um, axa, iq, ova, yx")
TOWN_ENDINGS = _words(
    "bury, by, dale, fell, gate, keld, more, mouth, ness, reach, stead, thorpe, ton, wick, worth, haven"
)

# Japanese-like names: two stems, of family names and of places.
JAPANESE_FIRST = _words(
    "Aka, Ara, Asa, Fuka, Furu, Hana, Hase, Haya, Hira, Hoso, Ima, Ishi, Iwa, Kama, Kata, Kita, Kuma, Kuro, Maki, "
    "Matsu, Mina, Miya, Mori, Naga, Naka, Nishi, Oka, Saka, Shima, Shira, Sugi, Taka, Take, Tomi, Tsuka, Ume, "
    "Uchi, Wata, Yoko, Yone"
)
JAPANESE_SECOND = _words(
    "be, bara, da, fuji, gaki, gawa, ge, hata, hira, ike, jima, kado, kubo, kura, machi, maru, mine, moto, mura, "
    "naka, numa, oka, saka, sawa, shiba, shita, sue, tani, tsuka, uchi, waki, yama, zaki, zawa, zono"
)

COMPANY_ENDINGS = _words(
    "Works, Industries, Instruments, Trading, Textiles, Foundry, Marine, Motors, Robotics, Brewing, Optics, "
    "Timber, Seeds, Couriers, Engineering, Systems, Holdings Group, Printing, Dairy, Machinery, Plastics, "
    "Aviation, Batteries, Cement, Confectionery, Furniture, Games, Insurance, Laboratories, Media, Mining, "
    "Packaging, Ropes, Steel, Toys, Turbines"
)
COMPANY_FORMS = _words("Co., Inc., Ltd., GmbH, K.K., and Sons, Brothers, Group, Cooperative, S.A.")

COLOURS = _words(
    "red, green, purple, crimson, teal, navy, olive green, beige, maroon, coral, lavender, brown, pink, golden, "
    "ivory, khaki, mustard yellow, scarlet, charcoal, peach, mint green, bronze, cream, burgundy, cobalt, "
    "emerald, russet, lilac, sand"
)
MATERIALS = _words(
    "oak, birch plywood, bamboo, slate, cork, brass, copper, aluminium, carbon fibre, hemp, linen, felt, ceramic, "
    "stainless steel, titanium, recycled rubber, leather, marble, granite, cedar, walnut, pewter, wool, silk, "
    "cast iron, clay"
)
ANIMALS = _words(
    "otter, badger, owl, lynx, goat, donkey, tortoise, salmon, eel, beaver, hedgehog, falcon, pelican, seal, "
    "bison, ibex, squirrel, raccoon, toad, bat, moose, stork, puffin, octopus, lobster, beetle, moth, hare, boar, "
    "penguin, gecko, camel"
)
PLANTS = _words(
    "maple, iris, lotus, fern, juniper, heather, sunflower, fig, almond, clover, poppy, rosemary, thyme, plum, "
    "apricot, quince, hazel, willow, ivy, saffron, ginger, barley, buckwheat, flax, olive, pears, magnolia, "
    "camellia, bracken, nettle"
)
FOODS = _words(
    "lentil soup, walnut cake, grilled eel, pumpkin curry, rye bread, pickled radish, plum dumplings, cheese pie, "
    "fish stew, buckwheat noodles, bean salad, apple tart, roast duck, spinach pancakes, seaweed crackers, potato "
    "gratin, rice pudding, mushroom risotto, honey biscuits, lamb skewers, onion soup, fig jam, sweet potato "
    "fries, ginger cookies, leek quiche"
)
DRINKS = _words(
    "plum wine, ginger beer, oat milk, cider, elderflower juice, black coffee, mint tea, cocoa, pear brandy, "
    "barley water, rice wine, lemonade, tomato juice, buttermilk, rosehip tea, sparkling water, malt beer, "
    "apricot nectar"
)
OBJECTS = _words(
    "compass, telescope, umbrella, accordion, typewriter, lantern stand, sewing machine, globe, chess set, "
    "violin, barometer, wheelbarrow, ladder, teapot, mirror, trunk, sundial, anchor, bell tower clock, loom, "
    "kite, saddle, microscope, printing press"
)
JOBS = _words(
    "carpenter, nurse, beekeeper, pilot, librarian, welder, translator, dentist, shepherd, baker, surveyor, "
    "gardener, tailor, locksmith, geologist, journalist, diver, chemist, accountant, violinist, plumber, "
    "astronomer, midwife, potter, electrician"
)
SUBJECTS = _words(
    "botany, geometry, navigation, bookkeeping, pottery, law, meteorology, phonetics, statistics, carpentry, "
    "nutrition, cartography, ethics, metallurgy, choir singing, first aid, typography, irrigation, hydraulics, "
    "archaeology, calligraphy"
)
HOBBIES = _words(
    "chess, kite building, archery, bird watching, rowing, origami, cycling, bread baking, stamp collecting, "
    "fencing, juggling, mountain climbing, knitting, table tennis, fly fishing, wood carving, swimming, singing "
    "in a choir, star gazing, judo"
)
LANGUAGES = _words(
    "Korean, Finnish, Swahili, Portuguese, Welsh, Hungarian, Turkish, Dutch, Greek, Vietnamese, Arabic, "
    "Icelandic, Polish, Hindi, Basque, Mongolian, Thai, Estonian, Catalan, Maltese, Georgian, Nepali, Czech, "
    "Malay"
)
WEATHER = _words(
    "thick fog, hail, strong gusts, a heat wave, freezing rain, a thunderstorm, heavy snowfall, a dust storm, "
    "black ice, low clouds, a drought, a flood warning, sleet, a spring tide, smoke from forest fires"
)
SPORTS = _words(
    "handball, curling, volleyball, hockey, badminton, rugby, water polo, basketball, baseball, cricket, lacrosse"
)
METALS = _words(
    "iron, tin, copper, zinc, gold, lead, platinum, nickel, lithium, cobalt, tungsten, silver ore, bauxite, manganese"
)
CAUSES = _words(
    "a loose bolt, a worn belt, a software error, a blocked filter, a cracked pipe, a missing seal, a short "
    "circuit, human error, a broken sensor, an empty battery, a mouse in the cable duct, a forgotten valve, an "
    "overheated bearing, salt corrosion, a wrong label, a power cut, a jammed door, a lost key, lightning, a "
    "leaking tank, a faulty switch, condensation"
)
REASONS = _words(
    "lack of staff, high fuel prices, a change in the law, poor demand, a new competitor, a delayed permit, water "
    "shortage, noise complaints, a strike at the port, rising rents, an unexpected illness, a printing error, a "
    "rail closure, bad harvests, a family matter, a lost lawsuit, missing spare parts, a currency crisis, road "
    "works, an early winter"
)
