/* uri.h - what may be said of a URI: its scheme, and a form without secrets.
 * A URI is a secret (DESIGN, security): whoever prints one prints uri_show's
 * form.  What parts of a URI mean is the transport's business, not known here.
 * Pure: any text is taken, of any length.  Threads: any. */
#ifndef ZS_MODEL_URI_H
#define ZS_MODEL_URI_H

#include <stdbool.h>
#include <stddef.h>

#define URI_SCHEME_MAX 31  /* bytes, without the NUL */
#define URI_SHOWN      300 /* room that uri_show wants at least */

/* The scheme before "://", folded to lower case.  False, and out "", if the text
 * does not begin with [A-Za-z][A-Za-z0-9+.-]*:// of at most URI_SCHEME_MAX. */
bool uri_scheme(const char *uri, char out[URI_SCHEME_MAX + 1]);

/* Is this a scheme as a transport may claim it: [a-z][a-z0-9+.-]*, not too long? */
bool uri_scheme_is_valid(const char *scheme);

/* The URI as a person may see it: scheme://host:port/path.  User, password, query
 * and fragment are left out.  Where it is not certain which part is the host
 * (an '@' behind it, characters that a host has not), or what is left does not
 * fit, the form is "scheme://..."; where there is no scheme, "(not a URI)". */
void uri_show(const char *uri, char *shown, size_t shown_bytes);

#endif
