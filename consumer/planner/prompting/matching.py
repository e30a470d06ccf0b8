"""Looks for the words of rules in a text, however they are written there: full width, spaced out, traditional, in
capitals. Fast where nothing is found, which is nearly always. It knows no products and decides nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from consumer.planner.prompting import folding
from consumer.planner.prompting.rulebook import Rule


class Match(NamedTuple):
    """A rule, and the words it was found by: as they stand there, or folded for languages with spaces."""

    rule: Rule
    found: str


class Matcher:
    """Looks for the rules given. Building it costs milliseconds; keep it. Safe to share between threads."""

    def __init__(self, rules: Iterable[Rule], usual: Mapping[str, int] | None = None) -> None:
        """``usual`` is how often characters stand in ordinary texts: words are looked for by their rarest one."""
        rules = tuple(rules)
        self._order = {rule.id: index for index, rule in enumerate(rules)}
        self._sides: tuple[_Dense | _Spaced, ...] = (
            _Dense([rule for rule in rules if rule.locale == "zh"], usual or {}),
            _Spaced([rule for rule in rules if rule.locale != "zh"]),
        )

    def may(self, text: str) -> bool:
        """False where no rule can match: a pass or two at the speed of C. True means nothing."""
        return any(side.may(text) for side in self._sides)

    def find(self, text: str) -> list[Match]:
        """Each rule that matches, once, in the order of the rules."""
        found: dict[str, Match] = {}
        for side in self._sides:
            if side.may(text):
                for match in side.find(text):
                    found.setdefault(match.rule.id, match)
        return sorted(found.values(), key=lambda match: self._order[match.rule.id]) if found else []


def _covering(line: str, start: int, end: int, phrases: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where one of ``phrases`` stands around what was found in ``line``."""
    for phrase in phrases:
        at = line.find(phrase, max(0, end - len(phrase)))
        while 0 <= at <= start:
            yield at, at + len(phrase)
            at = line.find(phrase, at + 1)


_Patterns = list[tuple[Rule, re.Pattern[str], tuple[str, ...]]]


def _in_patterns(patterns: _Patterns, line: str) -> Iterator[tuple[Rule, int, int]]:
    for rule, pattern, needs in patterns:
        if any(need in line for need in needs):
            for found in pattern.finditer(line):
                if found.end() > found.start():
                    yield rule, found.start(), found.end()


# Languages without spaces: one line of letters and digits. A word is looked for where its rarest character stands.


class _Line:
    """A text in its dense form, and how its parts were written."""

    def __init__(self, text: str) -> None:
        self._plain = folding.simplified(folding.plain(text))
        self._places = folding.places(self._plain)
        self.dense = "".join(self._plain[place] for place in self._places)

    def written(self, start: int, end: int) -> str:
        """A part with what stands between its characters."""
        return self._plain[self._places[start] : self._places[end - 1] + 1]

    def excused(self, start: int, end: int, exceptions: Iterable[str]) -> bool:
        """Whether an exception covers a part. One pieced together over a stop does not, unless the part is too:
        "第一。次日达" is no 第一次.
        """
        pieced = not folding.touching(self.written(start, end))
        return any(
            pieced or folding.touching(self.written(*around))
            for around in _covering(self.dense, start, end, exceptions)
        )


class _Dense:
    def __init__(self, rules: Sequence[Rule], usual: Mapping[str, int]) -> None:
        self._exceptions = {rule.id: tuple(map(folding.dense, rule.exceptions)) for rule in rules}
        self._with_word: defaultdict[str, list[Rule]] = defaultdict(list)
        self._patterns: _Patterns = []
        needs: set[str] = set()
        for rule in rules:
            for word in map(folding.dense, rule.words):
                self._with_word[word].append(rule)
            for pattern in rule.patterns:
                folded = tuple(map(folding.dense, pattern.needs))
                needs.update(folded)
                self._patterns.append((rule, re.compile(pattern.regex), folded))
        words = {*self._with_word, *needs}
        shared = Counter(char for word in words for char in set(word))
        # By its key: a word and where the key stands in it.
        self._words: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for word in sorted(words):
            key = min(word, key=lambda char: (usual.get(char, 0), -shared[char], char))
            self._words[key].append((word, word.index(key)))
        self._keys = _any_of(self._words)
        # Words of nothing but usual characters are looked for whole, or every text would be looked through for them.
        self._rare = _any_of(key for key in self._words if not usual.get(key, 0))
        plain = [word for key, found in self._words.items() if usual.get(key, 0) for word, _ in found]
        self._plain = re.compile("|".join(form for word in sorted(plain) for form in _loose(word))) if plain else None

    def may(self, text: str) -> bool:
        if text.isascii():
            return False
        plain = folding.plain(text)
        return any(hint is not None and hint.search(plain) for hint in (self._rare, self._plain))

    def find(self, text: str) -> Iterator[Match]:
        dense = folding.dense(text)
        line: _Line | None = None
        for rule, start, end in self._found(dense):
            line = line or _Line(text)
            if not line.excused(start, end, self._exceptions[rule.id]):
                yield Match(rule, line.written(start, end))

    def _found(self, line: str) -> Iterator[tuple[Rule, int, int]]:
        """Rules and where their words stand; of words that begin at one place, the longest."""
        longest: dict[int, str] = {}
        needed = False
        for key in self._keys.finditer(line) if self._keys else ():
            for word, offset in self._words[key.group()]:
                start = key.start() - offset
                if start >= 0 and line.startswith(word, start):
                    needed = True
                    if word in self._with_word and len(word) > len(longest.get(start, "")):
                        longest[start] = word
        for start, word in sorted(longest.items()):
            for rule in self._with_word[word]:
                yield rule, start, start + len(word)
        if needed:
            yield from _in_patterns(self._patterns, line)


def _any_of(characters: Iterable[str]) -> re.Pattern[str] | None:
    chosen = "".join(sorted(char + folding.TRADITIONAL_OF.get(char, "") for char in characters))
    return re.compile(f"[{re.escape(chosen)}]") if chosen else None


def _loose(word: str) -> Iterator[str]:
    """Expressions for a word with gaps, traditional characters too. Each begins with one character, which lets a search
    skip to where that stands.
    """
    first, *rest = (char + folding.TRADITIONAL_OF.get(char, "") for char in word)
    tail = "".join(rf"[\W_]*[{re.escape(forms)}]" for forms in rest)
    yield from (re.escape(form) + tail for form in first)


# Languages with spaces: words, and those that were pulled apart put together again.


class _Spaced:
    def __init__(self, rules: Sequence[Rule]) -> None:
        self._exceptions = {rule.id: tuple(map(_words, rule.exceptions)) for rule in rules}
        self._with_word: defaultdict[str, list[Rule]] = defaultdict(list)
        self._patterns: _Patterns = []
        hints: set[str] = set()
        words: set[str] = set()
        for rule in rules:
            for word in map(_words, rule.words):
                words.add(word.strip())
                self._with_word[word.replace(" ", "")].append(rule)
            for pattern in rule.patterns:
                folded = tuple(map(_words, pattern.needs))
                hints.update(need.strip() for need in folded)
                self._patterns.append((rule, re.compile(pattern.regex), folded))
        hints |= words
        self._hint = re.compile(f" {tree(hints)}(?= )") if rules else None
        # Without one of these no phrase is in a text: the longest word of each, and each written as one.
        self._telling = frozenset(max(hint.split(), key=len) for hint in hints) | {
            hint.replace(" ", "") for hint in hints
        }
        self._bounded = re.compile(f" ({tree(words)})(?= )") if words else None
        self._inside = re.compile(f"({tree(words)})") if words else None

    def may(self, text: str) -> bool:
        if not folding.has_latin(text):
            return False
        plain = folding.ascii_of(text)
        first = folding.apart(plain)
        if self._tells(first) or "#" in plain or folding.is_spelt(first):
            return True
        return folding.is_broken(plain) and self._tells(folding.together(plain))

    def _tells(self, line: str) -> bool:
        # The set says no faster than the expression can; what it says yes to, the expression looks at.
        return self._hint is not None and not self._telling.isdisjoint(line.split()) and bool(self._hint.search(line))

    def find(self, text: str) -> Iterator[Match]:
        plain = folding.ascii_of(text)
        apart = folding.apart(plain)
        first = folding.spaced(apart)
        lines = [first]
        if is_spelt := folding.is_spelt(apart):
            lines.append(folding.spaced(folding.joined(apart)))
        if folding.is_broken(plain):
            lines.append(folding.spaced(folding.together(plain)))
        for line in lines:
            for rule, start, end in (*self._found(self._bounded, line), *_in_patterns(self._patterns, line)):
                if not any(_covering(line, start, end, self._exceptions[rule.id])):
                    yield Match(rule, line[start:end].strip())
        for word in folding.spelt(first) if is_spelt else ():
            for rule, start, end in self._found(self._inside, word):
                yield Match(rule, word[start:end])

    def _found(self, pattern: re.Pattern[str] | None, line: str) -> Iterator[tuple[Rule, int, int]]:
        """Rules and where their words stand; of words that begin at one place, the longest."""
        found = pattern.search(line) if pattern else None
        while pattern and found:
            start, end = found.span(1)
            for rule in self._with_word[found[1].replace(" ", "")]:
                yield rule, start, end
            # Words may overlap.
            found = pattern.search(line, found.start() + 1)


def _words(text: str) -> str:
    return folding.spaced(folding.apart(folding.ascii_of(text)))


_Tree = dict[str, "_Tree"]
_SPELT = {" ": " *", "%": " *%", "#": "# *"}


def tree(words: Iterable[str]) -> str:
    """An expression for any of ``words``, the longest that fits: one branch for each first letter, and so on.

    It costs the words that begin like the text, where one alternative a word would cost them all. A space may be
    several, or none.
    """
    root: _Tree = {}
    for word in words:
        node = root
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    return _written(root)


def _written(node: _Tree) -> str:
    branches = [_SPELT.get(char, re.escape(char)) + _written(then) for char, then in sorted(node.items()) if char]
    if not branches:
        return ""
    joined = branches[0] if len(branches) == 1 and "" not in node else f"(?:{'|'.join(branches)})"
    return f"{joined}?" if "" in node else joined
