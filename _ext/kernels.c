/* Every kernel, for the one instruction set that the build names (see vec.h). */
#include "attention.h"

extern const mp_table MP_TABLE;
const mp_table MP_TABLE = {
    .name = MP_ISA_NAME,
    .layer_norm = layer_norm,
    .softmax = softmax,
    .activate = activate,
    .embed = embed,
    .top_k = top_k,
    .linear = linear,
    .attention = attention,
};
