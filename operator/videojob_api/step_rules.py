"""The rules that cross steps, in CEL, for the API server; ``steps.check_steps`` has them in Python.

Pure. Part of the schema of whatever has ``steps``. They run on every write, status included, so they
stay cheap.
"""

from __future__ import annotations

from pydantic import JsonValue

from .steps import MEASURING_KINDS, RENDERING_KINDS, YIELDING_IN_WORDS, YIELDING_KINDS

_YIELDS = " || ".join(f"has(t.{kind})" for kind in YIELDING_KINDS)
_RENDERS = " || ".join(f"has(t.{kind})" for kind in RENDERING_KINDS)
_MEASURES = " || ".join(f"has(s.{kind})" for kind in MEASURING_KINDS)

FROM_RULES: tuple[dict[str, JsonValue], ...] = (
    {
        "rule": "!has(self.steps) || self.steps.all(i, s, !has(s.from) || "
        f"self.steps.exists(j, t, j < i && t.name == s.from && ({_YIELDS})))",
        "message": "`from` must name an earlier step that yields video or sound "
        f"({YIELDING_IN_WORDS}); leave `from` out to use the input itself",
        "fieldPath": ".steps",
    },
    {
        "rule": f"!has(self.steps) || self.steps.all(s, !({_MEASURES}) || "
        "(has(s.from) && "
        f"self.steps.exists(t, t.name == s.from && ({_RENDERS}))))",
        "message": "quality measures renditions: name the transcode that makes them in its `from`",
        "fieldPath": ".steps",
    },
)
"""What can be read off steps whose other values are not known yet: a template's."""

STEP_RULES: tuple[dict[str, JsonValue], ...] = (
    *FROM_RULES,
    {
        "rule": "!has(self.steps) || self.steps.all(s, !has(s.from) || s.onError == "
        "'Continue' || self.steps.all(t, t.name != s.from || t.onError == 'Fail'))",
        "message": "a step that is `from` one with onError: Continue needs onError: "
        "Continue as well",
        "fieldPath": ".steps",
    },
    {
        "rule": "!has(self.steps) || self.steps.all(i, s, !has(s.transcode) || "
        "!has(s.transcode.subtitlesFrom) || self.steps.exists(j, t, j < i && "
        "t.name == s.transcode.subtitlesFrom && has(t.transcribe) && "
        "'VTT' in t.transcribe.formats))",
        "message": "subtitlesFrom must name an earlier transcribe step with VTT among its formats",
        "fieldPath": ".steps",
    },
    {
        "rule": "!has(self.steps) || self.steps.all(i, s, !has(s.transcribe) || "
        "!has(s.transcribe.comparedWith) || self.steps.exists(j, t, j < i && "
        "t.name == s.transcribe.comparedWith && has(t.transcribe) && "
        "'VTT' in t.transcribe.formats))",
        "message": "comparedWith must name an earlier transcribe step with VTT among its formats",
        "fieldPath": ".steps",
    },
)
"""For the object that has ``steps``, which it need not have."""
