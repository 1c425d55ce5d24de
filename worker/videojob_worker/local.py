"""The worker without a cluster: a VideoJob's manifest over local folders, with a progress bar.

Started by ``__main__`` as ``python -m videojob_worker run``, or ``plan`` to only see what would be
run. The same pipeline as in a pod works on one input after another. It must not need a cluster, a
network or credentials.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from videojob_api import names
from videojob_api.expansion import ParamsError, TemplateError, take, use_snapshot
from videojob_api.reasons import ExitCode
from videojob_api.report import ProgressReport, Result
from videojob_api.videojob import VideoJob
from videojob_api.work_order import LOCAL, FolderTarget, JobIdentity, OrderInput, WorkOrder

from .budget import read_budget
from .cluster import build_tools
from .costs import in_words
from .errors import NotDoable, StorageRefused, WorkerError
from .folder import FolderStorage, ReadHereWriteThere
from .objects import Storage
from .outbound import EVERYWHERE
from .outcome import Findings, Task, build_result
from .preview import FORMATS, Preview
from .reporting import Reporter
from .run import prepare, run
from .sandbox import describe, hide_from_children
from .scratch import open_scratch
from .stop import Stop

_MAX_MANIFEST_BYTES = 4 << 20
"""More than an API server takes; whoever names a film by mistake shall not wait for all of it."""


def main(arguments: list[str], stop: Stop) -> int:
    """Work on every input of a manifest; the exit code of the worst."""
    asked = _parse_arguments(arguments)
    hide_from_children()
    try:
        job = read_manifest(Path(asked.manifest), [Path(path) for path in asked.template])
        store = _open_stores(asked.store, asked.output if asked.command == "run" else None, stop)
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    if describe()["landlock"] == "unavailable":
        print("note: this kernel has no Landlock; ffmpeg can read your files", file=sys.stderr)
    order = build_order(job, asked.store)
    codes = []
    for item in order.inputs:
        if asked.command == "plan":
            codes.append(_show_plan(order, item, store, stop, asked.format))
        else:
            codes.append(_work(order, item, store, stop))
        if stop.is_requested:
            break
    return worst(codes)


def read_manifest(path: Path, templates: Sequence[Path] = ()) -> VideoJob:
    """The VideoJob in a YAML file, with the steps of the template that it names.

    Args:
        path: the file; documents of other kinds in it are passed over.
        templates: files where its template may be, besides that one.

    Raises:
        NotDoable: if there is none, or it isn't valid; the text names each field.
    """
    documents = _read_documents(path)
    jobs = [d for d in documents if d.get("kind") == "VideoJob"]
    if len(jobs) != 1:
        kinds = ", ".join(str(d.get("kind")) for d in documents) or "nothing"
        raise NotDoable(f"{path} has {kinds}; exactly one VideoJob was wanted.")
    if jobs[0].get("apiVersion") != names.API_VERSION:
        raise NotDoable(
            f"{path} has apiVersion {jobs[0].get('apiVersion')}; {names.API_VERSION} was wanted."
        )
    try:
        job = VideoJob.model_validate(jobs[0])
    except ValidationError as error:
        raise NotDoable(f"{path} is not a valid VideoJob:\n" + explain(error)) from error
    documents += [document for more in templates for document in _read_documents(more)]
    return _with_template(job, documents)


def _with_template(job: VideoJob, documents: list[dict[str, Any]]) -> VideoJob:
    ref = job.spec.template_ref
    if ref is None:
        return job
    wanted = (ref.kind, ref.name)
    found = [d for d in documents if (d.get("kind"), _name_of(d)) == wanted]
    if len(found) != 1:
        raise NotDoable(
            f"The VideoJob takes its steps from the {ref}, and {len(found) or 'none'} of that name "
            "was given; name its file with --template."
        )
    try:
        taken = take(ref, job.spec.params, found[0])
    except (TemplateError, ParamsError) as error:
        raise NotDoable(str(error)) from error
    return job.model_copy(update={"spec": use_snapshot(job.spec, taken)})


def _name_of(document: dict[str, Any]) -> object:
    metadata = document.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def _read_documents(path: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(_MAX_MANIFEST_BYTES).decode()
        return [d for d in yaml.safe_load_all(text) if isinstance(d, dict)]
    except OSError as error:
        raise NotDoable(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise NotDoable(
            f"{path} is not text; --manifest wants the YAML of a VideoJob (--template that of its "
            "template), and the film goes into the store's folder, under the key that the manifest "
            "names."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise NotDoable(f"{path} is not YAML: {error}") from error


def explain(error: ValidationError) -> str:
    """What is wrong with a manifest: one line for each field, as kubectl would name it."""
    lines = []
    for problem in error.errors(include_url=False):
        path = ""
        for part in problem["loc"]:
            path += f"[{part}]" if isinstance(part, int) else f".{part}"
        message = str(problem["msg"]).removeprefix("Value error, ")
        got = problem.get("input")
        said = f" (got {got!r})" if isinstance(got, str | int | float) else ""
        lines.append(f"  {path.lstrip('.') or 'manifest'}: {message}{said}")
    return "\n".join(lines)


def build_order(job: VideoJob, store: str) -> WorkOrder:
    """The order that the operator would write for the whole job."""
    return WorkOrder(
        job=JobIdentity(
            namespace=str(job.metadata.get("namespace", "default")),
            name=str(job.metadata.get("name", "local")),
            uid=LOCAL,
            run_id=LOCAL,
            attempt=1,
        ),
        inputs=[OrderInput(index=i, **item.model_dump()) for i, item in enumerate(job.spec.inputs)],
        steps=job.spec.steps,
        limits=job.spec.limits,
        output_prefix=job.spec.output.prefix,
        if_exists=job.spec.output.if_exists,
        folder=FolderTarget(path=str(parse_folder(store))),
        subject_refs=job.spec.subject_refs,
        user_metadata=job.spec.user_metadata,
        allowed_networks=list(EVERYWHERE),
        seed=secrets.token_hex(),
    )


def parse_folder(text: str) -> Path:
    """The folder of a ``file://`` URL, or a plain path.

    Raises:
        NotDoable: for any other URL.
    """
    url = urlsplit(text)
    if url.scheme not in ("", "file"):
        raise NotDoable(f"{text} is no folder; write file:///some/folder, or a path.")
    return Path(unquote(url.netloc + url.path) if url.scheme else text).expanduser()


def worst(codes: list[int]) -> int:
    """A stop before a failure, a failure before a rejection, a rejection before success."""
    ranked = sorted(codes, key=lambda c: (c == ExitCode.INTERRUPTED, c not in (0, 42), c))
    return ranked[-1]


def _parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m videojob_worker",
        description="Work on videos. Without arguments: in a pod, by its work order.",
    )
    commands = parser.add_subparsers(required=True, dest="command", metavar="run|plan")
    run_it = commands.add_parser("run", help="work on a VideoJob's manifest without a cluster")
    plan_it = commands.add_parser("plan", help="show what would be run, and run nothing of it")
    for command in (run_it, plan_it):
        command.add_argument("--manifest", required=True, metavar="FILE", help="YAML of a VideoJob")
        command.add_argument(
            "--template",
            action="append",
            default=[],
            metavar="FILE",
            help="YAML with the template that the VideoJob names, if it is not in the same file",
        )
        command.add_argument(
            "--store",
            required=True,
            metavar="FOLDER",
            help="file://FOLDER that the input keys are in",
        )
    run_it.add_argument(
        "--output", metavar="FOLDER", help="folder for the results; the store by default"
    )
    plan_it.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], help="text by default; a picture with it"
    )
    return parser.parse_args(arguments)


def _open_stores(store: str, output: str | None, stop: Stop) -> Storage:
    inputs = FolderStorage(parse_folder(store), "", stop.check)
    if output is None:
        return inputs
    folder = parse_folder(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageRefused(
            f"The folder for the results, {folder}, can't be made: {error.strerror}; name another "
            "with --output."
        ) from error
    return ReadHereWriteThere(inputs, FolderStorage(folder, "", stop.check))


def _work(order: WorkOrder, item: OrderInput, store: Storage, stop: Stop) -> int:
    found, error = Findings(), None
    with _open_bar(item.name) as bar:
        try:
            with open_scratch() as scratch:
                budget = read_budget(scratch.root, os.environ)
                tools = build_tools(scratch, budget, order, stop)
                run(Task(order, item, store, scratch, budget, tools, stop, bar), found)
        except (Exception, KeyboardInterrupt) as problem:
            error = problem
        result = build_result(order, item, found, error)
        bar.finish(result)
    _tell(result, store)
    return result.exit_code


def _show_plan(order: WorkOrder, item: OrderInput, store: Storage, stop: Stop, form: str) -> int:
    found = Findings()
    try:
        with open_scratch() as scratch:
            budget = read_budget(scratch.root, os.environ)
            tools = build_tools(scratch, budget, order, stop)
            task = Task(order, item, store, scratch, budget, tools, stop, Reporter())
            media, plan = prepare(task, found)
            Preview(item.name, media, plan, budget, scratch).show(form)
    except Exception as error:
        result = build_result(order, item, found, error)
        print(f"{item.name}: {result.reason}: {result.message}", file=sys.stderr)
        return result.exit_code
    return 0


def _tell(result: Result, store: Storage) -> None:
    for warning in result.warnings:
        print(f"  warning: {warning.message}")
    if result.exit_code != 0:
        print(f"{result.input}: {result.state.value}, {result.reason}: {result.message}")
        if result.log_tail:
            print("\n".join(f"  | {line}" for line in result.log_tail.strip().splitlines()[-8:]))
        return
    width = max((len(output.key) for output in result.outputs), default=0)
    for output in result.outputs:
        print(f"  {output.key:<{width}}  {in_words(output.bytes):>10}")
    print(f"{result.input}: {result.output_count} objects, {in_words(result.output_bytes)}")
    print(f"  described in {store.locate(str(result.manifest_key))}")


def _open_bar(name: str) -> AbstractContextManager[Reporter]:
    """A progress bar; where there is no terminal, nothing, and nothing is imported for it."""
    return _Bar(name) if sys.stdout.isatty() else nullcontext(Reporter())


class _Bar(Reporter):
    """A progress bar on the terminal."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[more]}"),
        )
        self._name = name
        self._progress: Any = Progress(*columns)
        self._id = self._progress.add_task(name, total=100.0, more="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _show(self, report: ProgressReport) -> None:
        eta = f"{report.eta_seconds:.0f} s left" if report.eta_seconds is not None else ""
        speed = f"{report.speed:.1f}x" if report.speed else ""
        step = f" {report.step}" if report.step else ""
        self._progress.update(
            self._id,
            completed=report.percent,
            description=f"{self._name}: {report.stage.value}{step}",
            more=" ".join(filter(None, (speed, eta))),
        )

    def finish(self, result: Result) -> None:
        """Fill the bar, or leave it where it ended."""
        if result.exit_code == 0:
            self._progress.update(self._id, completed=100.0, more="")
        self._progress.update(self._id, description=f"{self._name}: {result.state.value}")
