"""What a run was made from, as MLflow shows it: datasets and models, each with its digest."""

from __future__ import annotations

import json

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelStatus

from tasks.tracking_records import DatasetUse, ModelUse

_DIGEST_LENGTH = 36  # all that MLflow keeps of a dataset's digest
_MODEL_DIGEST = "invarlock.model_digest"


def dataset_input(dataset: DatasetUse) -> DatasetInput:
    """The dataset in MLflow's form."""
    return DatasetInput(
        Dataset(
            name=dataset.name,
            digest=dataset.digest[:_DIGEST_LENGTH],
            source_type="invarlock",
            source=json.dumps(dict(dataset.source), sort_keys=True),
            profile=json.dumps(dict(dataset.profile), sort_keys=True),
        ),
        tags=[InputTag("mlflow.data.context", dataset.role)],
    )


def model_input(client: MlflowClient, experiment_id: str, model: ModelUse) -> LoggedModelInput:
    """The model in MLflow's form: a record without files, one for each digest in the experiment.

    The caller holds a lock on the digest: MLflow would make two of them for two callers.
    """
    known = client.search_logged_models([experiment_id], f"tags.`{_MODEL_DIGEST}` = '{model.digest}'")
    record = (
        known[0]
        if known
        else client.create_logged_model(
            experiment_id,
            name=_model_name(model.name),
            tags={_MODEL_DIGEST: model.digest, "invarlock.source": model.source},
            model_type=model.kind,
        )
    )
    if record.status != LoggedModelStatus.READY:
        client.finalize_logged_model(record.model_id, LoggedModelStatus.READY)
    return LoggedModelInput(record.model_id)


def _model_name(name: str) -> str:
    # MLflow refuses these in the name of a model.
    return name.translate(dict.fromkeys(map(ord, "/:.%\"'"), "-"))
