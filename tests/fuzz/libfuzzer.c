/* SPDX-License-Identifier: MIT
 *
 * What libFuzzer calls; FUZZ_TARGET is the function of the target it is linked with.
 */
#include "fuzz.h"

#ifndef FUZZ_TARGET
#define FUZZ_TARGET fuzz_head
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return FUZZ_TARGET(data, size);
}
