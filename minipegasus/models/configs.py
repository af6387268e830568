"""The configurations as users meet them: every family's, with a ``config.json`` to be read from and written to.

The floor of the families holds what a configuration means and opens no files; the classes here add the folder.
"""

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self

from .. import families
from ..checkpoints.folder import OFFLINE, resolve_folder
from ..checkpoints.json_file import dump_json, read_json
from ..checkpoints.save import CONFIG
from ..checkpoints.staging import staged
from ..errors import ConfigError
from ..families.config import UNSET, Config

__all__ = [
    "CONFIG_CLASSES",
    "IGNORED",
    "AutoConfig",
    "BertConfig",
    "BertGenerationConfig",
    "BigBirdPegasusConfig",
    "EncoderDecoderConfig",
    "PegasusConfig",
    "PegasusXConfig",
    "PretrainedConfig",
    "RobertaConfig",
    "config_class",
    "read_config",
]

#: Arguments of the reference's ``from_pretrained`` that mean nothing where nothing is downloaded and there is one
#: device, one attention and one way to read a file.
IGNORED = OFFLINE | {"attn_implementation", "device_map", "low_cpu_mem_usage", "use_safetensors", "weights_only"}


class PretrainedConfig(Config):
    """Base of the public configurations: a configuration with a folder.

    >>> from minipegasus import PegasusConfig, PretrainedConfig
    >>> isinstance(PegasusConfig(), PretrainedConfig), PegasusConfig.model_type
    (True, 'pegasus')
    """

    #: Model types of other families whose ``config.json`` this class is meant to read as well.
    also_reads: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, revision: str | None = None, subfolder: str = "", **overrides: Any
    ) -> Self:
        """Read ``config.json`` of a folder, or of a hub-cache name, resolved offline.

        Args:
            name_or_path: folder, or ``org/name`` in the local hub cache.
            revision: which revision of a hub-cache name.
            subfolder: where in the folder the file lies.
            **overrides: values that replace the file's.

        Raises:
            CheckpointError: there is no such folder or file, or it is no JSON object.
            ConfigError: values have the wrong type or range, or contradict each other; all of them are named.
            TypeError: an override that the configuration has no use for.

        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> PegasusConfig(d_model=64, num_beams=8).save_pretrained(folder)
        >>> config = PegasusConfig.from_pretrained(folder, num_beams=2)
        >>> config.d_model, config.num_beams
        (64, 2)
        """
        return cls.from_folder(resolve_folder(name_or_path, revision, subfolder), overrides)

    @classmethod
    def from_folder(cls, folder: Path, overrides: dict[str, Any]) -> Self:
        """Read ``config.json`` of a folder that was found already; see :meth:`from_pretrained`.

        Raises:
            CheckpointError, ConfigError, TypeError: as :meth:`from_pretrained`.
        """
        values = read_json(folder / CONFIG)
        found = values.get("model_type", cls.model_type)
        if cls.model_type and found != cls.model_type and found not in cls.also_reads:
            warnings.warn(
                f"{folder / CONFIG}: expected model_type {cls.model_type!r} for {cls.__name__}, found {found!r:.80}",
                stacklevel=4,
            )
        overrides = {name: value for name, value in overrides.items() if name not in IGNORED}
        unknown = [name for name in overrides if name not in values and not cls._has(name)]
        if unknown:
            raise TypeError(f"{cls.__name__} got unexpected keyword argument(s): {', '.join(map(repr, unknown))}")
        try:
            return cls.from_dict(values, **overrides)
        except ConfigError as error:
            raise ConfigError(f"{folder / CONFIG}: {error}") from error

    @classmethod
    def _has(cls, name: str) -> bool:
        """Whether a configuration has this attribute, legacy generation values included."""
        return hasattr(cls(), name)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` into ``folder``, which is made where it is missing.

        Raises:
            CheckpointError: the folder cannot be written.

        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> PegasusConfig(num_beams=8).save_pretrained(folder)
        >>> AutoConfig.from_pretrained(folder).num_beams
        8

        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> PegasusConfig().save_pretrained(folder)
        >>> [path.name for path in folder.iterdir()]
        ['config.json']
        """
        with staged(Path(folder)) as files:
            files.write(CONFIG, dump_json(self.to_dict()))


class PegasusConfig(PretrainedConfig, families.PegasusConfig):
    __doc__ = families.PegasusConfig.__doc__


class BertConfig(PretrainedConfig, families.BertConfig):
    __doc__ = families.BertConfig.__doc__


class BertGenerationConfig(PretrainedConfig, families.BertGenerationConfig):
    __doc__ = families.BertGenerationConfig.__doc__
    also_reads = frozenset({"bert", "roberta"})


class RobertaConfig(PretrainedConfig, families.RobertaConfig):
    __doc__ = families.RobertaConfig.__doc__


class BigBirdPegasusConfig(PretrainedConfig, families.BigBirdPegasusConfig):
    __doc__ = families.BigBirdPegasusConfig.__doc__


class PegasusXConfig(PretrainedConfig, families.PegasusXConfig):
    __doc__ = families.PegasusXConfig.__doc__


class EncoderDecoderConfig(PretrainedConfig, families.EncoderDecoderConfig):
    __doc__ = families.EncoderDecoderConfig.__doc__

    @classmethod
    def _config_class(cls, model_type: str) -> type[Config]:
        return CONFIG_CLASSES[model_type]

    @classmethod
    def _has(cls, name: str) -> bool:
        # Without halves there is no configuration to ask.
        return any(name == field.name for field in fields(cls)) or name in UNSET


#: ``model_type`` of config.json -> the configuration's class.
CONFIG_CLASSES: dict[str, type[PretrainedConfig]] = {
    cls.model_type: cls
    for cls in (
        *(BertConfig, BertGenerationConfig, BigBirdPegasusConfig, EncoderDecoderConfig),
        *(PegasusConfig, PegasusXConfig, RobertaConfig),
    )
}


def config_class(model_type: object, where: str = "model_type") -> type[PretrainedConfig]:
    """Return the configuration class of a model type; ``where`` names its place in a message.

    Raises:
        ConfigError: the type is not known; the message lists those that are.

    >>> config_class("pegasus").__name__
    'PegasusConfig'
    >>> config_class("t5")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    minipegasus.errors.ConfigError: model_type: expected one of bert, ..., pegasus_x, roberta, found 't5'
    """
    if not isinstance(model_type, str) or model_type not in CONFIG_CLASSES:
        known = ", ".join(sorted(CONFIG_CLASSES))
        raise ConfigError(f"{where}: expected one of {known}, found {model_type!r:.80}")
    return CONFIG_CLASSES[model_type]


def read_config(folder: Path, overrides: dict[str, Any]) -> PretrainedConfig:
    """Return the configuration of a folder, of the class that its ``model_type`` says."""
    path = folder / CONFIG
    return config_class(read_json(path).get("model_type"), f"{path}: model_type").from_folder(folder, overrides)


class AutoConfig:
    """The configuration class that a ``model_type`` stands for.

    >>> from minipegasus.demo import folder
    >>> type(AutoConfig.from_pretrained(folder())).__name__
    'PegasusConfig'
    """

    @staticmethod
    def for_model(model_type: str, **values: Any) -> PretrainedConfig:
        """Return a configuration of this type.

        Raises:
            ConfigError: the type is unknown, or values have the wrong type or range.

        >>> AutoConfig.for_model("pegasus", d_model=32).hidden_size
        32
        """
        return config_class(model_type)(**values)

    @staticmethod
    def from_pretrained(
        name_or_path: str | Path, *, revision: str | None = None, subfolder: str = "", **overrides: Any
    ) -> PretrainedConfig:
        """Read the ``config.json`` of a folder or hub-cache name as what its ``model_type`` says.

        Arguments and errors are those of :meth:`PretrainedConfig.from_pretrained`; an unknown ``model_type`` is a
        :class:`~minipegasus.errors.ConfigError` that lists the known ones.
        """
        return read_config(resolve_folder(name_or_path, revision, subfolder), overrides)
