/* fault.h - what fault.so and whoever steers it share: a file, mapped by both.
 *
 * fault.so is preloaded (LD_PRELOAD) into a pageserver, with ZENITH_FAULT naming such a file.
 * While `kinds` is not 0 it counts the calls of those kinds and fails one of them with errnum:
 * the one of number `target`, counted from 1; target 0: it only counts.  A server that runs is
 * armed and disarmed again and again.
 *
 *   MEMORY   malloc, calloc, realloc, strdup, asprintf ... called from our own code (the
 *            pageserver, zenith_sync.so, the transports), from libpq and from cJSON
 *   FILES    open, read, write, fsync, rename, ftruncate, mkdir, unlink, link ... of what
 *            lies under one of the folders, whoever calls: RocksDB, too
 *   SOCKETS  send, recv, connect ... of TCP sockets: to and from other servers; the one that
 *            failed is shut down, as a connection that broke goes on for nobody
 *
 * What is not failed, and why: allocations of RocksDB and libstdc++, which end the process
 * (their threads have nobody who catches bad_alloc); of CRoaring 0.2.66, which uses what it
 * got without a look; of glibc's loader and of OpenSSL, which are not ours to mend.
 * Threads: any; of one who arms and many that are hit. */
#ifndef TESTS_CRASH_FAULT_H
#define TESTS_CRASH_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

#define FAULT_MEMORY  1u
#define FAULT_FILES   2u
#define FAULT_SOCKETS 4u

enum { FAULT_FOLDERS = 2 };

struct fault_control {
    atomic_uint kinds;
    atomic_int errnum;
    atomic_ullong target, calls, fired;
    char folders[FAULT_FOLDERS][256]; /* "" none; set while nothing is armed */
    char what[256];                   /* of the one that failed: function, and path if known */
};

#endif
