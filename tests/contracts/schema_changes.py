"""Which changes of a JSON Schema break who relies on it (contracts/README.md, "What may change").

`breaking` knows the words that our models give. A word that it does not know it calls breaking,
so that somebody looks.
"""

from typing import Any

MEANINGLESS = {"$schema", "$id", "$comment", "$defs", "description", "title", "discriminator"}
UPPER = {"maximum", "maxLength", "maxItems", "exclusiveMaximum"}
LOWER = {"minimum", "minLength", "minItems", "exclusiveMinimum"}
STRUCTURE = {"properties", "required", "additionalProperties", "items", "anyOf", "oneOf"}


def breaking(
    old: dict[str, Any],
    new: dict[str, Any],
    wider: dict[str, str],
    new_forms: frozenset[str] = frozenset(),
) -> list[str]:
    """Say at which places of a schema something became narrower, went or came to mean another.

    Args:
        old: as it was released.
        new: as it is.
        wider: patterns that took the place of narrower ones, new by old: a person has compared.
        new_forms: names of the models that a person has added to closed lists of forms.
    """
    return list(_Comparison(old, new, wider, new_forms).at(old, new, ""))


class _Comparison:
    def __init__(self, old, new, wider, new_forms):
        self._old, self._new, self._wider = old, new, wider
        self._new_forms = {f"#/$defs/{name}" for name in new_forms}

    def at(self, old, new, place):
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        choice = [form for form in new.get("anyOf", ()) if form.keys() == {"required"}]
        if choice:  # one of these fields is needed
            new = {word: value for word, value in new.items() if word != "anyOf"}
            had = [form.get("required", ()) for form in old.get("anyOf", ())] or [()]
            for some in ({*each, *old.get("required", ())} for each in had):
                if not any(some >= set(form["required"]) for form in choice):
                    yield f"{place}: more than {sorted(some)} is required now"
            old = {word: value for word, value in old.items() if word != "anyOf"}
        if "anyOf" in new and "anyOf" not in old:
            form = {word: value for word, value in old.items() if word != "default"}
            old = {word: value for word, value in old.items() if word == "default"}
            old["anyOf"] = [form]
        yield from self._alternatives(old, new, place)
        yield from self._message(old, new, place)
        yield from self._fields(old, new, place)
        if "items" in old and "items" in new:
            yield from self.at(old["items"], new["items"], f"{place}[]")

    def _message(self, old, new, place):
        for word in sorted((old.keys() | new.keys()) - MEANINGLESS - STRUCTURE):
            before, after = old.get(word), new.get(word)
            if before == after:
                continue
            if word in UPPER | LOWER:
                loosened = after is None or (
                    before is not None and (after > before) == (word in UPPER)
                )
                if loosened:
                    continue
            if word == "pattern" and (after is None or self._wider.get(before) == after):
                continue
            yield f"{place}: {word} was {before!r} and is {after!r}"

    def _fields(self, old, new, place):
        before, after = old.get("properties", {}), new.get("properties", {})
        yield from (f"{place}/{name}: went" for name in before if name not in after)
        needed = set(new.get("required", ())) - set(old.get("required", ()))
        yield from (f"{place}/{name}: is required now" for name in sorted(needed))
        if old.get("additionalProperties", True) and not new.get("additionalProperties", True):
            yield f"{place}: refuses what it let pass"
        for name in before.keys() & after.keys():
            yield from self.at(before[name], after[name], f"{place}/{name}")

    def _alternatives(self, old, new, place):
        known = [form for form in new.get("oneOf", ()) if form.get("$ref") not in self._new_forms]
        if len(old.get("oneOf", ())) < len(known):
            yield f"{place}: a closed list of forms has a new one"
        for word in ("anyOf", "oneOf"):
            for number, form in enumerate(old.get(word, ())):
                found = [list(self.at(form, other, place)) for other in new.get(word, ())]
                if all(found):
                    yield f"{place}: form {number} of {word} is gone or narrower"
            if word in old and word not in new:
                yield f"{place}: {word} is gone"


def _resolved(schema, root):
    if "$ref" not in schema:
        return schema
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return root["$defs"][schema["$ref"].removeprefix("#/$defs/")] | beside
