#!/usr/bin/env python3
"""Writes src/text/frozen_classes.cpp, the character classes of BERT's normalizer and pre-tokenizer, and
src/text/frozen_scripts.cpp, the scripts of UnicodeScripts, asked of the `tokenizers` library one code point at a time. Its tables are older than any installed Unicode library's, and do not change with it.
Needs: pip install tokenizers==0.23.3

    python3 scripts/goldens/make_classes.py && clang-format -i src/text/frozen_*.cpp
"""
from pathlib import Path

from tokenizers import normalizers, pre_tokenizers

FOLDER = Path(__file__).resolve().parents[2] / "src" / "text"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

HEAD = """// Written by scripts/goldens/make_classes.py. Binary search over ranges.
#include "frozen_classes.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace distill {
namespace {

struct Range {
  char32_t first, last;
};

template <size_t kCount>
bool contains(const Range (&ranges)[kCount], char32_t c) {
  const Range* range =
      std::lower_bound(std::begin(ranges), std::end(ranges), c, [](const Range& r, char32_t value) { return r.last < value; });
  return range != std::end(ranges) && range->first <= c;
}

"""


SCRIPTS = """// Written by scripts/goldens/make_classes.py. Binary search over ranges.
#include "frozen_scripts.h"

#include <algorithm>
#include <iterator>

namespace distill {
namespace {

struct Range {
  char32_t first, last;
  uint8_t script;
};

constexpr Range kScripts[] = {%s};

}  // namespace

Script script_of(char32_t c) {
  const Range* range =
      std::lower_bound(std::begin(kScripts), std::end(kScripts), c, [](const Range& r, char32_t value) { return r.last < value; });
  return range != std::end(kScripts) && range->first <= c ? Script{range->script} : Script::any;
}

}  // namespace distill
"""


def script_ranges():
    """(first, last, number) of the characters that have a script. A piece ends where the script changes, and only there."""
    split = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    stays = lambda a, b: len(split(a + b)) == 1
    known = [chr(c) for c in CODE_POINTS if not (stays("a", chr(c)) and stays("\u044f", chr(c)))]
    out, examples, last = [], [], None
    for c in known:
        if last is None or not stays(last, c):
            number = next((i for i, example in enumerate(examples) if stays(example, c)), len(examples))
            if number == len(examples):
                examples.append(c)
        if out and out[-1][1] == ord(c) - 1 and out[-1][2] == number + 1:
            out[-1][1] = ord(c)
        else:
            out.append([ord(c), ord(c), number + 1])
        last = c
    return out


def ranges(members):
    out = []
    for c in members:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def dropped_by(normalizer):
    return [c for c in CODE_POINTS if normalizer.normalize_str("a" + chr(c) + "b") == "ab"]


def isolated_by(pre_tokenizer):
    return [c for c in CODE_POINTS if [s for s, _ in pre_tokenizer.pre_tokenize_str("a" + chr(c) + "b")] == ["a", chr(c), "b"]]


def bert(**parts):
    return normalizers.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **parts})


def main():
    classes = {
        "is_bert_control": dropped_by(bert(clean_text=True)),
        "is_nonspacing_mark": dropped_by(bert(strip_accents=True)),
        "is_combining_mark": dropped_by(normalizers.StripAccents()),
        "is_punctuation": isolated_by(pre_tokenizers.BertPreTokenizer()),
    }
    names = {name: "k" + "".join(part.capitalize() for part in name.split("_")[1:]) for name in classes}
    tables = ["constexpr Range %s[] = {%s};\n\n" % (names[n], ", ".join("{0x%04X, 0x%04X}" % tuple(r) for r in ranges(members))) for n, members in classes.items()]
    functions = ["bool %s(char32_t c) { return contains(%s, c); }\n" % (n, names[n]) for n in classes]
    (FOLDER / "frozen_classes.cpp").write_text(HEAD + "".join(tables) + "}  // namespace\n\n" + "".join(functions) + "\n}  // namespace distill\n")
    (FOLDER / "frozen_scripts.cpp").write_text(SCRIPTS % ", ".join("{0x%04X, 0x%04X, %d}" % tuple(r) for r in script_ranges()))


if __name__ == "__main__":
    main()
