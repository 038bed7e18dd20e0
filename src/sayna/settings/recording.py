"""Settings of recordings: what they are called and where they are kept."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sayna.settings.values import Env, FilePath, Flag, Folded, Secret, Section, Text

TYPE = Env("RECORDING_BACKEND")


def tidy_prefix(prefix: str) -> str:
    """Drop leading and trailing slashes and double ones, so that each key has one spelling."""
    return re.sub(r"/+", "/", prefix).strip("/")


class LocalFolder(Section):
    """Recordings in a folder of this machine."""

    type: Annotated[Literal["local"], TYPE] = "local"
    """The word `local`."""

    path: Annotated[FilePath, Env("RECORDING_LOCAL_PATH")] = Field(
        examples=["/var/lib/sayna/recordings"]
    )
    """Folder that holds the recordings."""


class S3Bucket(Section):
    """Recordings in an S3 bucket, or in a store that speaks like one."""

    type: Annotated[Literal["s3"], TYPE] = "s3"
    """The word `s3`."""

    bucket: Annotated[Text, Env("RECORDING_S3_BUCKET")] = Field(examples=["my-recordings"])
    """Name of the bucket."""

    region: Annotated[Text, Env("RECORDING_S3_REGION")] = Field(examples=["eu-west-1"])
    """Region of the bucket."""

    access_key: Annotated[Secret, Env("RECORDING_S3_ACCESS_KEY")]
    """Access key id that may read and write the bucket."""

    secret_key: Annotated[Secret, Env("RECORDING_S3_SECRET_KEY")]
    """Secret access key that belongs to it."""

    endpoint: Annotated[Text | None, Env("RECORDING_S3_ENDPOINT")] = Field(
        default=None, examples=["https://s3.example"]
    )
    """Address of the store when it is not Amazon's."""

    force_path_style: Annotated[Flag, Env("RECORDING_S3_FORCE_PATH_STYLE")] = False
    """Put the bucket into the path instead of the host name, as MinIO and R2 want it."""


class GcsBucket(Section):
    """Recordings in a Google Cloud Storage bucket."""

    type: Annotated[Literal["gcs"], TYPE] = "gcs"
    """The word `gcs`."""

    bucket: Annotated[Text, Env("RECORDING_GCS_BUCKET")] = Field(examples=["my-recordings"])
    """Name of the bucket."""

    credentials_path: Annotated[FilePath | None, Env("RECORDING_GCS_CREDENTIALS_PATH")] = Field(
        default=None, examples=["/etc/sayna/storage.json"]
    )
    """Service account file; give this or the JSON itself, not both."""

    credentials_json: Annotated[Secret | None, Env("RECORDING_GCS_CREDENTIALS_JSON")] = None
    """The JSON of a service account; give this or the path of its file, not both."""


Backend = LocalFolder | S3Bucket | GcsBucket
"""Where recordings are kept; `type` tells which."""

BACKENDS: dict[str, type[LocalFolder] | type[S3Bucket] | type[GcsBucket]] = {
    "local": LocalFolder,
    "s3": S3Bucket,
    "gcs": GcsBucket,
}


class Recording(Section):
    """Recorded conversations: what they are called and where they are kept."""

    prefix: Annotated[
        Text, AfterValidator(tidy_prefix), Env("RECORDING_PREFIX", ("RECORDING_S3_PREFIX",))
    ] = Field(default="", examples=["calls/prod"])
    """First part of every key: a recording is kept as `PREFIX/STREAM_ID/audio.ogg`."""

    mode: Annotated[Literal["builtin", "egress"], Folded, Env("RECORDING_MODE")] = "builtin"
    """Who records: this server (`builtin`), or the LiveKit Egress service (`egress`)."""

    backend: Annotated[Backend, Field(discriminator="type")] | None = None
    """Where recordings are kept."""
