"""Templates: what a VideoJob takes from the template it names, read once and then from its own status.

Called by observe. It reads one object at most and decides nothing: what does not fit becomes a
``TemplateProblem``, which the policies answer.
"""

from __future__ import annotations

from pydantic import ValidationError

from videojob_api.expansion import (
    ParamsError,
    TemplateError,
    first_problem,
    take,
    use_snapshot,
)
from videojob_api.status import TemplateStatus, VideoJobStatus
from videojob_api.videojob import TemplateKind, TemplateRef, VideoJobSpec

from .errors import Forbidden, Gone
from .observed import Key, TemplateProblem
from .world import World


async def find_template(
    key: Key, spec: VideoJobSpec | None, status: VideoJobStatus, world: World
) -> TemplateStatus | TemplateProblem | None:
    """The snapshot that was written at acceptance; before there is one, the template as it is now."""
    if spec is None or spec.template_ref is None:
        return None
    if status.template is not None or status.phase.is_terminal:
        return status.template
    ref = spec.template_ref
    try:
        body = await world.cluster.get_template(ref.kind, key.namespace, ref.name)
        return take(ref, spec.params, body)
    except Gone:
        return TemplateProblem("TemplateNotFound", _not_found(ref, key))
    except Forbidden as error:
        return TemplateProblem("TemplateForbidden", _forbidden(ref, error))
    except TemplateError as error:
        return TemplateProblem("TemplateInvalid", str(error))
    except ParamsError as error:
        return TemplateProblem("InvalidParams", str(error), is_final=True)


def use_template(
    spec: VideoJobSpec | None, template: TemplateStatus | TemplateProblem | None
) -> tuple[VideoJobSpec | None, TemplateStatus | TemplateProblem | None]:
    """The spec with what was taken from the template; a snapshot that is not understood is a problem."""
    if spec is None or not isinstance(template, TemplateStatus):
        return spec, template
    try:
        return use_snapshot(spec, template), template
    except ValidationError as error:
        why = first_problem(error)
    except ValueError as error:  # steps that do not fit together
        why = str(error)
    message = f"What was taken from the template is not understood: status.template: {why}"
    return spec, TemplateProblem("SnapshotInvalid", message, is_final=True)


def _not_found(ref: TemplateRef, key: Key) -> str:
    where = f" in namespace {key.namespace!r}" if ref.kind is TemplateKind.NAMESPACED else ""
    return (
        f"There is no {ref}{where}; create it, or name another one in a new VideoJob. It is looked "
        "for until activeDeadlineSeconds is over."
    )


def _forbidden(ref: TemplateRef, error: Forbidden) -> str:
    remedy = (
        "set rbac.clusterTemplates to true in the operator's chart, or use a VideoTemplate"
        if ref.kind is TemplateKind.CLUSTER
        else "look at the RBAC of the operator's chart"
    )
    return f"The operator may not read {ref}: {remedy}. ({error})"
