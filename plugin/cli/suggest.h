/* suggest.h - the word that was probably meant.  Pure.  Threads: any. */
#ifndef ZS_CLI_SUGGEST_H
#define ZS_CLI_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap two neighbours) between two words, each of
 * which is looked at up to 31 bytes. */
size_t edit_distance(const char *a, const char *b);

/* The index of the one of words[n] that is nearest, or n if none is near: at most
 * 1 edit for words up to 3 bytes, 2 above. */
size_t suggest(const char *typed, const char *const *words, size_t n);

#endif
