"""Texts in the forms in which words are looked for: without case, width, marks, gaps and invisible characters.

It knows characters. Which words matter, and where, is for ``matching``.
"""

from __future__ import annotations

import re
import unicodedata

TRADITIONAL = (
    "來来個个們们倫伦備备傳传傷伤價价優优兇凶兒儿內内創创動动務务勝胜勢势協协員员問问單单國国圍围圖图執执場场壓压壞坏壯壮夠够"
    "奪夺奮奋婦妇嬰婴學学實实寧宁審审寶宝將将專专對对導导屆届層层屬属嶺岭巔巅師师帶带幫帮庫库廣广張张強强彈弹後后從从復复徵征"
    "徹彻態态慶庆應应懷怀戰战戲戏換换損损擇择擊击擔担據据擴扩擺摆攝摄敗败敵敌數数斬斩斷断於于時时條条業业極极榮荣構构槍枪樂乐"
    "標标樣样橋桥機机檢检權权歐欧歲岁歷历歸归殘残殺杀氣气決决沒没況况浄净涼凉淨净減减測测渾浑滿满潔洁濕湿濟济灣湾災灾為为無无"
    "熱热爐炉爭争狀状獎奖獨独獲获現现瑣琐環环產产畫画異异當当瘋疯瘡疮瘧疟療疗癒愈癢痒發发盡尽監监盤盘眾众睏困礎础祕秘禦御禮礼"
    "種种稱称積积穩稳競竞筆笔節节範范築筑簡简糧粮糾纠紀纪紅红納纳純纯紙纸級级細细終终組组結结絕绝絡络給给統统綠绿維维網网線线"
    "編编緩缓練练緻致縮缩總总績绩織织繼继續续罷罢羅罗聖圣聯联聰聪聲声職职脈脉脫脱腎肾腦脑腫肿腸肠膚肤膽胆臉脸臟脏與与舉举舊旧"
    "艱艰艷艳華华萬万蓋盖薦荐藝艺藥药蘇苏蘭兰處处虛虚蟲虫術术補补裝装裡里製制見见視视覺觉覽览觀观觸触訂订計计討讨訓训記记設设"
    "許许診诊評评詞词試试該该詳详認认語语誤误說说課课調调談谈請请論论諾诺講讲謝谢證证識识護护譽誉讀读變变讓让讚赞豐丰豔艳豬猪"
    "負负財财貨货責责貴贵買买費费貼贴賓宾賞赏賠赔賣卖質质賺赚購购賽赛贈赠贊赞贏赢趕赶趨趋躍跃車车軍军軟软較较載载輕轻輪轮輸输"
    "轉转轟轰辦办辭辞農农這这運运過过達达違违遠远適适遲迟選选遺遗還还邊边郵邮鄉乡鄰邻醜丑醫医釋释針针鈣钙鉛铅銀银銷销鋼钢錢钱"
    "錯错鍵键鎖锁鎮镇鏡镜鐘钟鐵铁鑒鉴長长門门閃闪閉闭開开閒闲間间閱阅闆板關关闢辟陰阴陳陈陸陆陽阳隊队際际隨随險险雙双雜杂離离"
    "難难電电靈灵靜静韓韩響响頂顶項项順顺須须預预頑顽頓顿領领頭头頸颈頻频題题額额顏颜願愿類类顧顾顯显風风飛飞飲饮飾饰養养餓饿"
    "餘余館馆馳驰駕驾騙骗驅驱驗验驚惊驟骤骯肮體体髮发鬆松鬥斗魚鱼鮮鲜鳥鸟鹼碱鹽盐麗丽麥麦黃黄點点黨党齊齐齒齿龍龙龜龟"
)
"""Traditional characters and, after each, the simplified one: as far as rules and their exceptions need them."""
SIMPLIFIED = dict(zip(TRADITIONAL[::2], TRADITIONAL[1::2], strict=True))

TRADITIONAL_OF = {new: "".join(old for old, other in SIMPLIFIED.items() if other == new) for new in SIMPLIFIED.values()}

# What needs no compatibility form, or has one that is a gap too; anything else takes the slow way.
_ODD = re.compile("[^\x00-\x7f\u4e00-\u9fff\u3001-\u3011\u2013-\u2017\u201c\u201d\u2026·×～，。！？；：（）￥、]")
# Two letters of that kind (units have one), or something odd that may turn out to be one.
_LATIN = re.compile(f"[A-Za-z][^A-Za-z]*[A-Za-z]|#|{_ODD.pattern}")
_TRADITIONAL = re.compile(f"[{re.escape(''.join(sorted(set(SIMPLIFIED))))}]")
_GAP = re.compile(r"[\W_]+")
_SPACES = re.compile(r"\s+")
# Marks on letters, apostrophes and what cannot be seen: it joins what it stands between.
_NOTHING = re.compile(
    "[\u0300-\u036f'’‘`\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]+"
)
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_BROKEN = re.compile(r"[!-/:-@\[-`{-~](?=[A-Za-z])")
_SPELT = re.compile(r" [a-z0-9] +[a-z0-9] +[a-z0-9](?= )")
_LETTERS = re.compile(r"(?<= )[a-z0-9](?: [a-z0-9])+(?= )")
_LETTERS_RUN = re.compile(r"(?<= )[a-z0-9](?: [a-z0-9]){2,}(?= )")

_KEPT = "#%"
"""Signs that are part of words: #1, 100%."""


def _table(gap: str | None) -> dict[int, str | None]:
    """For ASCII: small letters, digits and kept signs as they are, spaces as spaces, all else as ``gap``."""
    kept = {ord(char): char for char in "abcdefghijklmnopqrstuvwxyz0123456789" + _KEPT}
    big = {number: chr(number).lower() for number in range(ord("A"), ord("Z") + 1)}
    spaces = {ord(char): " " for char in " \t\n\r\v\f\x1c\x1d\x1e\x1f"}
    others: dict[int, str | None] = dict.fromkeys(range(128), gap)
    return others | {ord("'"): None, ord("`"): None} | spaces | big | kept


_APART = _table(" ")
_TOGETHER = _table(None)


def plain(text: str) -> str:
    """``text`` in compatibility form (NFKC), lower case: one form for each width and style of letters and digits."""
    if _ODD.search(text) is None:
        return text.lower()
    # Lower case may undo the form, and what is left of a sign may be a letter with a mark.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())


def simplified(text: str) -> str:
    """``text`` with simplified characters in place of the traditional ones that are known here."""
    return _TRADITIONAL.sub(lambda found: SIMPLIFIED[found.group()], text)


def dense(text: str) -> str:
    """``text`` for languages without spaces: plain, simplified, letters and digits only."""
    return _GAP.sub("", simplified(plain(text)))


def places(plain_text: str) -> list[int]:
    """Where each character of the dense form of an already plain text stands in that text."""
    return [index for index, char in enumerate(plain_text) if char.isalnum()]


def touching(text: str) -> bool:
    """Whether nothing but letters, digits and spaces is in ``text``."""
    return _GAP.sub("", text) == _SPACES.sub("", text)


def has_latin(text: str) -> bool:
    """False where ``ascii_of`` has less than two letters, and no number sign: no word."""
    return text.isascii() or _LATIN.search(text) is not None


def ascii_of(text: str) -> str:
    """``text`` without marks and invisible characters, other scripts as gaps."""
    if text.isascii():
        return text
    if _ODD.search(text) is not None:
        text = _NOTHING.sub("", unicodedata.normalize("NFKD", text))
    return _NOT_ASCII.sub(" ", text)


def apart(ascii_text: str) -> str:
    """Words in small letters with a space before and after each at least: ``best-selling`` is two."""
    return f" {ascii_text.translate(_APART)} "


def together(ascii_text: str) -> str:
    """The same, but what is inside a word is left out: ``be.st`` and ``best-selling`` are one."""
    return f" {ascii_text.translate(_TOGETHER)} "


def spaced(words: str) -> str:
    """Words with one space before and after each."""
    return f" {' '.join(words.split())} "


def is_spelt(words: str) -> bool:
    """Whether three single letters stand in a row, of words that are ``apart``."""
    return _SPELT.search(words) is not None


def is_broken(ascii_text: str) -> bool:
    """Whether a letter stands right behind a sign: where not, ``apart`` and ``together`` say the same."""
    return _BROKEN.search(ascii_text) is not None


def joined(words: str) -> str:
    """Words that are ``apart``, single letters with one space between them as one: ``b e s t  o n e`` is two."""
    return _LETTERS.sub(lambda run: run.group().replace(" ", ""), words)


def spelt(words: str) -> list[str]:
    """What single letters in a row say (``b e s t``), of words that are ``spaced``."""
    return [run.replace(" ", "") for run in _LETTERS_RUN.findall(words)]
