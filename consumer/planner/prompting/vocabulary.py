"""Word tables: colours, units, list joining and attribute names in Chinese and English. They know no templates.

A locale of another language joins lists with commas and leaves colours and units as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

# English, Chinese, sRGB. The first English and Chinese word of a row is the one written; others are understood.
_COLOURS: tuple[tuple[str, str, int], ...] = (
    ("black|jet black|noir", "黑色|黑|曜石黑", 0x111111),
    ("white|pure white", "白色|白|纯白", 0xFAFAFA),
    ("off-white|off white|ivory white", "米白色|米白|象牙白", 0xF5F0E3),
    ("ivory", "象牙色", 0xFFFFF0),
    ("cream|creamy white", "奶油色|奶油白|奶白|奶白色", 0xFFF3D6),
    ("beige", "米色|杏色", 0xE8D9BF),
    ("grey|gray", "灰色|灰", 0x808080),
    ("light grey|light gray", "浅灰色|浅灰", 0xC8C8C8),
    ("dark grey|dark gray|charcoal|anthracite", "深灰色|深灰|炭灰|炭灰色", 0x3C3F42),
    ("space grey|space gray|graphite", "深空灰|深空灰色|石墨色", 0x52555A),
    ("silver", "银色|银|银白色", 0xC5C9CE),
    ("gold|golden", "金色|金|香槟金", 0xD4AF37),
    ("champagne", "香槟色", 0xEAD6B0),
    ("rose gold", "玫瑰金|玫瑰金色", 0xD9A08F),
    ("copper", "古铜色|铜色|紫铜色", 0xB0703C),
    ("red", "红色|红", 0xD32027),
    ("wine red|burgundy|maroon", "酒红色|酒红", 0x701C2C),
    ("crimson|scarlet", "绯红色|朱红|朱红色|大红|大红色|正红|正红色", 0xC21330),
    ("brick red", "砖红色|砖红", 0x9E4632),
    ("coral", "珊瑚色|珊瑚橙|珊瑚红", 0xF57C6A),
    ("orange", "橙色|橙|橘色|橘", 0xF28A1E),
    ("apricot", "杏橙色", 0xF5B98A),
    ("yellow", "黄色|黄", 0xF4D03A),
    ("lemon yellow", "柠檬黄", 0xF6EE58),
    ("mustard", "姜黄色|姜黄", 0xC99A2E),
    ("amber", "琥珀色", 0xC97B1A),
    ("green", "绿色|绿", 0x3B9B4B),
    ("dark green|forest green", "墨绿色|墨绿|深绿色|深绿", 0x1F4A35),
    ("light green", "浅绿色|浅绿", 0xA9D8A5),
    ("mint|mint green", "薄荷绿|薄荷色", 0xA8E0C8),
    ("sage green|sage", "豆绿色|豆绿|灰绿色", 0x9CAF88),
    ("olive|olive green", "橄榄绿|军绿色|军绿", 0x6B6B2F),
    ("teal", "蓝绿色|孔雀绿", 0x1B7F7F),
    ("turquoise", "松石绿|绿松石色", 0x3FC8C0),
    ("cyan", "青色|青", 0x22B8CF),
    ("blue", "蓝色|蓝", 0x2F6FD0),
    ("navy|navy blue|dark blue", "藏青色|藏青|深蓝色|深蓝|藏蓝色|藏蓝", 0x1B2A4E),
    ("sky blue", "天蓝色|天蓝", 0x87C5EE),
    ("light blue", "浅蓝色|浅蓝", 0xB0D4F0),
    ("haze blue|dusty blue", "雾霾蓝", 0x8FA5B8),
    ("denim blue|denim", "牛仔蓝", 0x46628A),
    ("purple|violet", "紫色|紫", 0x7A4FA8),
    ("lavender|lilac", "薰衣草紫|浅紫色|浅紫|香芋紫", 0xC3AEE0),
    ("pink", "粉色|粉|粉红|粉红色", 0xF4A6BE),
    ("light pink|blush", "浅粉色|浅粉|樱花粉", 0xF9D5DE),
    ("hot pink|magenta|fuchsia", "玫红色|玫红|品红", 0xD81B72),
    ("dusty pink", "豆沙色|豆沙|脏粉色", 0xC48A86),
    ("brown", "棕色|棕|褐色|咖色", 0x7A4E2D),
    ("dark brown|chocolate", "深棕色|深棕|巧克力色", 0x432818),
    ("light brown|tan|camel", "驼色|浅棕色|浅棕", 0xC19A6B),
    ("coffee", "咖啡色|咖啡", 0x5C4033),
    ("khaki", "卡其色|卡其", 0xBDB07A),
    ("walnut", "胡桃木色|胡桃色", 0x5E4230),
    ("natural wood|wood|wooden|natural", "原木色|原木|木色", 0xD2AE7E),
    ("transparent|clear", "透明|透明色", -1),
    ("multicolour|multicolor|multicoloured|rainbow", "彩色|多彩|多色", -1),
)
# The tone before a colour, in both languages.
_TONES = (
    ("matte", "哑光"),
    ("matt", "哑光"),
    ("glossy", "亮面"),
    ("metallic", "金属"),
    ("pearl", "珠光"),
    ("light", "浅"),
    ("pale", "浅"),
    ("dark", "深"),
    ("deep", "深"),
    ("bright", "亮"),
    ("warm", "暖"),
    ("cool", "冷"),
    ("transparent", "透明"),
)

# Written in text (English, Chinese) and understood (both). Longer spellings first: "mm" before "m".
_UNITS: tuple[tuple[str, str, str], ...] = (
    (" ml", "毫升", "millilitres|milliliters|millilitre|milliliter|毫升|ml"),
    (" litres", "升", "litres|liters|litre|liter|公升|升|ltr|l"),
    (" mAh", "毫安时", "毫安时|mah"),
    (" mm", "毫米", "millimetres|millimeters|毫米|mm"),
    (" cm", "厘米", "centimetres|centimeters|厘米|公分|cm"),
    (" m", "米", "metres|meters|metre|meter|米|m"),
    (" inches", "英寸", "inches|inch|英寸|寸"),
    (" kg", "千克", "kilograms|kilogram|千克|公斤|kgs|kg"),
    (" g", "克", "grams|gram|克|g"),
    (" W", "瓦", "watts|watt|瓦特|瓦|w"),
    (" hours", "小时", "hours|hour|小时|hrs|hr|h"),
    (" minutes", "分钟", "minutes|minute|分钟|mins|min"),
    (" °C", "摄氏度", "°c|摄氏度"),
    (" pieces", "件", "pieces|piece|pcs|件"),
    (" persons", "人", "persons|person"),
)
_UNIT_OF = {word: (en, zh) for en, zh, words in _UNITS for word in words.split("|")}
_QUANTITY = re.compile(
    r"(\d+(?:[.,]\d+)*)\s*(" + "|".join(sorted(map(re.escape, _UNIT_OF), key=len, reverse=True)) + r")(?![a-z])",
    re.IGNORECASE,
)
# "1 litres" is no English; a unit after 1 stands in the singular.
_SINGULAR = {" litres": " litre", " inches": " inch", " hours": " hour", " minutes": " minute", " pieces": " piece"}

ATTRIBUTE_SLOTS: Mapping[str, str] = MappingProxyType(
    {
        name: slot
        for slot, names in {
            "material": "material|materials|fabric|main material|upper material|composition|"
            "材质|材料|面料|主材质|帮面材质|面料材质|外壳材质|金属材质",
            "finish": "finish|surface|surface finish|texture|工艺|表面工艺|表面处理|质地|质感|饰面",
            "pattern": "pattern|print|motif|图案|花纹|花型|印花",
            "shape": "shape|silhouette|cut|fit|形状|版型|造型|廓形|外形|切工",
            "size": "size|capacity|volume|net weight|dimensions|screen size|diameter|"
            "容量|尺寸|规格|净含量|净重|屏幕尺寸|直径|尺码",
        }.items()
        for name in names.split("|")
    }
)
"""Attribute names, lower case, that say how a product looks, and the slot each fills."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Said about the offer or its buyer, not about how the thing looks: kept on the picture, kept out of the prompt.
# People are here because a prompt that says "for kids" draws some.
_NOT_SEEN_WORDS = _words("""
    shipping ships shipped delivery return returns refund warranty guarantee guaranteed discount sale deal coupon
    price priced prices cheap cheapest bestseller bestselling stock gift voucher
    people person persons man men mens woman women womens kid kids child children childrens baby babies toddler
    toddlers girl girls boy boys adult adults family families mom mum dad user users customer customers
""")
_NOT_SEEN_PIECES = re.compile(
    "包邮|免邮|发货|退货|退换|质保|保修|联保|保障|正品|优惠|折扣|特价|促销|秒杀|赠|券|满减|价|热卖|爆款|销量|现货|官方|"
    "旗舰店|人|儿童|孩|宝宝|婴|幼|孕|妈妈|爸爸|女生|男生|男士|女士|先生|老少|用户|顾客|家庭|全家"
)
_ASCII_WORD = re.compile("[a-z]+")


def seen(point: str) -> bool:
    """Whether a selling point is about the product itself, and so may enter a prompt."""
    if not _NOT_SEEN_WORDS.isdisjoint(_ASCII_WORD.findall(point.lower())):
        return False
    return point.isascii() or _NOT_SEEN_PIECES.search(point) is None


def language(locale: str) -> str:
    """The language of a BCP 47 tag, lower case: ``zh`` of ``zh-CN``."""
    return locale.replace("_", "-").partition("-")[0].lower()


JOINTS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {"zh": ("，", "。", ""), "ja": ("、", "。", ""), "": (", ", ".", " ")}
)
"""Between clauses, after a sentence and between sentences, by language; ``""`` is every other language."""


def join(items: Sequence[str], tongue: str) -> str:
    """A list as the language says it: ``a, b and c``, ``a、b和c``; ``a, b; c`` where an item has commas itself."""
    if len(items) < 2:
        return items[0] if items else ""
    if any("，" in item or "," in item for item in items):
        return ("；" if tongue == "zh" else "; ").join(items)  # commas inside would blur where an item ends
    if tongue == "zh":
        return f"{'、'.join(items[:-1])}和{items[-1]}"
    return f"{', '.join(items[:-1])} and {items[-1]}" if tongue == "en" else ", ".join(items)


@lru_cache(maxsize=8192)
def units(text: str, tongue: str) -> str:
    """Quantities in ``text`` with the units of the language: ``1.7L`` is ``1.7升`` and ``1.7 litres``."""
    if tongue == "zh":
        return _QUANTITY.sub(lambda m: m[1] + _UNIT_OF[m[2].lower()][1], text)
    if tongue == "en":
        return _QUANTITY.sub(lambda m: m[1] + _english_unit(m[1], m[2].lower()), text)
    return text


def _english_unit(amount: str, unit: str) -> str:
    written = _UNIT_OF[unit][0]
    return _SINGULAR.get(written, written) if amount == "1" else written


_OWN = (
    frozenset(word for en, _, _ in _COLOURS for word in en.split("|")),
    frozenset(word for _, zh, _ in _COLOURS for word in zh.split("|") if len(word) > 1),
)
"""Colour words that need no translation into English, into Chinese; a lone character reads badly in a sentence."""

_WRITTEN = {
    word: (en.partition("|")[0], zh.partition("|")[0])
    for en, zh, _ in _COLOURS
    for word in (*en.split("|"), *zh.split("|"))
}
_TONE_OF = {word: pair for pair in reversed(_TONES) for word in pair}
_TONED_ZH = re.compile("^(" + "|".join(sorted({zh for _, zh in _TONES}, key=len, reverse=True)) + ")(.+)$")
_HEX = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_LIST = re.compile(r"\s*[/,，、+&;；|]\s*|\s+and\s+|和")


def _nearest(code: str) -> tuple[str, str]:
    """The colour word nearest to RGB digits, by the weighted distance of the 'redmean' approximation."""
    digits = code if len(code) == 6 else "".join(char * 2 for char in code)
    value = int(digits, 16)

    def distance(row: tuple[str, str, int]) -> float:
        mean = ((value >> 16) + (row[2] >> 16)) / 2
        red, green, blue = (((value >> shift) & 255) - ((row[2] >> shift) & 255) for shift in (16, 8, 0))
        return (2 + mean / 256) * red * red + 4 * green * green + (2 + (255 - mean) / 256) * blue * blue

    return _WRITTEN[min((row for row in _COLOURS if row[2] >= 0), key=distance)[0].partition("|")[0]]


def _one_colour(word: str, tongue: str) -> str:
    place = 1 if tongue == "zh" else 0
    if match := _HEX.fullmatch(word):
        return _nearest(match[1])[place]
    if word.lower() in _OWN[place]:
        return word.lower()
    if known := _WRITTEN.get(word.lower()):
        return known[place]
    tone, _, rest = word.lower().partition(" ")
    if tone not in _TONE_OF and (match := _TONED_ZH.match(word)):
        tone, rest = match[1], match[2]
    if tone in _TONE_OF and (known := _WRITTEN.get(rest.strip())):
        return _TONE_OF[tone][place] + ("" if tongue == "zh" else " ") + known[place]
    return word


@lru_cache(maxsize=8192)
def colour(value: str, tongue: str) -> str:
    """A colour word, several, or ``#RRGGBB`` in the words of the language; words it does not know stay.

    Locales of other languages keep words and get no name for a code (empty).
    """
    if tongue not in {"zh", "en"}:
        return "" if "#" in value else value
    words = [word for part in _LIST.split(value) if (word := part.strip())]
    named = [_one_colour(word, tongue) for word in words[:3]]
    return join([word for word in dict.fromkeys(named) if "#" not in word], tongue)


@lru_cache(maxsize=8192)
def rgb(value: str) -> tuple[int, int, int] | None:
    """Red, green and blue (0…255) of the first colour in ``value``; None where it names no colour we know."""
    first = next((part.strip() for part in _LIST.split(value) if part.strip()), "")
    if match := _HEX.fullmatch(first):
        digits = match[1] if len(match[1]) == 6 else "".join(char * 2 for char in match[1])
        number = int(digits, 16)
    else:
        english = _WRITTEN.get(first.lower(), ("", ""))[0] or _one_colour(first, "en")
        # "matte black": the last word that is a colour alone.
        word = english if english in _RGB else english.rpartition(" ")[2]
        number = _RGB.get(word, -1)
    return None if number < 0 else (number >> 16, (number >> 8) & 255, number & 255)


_RGB = {en.partition("|")[0]: value for en, _, value in _COLOURS}
