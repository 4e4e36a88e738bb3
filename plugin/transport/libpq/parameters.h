/* parameters.h - what of libpq a URI may set, and what everything else is set to.
 * One table; conninfo.c goes by it.  Its rows are every option of libpq that a URI may
 * name, and every other that has a default outside of our hands. */
#ifndef ZS_LIBPQ_PARAMETERS_H
#define ZS_LIBPQ_PARAMETERS_H

#include <stddef.h>
#include <zenith-sync/types.h>

/* No file can be here, whatever is done to the disk: libpq finds no password file, no
 * certificate, and says nothing. */
#define NOWHERE "/dev/null/none"

enum parameter_kind {
    PARAMETER_TARGET, /* host, hostaddr, port: go into targets */
    PARAMETER_TEXT,   /* any text */
    PARAMETER_NUMBER, /* 0 to 999999999 */
    PARAMETER_CHOICE, /* one of choices */
    PARAMETER_FILE,   /* a plain name of a file in tls_dir */
    PARAMETER_LOCKED, /* ours; not to be set in a URI */
};

struct parameter {
    const char *keyword;
    enum parameter_kind kind;
    const char *preset;  /* if the URI does not say; NULL: not given to libpq */
    const char *choices; /* of a CHOICE: words with a blank on either side of each */
};

extern const struct parameter parameters[];
extern const size_t parameters_count;

const struct parameter *parameter_find(const char *keyword);

/* Has a value the shape that its kind wants?  22023, 42501; the value is not shown. */
int parameter_check(const struct parameter *p, const char *value, const char *tls_dir,
                    struct zs_error *e);

#endif
