/* fuzz_startup.c - message headers, and the first packet of a connection
 * (pageserver/pgwire.h, startup.h).
 * Input: a byte that chooses the phase, then a header and a packet's body.
 * Holds: a header that is taken keeps to its phase's limits; a session has a user; the
 * answer to a newer minor version is a whole message; names, put into a packet again,
 * are read as the same. */
#include "support.h"

#include "base/bytes.h"
#include "pageserver/startup.h"

static void check_header(enum wire_phase phase, const uint8_t *bytes)
{
    struct wire_header h = {.type = 1, .len = 2};
    struct zs_error e;
    fuzz_error_before(&e);
    if (!fuzz_error_after(wire_header_parse(phase, bytes, &h, &e), &e)) {
        HOLDS(h.type == 1 && h.len == 2);
        return;
    }
    HOLDS(h.len <= (phase == WIRE_STARTUP || phase == WIRE_LOGIN ? WIRE_LOGIN_MAX
                    : h.type == 'd'                              ? ZS_MESSAGE_MAX
                                                                 : WIRE_QUERY_MAX));
    HOLDS(phase == WIRE_STARTUP ? h.type == 0 : wire_type_name(h.type) != NULL);
}

static void check_names(const struct startup *s)
{
    struct startup again;
    struct zs_error e;
    struct wire_buf b = {0};
    wire_u32(&b, WIRE_CODE(3, 0));
    wire_text(&b, "application_name");
    wire_text(&b, s->application);
    wire_text(&b, "user");
    wire_text(&b, s->user);
    wire_u8(&b, 0);
    fuzz_error_before(&e);
    HOLDS(fuzz_error_after(startup_parse(b.data, (uint32_t)b.len, &again, &e), &e));
    HOLDS(strcmp(s->user, again.user) == 0 && strcmp(s->application, again.application) == 0);
    HOLDS(again.negotiate.len == 0);
    startup_fini(&again);
    wire_buf_fini(&b);
}

static void check_negotiate(const struct wire_buf *b)
{
    struct reader r = reader_over(b->data, b->len);
    HOLDS(!b->failed && reader_u8(&r) == 'v' && reader_u32be(&r) == b->len - 1);
    HOLDS(reader_u32be(&r) == WIRE_CODE(3, 0));
    for (uint32_t n = reader_u32be(&r); n > 0; n--)
        HOLDS(reader_cstring(&r) != NULL);
    HOLDS(!r.failed && reader_left(&r) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct startup s;
    struct zs_error e;
    if (size < 1 || size > 1 + 5 + WIRE_LOGIN_MAX)
        return 0;
    enum wire_phase phase = data[0] % 4;
    size_t header = wire_header_bytes(phase);
    if (size < 1 + header)
        return 0;
    check_header(phase, fuzz_bytes(0, data + 1, header));
    size_t len = size - 1 - header;
    fuzz_error_before(&e);
    if (fuzz_error_after(
            startup_parse(fuzz_bytes(0, data + 1 + header, len), (uint32_t)len, &s, &e), &e) &&
        s.kind == STARTUP_SESSION) {
        HOLDS(s.user[0] != '\0' && memchr(s.application, 0, sizeof s.application) != NULL);
        check_names(&s);
        if (s.negotiate.len > 0)
            check_negotiate(&s.negotiate);
    }
    startup_fini(&s);
    return 0;
}
