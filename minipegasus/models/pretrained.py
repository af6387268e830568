"""What every public model class has: construction, loading, saving, generation, and a look at its weights."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import numpy.typing as npt

from .. import ops
from ..arrays import Array, FloatArray
from ..checkpoints.checkpoint import open_checkpoint
from ..checkpoints.folder import resolve_folder
from ..checkpoints.loading import LoadReport, initial, load_weights
from ..checkpoints.save import GENERATION_CONFIG, save_checkpoint
from ..errors import ConfigError, InputError, listing
from ..families.config import Config
from ..families.family import Family, Layout, Role
from ..generation.config import GenerationConfig
from ..nn.arguments import checked
from ..nn.params import Params, Recorder
from ..outputs import ModelOutput
from ..spec import ModelSpec
from .configs import IGNORED, config_class

__all__ = ["PreTrainedModel"]

# The vocabulary head's matrix.
_HEAD = "lm_head.weight"

Dtype = Literal["float32", "float64"] | npt.DTypeLike


class PreTrainedModel:
    """Base of the model classes: a configuration, a spec and weights; calling one never changes it.

    Args:
        config: the family's configuration. It is copied.
        dtype: ``"float32"`` (the product) or ``"float64"`` (the definition, by NumPy alone).
        seed: of the random weights that a model has before any are loaded.

    Raises:
        ConfigError: the configuration is of another family.
        InputError: another dtype, or a seed that is none.

    >>> from minipegasus import PegasusConfig, PegasusModel
    >>> model = PegasusModel(PegasusConfig(20, 16, 1, 8, 2, 1, 8, 2, d_model=8), dtype="float64")
    >>> model.dtype.name, model.device, model.config.d_model, model.spec.decoder.layers
    ('float64', 'cpu', 8, 1)
    """

    family: ClassVar[Family]
    role: ClassVar[Role]
    #: What this class sets in its copy of the configuration.
    config_changes: ClassVar[dict[str, Any]] = {}

    def __init__(self, config: Config, *, dtype: Dtype = "float32", seed: int = 0) -> None:
        self._configure(config, dtype)
        self._set_weights(initial(self._layout.weights, self.dtype, self._std, seed))

    def _configure(self, config: Config, dtype: Dtype) -> None:
        if not isinstance(config, self.family.config):
            raise ConfigError(f"config: expected {self.family.config.__name__}, found {type(config).__name__}")
        self.dtype: np.dtype[Any] = _computed_in(dtype)
        self.config: Any = config.copy(**self.config_changes)
        self.generation_config = GenerationConfig.from_model_config(self.config)
        self.load_report = LoadReport()

    @property
    def spec(self) -> ModelSpec:
        """The model as data."""
        return self.family.spec(self.config, self.role)

    @property
    def _layout(self) -> Layout:
        return self.family.layout(self.config, self.role)

    @property
    def _std(self) -> float:
        return float(getattr(self.config, "init_std", getattr(self.config, "initializer_range", 0.02)))

    def _set_weights(self, weights: dict[str, FloatArray]) -> None:
        self._weights = weights
        self._spec = self.spec
        self.params = Params(weights)

    @classmethod
    def _over(
        cls, config: Config, dtype: np.dtype[Any], weights: dict[str, FloatArray], recorder: Recorder | None
    ) -> Self:
        """Return a model over weights that lie somewhere already; its configuration is the very object given."""
        model = cls.__new__(cls)
        model.config, model.dtype, model.load_report = config, dtype, LoadReport()
        model.generation_config = GenerationConfig.from_model_config(config)
        model._set_weights(weights)
        model.params = Params(weights, recorder)
        return model

    # Loading and saving

    @overload
    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, output_loading_info: Literal[True], **arguments: Any
    ) -> tuple[Self, dict[str, list[str]]]: ...

    @overload
    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, **arguments: Any) -> Self: ...

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        config: Config | None = None,
        dtype: Dtype = "float32",
        revision: str | None = None,
        subfolder: str = "",
        variant: str | None = None,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        seed: int = 0,
        **config_values: Any,
    ) -> Any:
        """Open a checkpoint folder (or a hub-cache name, resolved offline) as this class.

        Weights that are float32 on disk are used where they lie in the memory-mapped file; others are widened.

        Args:
            name_or_path: folder with ``config.json`` and weights, or ``org/name`` in the local hub cache.
            config: used in place of the folder's.
            dtype: as in the constructor; ``"auto"`` means float32.
            revision: which revision of a hub-cache name.
            subfolder: where in the folder the model lies.
            variant: "fp16" opens ``model.fp16.safetensors``, and so on.
            ignore_mismatched_sizes: replace tensors of another shape instead of refusing them.
            output_loading_info: return the model and a dictionary of ``missing_keys``, ``unexpected_keys``,
                ``mismatched_keys`` and ``error_msgs`` (always empty: an error is raised).
            seed: of weights that the file lacks (a new head, say).
            **config_values: override values of the configuration.

        Arguments of transformers that have no meaning here (``device_map``, ``local_files_only``, ...) are accepted.

        Raises:
            CheckpointError: files are missing, damaged, or do not fit; the message names file and tensor.
            ConfigError: config.json holds values of the wrong type or range.
            TypeError: unknown keywords, or values of the configuration beside ``config``.

        >>> from minipegasus import PegasusForConditionalGeneration
        >>> from minipegasus.demo import folder
        >>> model = PegasusForConditionalGeneration.from_pretrained(folder(), dtype="float64")
        >>> model.dtype.name, model.load_report.missing
        ('float64', [])
        """
        folder = resolve_folder(name_or_path, revision, subfolder)
        dtype = config_values.pop("torch_dtype", dtype)  # its older name
        config_values = {name: value for name, value in config_values.items() if name not in IGNORED}
        if config is None:
            config = config_class(cls.family.model_type).from_folder(folder, config_values)
        elif config_values:
            raise TypeError(f"unexpected keywords beside config: {', '.join(sorted(config_values))}")
        model = cls.__new__(cls)
        model._configure(config, dtype)
        checkpoint = open_checkpoint(folder, model.dtype, variant)
        weights, report = load_weights(checkpoint, model._layout, model._std, seed, ignore_mismatched_sizes)
        model._set_weights(weights)
        model.load_report = report
        if (folder / GENERATION_CONFIG).is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
        model._warn(folder)
        if not output_loading_info:
            return model
        mismatched = [problem.partition(": ")[0] for problem in report.mismatched]
        keys = {"missing_keys": report.missing, "unexpected_keys": report.unexpected, "mismatched_keys": mismatched}
        return model, {**keys, "error_msgs": []}

    def _warn(self, folder: Path) -> None:
        report = self.load_report
        for what, names in (("were not in the file and are new", report.missing), ("conflict", report.conflicting)):
            if names:
                shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
                warnings.warn(f"{folder}: weights of {type(self).__name__} that {what}: {shown}", stacklevel=3)

    def save_pretrained(
        self,
        folder: str | Path,
        max_shard_size: int | str = "5GB",
        variant: str | None = None,
        safe_serialization: bool = True,
    ) -> None:
        """Write config.json, generation_config.json and model.safetensors as transformers reads them.

        Tied weights are written once. Nothing is left half-written.

        Args:
            folder: made where it is missing.
            max_shard_size: bytes, or a text such as ``"5GB"``, beyond which the weights become several files.
            variant: "fp16" writes ``model.fp16.safetensors``, and so on.
            safe_serialization: True: other files than safetensors are not written.

        Raises:
            CheckpointError: the folder cannot be written.
            InputError: ``max_shard_size`` is no size, ``variant`` no part of a name; or not ``safe_serialization``.

        >>> import tempfile
        >>> from minipegasus import PegasusModel
        >>> model, folder = PegasusModel.from_pretrained("golden/pegasus"), tempfile.mkdtemp()
        >>> model.save_pretrained(folder)
        >>> again = PegasusModel.from_pretrained(folder)
        >>> bool((again.get_input_embeddings() == model.get_input_embeddings()).all())
        True
        """
        if not safe_serialization:
            raise InputError(f"safe_serialization: expected True (safetensors), found {safe_serialization!r}")
        config = {**self.config.to_dict(), "architectures": [type(self).__name__], "dtype": self.dtype.name}
        generation = self.generation_config.following(self.config).to_diff_dict()
        save_checkpoint(folder, self.state_dict(), config, generation, max_shard_size, variant)

    # Looking at the weights

    def state_dict(self) -> dict[str, FloatArray]:
        """Return every weight under the checkpoint's names, aliases left out.

        The arrays are read-only, in the model's dtype, and views of the model's own where those have it.

        >>> from minipegasus import PegasusModel
        >>> state = PegasusModel.from_pretrained("golden/pegasus").state_dict()
        >>> state["shared.weight"].shape, state["shared.weight"].dtype.name
        ((223, 20), 'float32')
        """
        return {w.saved_as: self._wide(self._weights[name]) for name, w in self._layout.weights.items()}

    def _wide(self, array: Array) -> FloatArray:
        """Return a weight in the model's dtype, read-only: matrices may be kept in half precision."""
        wide = ops.widen(array)
        wide.flags.writeable = False
        return wide

    def load_state_dict(self, tensors: Mapping[str, npt.ArrayLike]) -> None:
        """Replace every weight; ``tensors`` has the names that :meth:`state_dict` gives, floats of any dtype.

        Raises:
            InputError: names are missing or unknown, or shapes differ; all of them are named, nothing is replaced.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> model.load_state_dict({name: 0.5 * array for name, array in model.state_dict().items()})
        """
        layout = self._layout.weights
        expected = {w.saved_as: w.shape for w in layout.values()}
        problems = [f"{name}: missing" for name in expected if name not in tensors]
        problems += [f"{name}: not a weight of this class" for name in tensors if name not in expected]
        problems += [
            f"{name}: expected shape {list(shape)}, found {list(np.shape(tensors[name]))}"
            for name, shape in expected.items()
            if name in tensors and np.shape(tensors[name]) != shape
        ]
        if problems:
            raise InputError(listing(f"{type(self).__name__}.load_state_dict: {len(problems)} problem(s)", problems))
        arrays = {name: np.array(tensors[name], self.dtype) for name in expected}
        for array in arrays.values():
            array.flags.writeable = False
        self._set_weights({name: arrays[weight.saved_as] for name, weight in layout.items()})

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Return the number of distinct weights.

        Args:
            only_trainable: leave out what training does not change, the sinusoids that a file holds.
            exclude_embeddings: leave out tables of tokens, positions and token types, and what is tied to them.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> model.num_parameters() > model.num_parameters(True) > model.num_parameters(True, True)
        True
        """
        return self._layout.parameters(trainable=only_trainable, embeddings=not exclude_embeddings)

    def traced(self, recorder: Recorder, only: str | None = None) -> Self:
        """Return the same model, over the same weights, that shows its named results to ``recorder(path, value)``.

        ``only`` is a regular expression that whole paths match, every one by default. The paths are
        transformers' module paths, the values arrays.

        >>> from minipegasus import PegasusModel
        >>> seen = {}
        >>> model = PegasusModel.from_pretrained("golden/pegasus").traced(seen.__setitem__, only=".*self_attn.q_proj")
        >>> out = model([[5, 6, 1]], decoder_input_ids=[[0, 7]])
        >>> sorted(seen)[0], seen["encoder.layers.0.self_attn.q_proj"].shape
        ('decoder.layers.0.self_attn.q_proj', (1, 3, 20))
        """
        copy = self.__class__.__new__(self.__class__)
        vars(copy).update(vars(self))
        copy.params = Params(self._weights, recorder, None if only is None else re.compile(only))
        return copy

    @property
    def _input_tables(self) -> list[str]:
        """The names of the embedding matrices that the input ids are looked up in, the encoder's first."""
        sides = ("encoder", "decoder")
        return [f"{side}.embed_tokens.weight" for side in sides if getattr(self._spec, side) is not None]

    def get_input_embeddings(self) -> FloatArray:
        """Return the embedding matrix ``[v, m]``: an array, in the model's dtype, read-only.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> table = model.get_input_embeddings()
        >>> table.shape == (model.config.vocab_size, model.config.d_model)
        True
        """
        return self._wide(self._weights[self._input_tables[0]])

    def set_input_embeddings(self, value: npt.ArrayLike) -> None:
        """Replace the embedding matrix, of both stacks, and what is tied to it; ``value`` is float ``[v, m]``.

        Raises:
            InputError: ``value`` has another shape; :meth:`resize_token_embeddings` changes the vocabulary's size.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> model.set_input_embeddings(2 * model.get_input_embeddings())
        """
        self._replace(self._input_tables, value)

    def get_output_embeddings(self) -> FloatArray | None:
        """Return the vocabulary head's matrix ``[v, m]`` (read-only), or None for a class without that head.

        >>> from minipegasus import PegasusForConditionalGeneration
        >>> PegasusForConditionalGeneration.from_pretrained("golden/pegasus").get_output_embeddings().shape
        (223, 20)
        """
        weight = self._weights.get(_HEAD)
        return None if weight is None else self._wide(weight)

    def set_output_embeddings(self, value: npt.ArrayLike) -> None:
        """Replace the vocabulary head's matrix and what is tied to it; ``value`` is float ``[v, m]``.

        Raises:
            InputError: ``value`` has another shape, or there is no such head.

        >>> from minipegasus import PegasusForCausalLM
        >>> model = PegasusForCausalLM.from_pretrained("golden/pegasus/causal")
        >>> model.set_output_embeddings(2 * model.get_output_embeddings())
        """
        if _HEAD not in self._weights:
            raise InputError(f"set_output_embeddings: expected a vocabulary head, found {type(self).__name__}")
        self._replace([_HEAD], value)

    def _replace(self, names: list[str], value: npt.ArrayLike) -> None:
        """Put one matrix in the place of some weights and of those that are one with them."""
        array = np.array(checked(value, "value"), self.dtype)
        shape = self._weights[names[0]].shape
        if array.shape != shape:
            raise InputError(f"value: expected shape {list(shape)}, found {list(array.shape)}")
        array.flags.writeable = False
        layout = self._layout.weights
        tied = {layout[name].sources for name in names}
        self._set_weights({name: array if layout[name].sources in tied else w for name, w in self._weights.items()})

    def resize_token_embeddings(self, vocab_size: int, seed: int = 0) -> None:
        """Cut the vocabulary or extend it with new random rows; ``final_logits_bias`` is extended with zeros.

        Raises:
            ConfigError: the size is out of range.

        >>> from minipegasus import PegasusForConditionalGeneration
        >>> model = PegasusForConditionalGeneration.from_pretrained("golden/pegasus")
        >>> model.resize_token_embeddings(100)
        >>> model([[5, 6, 1]], decoder_input_ids=[[0, 99]]).logits.shape
        (1, 2, 100)
        """
        self._resize({"vocab_size": vocab_size}, seed)

    def get_position_embeddings(self) -> FloatArray | tuple[FloatArray, ...]:
        """Return the position table ``[positions, m]``; a model with two stacks has one for each.

        Raises:
            InputError: this family computes its positions and has no table.

        >>> from minipegasus import PegasusModel
        >>> encoder, decoder = PegasusModel.from_pretrained("golden/pegasus").get_position_embeddings()
        >>> encoder.shape, decoder.shape
        ((48, 20), (48, 20))
        """
        found = [values for name, values in self._weights.items() if name.endswith("embed_positions.weight")]
        if not found:
            about = f"{type(self).__name__}, which computes positions of any length"
            raise InputError(f"position embeddings: expected a model with a position table, found {about}")
        return self._wide(found[0]) if len(found) == 1 else tuple(map(self._wide, found))

    def resize_position_embeddings(self, max_position_embeddings: int, seed: int = 0) -> None:
        """Cut or extend the position tables; sinusoids are computed anew.

        Raises:
            InputError: this family computes its positions and has no table.
            ConfigError: the number is out of range.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> model.resize_position_embeddings(80)
        >>> model([[5] * 80], decoder_input_ids=[[0]]).encoder_last_hidden_state.shape
        (1, 80, 20)
        """
        self.get_position_embeddings()
        self._resize({"max_position_embeddings": max_position_embeddings}, seed)

    def _resize(self, changes: dict[str, int], seed: int) -> None:
        self.config = self.config.copy(**changes)
        fresh = initial(self._layout.weights, self.dtype, self._std, seed)
        kept: dict[tuple[str, ...], FloatArray] = {}
        for name, weight in self._layout.weights.items():
            old, new = self._wide(self._weights[name]), fresh[name]
            if old.shape == new.shape:
                new = old
            elif weight.formula != "sinusoid":
                common = tuple(slice(min(a, b)) for a, b in zip(old.shape, new.shape, strict=True))
                new = new.copy()
                new[common] = old[common]
                new.flags.writeable = False
            fresh[name] = kept.setdefault(weight.sources, new)
        self._set_weights(fresh)

    # What scripts written for torch say

    @property
    def device(self) -> str:
        """Where the model is: ``"cpu"``."""
        return "cpu"

    def forward(self, *args: Any, **arguments: Any) -> Any:
        """Run the model: the same as calling it.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus").eval().to("cpu")
        >>> model.forward([[5, 6, 1]], decoder_input_ids=[[0, 7]]).last_hidden_state.shape
        (1, 2, 20)
        """
        return self(*args, **arguments)

    @classmethod
    def can_generate(cls) -> bool:
        """Tell whether the class has ``generate``.

        >>> from minipegasus import PegasusForConditionalGeneration, PegasusModel
        >>> PegasusForConditionalGeneration.can_generate(), PegasusModel.can_generate()
        (True, False)
        """
        return hasattr(cls, "generate")

    def eval(self) -> Self:
        """Return the model: it never trains.

        >>> from minipegasus import PegasusModel
        >>> model = PegasusModel.from_pretrained("golden/pegasus")
        >>> model.eval() is model
        True
        """
        return self

    def to(self, device: str = "cpu") -> Self:
        """Return the model, which is where it can be: on the CPU.

        Raises:
            InputError: another device is asked for.

        >>> from minipegasus import PegasusModel
        >>> PegasusModel.from_pretrained("golden/pegasus").to("cpu").device
        'cpu'

        >>> from minipegasus import PegasusModel
        >>> PegasusModel.from_pretrained("golden/pegasus").to("cuda")
        Traceback (most recent call last):
        minipegasus.errors.InputError: to: expected 'cpu', found 'cuda'
        """
        if str(device) != "cpu":
            raise InputError(f"to: expected 'cpu', found {device!r}")
        return self

    # Calling

    def __call__(self, *args: Any, **arguments: Any) -> Any:
        """Run the model; every class says which arguments it takes."""
        raise NotImplementedError

    def _call(self, **arguments: Any) -> Any:
        """Do what a call does, given its arguments by their names; see :func:`~.declared.declared`."""
        raise NotImplementedError

    def _returned(self, out: ModelOutput, return_dict: bool | None) -> Any:
        """Return an output in the form that the call, or else the configuration, asks for."""
        return out if (self.config.return_dict if return_dict is None else return_dict) else out.to_tuple()


def _computed_in(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64; ``"auto"`` is float32, and torch's own dtypes count by their names."""
    name = str(dtype).removeprefix("torch.") if not isinstance(dtype, (type, np.dtype)) else np.dtype(dtype).name
    if name in ("auto", "None"):
        name = "float32"
    if name not in ("float32", "float64"):
        raise InputError(f"dtype: expected float32 or float64, found {name} (narrower files are widened)")
    return np.dtype(name)
