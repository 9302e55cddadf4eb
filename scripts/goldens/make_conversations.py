#!/usr/bin/env python3
"""Goldens of conversations: templates in the styles of well-known models, and what transformers makes of conversations with
them. Writes tests/data/conversation/golden.json. Needs: pip install transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6

    python3 scripts/goldens/make_conversations.py

Every template is written with {% generation %} round what the assistant says, from the end of its header to the beginning of the
next message; its plain twin is the same without these tags and writes the same text (asserted). So the blocks also tell what
differences of prefixes have to find in the twin, without any prefix being taken here.

{"templates": {name: {"marked", "plain"}},
 "cases": [{"template", "tokenizer", "row", "text", "ids",
            "marked_mask": tokens that reach into a block, "plain_mask": tokens that begin in one,
            "completion": {"row", "mask"} with the last messages as a completion}],
 "refused": [{"template", "row"}]}
`tokenizer` is a folder of tests/data/text, `row` a line of a data file. text, ids and marked_mask are those of
apply_chat_template(return_assistant_tokens_mask=True), with two differences in the mask, both asserted to be the only ones: where
the last character of a block is several tokens transformers marks only the first of them, and where it is no token at all it marks
everything to the end of the text.
"""
import json
import re
from pathlib import Path

import jinja2
import tokenizers
import transformers
from transformers import PreTrainedTokenizerFast

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
OUT = DATA / "conversation" / "golden.json"

SPECIAL = {
    "qwen2": {"eos_token": "<|im_end|>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama2": {"bos_token": "<s>", "eos_token": "</s>"},
}

CHATML = """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>\\n' }}{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}"""

# A system prompt where none is given; looks at the first message, so an empty conversation is an error.
DEFAULT_SYSTEM = """{% if messages[0]['role'] != 'system' %}
{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}
""" + CHATML

TOOLS = """{% if tools %}
{{ '<|im_start|>system\\n# Tools\\n' }}{% for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}{{ '<|im_end|>\\n' }}{% endif %}
{% for message in messages %}
{% if message.role == 'tool' %}
{{ '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}{% elif message.role == 'assistant' %}
{{ '<|im_start|>assistant\\n' }}{% generation %}{% if message.content %}{{ message.content }}{% endif %}{% for call in message.tool_calls or [] %}{{ '<tool_call>' + call.function.name + call.function.arguments | tojson + '</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}{% endgeneration %}{% else %}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}{% endif %}"""

# Thinking is written for the turns after the last question only, and an empty thought for the last turn without one.
THINKING = """{% set ns = namespace(last=-1) %}
{% for message in messages %}{% if message.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{% set quiet = enable_thinking is defined and enable_thinking is false %}
{% for message in messages %}
{% if message.role == 'assistant' %}
{% set content = message.content %}{% set thought = '' %}
{% if '</think>' in content %}{% set thought = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}
{{ '<|im_start|>assistant\\n' }}{% set written = loop.index0 > ns.last and (loop.last or thought) %}{% set block = '<think>\\n' + thought + '\\n</think>\\n\\n' if written else '' %}{% if quiet %}{{ block }}{% set block = '' %}{% endif %}{% generation %}{{ block + content + '<|im_end|>\\n' }}{% endgeneration %}{% else %}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}{% if quiet %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"""

# The generation prompt opens a thought that the written turns do not have.
REASONER = """{{ bos_token }}{% for message in messages %}
{% if message.role == 'user' %}{{ '<|User|>' + message.content }}{% elif message.role == 'system' %}{{ message.content }}{% else %}{{ '<|Assistant|>' }}{% generation %}{{ message.content.split('</think>')[-1] + eos_token }}{% endgeneration %}{% endif %}
{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"""

LLAMA3 = """{{ bos_token }}{% for message in messages %}
{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""

ALTERNATE = """{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}
"""
MISTRAL = """{{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}
{% for message in rest %}
""" + ALTERNATE + """{% if message['role'] == 'user' %}{{ '[INST] ' + (system if SYSTEM else '') + message['content'] + ' [/INST]' }}{% else %}{% generation %}{{ ' ' + message['content'] | trim + eos_token }}{% endgeneration %}{% endif %}
{% endfor %}"""

ZEPHYR = """{% for message in messages %}
{{ '<|' + message['role'] + '|>\\n' }}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token + '\\n' }}{% endgeneration %}{% else %}{{ message['content'] + eos_token + '\\n' }}{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>\\n' }}{% endif %}
{% endfor %}"""

GEMMA = """{{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% for message in messages %}
""" + ALTERNATE + """{% if message['role'] == 'assistant' %}{{ '<start_of_turn>model\\n' }}{% generation %}{{ message['content'] | trim + '<end_of_turn>\\n' }}{% endgeneration %}{% else %}{{ '<start_of_turn>user\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

# The content alone is marked, without the end of the turn. Its twin is not what differences of prefixes find.
CONTENT_ONLY = """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}{% endgeneration %}{% else %}{{ message['content'] }}{% endif %}{{ '<|im_end|>\\n' }}
{% endfor %}"""

# Thoughts come in a field of their own, under any of its names.
REASONED = """{% for m in messages %}
{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{% generation %}{% if m.reasoning_content is defined %}{{ '<think>' + m.reasoning_content + '|' + m.thinking + '</think>' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}{% endif %}"""

MARKED = {
    "chatml": CHATML,
    "default_system": DEFAULT_SYSTEM,
    "tools": TOOLS,
    "thinking": THINKING,
    "reasoner": REASONER,
    "llama3": LLAMA3,
    "mistral": MISTRAL.replace("SYSTEM", "loop.first"),
    "mistral_last": MISTRAL.replace("SYSTEM", "loop.index0 // 2 * 2 == (rest | length - 1) // 2 * 2"),
    "zephyr": ZEPHYR,
    "gemma": GEMMA,
    "content_only": CONTENT_ONLY,
    "reasoned": REASONED,
}
# Nothing tells for certain where a turn ends: its end is another one when it is the last; the order is turned round; the content
# is not written, or written twice.
REFUSED = {
    "other_end": "{% for m in messages %}{{ m.role + ': ' + m.content }}{% if loop.last %}</s>{% else %}|{% endif %}{% endfor %}",
    "reversed": "{% for m in messages | reverse %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}",
    "twice": "{{ messages | length }}{% for m in messages %}{{ m.role + ': ' + m.content + m.content + '\n' }}{% endfor %}",
    "counted": "{{ messages | length }}{% for m in messages %}{{ m.role }}{% endfor %}",
}


def turns(*contents, system=None):
    roles = ("user", "assistant")
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


PLAIN = {
    "short": turns("Hello world", "It's the first answer."),
    "system": turns("What is 2+2?", "4", "And 3+3?", "That's 6.", system="You are a teacher."),
    "hard": turns("  leading spaces\n", "\n\nlines\n\n", "a\u0301 \u4f60\u597d \U0001f600", "\U0001f600\U0001f468\u200d\U0001f469", "", " ends\t", "x", "\U0001f600"),
    "same": turns("a", "a", "a", "a", "a", "a"),
    "ends": turns("say <|im_end|>", "<|im_end|>\n<|im_start|>user\nhi", "</s> <|eot_id|> [/INST]", "<|Assistant|></s>"),
    "open": turns("Hello", "Yes", "And then?"),
}
THOUGHTS = turns("Why?", "<think>\nBecause it is so.\n</think>\n\nSo it is.", "Really?", "<think>\nyes\n</think>\n\nYes.")
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": [2, "\u00e9"]}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALLED = [
    {"role": "user", "content": "Add 1 and 2"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "3"},
    {"role": "assistant", "content": "It is 3."},
    {"role": "user", "content": "Again"},
    {"role": "assistant", "content": "Now:", "tool_calls": [CALL, CALL]},
    {"role": "tool", "content": "3"},
    {"role": "tool", "content": "3"},
    {"role": "assistant", "content": "Still 3."},
]
MORE = {
    "chatml": [{"messages": turns("x", "y")[::-1]}, {"messages": turns("x", "y") + turns("x", "y")[1:]}],
    "default_system": [{"messages": turns("x", "the teacher said", "z")[1:]}, {"messages": turns("x", "y", "z")[1:] + turns("u", "v")[1:]}],
    "tools": [{"messages": CALLED, "tools": [TOOL, TOOL]}, {"messages": CALLED, "tools": json.dumps([TOOL])}],
    "thinking": [{"messages": THOUGHTS}, {"messages": PLAIN["system"], "chat_template_kwargs": {"enable_thinking": False}},
                 {"messages": PLAIN["same"], "chat_template_kwargs": {"enable_thinking": True}},
                 {"messages": THOUGHTS[:2] + turns("b", "c")[1:]}],
    "reasoned": [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", **thoughts}]} for thoughts in (
        {"reasoning": "r"}, {"thinking": "t", "reasoning": "r"}, {"reasoning_content": "c", "thinking": "t"}, {"thinking": None, "reasoning": None})],
    "reasoner": [{"messages": THOUGHTS}],
}
PROMPTED = {"chatml", "tools", "thinking", "reasoner", "llama3", "zephyr", "gemma"}


def plain(source):
    return re.sub(r"\{% (end)?generation %\}", "", source)


def load(name, source):
    words = PreTrainedTokenizerFast(tokenizer_file=str(DATA / "text" / name / "tokenizer.json"), **SPECIAL[name])
    words.chat_template = source
    return words


def arguments(row):
    tools = row.get("tools")
    return {
        "tools": json.loads(tools) if isinstance(tools, str) else tools,
        "add_generation_prompt": row.get("add_generation_prompt", False),
        **row.get("chat_template_kwargs", {}),
    }


def masks(offsets, blocks):
    reach = [int(any(b < end and e > begin for begin, end in blocks)) for b, e in offsets]
    begin_in = [int(any(begin <= b < end for begin, end in blocks)) for b, e in offsets]
    return reach, begin_in


def explained(theirs, ours, offsets, blocks):
    """Whether transformers' mask differs only where a block's last character is several tokens or none."""
    allowed = set()
    for begin, end in blocks:
        last = [i for i, (b, e) in enumerate(offsets) if b <= end - 1 < e]
        allowed |= set(last[1:]) if last else set(range(len(offsets)))
    return all(a == b or i in allowed for i, (a, b) in enumerate(zip(theirs, ours)))


def case(template, tokenizer, row):
    source = MARKED[template]
    words, twin = load(tokenizer, source), load(tokenizer, plain(source))
    text = words.apply_chat_template(row["messages"], tokenize=False, **arguments(row))
    assert text == twin.apply_chat_template(row["messages"], tokenize=False, **arguments(row)), template
    out = words.apply_chat_template(row["messages"], return_assistant_tokens_mask=True, return_dict=True, **arguments(row))
    _, blocks = transformers.utils.chat_template_utils.render_jinja_template(
        [[{k: v for k, v in m.items() if v is not None} for m in row["messages"]]], chat_template=source,
        return_assistant_tokens_mask=True, **{**words.special_tokens_map, **arguments(row)})
    encoding = words.backend_tokenizer.encode(text, add_special_tokens=False)
    assert encoding.ids == out["input_ids"], template
    marked, unmarked = masks(encoding.offsets, blocks[0])
    assert explained(out["assistant_masks"], marked, encoding.offsets, blocks[0]), (template, row)
    result = {"template": template, "tokenizer": tokenizer, "row": row, "text": text, "ids": encoding.ids,
              "marked_mask": "".join(map(str, marked)), "plain_mask": "".join(map(str, unmarked))}
    if template == "content_only":
        del result["plain_mask"]
    elif row["messages"][-1]["role"] == "assistant" and len(row["messages"]) > 1 and not row.get("add_generation_prompt"):
        result["completion"] = completion(row, encoding.offsets, blocks[0], len(text))
    return result


def completion(row, offsets, blocks, length):
    prompt = {k: v for k, v in row.items() if k != "messages"}
    prompt.update(prompt=row["messages"][:-1], completion=row["messages"][-1:])
    return {"row": prompt, "mask": "".join(map(str, masks(offsets, [(blocks[-1][0], length)])[1]))}


def cases():
    for template in MARKED:
        for tokenizer in SPECIAL:
            if template in ("thinking", "tools", "reasoned") and tokenizer == "llama2":
                continue
            rows = [{"messages": messages} for name, messages in PLAIN.items() if not (template == "gemma" and name == "system")]
            if template in PROMPTED:
                rows.append({"messages": PLAIN["short"], "add_generation_prompt": True})
                rows.append({"messages": PLAIN["open"], "add_generation_prompt": True})
            if template in ("gemma", "mistral", "mistral_last"):
                rows = [row for row in rows if not (row.get("add_generation_prompt") and row["messages"] == PLAIN["short"])]
            for row in rows + MORE.get(template, []):
                yield case(template, tokenizer, row)


def main():
    golden = {
        "versions": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "jinja2": jinja2.__version__},
        "special": SPECIAL,
        "templates": {name: {"marked": source, "plain": plain(source)} for name, source in MARKED.items()},
        "refusing_templates": REFUSED,
        "cases": list(cases()),
        "refused": [{"template": name, "row": {"messages": PLAIN["system"][1:]}} for name in REFUSED],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(golden, ensure_ascii=False, indent=None, separators=(",", ":")).replace('{"template":', '\n{"template":') + "\n", encoding="utf-8")
    print(len(golden["cases"]), "cases,", OUT.stat().st_size, "bytes")


main()
