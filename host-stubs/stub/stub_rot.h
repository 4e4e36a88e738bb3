/* stub_rot.h - stored data that has changed by itself, for tests of those who look.
 * Threads: none may use the store meanwhile. */
#ifndef HOST_STUBS_STUB_ROT_H
#define HOST_STUBS_STUB_ROT_H

#include "stub/stub_store.h"

/* Change a byte of the value of the branch's n-th record (in key order, from 0; the next
 * one that has a value), or take that record away. */
void stub_rot_value(struct stub_store *store, const char *branch, uint64_t n);
void stub_rot_lose(struct stub_store *store, const char *branch, uint64_t n);

/* Change a byte of the branch's n-th blob. */
void stub_rot_blob(struct stub_store *store, const char *branch, uint64_t n, uint64_t at);

#endif
