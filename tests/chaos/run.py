"""`make chaos`: a stream of real jobs through a storm of failures, and what must be true in the end.

Needs the local cluster of plain processes (`VIDEOJOB_WITHOUT_DOCKER=1` where Docker answers), since it
stops parts of it. Prints the seed first: ``make chaos SEED=… JOBS=…`` does the same again. Exit status 1
when anything is wrong in the end, or an injection hit nothing.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import assets
import minio_server
import places
from chaos import installation
from chaos.access import patiently
from chaos.api_proxy import api_proxy
from chaos.gathering import VIDEOJOBS, gather, list_left, list_videojobs
from chaos.injections import Missed, Target, inject
from chaos.mailbox import Mailbox, receiving
from chaos.schedule import Injection, Kind, build_schedule
from chaos.store import BUCKET, ENDPOINT, Store, serving
from chaos.stream import PICTURE, TEMPLATE, Film, Sort, StreamJob, build_stream
from chaos.verification import FinalState, Problem, verify
from container_engine import docker_answers
from kubernetes import client, config
from rich.console import Console
from rich.table import Table

from videojob_api.names import API_VERSION
from videojob_api.status import NotificationState, Phase

JOBS = 200
_END_SECONDS = 420
"""How long after the last injection everything must have ended and its children gone."""
_LOOK_SECONDS = 1.0
_FILMS = {
    Film.SHORT: assets.Clip(
        "short.mp4",
        f"{assets.picture(seconds=1)} {assets.tone(1)} {assets.X264} {assets.AAC}",
    ),
    Film.SOUND: assets.Clip("sound.m4a", f"{assets.tone(120)} -ac 2 {assets.AAC}"),
    Film.LONG: assets.Clip(
        "long.mp4", f"{assets.picture('1280x720', seconds=15)} {assets.X264}", 1280, 720
    ),
}

console = Console(width=140, highlight=False)


@dataclass
class Outcome:
    """What became of an injection."""

    injection: Injection
    hit: str = ""
    missed: str = ""


@dataclass
class Run:
    """One run under way."""

    seed: int
    namespace: str
    store: Store
    mailbox: Mailbox
    stream: tuple[StreamJob, ...]
    schedule: tuple[Injection, ...]
    began: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)
    phases: dict[str, list[str]] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    there: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The VideoJobs as they were last seen, without those that are gone."""
    over: threading.Event = field(default_factory=threading.Event)

    def now(self) -> float:
        """Seconds since the stream began."""
        return time.monotonic() - self.began

    def wait_until(self, at_seconds: float) -> None:
        """Sleep until a moment of the run."""
        time.sleep(max(0.0, at_seconds - self.now()))

    def is_done(self, job: StreamJob) -> bool:
        """Whether a job has ended, is gone if it is to go, and everybody is told who is to be."""
        phases = [Phase(phase) for phase in self.phases.get(job.name, ())]
        if sum(phase.is_terminal for phase in phases) < job.runs or not phases[-1].is_terminal:
            return False
        if not job.stays:
            return job.name not in self.there
        told = self.there.get(job.name, {}).get("status", {}).get("notifications", [])
        delivered = [one["state"] == NotificationState.DELIVERED for one in told]
        return all(delivered) and len(delivered) >= (job.sort is Sort.TOLD)

    def say(self, text: str) -> None:
        """A line on the terminal."""
        console.print(f"{self.now():6.1f} s  {text}")


def apply_stream(run: Run) -> None:
    """Apply each job at its moment; as soon as somebody answers where nobody does."""
    custom = client.CustomObjectsApi()
    with concurrent.futures.ThreadPoolExecutor(len(run.stream)) as changing:
        changes = []
        for job in run.stream:
            run.wait_until(job.at_seconds)
            body = {
                "apiVersion": API_VERSION,
                "kind": "VideoJob",
                "metadata": {"name": job.name},
                "spec": job.spec,
            }
            with passing_over(409):  # made, and the answer was lost
                patiently(
                    custom.create_namespaced_custom_object,
                    *VIDEOJOBS,
                    run.namespace,
                    "videojobs",
                    body,
                )
            changes.append(changing.submit(change_job, run, job, run.now()))
        for change in changes:
            change.result()


def change_job(run: Run, job: StreamJob, applied: float) -> None:
    """Change a job at its moments, or once it has ended; one after the other, however late the first is."""
    custom = client.CustomObjectsApi()
    where = (*VIDEOJOBS, run.namespace, "videojobs", job.name)
    for change in job.changes:
        run.wait_until(applied + change.after_seconds)
        while change.once_ended and not run.over.is_set():
            seen = run.phases.get(job.name, [])
            if seen and Phase(seen[-1]).is_terminal:
                break
            time.sleep(_LOOK_SECONDS)
        if change.patch is not None:
            patiently(custom.patch_namespaced_custom_object, *where, change.patch)
            continue
        with passing_over(404):  # it is gone already, and the answer was lost
            patiently(custom.delete_namespaced_custom_object, *where)


@contextmanager
def passing_over(status: int) -> Iterator[None]:
    """What was asked for is done already: 409 on create, 404 on delete."""
    try:
        yield
    except client.ApiException as error:
        if error.status != status:
            raise


def carry_out(run: Run, target: Target, injection: Injection) -> Outcome:
    """Do one injection at its moment."""
    run.wait_until(injection.at_seconds)
    run.say(f"{injection.number:2} {injection.kind}" + " …" * bool(injection.seconds))
    outcome = Outcome(injection)
    try:
        outcome.hit = inject(target, injection, run.seed)
        run.say(f"{injection.number:2} {injection.kind}: {outcome.hit}")
    except Exception as error:  # whatever stopped it: the run goes on, and is not clean
        outcome.missed = str(error) if isinstance(error, Missed) else f"{error!r} {error}"[:600]
        run.say(f"{injection.number:2} {injection.kind} hit nothing: {outcome.missed}")
    return outcome


def watch_phases(run: Run) -> None:
    """Remember the phases that are seen, until the run is over."""
    while not run.over.wait(_LOOK_SECONDS):
        there = {body["metadata"]["name"]: body for body in list_videojobs(run.namespace)}
        for name, body in there.items():
            run.uids[name] = body["metadata"]["uid"]
            phase = body.get("status", {}).get("phase")
            seen = run.phases.setdefault(name, [])
            if phase and (not seen or seen[-1] != phase):
                seen.append(phase)
        run.there = there


def wait_for_end(run: Run) -> None:
    """Until every job has ended and nothing is left of it, or the time for that is over."""
    deadline = run.now() + _END_SECONDS
    told = -1
    while run.now() < deadline:
        ended = [job for job in run.stream if run.is_done(job)]
        if len(ended) == len(run.stream) and not list_left(run.namespace):
            return
        if len(ended) != told:
            told = len(ended)
            run.say(f"{told} of {len(run.stream)} jobs have ended")
        time.sleep(2)
    run.say("not everything has ended; looking at it as it is")


def prepare(run: Run) -> None:
    """The namespace, its store and the films."""
    core, custom = client.CoreV1Api(), client.CustomObjectsApi()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = client.V1ObjectMeta(name=run.namespace, labels=labels)
    core.create_namespace(client.V1Namespace(metadata=meta))
    keys = {
        "accessKeyID": minio_server.ACCESS_KEY,
        "secretAccessKey": minio_server.SECRET_KEY,
    }
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="minio"), string_data=keys)
    core.create_namespaced_secret(run.namespace, secret)
    s3 = {"endpoint": ENDPOINT, "bucket": BUCKET, "credentialsSecretRef": {"name": "minio"}}
    body = {
        "apiVersion": API_VERSION,
        "kind": "VideoStore",
        "metadata": {"name": "media"},
        "spec": {"s3": s3},
    }
    custom.create_namespaced_custom_object(*VIDEOJOBS, run.namespace, "videostores", body)
    body |= {"kind": "VideoTemplate", "metadata": {"name": TEMPLATE}, "spec": {"steps": PICTURE}}
    custom.create_namespaced_custom_object(*VIDEOJOBS, run.namespace, "videotemplates", body)
    with tempfile.TemporaryDirectory() as folder:
        clips = assets.Clips(Path(folder))
        for film, clip in _FILMS.items():
            run.store.client.fput_object(BUCKET, film, str(clips.path(clip)))
        note = clips.write("note.mp4", assets.DISGUISED["text"])
        run.store.client.fput_object(BUCKET, Film.NO_FILM, str(note))


def storm(run: Run, target: Target) -> FinalState:
    """Stream and injections side by side; what is left in the end."""
    run.began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(run.schedule) + 2) as threads:
        watching = threads.submit(watch_phases, run)
        try:
            streaming = threads.submit(apply_stream, run)
            waves = [threads.submit(carry_out, run, target, one) for one in run.schedule]
            run.outcomes += [wave.result() for wave in waves]
            streaming.result()
            run.say("all jobs are applied and all injections are over")
            wait_for_end(run)
            time.sleep(2 * _LOOK_SECONDS)  # so that the watch has seen the last end too
        finally:
            run.over.set()
        watching.result()
    state = gather(run.namespace, run.store, run.phases)
    return replace(state, uids_seen=run.uids, letters=run.mailbox.letters)


def show(run: Run, state: FinalState, problems: list[Problem]) -> None:
    """The injections, the jobs, and what is wrong."""
    table = Table(title=f"injections, seed {run.seed}", title_justify="left")
    for title in ("", "at s", "for s", "kind", "hit"):
        table.add_column(title)
    for outcome in run.outcomes:
        one = outcome.injection
        hit = outcome.hit or f"NOTHING: {outcome.missed}"
        table.add_row(str(one.number), f"{one.at_seconds:.0f}", f"{one.seconds:.0f}", one.kind, hit)
    console.print(table)
    table = Table(title="jobs", title_justify="left")
    phases = {b["metadata"]["name"]: b.get("status", {}).get("phase", "") for b in state.videojobs}
    attempts = {b["metadata"]["name"]: b["status"].get("attempt", 0) for b in state.videojobs}
    ends = [*(phase for phase in Phase if phase.is_terminal), "gone or other"]
    for title in ("sort", "jobs", *ends, "attempts"):
        table.add_column(title, justify="left" if title == "sort" else "right")
    for sort in Sort:
        names = [job.name for job in run.stream if job.sort is sort]
        row = [phases.get(name, "") for name in names]
        counts = [sum(phase == end for phase in row) for end in ends[:-1]]
        counts.append(len(row) - sum(counts))
        tries = sum(attempts.get(name) or 0 for name in names)
        table.add_row(sort, str(len(names)), *(str(n or "") for n in counts), str(tries))
    console.print(table)
    console.print(
        f"{len(state.created_jobs)} Jobs made, {len(state.manifests)} manifests and "
        f"{len(state.objects)} objects looked at, in {run.now():.0f} s"
    )
    if problems:
        table = Table(title="what is wrong", title_justify="left")
        for title in ("rule", "what", "how"):
            table.add_column(title, overflow="fold")
        for problem in problems:
            table.add_row(problem.rule, problem.subject, problem.text)
        console.print(table)


@contextmanager
def kept_logs(folder: Path, namespace: str) -> Iterator[None]:
    """Keep the logs of all pods of a run, which go with their pods, for a look at what failed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    over = threading.Event()

    def keep() -> None:
        while not over.wait(0.5):
            for whose in (namespace, installation.NAMESPACE):
                link_logs(whose, folder)

    keeper = threading.Thread(target=keep, name="logs", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def link_logs(namespace: str, folder: Path) -> None:
    """Link the logs that are there now; a pod may go while its folder is looked into."""
    with suppress(FileNotFoundError):
        for log in (places.LOGS / "pods").glob(f"{namespace}_*/*/*.log"):
            pod = log.parent.parent.name.split("_")[1]
            with suppress(OSError):
                os.link(log, folder / f"{pod}-{log.name}")


def main(arguments: list[str]) -> int:
    """Run; 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="everything follows from it; by default a new one")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many (%(default)s)")
    parser.add_argument("--only", type=Kind, nargs="*", default=(), help=", ".join(Kind))
    asked = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    only = f" ONLY='{' '.join(asked.only)}'" if asked.only else ""
    console.print(f"seed {seed}; again by: make chaos SEED={seed} JOBS={asked.jobs}{only}")
    # However it is ended, what it has stopped is to be started again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if docker_answers():
        print(
            "error: this stops parts of the cluster, which kind hides; set VIDEOJOB_WITHOUT_DOCKER=1"
        )
        return 2
    config.load_kube_config(str(places.KUBECONFIG))
    schedule = build_schedule(seed, asked.jobs, asked.only)
    seconds = max((one.ends_at for one in schedule), default=0.0)
    stream = build_stream(seed, asked.jobs, seconds)
    namespace = f"chaos-{seed}-{secrets.token_hex(2)}"
    logs = places.LOGS / "chaos"
    with (
        serving() as store,
        receiving() as mailbox,
        api_proxy(seed) as proxy,
        kept_logs(logs, namespace),
        installation.installed(),
    ):
        run = Run(seed, namespace, store, mailbox, stream, schedule)
        prepare(run)
        state = storm(run, Target(namespace, proxy, store))
        problems = verify(stream, state)
        show(run, state, problems)
        if not problems:
            remove(namespace)
    missed = [outcome for outcome in run.outcomes if outcome.missed]
    if problems or missed:
        console.print(
            f"NOT CLEAN: {len(problems)} things are wrong, {len(missed)} injections hit nothing; "
            f"logs of all pods are in {logs}, the jobs in namespace {namespace}"
        )
        return 1
    console.print("clean")
    return 0


def remove(namespace: str) -> None:
    """Delete what the run made."""
    custom: Any = client.CustomObjectsApi()
    custom.delete_collection_namespaced_custom_object(*VIDEOJOBS, namespace, "videojobs")
    client.CoreV1Api().delete_namespace(namespace)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
