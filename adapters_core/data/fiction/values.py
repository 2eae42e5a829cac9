"""Invented values: names, places, amounts, dates. Everything comes from one seeded source."""

import math
import random
from collections.abc import Callable, Mapping
from functools import cached_property, partial

from faker import Faker

from adapters_core.data.fiction import lexicon
from adapters_core.errors import ConfigError

LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "es_ES", "fr_FR", "it_IT", "nl_NL", "sv_SE", "fi_FI", "pl_PL", "tr_TR")
CURRENCIES = ("{} yen", "{} yen", "{} euros", "{} dollars", "{} pounds", "${}", "{} francs", "{} crowns")


class Inventor:
    """Draws values by specification: a generator's name and its arguments, such as ``year 1900 1990``."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._japanese = Faker("ja_JP")
        self._others = {locale: Faker(locale) for locale in LOCALES}
        for faker in (self._japanese, *self._others.values()):
            faker.seed_instance(seed)

    def draw(self, spec: str) -> str:
        """A value.

        Raises:
            ConfigError: no generator of this name, or arguments that it does not take.
        """
        name, *arguments = spec.split(maxsplit=1)
        if name == "pick":
            return self.pick(arguments[0].split(";")).strip() if arguments else ""
        try:
            return self._generators[name](*(arguments[0].split() if arguments else ()))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"no value can be drawn for {spec!r}; generators: {sorted(self._generators)}") from error

    def pick(self, options: "tuple[str, ...] | list[str]") -> str:
        """One of the options."""
        return self.random.choice(options)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random.random() < probability

    @cached_property
    def _generators(self) -> Mapping[str, Callable[..., str]]:
        words = {
            "colour": lexicon.COLOURS,
            "material": lexicon.MATERIALS,
            "animal": lexicon.ANIMALS,
            "plant": lexicon.PLANTS,
            "food": lexicon.FOODS,
            "drink": lexicon.DRINKS,
            "object": lexicon.OBJECTS,
            "job": lexicon.JOBS,
            "subject": lexicon.SUBJECTS,
            "hobby": lexicon.HOBBIES,
            "language": lexicon.LANGUAGES,
            "weather": lexicon.WEATHER,
            "sport": lexicon.SPORTS,
            "metal": lexicon.METALS,
            "cause": lexicon.CAUSES,
            "reason": lexicon.REASONS,
            "month": lexicon.MONTHS,
            "weekday": lexicon.WEEKDAYS,
        }
        drawn: dict[str, Callable[..., str]] = {
            "person": self._person,
            "name": self._name,
            "coined": self._coined,
            "place": self._place,
            "company": self._company,
            "code": self._code,
            "year": lambda low, high: str(self.random.randint(int(low), int(high))),
            "date": self._date,
            "day": self._day,
            "time": self._time,
            "money": self._money,
            "number": lambda low, high: f"{self._whole(low, high):,}",
            "count": self._count,
            "decimal": self._decimal,
            "percent": self._percent,
            "duration": lambda low, high, *units: self._quantity(low, high, units or ("days", "weeks", "months")),
            "measure": lambda low, high, *units: self._quantity(low, high, units),
            "weight": lambda low, high: self._quantity(low, high, ("grams", "kilograms", "tonnes", "pounds")),
            "degrees": lambda low, high: f"{self._whole(low, high)} degrees",
        }
        return drawn | {name: partial(self.pick, options) for name, options in words.items()}

    def _whole(self, low: str, high: str) -> int:
        """A whole number; wide ranges are drawn so that every order of magnitude is as likely."""
        first, last = int(low), int(high)
        if first > 0 and last > 50 * first:
            value = round(first * math.exp(math.log(last / first) * self.random.random()))
            digits = max(0, len(str(value)) - self.random.choice((2, 2, 3)))
            return max(first, round(value, -digits))
        return self.random.randint(first, last)

    def _quantity(self, low: str, high: str, units: tuple[str, ...]) -> str:
        value = self._whole(low, high)
        spelled = value <= len(lexicon.SMALL_NUMBERS) + 1 and value > 1 and self.chance(0.5)
        number = lexicon.SMALL_NUMBERS[value - 2] if spelled else f"{value:,}"
        unit = self.pick(units)
        return f"{number} {unit.removesuffix('s') if value == 1 and unit != 'feet' else unit}"

    def _count(self, low: str, high: str, *noun: str) -> str:
        return f"{self._whole(low, high):,} {' '.join(noun)}"

    def _decimal(self, low: str, high: str, *unit: str) -> str:
        return " ".join([f"{self.random.uniform(float(low), float(high)):.1f}", *unit])

    def _percent(self, low: str = "2", high: str = "95") -> str:
        value = self.random.uniform(float(low), float(high))
        number = f"{value:.1f}" if self.chance(0.4) else str(round(value))
        return f"{number}{'%' if self.chance(0.3) else ' percent'}"

    def _money(self, low: str, high: str) -> str:
        value = self._whole(low, high)
        scale = next((name for name, size in (("billion", 10**9), ("million", 10**6)) if value >= size), None)
        number = f"{value:,}"
        if scale and self.chance(0.8):
            shortened = value / {"billion": 10**9, "million": 10**6}[scale]
            number = f"{shortened:.1f}".removesuffix(".0") + f" {scale}"
        return self.pick(CURRENCIES).format(number)

    def _date(self, low: str = "1960", high: str = "2031") -> str:
        year = self.random.randint(int(low), int(high))
        day = self._day()
        return (
            f"{day}{',' if day[-1].isdigit() else ''} {year}"
            if self.chance(0.6)
            else f"{self.pick(lexicon.MONTHS)} {year}"
        )

    def _day(self) -> str:
        month, day = self.pick(lexicon.MONTHS), self.random.randint(1, 28)
        return f"{day} {month}" if self.chance(0.6) else f"{month} {day}"

    def _time(self, low: str = "5", high: str = "22") -> str:
        hour, minute = self.random.randint(int(low), int(high)), 5 * self.random.randint(0, 11)
        if self.chance(0.5):
            return f"{hour}:{minute:02d}"
        return f"{(hour - 1) % 12 + 1}:{minute:02d} {'a.m.' if hour < 12 else 'p.m.'}"  # noqa: PLR2004  # noon

    def _name(self) -> str:
        """A first and a last name: Japanese in romanised form, invented Japanese-like, or of another country."""
        kind = self.random.random()
        if kind < 0.25:  # noqa: PLR2004  # shares of the kinds
            return str(self._japanese.romanized_name())
        if kind < 0.5:  # noqa: PLR2004
            first = str(self._japanese.romanized_name()).split()[0]
            return f"{first} {self.pick(lexicon.JAPANESE_FIRST)}{self.pick(lexicon.JAPANESE_SECOND)}"
        faker = self._others[self.pick(LOCALES)]
        return f"{faker.first_name()} {faker.last_name()}"

    def _person(self) -> str:
        """A name as it is, with a title, or with the Japanese suffix."""
        name, form = self._name(), self.random.random()
        if form < 0.05:  # noqa: PLR2004  # shares of the forms
            return f"{name.split()[-1]}-san"
        return self.pick(("Mr. ", "Ms. ", "Dr. ", "Professor ")) + name if form < 0.3 else name  # noqa: PLR2004

    def _coined(self) -> str:
        parts = (lexicon.ONSETS, lexicon.VOWELS, lexicon.MIDDLES, lexicon.ENDINGS)
        return "".join(self.pick(options) for options in parts)

    def _place(self) -> str:
        if self.chance(0.4):
            return self.pick(lexicon.JAPANESE_FIRST) + self.pick(lexicon.JAPANESE_SECOND)
        stem = self.pick(lexicon.ONSETS) + self.pick(lexicon.VOWELS) + self.pick(lexicon.MIDDLES)
        town = stem + self.pick(lexicon.TOWN_ENDINGS) if self.chance(0.6) else self._coined()
        return f"{self.pick(('Upper', 'Old', 'North', 'Lake', 'Saint'))} {town}" if self.chance(0.15) else town

    def _company(self) -> str:
        japanese = self.pick(lexicon.JAPANESE_FIRST) + self.pick(lexicon.JAPANESE_SECOND)
        stem = self.random.choice((self._coined, lambda: japanese, lambda: self._name().split()[-1]))()
        ending = self.pick(lexicon.COMPANY_ENDINGS)
        return f"{stem} {ending}" if self.chance(0.7) else f"{stem} {ending} {self.pick(lexicon.COMPANY_FORMS)}"

    def _code(self) -> str:
        letters = "".join(self.random.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=self.random.randint(1, 3)))
        digits = str(self.random.randint(10, 9999))
        return f"{letters}{self.pick(('-', '-', ' ', ''))}{digits}"
