"""Where sentences end, in English and in Japanese.

Boundaries only guide chunking and group attribution: a wrong one costs a less handsome cut and nothing else, so a
small set of rules does.
"""

import re
from itertools import pairwise

_JAPANESE_STOPS = "\u3002\uff01\uff1f\uff61"  # ideographic full stop, full-width ! and ?, half-width full stop
_CLOSERS = r"\"'”’)\]」』】〉》\uff09"
_END = re.compile(
    rf"[.!?…]+[{_CLOSERS}]*(?=\s)"  # a western stop needs white space after it
    rf"|[{_JAPANESE_STOPS}]+[{_CLOSERS}]*"  # a Japanese one does not
    r"|\n(?=[ \t\r]*\n)"  # blank line
    r"|\n(?=[ \t]*(?:[-*•・]|\d+[.)])[ \t])"  # the next line is an item of a list
    r"|^#[^\n]*(?=\n)",  # a heading is a line of its own
    re.MULTILINE,
)
_JAPANESE_GOES_ON = frozenset("とがはをにのでもや、\uff0c")  # a quotation that ends in a stop, within a sentence
_ABBREVIATION = re.compile(
    r"mrs?|ms|dr|prof|st|nos?|vs|approx|figs?|art|sec|vol|eds?|cf|al|[js]r|rev|gen|col|capt|lt|sgt|tel|dept|est|ext"
    r"|e\.g|i\.e|ca|bldg|mt|ave|blvd",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION = 8


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Character spans (start, end) of the sentences of a text.

    The spans cover the text without gap or overlap: white space after a sentence belongs to it, white space before
    the first one to the first. An empty text has no sentence.
    """
    if not text:
        return ()
    starts = [0]
    for match in _END.finditer(text):
        following = match.end()
        while following < len(text) and text[following].isspace():
            following += 1
        opened = bool(text[starts[-1] : match.end()].strip())
        if opened and starts[-1] < following < len(text) and _ends_sentence(text, match, following):
            starts.append(following)
    return tuple(pairwise([*starts, len(text)]))


def _ends_sentence(text: str, match: re.Match[str], following: int) -> bool:
    """Whether a stop ends its sentence, judged by the word before it and the character at ``following``."""
    stop, gap = match.group(), text[match.end() : following]
    if stop[0] in _JAPANESE_STOPS:
        return bool(gap) or text[following] not in _JAPANESE_GOES_ON
    if stop[0] in "\n#" or "\n\n" in gap.replace("\r", ""):
        return True
    if text[following].islower():
        return False
    return stop != "." or not _is_abbreviation(text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()])


def _is_abbreviation(before: str) -> bool:
    """Whether the text before a full stop closes with an abbreviation or an initial."""
    words = re.split(r"[\s(\[\"'“‘]", before)
    last = words[-1]
    return bool(_ABBREVIATION.fullmatch(last)) or (len(last) == 1 and last.isupper())
