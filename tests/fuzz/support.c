/* support.c - see support.h. */
#include "support.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATTERN 0x5A

struct region {
    uint8_t *start, *edge;
    bool not_utf8; /* the text in it */
};

static struct region regions[FUZZ_SLOTS];

void fuzz_broken(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
    abort();
}

/* Readable pages, and one behind them that is not. */
static struct region *region_of(unsigned slot)
{
    struct region *r = &regions[slot];
    if (r->start != NULL)
        return r;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (FUZZ_INPUT_MAX / page + 2) * page;
    void *p = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    HOLDS(p != MAP_FAILED);
    r->start = p;
    r->edge = r->start + room;
    HOLDS(mprotect(r->edge, page, PROT_NONE) == 0);
    return r;
}

uint8_t *fuzz_bytes(unsigned slot, const void *data, size_t size)
{
    struct region *r = region_of(slot);
    HOLDS(size <= (size_t)(r->edge - r->start) - 64);
    r->not_utf8 = false;
    uint8_t *copy = r->edge - size;
    ASAN_UNPOISON_MEMORY_REGION(r->start, (size_t)(r->edge - r->start));
    if (size > 0)
        memcpy(copy, data, size);
    ASAN_POISON_MEMORY_REGION(copy - 64, 64);
    return copy;
}

char *fuzz_text(unsigned slot, const void *data, size_t size)
{
    size_t len = size == 0 ? 0 : strnlen(data, size);
    char *copy = (char *)fuzz_bytes(slot, NULL, 0) - len - 1;
    ASAN_UNPOISON_MEMORY_REGION(copy - 64, len + 65);
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    ASAN_POISON_MEMORY_REGION(copy - 64, 64);
    regions[slot].not_utf8 = !fuzz_is_utf8(copy);
    return copy;
}

uint8_t fuzz_take_byte(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

char *fuzz_take_text(struct fuzz_input *in, unsigned slot)
{
    size_t len = in->left == 0 ? 0 : strnlen((const char *)in->at, in->left);
    char *text = fuzz_text(slot, in->at, len);
    size_t eaten = len + (len < in->left);
    in->at += eaten;
    in->left -= eaten;
    return text;
}

void fuzz_error_before(struct zs_error *e)
{
    memset(e, PATTERN, sizeof *e);
}

static void check_text(const char *text, size_t size)
{
    bool utf8 = true;
    HOLDS(memchr(text, 0, size) != NULL);
    for (unsigned i = 0; i < FUZZ_SLOTS; i++)
        utf8 = utf8 && !regions[i].not_utf8;
    HOLDS(!utf8 || fuzz_is_utf8(text));
}

bool fuzz_error_after(int rc, const struct zs_error *e)
{
    static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (rc == ZS_OK) {
        struct zs_error before;
        fuzz_error_before(&before);
        HOLDS(memcmp(&before, e, sizeof before) == 0);
        return true;
    }
    HOLDS(rc == ZS_FAIL);
    HOLDS(strspn(e->sqlstate, set) == 5 && e->sqlstate[5] == '\0');
    HOLDS(strcmp(e->sqlstate, "00000") != 0 && strcmp(e->sqlstate, ZS_INTERNAL_ERROR) != 0);
    HOLDS(e->retry <= ZS_RETRY_RESUME && e->reserved == 0 && e->message[0] != '\0');
    check_text(e->message, sizeof e->message);
    check_text(e->detail, sizeof e->detail);
    check_text(e->hint, sizeof e->hint);
    return false;
}

/* How many bytes the character at p has; 0 if it is none. */
static size_t character(const unsigned char *p)
{
    static const struct {
        size_t len;
        uint32_t least;
        unsigned char mask, lead;
    } forms[] = {
        {1, 0, 0x80, 0}, {2, 0x80, 0xE0, 0xC0}, {3, 0x800, 0xF0, 0xE0}, {4, 0x10000, 0xF8, 0xF0}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((p[0] & forms[i].mask) != forms[i].lead)
            continue;
        uint32_t c = p[0] & (uint32_t)(unsigned char)~forms[i].mask;
        for (size_t k = 1; k < forms[i].len; k++) {
            if ((p[k] & 0xC0u) != 0x80u)
                return 0;
            c = c << 6u | (p[k] & 0x3Fu);
        }
        bool good = c >= forms[i].least && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        return good ? forms[i].len : 0;
    }
    return 0;
}

bool fuzz_is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        size_t n = character(p);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}
