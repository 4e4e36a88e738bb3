/* kv_direct.c - see kv_direct.h.
 * The thread has the file between handoff_take and handoff_done, and the caller once all is at
 * rest: they never write at once. */
#include "kv/kv_direct.h"

#include "base/error.h"
#include "base/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20) /* aligned for O_DIRECT, too, which asks for 4096 at most */

struct direct_writer {
    int fd; /* -1: no file is open */
    bool past_cache;
    bool direct; /* O_DIRECT is on */
    uint64_t size;
    bool filling; /* a piece, by `slot` */
    uint32_t slot;
    size_t filled;
    int failed;              /* the thread's errno; ordered by the handoff */
    struct handoff *handoff; /* NULL: no thread */
    char *pieces;            /* NULL: not yet */
    off_t at[DIRECT_PIECES]; /* where each belongs */
};

struct direct_writer *direct_create(void)
{
    struct direct_writer *w = calloc(1, sizeof *w);
    if (w != NULL)
        w->fd = -1;
    return w;
}

static char *piece_bytes(const struct direct_writer *w, uint32_t slot)
{
    return w->pieces + slot * DIRECT_PIECE_BYTES;
}

/* ---- writing ----------------------------------------------------------------------------- */

static void direct_switch(struct direct_writer *w, bool on)
{
    int flags = fcntl(w->fd, F_GETFL);
    int wanted = on ? flags | O_DIRECT : flags & ~O_DIRECT;
    w->direct = flags >= 0 && fcntl(w->fd, F_SETFL, wanted) == 0 && on;
}

/* Some file systems take the flag, and refuse what is written with it. */
static bool retried(struct direct_writer *w, int error)
{
    if (error == EINVAL && w->direct) {
        direct_switch(w, false);
        return true;
    }
    return error == EINTR;
}

static int bytes_write(struct direct_writer *w, const char *bytes, size_t n, off_t at)
{
    while (n > 0) {
        ssize_t written = pwrite(w->fd, bytes, n, at);
        if (written < 0 && retried(w, errno))
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes += written;
        n -= (size_t)written;
        at += written;
    }
    return 0;
}

static int piece_write(struct direct_writer *w, uint32_t slot)
{
    off_t at = w->at[slot];
    int error = bytes_write(w, piece_bytes(w, slot), DIRECT_PIECE_BYTES, at);
    if (error == 0 && !w->direct) /* a hint: what it fails with, the sync tells */
        (void)sync_file_range(w->fd, at, (off_t)DIRECT_PIECE_BYTES, SYNC_FILE_RANGE_WRITE);
    return error;
}

static int write_pieces(void *context, struct handoff *h, struct zs_error *e)
{
    struct direct_writer *w = context;
    uint32_t i = 0;
    enum handoff_got got = HANDOFF_SLOT;
    while ((got = handoff_take(h, -1, &i, e)) == HANDOFF_SLOT) {
        w->failed = piece_write(w, i);
        if (w->failed != 0)
            return error_errno(e, w->failed, "could not write a file");
        handoff_done(h);
    }
    return got == HANDOFF_END ? ZS_OK : ZS_FAIL;
}

/* ---- pieces ------------------------------------------------------------------------------ */

static void thread_start(struct direct_writer *w)
{
    struct zs_error none = {0};
    if (handoff_open(DIRECT_PIECES, UINT64_MAX, &w->handoff, &none) == ZS_OK &&
        handoff_start(w->handoff, write_pieces, w))
        return;
    handoff_close(w->handoff);
    w->handoff = NULL;
}

/* What ended the thread; only that does. */
static int thread_failure(const struct direct_writer *w)
{
    return w->failed != 0 ? w->failed : EIO;
}

/* In huge pages where there are any: in small ones a piece is 256 stretches of memory, more than
 * one request to a disk takes (254 of virtio here), and in huge ones it is one.  1.5 GB written so,
 * from 4 KiB pages 0.96 s, from huge ones 0.71. */
static bool pieces_have(struct direct_writer *w)
{
    size_t all = DIRECT_PIECES * DIRECT_PIECE_BYTES;
    if (w->pieces != NULL)
        return true;
    w->pieces = aligned_alloc(HUGE_PAGE, all);
    if (w->pieces != NULL)
        (void)madvise(w->pieces, all, MADV_HUGEPAGE);
    return w->pieces != NULL;
}

static int piece_open(struct direct_writer *w)
{
    struct zs_error e = {0};
    w->slot = 0;
    if (w->handoff != NULL && handoff_room(w->handoff, -1, &w->slot, &e) != HANDOFF_SLOT)
        return thread_failure(w);
    if (!pieces_have(w))
        return ENOMEM;
    w->at[w->slot] = (off_t)w->size;
    w->filled = 0;
    w->filling = true;
    return 0;
}

/* It is full. */
static int piece_end(struct direct_writer *w)
{
    w->filling = false;
    if (w->past_cache && w->handoff == NULL)
        thread_start(w); /* slot 0 is the first that is given */
    if (w->handoff == NULL)
        return piece_write(w, w->slot);
    handoff_give(w->handoff, DIRECT_PIECE_BYTES);
    return 0;
}

static int rest(struct direct_writer *w)
{
    struct zs_error e = {0};
    if (w->handoff == NULL || handoff_rest(w->handoff, -1, &e) == HANDOFF_SLOT)
        return 0;
    return thread_failure(w);
}

/* ---- files ------------------------------------------------------------------------------- */

int direct_open(struct direct_writer *w, const char *path, bool past_cache)
{
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w->fd < 0)
        return errno;
    w->past_cache = past_cache;
    w->direct = false;
    if (past_cache)
        direct_switch(w, true);
    w->size = 0;
    w->filling = false;
    return 0;
}

int direct_append(struct direct_writer *w, const void *data, size_t n)
{
    const char *from = data;
    while (n > 0) {
        int error = w->filling ? 0 : piece_open(w);
        if (error != 0)
            return error;
        size_t room = DIRECT_PIECE_BYTES - w->filled;
        size_t part = n < room ? n : room;
        memcpy(piece_bytes(w, w->slot) + w->filled, from, part);
        w->filled += part;
        w->size += part;
        from += part;
        n -= part;
        error = w->filled == DIRECT_PIECE_BYTES ? piece_end(w) : 0;
        if (error != 0)
            return error;
    }
    return 0;
}

int direct_sync(struct direct_writer *w)
{
    int error = rest(w);
    if (error == 0 && w->direct)
        direct_switch(w, false);
    if (error == 0 && w->filling)
        error = bytes_write(w, piece_bytes(w, w->slot), w->filled, w->at[w->slot]);
    if (error == 0 && fdatasync(w->fd) != 0)
        error = errno;
    return error;
}

int direct_close(struct direct_writer *w)
{
    if (w->fd < 0)
        return 0;
    int error = rest(w);
    int rc = close(w->fd);
    w->fd = -1;
    return error == 0 && rc != 0 ? errno : error;
}

uint64_t direct_size(const struct direct_writer *w)
{
    return w->size;
}

void direct_destroy(struct direct_writer *w)
{
    if (w == NULL)
        return;
    handoff_close(w->handoff);
    if (w->fd >= 0)
        (void)close(w->fd);
    free(w->pieces);
    free(w);
}
