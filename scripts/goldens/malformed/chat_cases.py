"""Conversations that no template can write, and templates that ask for more than a machine should give.

Rows of messages go through the template of CHAT, which refuses unknown roles; templates are given sound rows.
"""
from .corpus import Corpus
from .data_cases import Data, row
from .tiny_tokenizer import tokenizer_text

CHAT = (b"{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('no role ' + m.role) }}"
        b"{% endif %}{{ m.role + ' ' + m.content + '\\n' }}{% endfor %}")


def turn(role: str = "user", content: str = "the abc", **more) -> dict:
    return dict(role=role, content=content) | more


TALK = row(messages=[turn(), turn("assistant", "abc")]) + b"\n"


def add_messages(corpus: Corpus) -> None:
    add = Data(corpus, "messages", TALK * 2, "chat").line
    for name, value in dict(a_string="the abc", a_number=7, an_object=turn(), true=True).items():
        add(f"list_{name}", row(messages=value), "messages")
        add(f"conversations_{name}", row(conversations=value), "conversations")
    add("list_empty", row(messages=[]), "at least one message")
    add("list_null", row(messages=None))
    for name, value in dict(a_string="the abc", a_number=7, a_list=[], null=None, empty={}).items():
        add(f"turn_{name}", row(messages=[turn(), value]), "message 2")
    for name, value in dict(a_number=7, null=None, a_list=["user"], an_object={}).items():
        add(f"role_{name}", row(messages=[turn(), dict(role=value, content="abc")]), "message 2")
    add("role_absent", row(messages=[dict(content="abc")]), "message 1")
    for name, role in dict(unknown="narrator", empty="", capital="User", spaced=" user", nul="us\0er").items():
        add(f"role_{name}", row(messages=[turn(role)]), "no role")
    for name, value in dict(absent=..., null=None, a_number=7, a_list=["abc"], an_object={}, true=True).items():
        message = {k: v for k, v in dict(role="assistant", content=value).items() if v is not ...}
        add(f"content_{name}", row(messages=[turn(), message]))
    add("content_an_image", row(messages=[turn(content=[dict(type="image", url="x")])]), "type")
    add("content_lone_surrogate", rb'{"messages": [{"role": "user", "content": "\ud800"}]}')
    for name, value in dict(a_number=7, an_object={}, of_strings=["search"], text_that_is_none="[{", text_of_an_object="{}").items():
        add(f"tools_{name}", row(messages=[turn()], tools=value), "tool")
    for name, value in dict(a_list=[], a_string="x", messages=dict(messages=[])).items():
        add(f"variables_{name}", row(messages=[turn()], chat_template_kwargs=value), "chat_template_kwargs")
    add("variables_beyond_64_bits", row(messages=[turn()], chat_template_kwargs=dict(n=2**63)), "64 bits")
    add("generation_prompt_a_string", row(messages=[turn()], add_generation_prompt="yes"), "add_generation_prompt")
    add("prompt_without_completion", row(prompt=[turn()]), "completion")
    add("prompt_a_text", row(prompt="abc", completion=[turn("assistant")]), "two texts")
    add("prompt_empty", row(prompt=[], completion=[turn("assistant")]), "at least one message")
    add("both_messages_and_conversations", row(messages=[turn()], conversations=[{"from": "human", "value": "abc"}]))
    for name, value in {"speaker_unknown": {"from": "narrator", "value": "abc"}, "speaker_absent": {"value": "abc"},
                        "value_absent": {"from": "human"}, "value_a_list": {"from": "human", "value": ["abc"]}}.items():
        add(f"share_gpt_{name}", row(conversations=[{"from": "human", "value": "abc"}, value]), "message 2")
    add("share_gpt_in_messages", row(messages=[{"from": "human", "value": "abc"}]), "conversations")
    add("instruction_without_output", row(instruction="abc"), "output")
    add("instruction_a_list", row(instruction=["abc"], output="abc"), "instruction")
    add("history_a_string", row(instruction="abc", output="abc", history="abc"), "history")
    add("history_of_singles", row(instruction="abc", output="abc", history=[["abc"]]), "history")
    add("system_twice", row(conversations=[{"from": "system", "value": "abc"}, {"from": "human", "value": "abc"}], system="abc"),
        "one system prompt")
    deep = b"[" * 120 + b"]" * 120
    add("content_nested_120_times", b'{"messages": [{"role": "user", "content": ' + deep + b"}]}")
    add("10_megabytes_of_a_role", row(messages=[turn("r" * 10_000_000)]), "no role")
    add("10_megabyte_image_type", row(messages=[turn(content=[dict(type="i" * 10_000_000)])]), "type")


def expression(text: str) -> str:
    return "{{ " + text + " }}"


def add_templates(corpus: Corpus) -> None:
    def add(name: str, text, *says: str) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        corpus.file("templates", name + ".jinja", data, *says, verb="train", recipe="template")

    for name, text in {
        "for": "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "for_with_output": "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}",
        "search": "{% set x = 'ab' * 1000000 %}{% for i in range(99999) %}{{ 'c' in x }}{% endfor %}",
        "sort": "{% set x = range(99999)|list %}{% for i in range(99999) %}{% set y = x|sort %}{% endfor %}",
        "filters": "{% set x = 'ab' * 100000 %}{% for i in range(99999) %}{{ x|upper|length }}{% endfor %}",
        "json": "{% set x = range(9999)|list %}{% for i in range(99999) %}{% set y = x|tojson %}{% endfor %}",
        "macro": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(99) }}",
    }.items():
        add(f"endless_{name}", text)
    for name, text in {
        "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "macro_of_itself": "{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}",
        "loop": "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "list": "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
        "dict": "{% set ns = namespace(l={}) %}{% for i in range(99999) %}{% set ns.l = {1: ns.l} %}{% endfor %}{{ ns.l }}",
        "namespace": "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}",
        "brackets": "{{ " + "(" * 100_000, "lists": "{{ " + "[" * 100_000, "signs": expression("-" * 100_000 + "1"),
        "nots": expression("not " * 100_000 + "1"), "ifs": "{% if true %}" * 50_000, "sums": expression("1" + " + 1" * 50_000),
        "attributes": expression("a" + ".b" * 100_000), "calls": expression("a" + "()" * 100_000),
        "filters": expression("a" + "|upper" * 50_000), "conditions": expression("1 if 1 else " * 50_000 + "1"),
    }.items():
        add(f"deep_{name}", text)
    for name, text in {
        "subclasses": "''.__class__.__mro__[1].__subclasses__()", "base": "messages.__class__.__base__",
        "filter": "(messages|attr('__class__')).x", "globals": "raise_exception.__globals__.os", "self": "self.__init__.__globals__",
        "cycler": "cycler.__init__.__globals__.os.popen('id').read()", "item": "messages['__class__']['__mro__']",
        "format": "'{0.__class__.__mro__}'.format(messages)", "append": "messages.append(1)", "map": "(messages|map(attribute='__class__')|first).x",
        "import": "__import__('os').system('touch executed.sentinel')", "request": "request.application.__globals__",
    }.items():
        add(f"walk_{name}", expression(text))
    for name, text in {
        "times": expression("'a' * 99999999999"), "list_times": expression("[1] * 99999999999"), "range": expression("range(1000000000000)|list"),
        "doubling": "{% set ns = namespace(s='abcdefgh') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "doubling_lists": "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "lines": "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}", "center": expression("'a'.center(99999999999)"),
        "zfill": expression("'a'.zfill(99999999999)"), "width": expression("'%99999999d' % 1"), "indent": expression("'a'|indent(99999999)"),
        "json_indent": expression("[[1]]|tojson(indent=99999999)"), "join": expression("('a' * 100000).join('b' * 100000)"),
        "replace": "{% set x = 'a' * 100000 %}{{ x.replace('', x) }}", "power": expression("2 ** 99999999"),
    }.items():
        add(f"huge_{name}", text)
    for name, text in {
        "empty_if": "{% if %}", "unclosed_if": "{% if true %}", "unclosed_for": "{% for m in messages %}", "unclosed_expression": "{{ messages",
        "unclosed_comment": "{# ", "unclosed_raw": "{% raw %}", "unclosed_string": "{{ 'abc }}", "end_alone": "{% endif %}",
        "unknown_tag": "{% sorcery %}", "unknown_filter": "{{ messages|sorcery }}", "unknown_test": "{{ messages is sorcery }}",
        "include": "{% include '/etc/passwd' %}", "extends": "{% extends 'x' %}", "import": "{% import 'x' as y %}",
        "not_utf8": b"{{ '\xff' }}", "utf16": "{{ messages }}".encode("utf-16"), "binary": bytes(range(256)) * 16,
        "a_megabyte": b"a" * (2**20 + 1), "20_megabytes": b"{{ 'x' }}" * 2_200_000, "undefined_called": "{{ sorcery() }}",
        "undefined_attribute": "{{ sorcery.spell }}", "division_by_zero": "{{ 1 // 0 }}", "mixed_sum": "{{ 'a' + 1 }}",
        "refuses": "{{ raise_exception('never') }}", "refuses_with_10_megabytes": "{{ raise_exception('never ' * 2000000) }}",
    }.items():
        add(f"wrong_{name}", text)
    # Found out when all rows are empty.
    corpus.file("templates", "writes_nothing.jinja", b"", "something to learn", verb="train", recipe="template", unnamed=True)
    for name, text in {"text": b"[]", "number": b'{"chat_template": 7}', "broken": b'{"chat_template": "{% if %}"}',
                       "unnamed": b'{"chat_template": [{"template": "x"}]}', "other": b'{"chat_template": [{"name": "rag", "template": "x"}]}',
                       "null_inside": b'{"chat_template": [null]}'}.items():
        corpus.folder("template_folders", f"config_{name}", {
            "tokenizer.json": tokenizer_text(), "tokenizer_config.json": text, "lines.jsonl": TALK}, verb="tokenize")


def add(corpus: Corpus) -> None:
    add_messages(corpus)
    add_templates(corpus)
    Data(corpus, "valid", b"", "chat").file("talks.jsonl", TALK * 20, valid=True)
    corpus.file("valid", "chat.jinja", CHAT, verb="train", recipe="template", valid=True)
