#!/usr/bin/env python3
"""Goldens of chat templates: templates of our own in the styles of well-known models over a set of conversations, and small
snippets of Jinja, each with what transformers makes of it. Writes tests/data/chat/.
Needs: pip install transformers==5.23.0 jinja2==3.1.6

    python3 scripts/goldens/make_chat.py

rendered.json  {"names", "templates": {name: source}, "conversations": {name: {"messages", "tools"?}},
                "cases": [{"template", "conversation", "prompt", "text" or "error", "generated"?: [[begin, end], ...] in bytes}]}
snippets.json  {"messages", "variables", "cases": [[source, text or null for a failure], ...]}
"""
import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).resolve().parents[2] / "tests" / "data" / "chat"
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

TEMPLATES = {}

TEMPLATES["chatml"] = """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}
"""

TEMPLATES["header_ids"] = """{% set loop_messages = messages %}
{% for message in loop_messages %}
    {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}
    {% if loop.index0 == 0 %}
        {% set content = bos_token + content %}
    {% endif %}
    {{- content -}}
{% endfor %}
{% if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{% endif %}"""

TEMPLATES["header_ids_tools"] = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "1 Jan 2025" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The first message may be the system's. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("The tools need a first message of the user!") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {{- "These functions may be called, as JSON.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("Only one call at a time, please!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or (message.content is iterable and message.content is not string) %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

TEMPLATES["chatml_tools"] = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'Be of help.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\nSignatures stand between <tools></tools>:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\nAnswer a call as <tool_call>\\n{\\"name\\": <name>, \\"arguments\\": <object>}\\n</tool_call><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nBe of help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

TEMPLATES["thinking"] = """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

TEMPLATES["alternating"] = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("The user and the assistant take turns: user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is defined and tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("The id of a call has 9 characters!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + "}[/TOOL_RESULTS]" }}
    {%- else %}
        {{- raise_exception("Only user, assistant and tool roles, after a first system message!") }}
    {%- endif %}
{%- endfor %}
"""

TEMPLATES["turns"] = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role here') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}"""

TEMPLATES["bars"] = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""

TEMPLATES["full_width"] = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['tool_calls'] is defined %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<｜Assistant｜><｜calls｜><｜call｜>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments']|tojson + '\\n' + '```' + '<｜call end｜>'}}{%- set ns.is_first = true -%}{%- else %}{{'\\n' + '<｜call｜>' + tool['function']['name'] + '<｜call end｜>'}}{%- endif %}{%- endfor %}{{'<｜calls end｜>'}}{%- endif %}{%- if message['role'] == 'assistant' and message['tool_calls'] is not defined %}{%- if ns.is_tool %}{{'<｜outputs end｜>' + message['content'] + '<｜end｜>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end｜>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<｜outputs｜><｜output｜>' + message['content'] + '<｜output end｜>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\\n<｜output｜>' + message['content'] + '<｜output end｜>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<｜outputs end｜>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"""

TEMPLATES["ends"] = """{% for message in messages %}{% if message['role'] in ['system', 'user', 'assistant'] and message['content'] %}{{'<|' ~ message['role'] ~ '|>\\n' ~ message['content'] ~ '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"""

TEMPLATES["macros"] = """{%- macro json_type(param) -%}
    {%- if param.type == "array" -%}List[{{ json_type(param['items']) }}]
    {%- elif param.type == "object" -%}Dict
    {%- elif param.type is string -%}{{ {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}.get(param.type, "Any") }}
    {%- else -%}Any{%- endif -%}
{%- endmacro -%}
{%- macro signature(tool, indent=2) %}
{% set function = tool.function if tool.function is defined else tool %}
def {{ function.name }}(
    {%- for name, param in function.parameters.properties.items() -%}
        {{ name }}: {{ json_type(param) }}{% if name not in function.parameters.get('required', []) %} = None{% endif %}{{ ", " if not loop.last }}
    {%- endfor -%}
) -> {{ "x" * indent }}:
{{ (function.description | default("no words", true)) | indent(indent, first=true) }}
{%- endmacro %}
{{- bos_token }}
{%- if tools %}{% for tool in tools %}{{ signature(tool, indent=4) }}{% endfor %}{% endif %}
{%- call(message) each_message() %}[{{ message.role | upper }}: {{ message.content | default('-', true) | replace("\\n", " / ") }}]{% endcall %}
{%- macro each_message() %}{% for message in messages %}{{ caller(message) }}{% endfor %}{% endmacro %}
{% if add_generation_prompt %}[ASSISTANT:{% endif %}"""
# A macro must stand before its use.
_call, _macro = TEMPLATES["macros"].index("{%- call(message)"), TEMPLATES["macros"].index("{%- macro each_message")
_end = TEMPLATES["macros"].index("{% if add_generation_prompt %}[ASSISTANT:")
TEMPLATES["macros"] = (TEMPLATES["macros"][:_call] + TEMPLATES["macros"][_macro:_end].rstrip() + "\n" + TEMPLATES["macros"][_call:_macro].rstrip() + "\n"
                       + TEMPLATES["macros"][_end:])

TEMPLATES["generation"] = """{%- for message in messages %}
{%- if message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- generation %}{{ message.content }}{{ '<|im_end|>' }}{% endgeneration %}
{{- '\\n' }}
{%- else %}
{{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

TEMPLATES["generation_lines"] = """{% for message in messages %}
    {% if message['role'] == 'assistant' %}
        {% generation %}
            {{ message['content'] }} é
        {% endgeneration %}
    {% else %}
        {{ message['role'] }}: {{ message['content'] }}
    {% endif %}
{% endfor %}"""

TEMPLATES["parts"] = """{%- for message in messages -%}
<{{ message.role }}>
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content | default([]) -%}
{%- if part.type == 'text' -%}{{ part.text }}{%- elif part.type == 'image' -%}<image>{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- for call in message.tool_calls or [] %}
{{ call.function.name }}({% for k, v in call.function.arguments | dictsort %}{{ k }}={{ v | tojson }}{{ ", " if not loop.last }}{% endfor %})
{%- endfor -%}
</{{ message.role }}>
{% endfor -%}
{{- '<assistant>' if add_generation_prompt else '' -}}"""

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place <now> & \"later\".\nSecond line.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "Where, e.g. \u00d6rebro"}, "days": {"type": "integer"},
                                         "items": {"type": "array", "items": {"type": "number"}}, "deep": {"type": "object"}, "any": {"enum": [1, 2.5, None, True]}},
        "required": ["city"]}}},
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}},
]
CALL = {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Malm\u00f6 '5'", "days": 3, "items": [1, 2.0, 1e-7, 1e22]}}}

CONVERSATIONS = {
    "one": {"messages": [{"role": "user", "content": "Hello there"}]},
    "system": {"messages": [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi."}]},
    "turns": {"messages": [{"role": "user", "content": "First question?\n"}, {"role": "assistant", "content": "  First answer.  "}, {"role": "user", "content": "And then?"},
                           {"role": "assistant", "content": "Then\n\nthe end.\n"}]},
    "unicode": {"messages": [{"role": "user", "content": "\u00dcber \u4f60\u597d \U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301 \u00a0\u3000"}, {"role": "assistant", "content": "\u00a0\U0001f600\u2028\u00df \ufb01"}, {"role": "user", "content": "\u0130\u03a3"}]},
    "empty": {"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]},
    "spaces": {"messages": [{"role": "user", "content": " \t lead and trail \r\n "}, {"role": "assistant", "content": "\n\n{{ not a template }} {% raw %} \n"}]},
    "twice": {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
    "thinking": {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "<think>\nlet me see\n</think>\n\n4"}, {"role": "user", "content": "3+3?"},
                              {"role": "assistant", "content": "6", "reasoning_content": "\nsix\n"}]},
    "alias": {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "thinking": "sum"}, {"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "reasoning": "z"}]},
    "tools": {"messages": [{"role": "system", "content": "Use tools."}, {"role": "user", "content": "Weather?"}], "tools": TOOLS},
    "calls": {"messages": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "{\"t\": 3}", "tool_call_id": "abc123def"},
                           {"role": "assistant", "content": "It is 3."}], "tools": TOOLS},
    "two_calls": {"messages": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "tool_calls": [CALL, CALL]}, {"role": "tool", "content": "3"}, {"role": "tool", "content": "4"}], "tools": TOOLS},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image", "url": "x"}, {"type": "text", "text": "!"}]}, {"role": "assistant", "content": "Nice"}]},
    "no_tools": {"messages": [{"role": "user", "content": "x"}], "tools": []},
}

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]
VARIABLES = {"n": 3, "f": 2.5, "s": "Hello World", "u": "h\u00e9llo \u4f60\u597d \U0001f600", "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "d": {"b": 1, "a": {"x": [1, 2]}, "items": 5},
             "e": [], "t": True, "z": None, "p": [{"n": "x", "v": 2, "g": {"k": 1}}, {"n": "y", "v": 1, "g": {"k": 2}}, {"n": "X", "v": 2}], "q": "it's \"q\"\n\t\\ \x01"}

VALUES = ["n", "f", "s", "u", "l", "d", "e", "t", "z", "missing", "-7", "'12'", "(1, 2)", "range(4)", "d.items()", "'a,b,,c'", "0", "''"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]
FILTERS = ["abs", "capitalize", "count", "default('D')", "default('D', true)", "dictsort", "e", "first", "float", "int", "items|list", "join", "join('-')", "last", "length", "list", "lower", "max",
           "min", "reverse|list", "round", "string", "sum", "title", "tojson", "trim", "unique|list", "upper", "sort", "wordcount", "safe", "batch(2)|list", "map('string')|list", "select|list",
           "reject|list", "indent", "replace('l', 'L')", "center(20)", "format", "attr('upper')", "tojson(indent=2)", "d(1)", "groupby(0)"]
TESTS = ["defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence", "iterable", "callable", "lower", "upper", "odd", "even",
         "divisibleby 2", "sameas none", "in [3, 'x']", "eq 3", "equalto(3)", "gt 1", "lt(3)", "ne none", "ge 2.5", "escaped", "filter", "test"]

SNIPPETS = r"""
{{ 1 }}
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 1.5e-5 }} {{ 0.0001 }} {{ 1e300 * 1e10 }} {{ -0.0 }} {{ 123456789.123 }} {{ 0.1 + 0.2 }} {{ 1_000 }} {{ 0x_ff }} {{ 0b11 }} {{ 0o17 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 7.5 % 2 }} {{ -7.5 // 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 4 / 2 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ 'a' 'b' "c" }} {{ 'a\tb\n\x41\u00e9\101\q\é' }} {{ "\"" }} {{ '\'' }}
{{ 'it''s' }}
{{ true and 1 }} {{ 0 or 'x' }} {{ not 0 }} {{ not not 1 }} {{ 1 and 0 or 2 }} {{ none or false }} {{ '' and x.y }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ (1,) < (1, 2) }} {{ 1 in [true] }} {{ none == none }}
{{ 'a' < 1 }}
{{ [1] < 1 }}
{{ none < 1 }}
{{ 'x' if n > 2 else 'y' }} {{ 'x' if false }} {{ ('x' if false) is defined }} {{ 1 if 0 else 2 if 0 else 3 }}
{{ l[0] }} {{ l[-1] }} {{ l[5] }} {{ l[1:] }} {{ l[::-1] }} {{ l[:-1] }} {{ l[-2:] }} {{ l[5:] }} {{ l[1:0] }} {{ s[::2] }} {{ s[-3:] }} {{ u[1] }} {{ u[-1] }} {{ u[6:8] }} {{ u[::-1] }} {{ (1,2,3)[1:] }}
{{ l[::0] }}
{{ l['a'] }}|{{ s['x'] }}|{{ d['b'] }}|{{ d.b }}|{{ d['nope'] }}|{{ d.a.x[1] }}|{{ d['a']['x'] }}|{{ d.get('b') }}|{{ d.get('q') }}|{{ d.get('q', 7) }}
{{ d.nope.more }}
{{ missing.more }}
{{ missing['more'] }}
{{ missing() }}
{{ missing + 1 }}
{{ missing ~ 1 }}{{ missing }}{{ missing|default('d') }}{{ missing|length }}{{ missing is defined }}{{ missing == other }}{{ missing in [1] }}
{{ d['items'] }} {{ d.items() | list }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.items is callable }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ range(3) }} {{ range(1, 7, 2) }} {{ range(5, 0, -2) | list }} {{ range(3)[1] }} {{ range(10)[2:5] }}
{{ l.append(1) }}
{{ d.update({}) }}
{{ d.pop('b') }}
{{ l.append }}|{{ ''.__class__ }}|{{ d.__len__ }}|{{ l.sort is defined }}
{{ ''.__class__.__mro__ }}
{{ ''.__class__() }}
{{ s.__init__.__globals__ }}
{{ l.index(1) }} {{ l.count(1) }} {{ l.copy() }} {{ (1, 2, 1).count(1) }}
{{ l.index(9) }}
{{ [1, 'a', none, true, 1.5, [2], {'k': 'v'}, (1,), (), missing] }}
{{ q }} {{ [q] }} {{ ['a"b', "it's", '\u00e9\u200b\u4f60', '\x7f', '\\'] }}
{{ {'a': 1, 'a': 2, 1: 'x', true: 'y', none: 3, (1, 2): 4} }}
{{ {[]: 1} }}
{{ {'a': 1}.a }} {{ {} }} {{ [] }} {{ () }} {{ (1) }} {{ (1,) }} {{ 1, 2 }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.swapcase() }} {{ s.capitalize() }} {{ s.split() }} {{ s.split('o') }} {{ s.split('o', 1) }} {{ s.rsplit('o', 1) }} {{ s.split(maxsplit=0) }}
{{ '  a b  c '.split() }} {{ '  a b  c '.split(none, 1) }} {{ '  a b  c '.rsplit(none, 1) }} {{ 'a,b,,c'.split(',') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'aXXbXXc'.split('XX', -1) }}
{{ s.split('') }}
{{ '  x '.strip() }}| {{ '  x '.lstrip() }}| {{ '  x '.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'abcba'.strip('ab') }} {{ '\u00a0\u3000x\u2028'.strip() }}
{{ s.startswith('He') }} {{ s.endswith(('x', 'ld')) }} {{ s.startswith('l', 2) }} {{ s.find('o') }} {{ s.find('o', 5) }} {{ s.rfind('o') }} {{ s.find('z') }} {{ s.index('W') }} {{ u.find('\u597d') }}
{{ s.index('z') }}
{{ s.startswith(1) }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'aaa'.replace('aa', 'b') }} {{ ', '.join(['a', 'b']) }} {{ ''.join('abc') }} {{ s.count('l') }} {{ 'aaaa'.count('aa') }} {{ s.count('') }}
{{ ', '.join([1]) }}
{{ '12'.isdigit() }} {{ '1a'.isdigit() }} {{ ''.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \t'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ '\u00b2'.isdigit() }} {{ '\u0663'.isdecimal() }} {{ '\u00bd'.isnumeric() }}
{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('x') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'ab'.ljust(4) }}| {{ 'ab'.rjust(4, '*') }} {{ 'ab'.center(5) }}| {{ 'abc'.center(6) }}|
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ ''.splitlines() }}
{{ '{} {}'.format(1, 'a') }} {{ '{0}{1}{0}'.format(1, 2) }} {{ '{x}'.format(x=5) }} {{ '{{}}'.format() }}
{{ '{}'.format() }}
{{ '%s is %d' % ('a', 3) }} {{ '%5.2f|%-5s|%05d|%x|%%' % (3.14159, 'ab', 42, 255) }} {{ '%s' % 'x' }} {{ '%(a)s' % {'a': 1} }} {{ '%r' % 'x' }} {{ '%+d' % 3 }} {{ '%e' % 12345.678 }} {{ '%g' % 0.0001 }} {{ '%s' % [1] }}
{{ '%d' % 'x' }}
{{ '%s %s' % 'x' }}
{{ '%s' % ('a', 'b') }}
{{ '%s %s!' | format('a', 1) }} {{ '%02d' | format(7) }}
{{ s.nope() }}
{{ s.nope }}
{{ n.nope }}|{{ z.nope }}|{{ t.x }}
{{ l + [4] }} {{ l * 2 }} {{ 'ab' * 3 }} {{ 2 * 'ab' }} {{ (1,) + (2,) }} {{ 'a' * 0 }} {{ 'a' * -1 }} {{ true + 1 }} {{ l + e }}
{{ 'a' + 1 }}
{{ l + 'a' }}
{{ l - l }}
{{ 'a' in 'abc' }} {{ '' in 'abc' }} {{ 3 in l }} {{ 'b' in d }} {{ 5 in d }} {{ 'x' not in s }} {{ 2 in range(3) }} {{ ('b', 1) in d.items() }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ [] in d }}
{{ -l }}
{{ +'a' }}
{{ -t }} {{ +t }} {{ - 3 }} {{ -n|abs }} {{ -1.5|abs }} {{ -(1)|abs }}
{{ l|sort }} {{ l|sort(reverse=true) }} {{ w|sort }} {{ w|sort(case_sensitive=true) }} {{ p|sort(attribute='v')|map(attribute='n')|join }} {{ p|sort(attribute='v,n')|map(attribute='n')|join }}
{{ [1, 'a']|sort }}
{{ w|unique|list }} {{ ['a', 'A']|unique|list }} {{ ['a', 'A']|unique(true)|list }} {{ w|max }} {{ w|min }} {{ l|sum }} {{ p|sum(attribute='v') }} {{ p|map(attribute='v')|sum }} {{ [[1], [2]]|sum(start=[]) }} {{ e|max }} {{ p|max(attribute='v') }}
{{ p|map(attribute='n')|list }} {{ p|map(attribute='g.k')|list }} {{ p|map(attribute='g.k', default=0)|list }} {{ p|map('length')|list }} {{ w|map('upper')|join(',') }} {{ l|map('string')|list }} {{ p|map(attribute='q', default='-')|list }}
{{ p[:2]|map(attribute='g.k')|list }} {{ w|map('replace', 'a', 'z')|list }} {{ w|map('default', 'x')|list }}
{{ p|selectattr('v', 'equalto', 2)|map(attribute='n')|join }} {{ p|rejectattr('v', 'gt', 1)|list|length }} {{ l|select('odd')|list }} {{ l|reject('odd')|list }} {{ l|select('gt', 1)|list }} {{ p|selectattr('g')|list|length }} {{ p|selectattr('g', 'undefined')|list|length }} {{ [0, 1, '', 'a', none]|select|list }} {{ p|selectattr('n', 'in', ['x', 'y'])|list|length }}
{{ l|select('nope')|list }}
{{ l|map('nope')|list }}
{{ l|map|list }}
{{ l|first }} {{ l|last }} {{ s|first }} {{ s|last }} {{ e|first }} {{ d|first }} {{ l|reverse|list }} {{ s|reverse }} {{ l|map('string')|first }}
{{ l|map('string')|last }}
{{ l|map('string')|length }}
{{ (l|map('string'))[0] }}|{{ l|map('string') is iterable }}|{{ l|map('string') is sequence }}
{{ s|replace('o', '0') }} {{ s|replace('o', '0', 1) }} {{ 5|replace(5, 6) }} {{ s|trim('Hd') }} {{ s|truncate_me if false }} {{ ' x '|trim }}|{{ s|length }} {{ u|length }} {{ d|length }} {{ s|wordcount }} {{ s|upper }} {{ 'HELLO-wOrld (foo)'|title }} {{ 'hELLO'|capitalize }}
{{ 'a\nb\n\nc'|indent }} {{ 'a\nb\n\nc'|indent(2, true) }} {{ 'a\nb\n\nc'|indent(2, blank=true) }} {{ 'a\nb'|indent('>') }} {{ 'a\n'|indent }}|
{{ 3.7|int }} {{ '3.7'|int }} {{ '42'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ '0x1A'|int(base=16) }} {{ '1A'|int(0, 16) }} {{ ' 7 '|int }} {{ '1_000'|int }} {{ none|int }} {{ true|int }} {{ '-5'|int }} {{ '1e3'|int }} {{ '3.5'|float }} {{ 'x'|float }} {{ 'inf'|float }} {{ 3|float }} {{ ''|int }} {{ '--1'|int }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 42.41|round(1, 'ceil') }} {{ 7|round }} {{ 1234.5|round(-2) }} {{ -2.5|round }} {{ 0.5|round|int }}
{{ 'x'|round }}
{{ d|tojson }} {{ l|tojson }} {{ s|tojson }} {{ u|tojson }} {{ u|tojson(ensure_ascii=true) }} {{ q|tojson }} {{ none|tojson }} {{ true|tojson }} {{ 1.0|tojson }} {{ 1e-7|tojson }} {{ '<&>\u2028\u007f/'|tojson }} {{ d|tojson(sort_keys=true) }} {{ (1, 2)|tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}
{{ d|tojson(indent=2) }}
{{ p|tojson(indent=4) }} {{ [[], {}, [[]]]|tojson(indent=1) }} {{ d|tojson(separators=(',', ':')) }} {{ l|tojson(indent='\t') }} {{ l|tojson(indent=0) }}
{{ missing|tojson }}
{{ range(3)|tojson }}
{{ d.items()|tojson }}
{{ d|dictsort }} {{ {'b': 1, 'A': 2}|dictsort }} {{ {'b': 1, 'A': 2}|dictsort(true) }} {{ {'b': 1, 'A': 2}|dictsort(by='value') }} {{ {'b': 1, 'A': 2}|dictsort(reverse=true) }} {{ {'x': 1}|items|list }}
{{ l|batch(2)|list }} {{ l|batch(2, 0)|list }} {{ p|groupby('v') }} {{ p|groupby('v')|map(attribute=0)|list }} {{ ['a', 'A', 'b']|map('lower')|list }}
{{ '<a & "b">'|e }} {{ ('<'|e) + '<' }} {{ '<b>'|safe }} {{ ('<b>'|safe) + '<' }} {{ '<'|e|e }} {{ '<'|e|upper }} {{ ('<'|e) ~ '<' }} {{ '<'|forceescape }} {{ ['<'|e] }}
{{ l|join(', ') }} {{ p|join('-', attribute='n') }} {{ [1, none, true, 'x']|join('|') }} {{ 'abc'|join('-') }} {{ d|join(',') }}
{{ 5|join }}
{{ n is odd }} {{ n is not odd }} {{ n is divisibleby 3 }} {{ n is divisibleby(2) }} {{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ d is iterable }} {{ 5 is iterable }} {{ n is number }} {{ t is number }} {{ t is integer }} {{ t is boolean }} {{ none is none }} {{ 1 is sameas true }} {{ 'a' is in 'abc' }} {{ n is in l }} {{ n is eq 3 }} {{ n is gt 2 and n is lt 4 }} {{ missing is undefined }} {{ 'ab' is lower }} {{ range is callable }} {{ namespace() is mapping }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ not n is defined }}
{{ n is nope }}
{{ s|nope }}
{{ s is string is string }}
{% if n == 3 %}a{% elif n == 4 %}b{% else %}c{% endif %}{% if false %}{{ s|nope }}{% endif %}{% if e %}x{% endif %}
{% if n == 4 %}a{% elif n == 3 %}b{% endif %}{% if missing %}x{% else %}y{% endif %}
{% for i in l %}{{ i }}{{ ',' if not loop.last }}{% endfor %} {% for i in e %}x{% else %}none{% endfor %} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k in d %}{{ k }}{% endfor %} {% for c in 'héy' %}{{ c }}.{% endfor %}
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.previtem }}{{ loop.nextitem }}|{% endfor %}
{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}{% for i in range(10) if i is even %}{{ i }}{{ loop.last }}{% else %}x{% endfor %}
{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{% endfor %} {% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}
{% for x in [[1, [2, [3]]], [4]] recursive %}{{ loop.depth }}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}
{% for a in [1, 2] %}{% for b in [3, 4] %}{{ loop.index }}{{ a }}{{ b }} {% endfor %}{{ loop.index }}{% endfor %}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in missing %}x{% else %}y{% endfor %}
{% for i in none %}x{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set ns = namespace(x=1, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }} {{ ns.y }} {{ ns.nope }} {{ ns['x'] }}{% set ns.z = 2 %}{{ ns.z }} {{ ns }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.a, q = 5, 6 %}{{ ns.a }}{{ q }}
{% set d.x = 1 %}
{% set ns = namespace(_x=1) %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d2) = [3, 4] %}{{ c }}{{ d2 }}{% set t3 = 1, %}{{ t3 }}
{% set x %}a{{ n }}b{% endset %}{{ x }}{% set y | upper | replace('A', 'z') %}abc{% endset %}{{ y }}{{ x|length }}
{% if true %}{% set inside = 5 %}{% endif %}{{ inside }}
{% for i in [1] %}{% set inside2 = 5 %}{% endfor %}{{ inside2 }}|
{% for i in [1, 2] %}{{ seen }}{% set seen = i %}{% endfor %}
{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m(1, 2, 3) }} {{ m.name }} {{ m.arguments }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}{{ m(*[1, 2], **{'z': 1}) }}
{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}in {{ n }}{% endcall %}
{% macro m(l) %}{% for i in l %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(x, y) m(l) %}{{ x }}-{{ y }};{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro fact(k) %}{{ k if k < 2 else k * fact(k - 1)|int }}{% endmacro %}{{ fact(5) }}
{% macro m() %}{{ late }}{% endmacro %}{% set late = 7 %}{{ m() }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(3) }}
{% filter upper %}abc{{ s }}{% endfilter %}{% filter replace('a', 'b')|upper %}aXa{% endfilter %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}|{% with %}{% set a = 3 %}{{ a }}{% endwith %}
{% raw %}{{ x }}{% if %}{% endraw %} {%- raw -%}  a  {%- endraw -%} b
{# comment {{ x }} #}a{#- b -#} c
{% print 1, 'a' %}
a {%- if true -%} b {%- endif -%} c
  {% if true %}  x  {% endif %}  y
  {%+ if true %}  x  {%+ endif %}  y
{{ '{{' }} {{ '%}' }} {{ "#}" }} { { } } {% if '%}' %}x{% endif %}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}a{{ j() }}b
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict({'a': 1}, a=2) }} {{ dict() }}
{{ range(100001) }}
{{ range(0) | list }} {{ range(3, 3)|length }} {{ range(-3, 3, 3)|list }}
{{ range('a') }}
{{ raise_exception('no way') }}
{{ raise_exception() }}
{{ strftime_now('%%') }} {{ strftime_now('%Y')|length }}
{{ lipsum }}{{ cycler is defined }}
{% for m in messages %}{{ m.role }}: {{ m['content'] }}{{ '\n' }}{% endfor %}
{{ messages|length }} {{ messages[-1].role }} {{ messages[0] }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ bos_token }} {{ messages == messages[:] }} {{ messages[0] == {'content': 'Hi', 'role': 'user'} }}
{{ n
}}
{{ n }
{{ (1 }}
{{ 1 + }}
{{ }}
{% %}
{% if %}{% endif %}
{% if n %}
{% endif %}
{% for %}{% endfor %}
{% for i in l %}
{% set x %}
{% set 1 = 2 %}
{% set none = 2 %}
{% set loop = 2 %}{{ loop }}
{% for i in l %}{% set loop = 1 %}{% endfor %}
{% for loop in l %}{% endfor %}
{% break %}
{% macro m() %}{% break %}{% endmacro %}
{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{% macro m(a, a) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% call 5 %}{% endcall %}
{% do l.append(1) %}
{% nope %}
{% endif %}
{{ 'abc }}
{{ a.1b }}
{{ l.0 }} {{ l.1 }} {{ d.a.x.0 }}
{{ a! }}
{{ 1 = 2 }}
{# never ends
{% raw %} never ends
{{ f(a=1, a=2) }}
{{ f(a=1, 2) }}
{{ [1, 2, }}
{{ {'a' 1} }}
{{ (n, s)[0] }} {{ [[1, 2], [3]][0][1] }} {{ {'a': [1]}['a'][0] }} {{ 'abc'[1] }} {{ ('a' ~ 'b')|upper }} {{ 'a' ~ 'b'|upper }} {{ -1|abs }} {{ 1 + 2 * 3 ~ 4 }} {{ 'a' ~ 1 + 2 }} {{ not n == 3 }} {{ 1 if true else 2 + 3 }}
{{ 10 - 2 - 3 }} {{ 2 * 3 % 4 }} {{ 2 + 3 == 5 and 4 }} {{ 1 in [1] == true }} {{ n is defined and s is string }} {{ 7 - -3 }} {{ not (true and false) }}
{{ '\u03a3\u03a3'.lower() }} {{ 'stra\u00dfe'.upper() }} {{ '\ufb01x'.title() }} {{ '\u0130'.lower() }} {{ '\u01c6'.title() }} {{ "they're bill's".title() }} {{ 'A\u03a3'|lower }}
{{ 9223372036854775807 }} {{ -9223372036854775807 }} {{ 3.0 == 3 }} {{ 1e2|int }} {{ 100000000000000000000.0 }} {{ 5 // 2.0 }} {{ 2 ** 0.5 }} {{ 1 // 0.3 }} {{ 6.0 }} {{ 1e100 }} {{ 12345678901234567.0 }}
{{ [true, false, none] }} {{ true }} {{ None }} {{ True }} {{ (true, ) }}
{% set _ = d.get('b') %}{{ _ }}{{ d._x }}{{ d.__foo__ }}
{{ loop }}|{{ self_test }}|{{ caller }}|{{ varargs }}
{% for i in l %}{% if loop.index == 2 %}{{ loop.previtem }}{{ loop.nextitem }}{% endif %}{% endfor %}
{% for row in p|groupby('v') %}{{ row[0] }}:{% for i in row[1] %}{{ i.n }}{% endfor %};{% endfor %}
{{ s|default }}{{ missing|default }}{{ missing|d(l)|join }}{{ ''|default('x', true) }}{{ false|default('x', boolean=true) }}{{ none|default('x') }}
{%- set a = 'x' -%}   {{- a -}}   z
{{ n is string not in l }}
{{ n is odd(1) }}
{{ n is lower('x') }}
{{ {1: 2, true: 3}|tojson(sort_keys=true) }} {{ {'b': 1, 'a': 2, 'C': 3}|tojson(sort_keys=true) }}
{{ {1: 2, 'a': 3}|tojson(sort_keys=true) }}
{% for i in l %}{% continue %}{% else %}none{% endfor %} {% for i in l %}{% break %}{% else %}none{% endfor %} {% for i in l %}{% if i == 1 %}{% break %}{% endif %}{% else %}none{% endfor %}
{{ l[l|reverse] }}|{{ l[none] }}|{{ d[range(2)] }}|{{ d[[1]] }}
{{ (5|items) is defined }}{{ (5|batch(2)) is defined }}{{ (5|unique) is defined }}{{ (5|map) is defined }}{{ ([5]|select('nope')) is defined }}
""".strip("\n").split("\n")

LINES = [  # more than one line
    "{% for i in l %}\n  {{ i }}\n{% endfor %}\n\nend\n", "{% for i in l -%}\n  {{ i }}\n{%- endfor %}\n", "a\n  {# c #}\n  b\n", "a\n  {# c #}  \nb\n\n", "\n\n{% if t %}\n\nx\n{% endif %}\n",
    "  {{ n }}\n  {% set x = 1 %}\n  {{ x }}\n", "x\r\ny\rz\n{% if t %}\r\nq{% endif %}", "{% raw %}\n  a\n  {% endraw %}\nb", "  {%- if t %}\n a {%- endif +%}\n b", "{{ 'a\nb' }}{{ n }}\n\n\n", "{# a\nb #}\n{% for i in l %}\n{% if i == 1 %}\n  {% continue %}\n{% endif %}\n{{ i }}\n{% endfor %}",
    "{% macro m(a) %}\n  <{{ a }}>\n{% endmacro %}\n{{ m(1) }}\n{{ m(2) }}", "{%- set x %}\n  a\n  b\n{% endset %}{{ x }}", "\u00a0{% if t %}x{% endif %}", "{{-  n  -}}  \n  x", "a\u3000{{- n -}}\u2003b", "{% if t %}\n{{ n }}{% endif %}\n\n{% if t +%}\ny{% endif %}",
    "{#+ c +#}\nx", "  {%+ raw %} a {%+ endraw %} ", "line {% if t %}\nstays {% endif %}\nend",
]


def tabled():
    out = ["{{ " + a + " " + op + " " + b + " }}" for op in BINARY for i, a in enumerate(VALUES) for j, b in enumerate(VALUES) if (i * 7 + j * 3 + len(op)) % 6 == 0]
    out += ["{{ " + a + "|" + f + " }}" for f in FILTERS for a in VALUES]
    out += ["{{ (" + a + ") is " + t + " }}" for t in TESTS for a in VALUES]
    return out


def has_address(text):
    return " at 0x" in text


def render(source, messages, tools=None, prompt=False, variables={}):
    mask = "endgeneration" in source
    text, ranges = render_jinja_template([messages], tools=tools, chat_template=source, return_assistant_tokens_mask=mask, add_generation_prompt=prompt, **{**NAMES, **variables})
    place = lambda i: len(text[0][:i].encode())
    return text[0], [[place(a), place(b)] for a, b in ranges[0]] if mask else []


def make_snippets():
    cases = []
    for source in SNIPPETS + LINES + tabled():
        try:
            text = render(source, MESSAGES, variables=VARIABLES)[0]
            if has_address(text) or "<class" in text:
                text = None
        except Exception:
            text = None
        if text is not None and (len(text) > 2000 or any(0xD800 <= ord(c) < 0xE000 for c in text)):
            continue
        cases.append([source, text])
    return {"messages": MESSAGES, "variables": VARIABLES, "cases": cases}


def make_rendered():
    cases = []
    for template, source in TEMPLATES.items():
        for name, conversation in CONVERSATIONS.items():
            for prompt in (False, True):
                case = {"template": template, "conversation": name, "prompt": prompt}
                try:
                    case["text"], generated = render(source, conversation["messages"], conversation.get("tools"), prompt)
                    if generated:
                        case["generated"] = generated
                except Exception as error:
                    case["error"] = str(error)
                cases.append(case)
    return {"names": NAMES, "templates": TEMPLATES, "conversations": CONVERSATIONS, "cases": cases}


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    for name, content in (("rendered.json", make_rendered()), ("snippets.json", make_snippets())):
        (HERE / name).write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
