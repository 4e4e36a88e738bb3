/* utf8.h - characters of a text that somebody else wrote.  Pure.  Threads: any. */
#ifndef ZS_BASE_UTF8_H
#define ZS_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the character at p, in a text that a NUL ends; 0 if it is not well-formed. */
static inline size_t utf8_length(const unsigned char *p)
{
    size_t len = p[0] < 0x80                   ? 1
                 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
                 : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
                 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                               : 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0u) != 0x80u)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

#endif
