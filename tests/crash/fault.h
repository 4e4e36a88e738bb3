/* fault.h - what fault.so and whoever steers it share: a file, mapped by both.
 *
 * fault.so is preloaded (LD_PRELOAD) into a pageserver, with ZENITH_FAULT naming such a file.
 * While `kinds` is not 0 it counts the calls of those kinds and fails one of them with errnum:
 * the one of number `target`, counted from 1; target 0: it only counts.  A server that runs is
 * armed and disarmed again and again.
 *
 *   MEMORY   malloc, calloc, realloc, aligned_alloc, strdup, asprintf ... and the start of a
 *            thread, an eventfd: called from our own code (the pageserver, zenith_sync.so, the
 *            transports), from libpq and from cJSON
 *   FILES    open, read, write, fsync, rename, ftruncate, mkdir, unlink, link, stat, statvfs,
 *            readdir ... of what lies under one of the folders, whoever calls: RocksDB, too
 *   SOCKETS  socket, connect, accept, readv, writev, send, recv, getsockopt ... of TCP sockets:
 *            to and from other servers; a connection whose call failed is shut down, as one
 *            that broke goes on for nobody
 *
 * What is not failed, and why:
 *   - allocations of RocksDB and libstdc++, which end the process (their threads have nobody who
 *     catches bad_alloc), our own C++ among them; of CRoaring 0.2.66, which uses what it got
 *     without a look; of glibc's loader and of OpenSSL, which are not ours to mend
 *   - what the C library's stdio reads and writes by itself: the programs read settings so, when
 *     they start, and RocksDB its manifest and its log
 *   - poll, which is asked again; fcntl, getsockname, getrandom, which fail for what is no
 *     descriptor or no system alone; getaddrinfo, whose allocations are the C library's
 *   - close, which gives the descriptor back whatever it says; what was to be durable was synced
 *   - mmap, locks, posix_fadvise and readahead, with which the engine opens or only hints
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
