"""`/v1/fine_tuning/jobs`: each GET moves a job on, which leaves events, and at its end a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.upstream import ORGANIZATION, files, things
from tests.upstream.state import Change, State
from tests.upstream.wire import CREATED, Json, Request, model_of

_MESSAGES = {
    "validating_files": "Created fine-tuning job: {}",
    "queued": "Files validated, moving job to queued state",
    "running": "Fine-tuning job started",
    "succeeded": "The job has successfully completed",
}


def _job(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json()
    model = model_of(body)
    things.wanted(body, "training_file")
    files.stored(body["training_file"], state)
    numbers = {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 2.0}
    tuned = f"ft:{model}:acme:{body.get('suffix') or ''}:{name[-8:]}"
    defaults: Json = {"seed": 42, "validation_file": None, "integrations": [], "metadata": None}
    ends = {"fine_tuned_model": None, "finished_at": None, "trained_tokens": None, "error": None}
    job: Json = {
        "model": model,
        "organization_id": ORGANIZATION,
        "status": "validating_files",
        "training_file": body["training_file"],
        "hyperparameters": body.get("hyperparameters") or numbers,
        "method": body.get("method") or {"type": "supervised", "supervised": {"hyperparameters": numbers}},
        "result_files": [],
        "estimated_finish": None,
        "user_provided_suffix": body.get("suffix"),
    }
    _event(state, name, "validating_files")
    steps = [partial(_moved, state, name, status) for status in ("queued", "running")]
    return job | ends | things.echoed(body, defaults), [*steps, partial(_succeeded, state, name, tuned)]


def _event(state: State, job: str, status: str) -> None:
    said = {"level": "info", "message": _MESSAGES[status].format(job), "data": {}, "type": "message"}
    things.put(EVENTS, state, [job], {"id": state.new_id(EVENTS.prefix)} | said)


def _moved(state: State, job: str, status: str) -> Json:
    _event(state, job, status)
    return {"status": status}


def _succeeded(state: State, job: str, tuned: str) -> Json:
    _event(state, job, "succeeded")
    fields = {
        "id": state.new_id(CHECKPOINTS.prefix),
        "fine_tuned_model_checkpoint": tuned,
        "fine_tuning_job_id": job,
        "metrics": {"step": 3, "train_loss": 0.25, "train_mean_token_accuracy": 0.9},
        "step_number": 3,
    }
    things.put(CHECKPOINTS, state, [job], fields)
    done = {"status": "succeeded", "fine_tuned_model": tuned, "finished_at": CREATED}
    return done | {"trained_tokens": 300}


JOBS = things.Kind(
    "/fine_tuning/jobs",
    "fine_tuning.job",
    "ftjob-",
    _job,
    "create list retrieve cancel",
    slow_cancel=False,
)
EVENTS = things.Kind("/fine_tuning/jobs/{}/events", "fine_tuning.job.event", "ftevent-", verbs="list")
CHECKPOINTS = things.Kind(
    "/fine_tuning/jobs/{}/checkpoints", "fine_tuning.job.checkpoint", "ftckpt_", verbs="list"
)
KINDS = (JOBS, EVENTS, CHECKPOINTS)
