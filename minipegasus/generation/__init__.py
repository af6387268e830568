"""Generation: greedy search, sampling and beam searches over any model that follows :mod:`.protocols`.

============================ ==========================================================================
module                       what
============================ ==========================================================================
``generate``                 a call from its arguments to its output; ``stream``
``config``, ``resolve``      the settings, and where the values of one call come from
``prepare``                  ids, masks and prompts as arrays
``processors``, ``warpers``  what changes the scores of the next token; ``builders`` picks and orders them
``stopping``                 when a row ends
``search``                   greedy search and sampling
``beam``                     beam search and beam sampling
``group_beam``               diverse beam search
``constrained_beam``         beam search with words that have to occur (``constraints``)
``hypotheses``               the lists of finished sequences of the last two
``outputs``, ``transitions`` dictionary outputs and scores read out of them
``streaming``                text while it is generated
============================ ==========================================================================
"""
