/* hash.h - XXH3 as wide as the processor has it.
 * An ordinary build of xxhash.h takes what every processor of its kind has, which is SSE2 on
 * x86-64.  There libxxhash also chooses at run time: with AVX-512, records of 8 KiB took 0.03 ns a
 * byte in place of 0.07, and from memory 0.05 in place of 0.18.  XXH3_64bits(), XXH3_128bits(),
 * their _withSeed() and _update() are that choice; the hash is the same.  Threads: any. */
#ifndef ZS_BASE_HASH_H
#define ZS_BASE_HASH_H

#define XXH_STATIC_LINKING_ONLY /* the streaming state then lives on the stack */
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

#endif
