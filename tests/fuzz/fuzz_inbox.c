/* fuzz_inbox.c - messages off a socket that cuts them anywhere (pageserver/inbox.h).
 * Input: a byte of phase, one for where the stream is cut, then the bytes.
 * Holds: the messages add up to what was sent, whatever the cut; each is as long as it
 * said and a NUL stands behind it. */
#include "support.h"

#include "pageserver/inbox.h"

#include <sys/socket.h>
#include <unistd.h>

/* Pump until nothing more comes; returns the bytes of whole messages. */
static size_t drain(struct inbox *in, struct stream *s, bool *over)
{
    size_t bytes = 0;
    for (;;) {
        struct message m = {0};
        struct zs_error e;
        fuzz_error_before(&e);
        enum pump got = inbox_pump(in, s, &m, &e);
        (void)fuzz_error_after(got == PUMP_ERROR ? ZS_FAIL : ZS_OK, &e);
        *over = got == PUMP_END || got == PUMP_ERROR;
        if (got != PUMP_MESSAGE && got != PUMP_SKIPPED)
            return bytes;
        if (got == PUMP_MESSAGE) {
            HOLDS(m.len <= m.body.capacity && m.body.bytes[m.len] == 0);
            bytes += wire_header_bytes(in->phase) + m.len;
            inbox_recycle(in, &m.body);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct inbox in;
    struct stream s;
    struct zs_error e;
    int fds[2];
    bool over = false;
    if (size < 2 || size > 32768)
        return 0;
    size_t total = size - 2, cut = data[1] * total / 255;
    const uint8_t *bytes = data + 2;
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    fuzz_error_before(&e);
    HOLDS(fuzz_error_after(stream_init(&s, fds[0], &e), &e));
    inbox_init(&in);
    in.phase = data[0] % 4;
    HOLDS(write(fds[1], bytes, cut) == (ssize_t)cut);
    size_t got = drain(&in, &s, &over);
    if (!over) {
        HOLDS(write(fds[1], bytes + cut, total - cut) == (ssize_t)(total - cut));
        HOLDS(shutdown(fds[1], SHUT_WR) == 0);
        got += drain(&in, &s, &over);
        HOLDS(over); /* the client sends no more: nothing is left to wait for */
    }
    HOLDS(got <= total);
    stream_close(&s);
    (void)close(fds[1]);
    inbox_fini(&in);
    return 0;
}
