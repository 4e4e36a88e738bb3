/* stall.c - see stall.h. */
#include "stall.h"

#include "link.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 100

static void print_message(const struct frame *f)
{
    for (const uint8_t *p = f->body, *end = p + f->len; p < end && *p != '\0';) {
        size_t len = strnlen((const char *)p, (size_t)(end - p));
        if (strchr("CMH", *p) != NULL)
            (void)printf("%.*s\n", (int)len - 1, (const char *)p + 1);
        p += len + 1;
    }
}

int stall(const char *socket_path, unsigned seconds)
{
    struct link l = {.fd = -1};
    struct frame f;
    int64_t until_ns = clock_now_ns() + (int64_t)seconds * 1000000000;
    bool failed = false, ready = false;
    bool good = link_dial(&l, socket_path) && link_log_in(&l) &&
                link_say(&l, 'Q',
                         BYTES("branch_push stalled 00112233445566778899aabbccddeeff "
                               "'{\"protocol\":1}'\0"));
    while (good && !ready && !l.ended && clock_now_ns() < until_ns) {
        bool came = link_read(&l, LOOK_MS, &f);
        if (came && f.type == 'E') {
            print_message(&f);
            failed = true;
        }
        ready = came && f.type == 'Z';
        if (!came && !l.ended)
            good = link_say(&l, 'd', BYTES("K"));
    }
    link_close(&l);
    return failed && ready ? 0 : 1;
}
