"""JSON for people: what fits in a line stays in a line."""
import json

WIDTH = 140


def render(value):
    return _render(value, 0, 0) + "\n"


def _render(value, indent, used):
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent + used <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    pad, end = " " * (indent + 1), " " * indent
    if isinstance(value, dict):
        parts = []
        for key, each in value.items():
            name = json.dumps(key, ensure_ascii=False) + ": "
            parts.append(pad + name + _render(each, indent + 1, len(name) + 1))
        return "{\n" + ",\n".join(parts) + "\n" + end + "}"
    return "[\n" + ",\n".join(pad + _render(each, indent + 1, 1) for each in value) + "\n" + end + "]"
