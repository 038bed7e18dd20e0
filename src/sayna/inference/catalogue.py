"""The models that Sayna can use beyond speech engines: what they are, where they lie, their hashes.

Each lies within a wheel of the Python package index, which is reached as the user's own settings
for it say. Wheel and file are pinned: neither can change without a change here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model file."""

    name: str
    """Of the file in the folder of models."""
    purpose: str
    package: str
    version: str
    member: str
    """Path within the wheel."""
    size: int
    """Bytes."""
    sha256: str
    wheel_size: int
    """Bytes."""
    wheel_sha256: str
    licence: str
    """SPDX."""

    @property
    def requirement(self) -> str:
        """As package installers write it."""
        return f"{self.package}=={self.version}"


SILERO_VAD = Model(
    name="silero_vad_16k_op15.onnx",
    purpose="hears whether somebody speaks",
    package="silero-vad",
    version="6.2.3",
    member="silero_vad/data/silero_vad_16k_op15.onnx",
    size=1_289_603,
    sha256="7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
    wheel_size=11_317_527,
    wheel_sha256="7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    licence="MIT",
)
SMART_TURN = Model(
    name="smart-turn-v3.2-cpu.onnx",
    purpose="hears whether a speaker has finished",
    package="pipecat-ai",
    version="1.14.0",
    member="pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
    size=8_679_182,
    sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
    wheel_size=12_109_725,
    wheel_sha256="0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
    licence="BSD-2-Clause",
)
CATALOGUE = (SILERO_VAD, SMART_TURN)
