"""A tokenizer.json of letters that fits a vocabulary of 48, with every kind of component in its place, and changes to it."""
import copy
import json
import string

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]
MERGES = [["a", "b"], ["ab", "c"], ["t", "h"], ["th", "e"]]
WORDS = SPECIAL + list(string.ascii_lowercase) + ["\u2581"] + ["".join(pair) for pair in MERGES]
IDS = {word: number for number, word in enumerate(WORDS)}


def added(number: int, content: str, **more) -> dict:
    return dict(id=number, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) | more


def piece(name: str) -> dict:
    return {"SpecialToken": {"id": name, "type_id": 0}}


def described(name: str, number: int) -> dict:
    return {"id": name, "ids": [number], "tokens": [name]}


TEXT = {"Sequence": {"id": "A", "type_id": 0}}
BPE = dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False,
           byte_fallback=False, vocab=IDS, merges=MERGES)
WORDPIECE = dict(type="WordPiece", unk_token="<unk>", continuing_subword_prefix="##", max_input_chars_per_word=100, vocab=IDS)
UNIGRAM = dict(type="Unigram", unk_id=0, byte_fallback=False, vocab=[[word, -float(number)] for word, number in IDS.items()])
WORDLEVEL = dict(type="WordLevel", unk_token="<unk>", vocab=IDS)
METASPACE = dict(type="Metaspace", replacement="\u2581", prepend_scheme="always", split=True)
SPLIT = dict(type="Split", pattern={"Regex": "[a-z]+"}, behavior="Isolated", invert=False)
TEMPLATE = dict(type="TemplateProcessing", single=[piece("<s>"), TEXT], pair=[piece("<s>"), TEXT, TEXT],
                special_tokens={"<s>": described("<s>", 1)})
TREE = dict(version="1.0", truncation=None, padding=None, added_tokens=[added(i, name) for i, name in enumerate(SPECIAL)],
            normalizer=dict(type="Sequence", normalizers=[dict(type="NFC"), dict(type="Lowercase")]), pre_tokenizer=METASPACE,
            post_processor=TEMPLATE, decoder=METASPACE, model=BPE)


def changed(changes: dict) -> dict:
    """The tree with values at paths such as `model/merges/0`; `...` removes one, an index at the end of a list appends."""
    tree = copy.deepcopy(TREE)
    for path, value in changes.items():
        *way, last = [int(word) if word.isdigit() else word for word in path.split("/")]
        place = tree
        for word in way:
            place = place[word]
        if value is ...:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return tree


def tokenizer_text(**changes) -> bytes:
    """Paths are written with __ for /."""
    return json.dumps(changed({path.replace("__", "/"): value for path, value in changes.items()}), ensure_ascii=False,
                      indent=1).encode()
