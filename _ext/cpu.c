/* Which tables were compiled and which of them this machine runs. */
#include "kernels.h"

#include <stddef.h>

extern const mp_table mp_table_base;
#ifdef MP_X86
#include <cpuid.h>
extern const mp_table mp_table_avx2, mp_table_avx512;
#endif
#ifdef MP_ARM64
extern const mp_table mp_table_neon;
#endif

const mp_table *mp_compiled(int i) {
    switch (i) {
    case 0: return &mp_table_base;
#ifdef MP_X86
    case 1: return &mp_table_avx2;
    case 2: return &mp_table_avx512;
#endif
#ifdef MP_ARM64
    case 3: return &mp_table_neon;
#endif
    default: return NULL;
    }
}

#ifdef MP_X86
/* The registers that the operating system saves (XCR0): bits 1-2 for AVX, 5-7 for AVX-512. */
static unsigned saved_registers(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    __asm__ __volatile__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return a;
}

static int has_avx2(void) {
    unsigned a, b, c, d, need = bit_AVX | bit_FMA | bit_F16C;
    if ((saved_registers() & 0x6) != 0x6) return 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & need) != need) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

static int has_avx512(void) {
    unsigned a, b, c, d, need = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    if ((saved_registers() & 0xE6) != 0xE6) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & need) == need;
}
#endif

int mp_runs(int i) {
    if (!mp_compiled(i)) return 0;
#ifdef MP_X86
    if (i == 1) return has_avx2();
    if (i == 2) return has_avx2() && has_avx512();
#endif
    return 1;
}
