"""Hugging Face checkpoint folders: opened lazily, without torch, without pickle, without the network.

>>> from minipegasus.checkpoints import open_checkpoint, resolve_folder

==================== ==============================================================================
module               what it knows
==================== ==============================================================================
folder               names to folders: a directory, or the hub's cache read offline
checkpoint           a folder's weights as a read-only mapping from names to arrays
shards               which files hold the weights; the sharded indexes
safetensors_file     reading safetensors; every rule of the header
safetensors_writer   writing it, tensor by tensor
torch_bin            ``pytorch_model.bin`` in both formats of torch.save
torch_pickle         the globals that a state dict's pickle may name, as data
pickle_machine       the few pickle operations that it needs, and no others
zip_directory        where the entries of a stored zip archive lie
json_file            bounded, strict JSON
tensors              element types, exact widening, views over mapped bytes
mapped, staging      one mapped file; files that appear whole or not at all
save                 saving arrays, converting folders
==================== ==============================================================================
"""

from .checkpoint import Checkpoint, open_checkpoint
from .folder import resolve_folder
from .json_file import read_json
from .save import convert, save_checkpoint
from .tensors import TensorInfo

__all__ = [
    "Checkpoint",
    "TensorInfo",
    "convert",
    "open_checkpoint",
    "read_json",
    "resolve_folder",
    "save_checkpoint",
]
