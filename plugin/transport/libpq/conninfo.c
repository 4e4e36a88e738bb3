/* conninfo.c - see conninfo.h. */
#include "transport/libpq/conninfo.h"

#include "base/error.h"
#include "model/uri.h"
#include "transport/libpq/parameters.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define HOW_TO_WRITE                                                                               \
    "Write it as postgresql://USER:PASSWORD@HOST:PORT, and in the password @ as %%40, / as %%2F, " \
    "? as %%3F, # as %%23, %% as %%25."

static int refuse(struct zs_error *e, const char *why)
{
    error_set(e, ZS_BAD_VALUE, "the URI cannot be used: %s", why);
    return error_hint(e, HOW_TO_WRITE);
}

/* ---- the URI's text ------------------------------------------------------------- */

static bool is_hex(char c)
{
    return c != '\0' && strchr("0123456789abcdefABCDEF", c) != NULL;
}

/* Two mistakes that libpq reads as something else, or shows the password to explain. */
static int check_text(const char *rest, struct zs_error *e)
{
    for (const char *p = rest; *p != '\0'; p++)
        if (*p == '%' && (!is_hex(p[1]) || !is_hex(p[2]) || strncmp(p, "%00", 3) == 0))
            return refuse(e, "it has a % that is not followed by two hex digits of a character");
    const char *at = strchr(rest, '@');
    if (at != NULL && (strcspn(rest, "/?") < (size_t)(at - rest) || strchr(at + 1, '@') != NULL))
        return refuse(e, "it has an @ behind the place of the host, or two of them");
    return ZS_OK;
}

/* libpq knows its schemes in lower case only; a text without one of them would be read
 * as "keyword=value". */
static int parse(const char *uri, PQconninfoOption **out, struct zs_error *e)
{
    char scheme[URI_SCHEME_MAX + 1];
    if (!uri_scheme(uri, scheme) ||
        (strcmp(scheme, "postgresql") != 0 && strcmp(scheme, "postgres") != 0))
        return refuse(e, "it does not begin with postgresql:// or postgres://");
    const char *rest = uri + strlen(scheme);
    TRY(check_text(rest + 3, e));
    size_t size = strlen(uri) + 1;
    char *lower = malloc(size);
    if (lower == NULL)
        return error_memory(e);
    (void)snprintf(lower, size, "%s%s", scheme, rest);
    char *why = NULL; /* not to be shown: it quotes the URI */
    *out = PQconninfoParse(lower, &why);
    explicit_bzero(lower, size);
    free(lower);
    bool parsed = *out != NULL || why != NULL;
    bool unknown = why != NULL && strstr(why, "invalid URI query parameter") != NULL;
    parsed = parsed && (why == NULL || strstr(why, "out of memory") == NULL);
    if (why != NULL)
        explicit_bzero(why, strlen(why));
    PQfreemem(why);
    if (!parsed)
        return error_memory(e);
    if (*out != NULL)
        return ZS_OK;
    if (!unknown)
        return refuse(e, "its parts are not where they should be");
    error_set(e, ZS_BAD_VALUE, "the URI has a parameter that is not known");
    return error_hint(e, "Leave out what stands behind \"?\", or write it as sslmode=require.");
}

static const char *given(const struct conninfo *info, const char *keyword)
{
    for (const PQconninfoOption *o = info->parsed; o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val != NULL && o->val[0] != '\0' ? o->val : NULL;
    return NULL;
}

/* ---- parameters ------------------------------------------------------------------- */

static int check_parameters(const struct conninfo_rules *rules, const struct conninfo *info,
                            struct zs_error *e)
{
    for (const PQconninfoOption *o = info->parsed; o->keyword != NULL; o++) {
        if (o->val == NULL)
            continue;
        const struct parameter *p = parameter_find(o->keyword);
        const struct parameter unknown = {.keyword = o->keyword, .kind = PARAMETER_LOCKED};
        TRY(parameter_check(p == NULL ? &unknown : p, o->val, rules->tls_dir, e));
    }
    const char *mode = given(info, "sslmode");
    if (mode != NULL && strncmp(mode, "verify-", 7) == 0 && given(info, "sslrootcert") == NULL) {
        error_set(e, ZS_BAD_VALUE, "sslmode=%s needs the parameter \"sslrootcert\"", mode);
        return error_hint(e, "Add &sslrootcert=FILE, a file in the folder that tls_dir names.");
    }
    if ((given(info, "sslcert") == NULL) != (given(info, "sslkey") == NULL)) {
        error_set(e, ZS_BAD_VALUE, "the parameters \"sslcert\" and \"sslkey\" go together");
        return error_hint(e, "Give both, or neither.");
    }
    return ZS_OK;
}

static int make_paths(const struct conninfo_rules *rules, struct conninfo *info, struct zs_error *e)
{
    for (size_t i = 0; i < parameters_count; i++) {
        const char *name = given(info, parameters[i].keyword);
        if (parameters[i].kind != PARAMETER_FILE || name == NULL)
            continue;
        size_t size = strlen(rules->tls_dir) + 1 + strlen(name) + 1;
        info->files[i] = malloc(size);
        if (info->files[i] == NULL)
            return error_memory(e);
        (void)snprintf(info->files[i], size, "%s/%s", rules->tls_dir, name);
    }
    return ZS_OK;
}

/* ---- targets ------------------------------------------------------------------------ */

static unsigned count_items(const char *list)
{
    unsigned n = 1;
    for (; *list != '\0'; list++)
        n += *list == ',';
    return n;
}

/* The i-th item of a comma-separated list, or of a list of one, for every i. */
static bool list_item(const char *list, unsigned i, char *out, size_t size)
{
    out[0] = '\0';
    if (list == NULL)
        return true;
    if (count_items(list) == 1)
        i = 0;
    for (; i > 0; i--)
        list += strcspn(list, ",") + 1;
    size_t len = strcspn(list, ",");
    if (len >= size)
        return false;
    memcpy(out, list, len);
    out[len] = '\0';
    return true;
}

static bool is_address(const char *text)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* A name, an address, or an address6 with a zone (fe80::1%eth0). */
static bool host_is_sound(const char *host)
{
    size_t plain = strspn(host, HOST_CHARACTERS);
    if (host[plain] == '\0')
        return true;
    char address[64];
    size_t len = strcspn(host, "%");
    if (len >= sizeof address || strspn(host + len + (host[len] == '%'), HOST_CHARACTERS) !=
                                     strlen(host + len + (host[len] == '%')))
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    return is_address(address);
}

static bool socket_is_sound(const char *path)
{
    for (; *path != '\0'; path++)
        if ((unsigned char)*path < 0x20 || (unsigned char)*path == 0x7f)
            return false;
    return true;
}

static int read_port(const char *text, struct target *t, struct zs_error *e)
{
    if (text[0] == '\0')
        text = "5432";
    size_t len = strspn(text, "0123456789");
    unsigned long port = len == 0 || len > 5 || text[len] != '\0' ? 0 : strtoul(text, NULL, 10);
    if (port < 1 || port > 65535)
        return refuse(e, "a port in it is not a number from 1 to 65535");
    t->port = (unsigned)port;
    (void)snprintf(t->port_text, sizeof t->port_text, "%hu", (unsigned short)port);
    return ZS_OK;
}

static int read_target(struct target *t, const char *port, struct zs_error *e)
{
    TRY(read_port(port, t, e));
    t->is_socket = t->host[0] == '/' || t->host[0] == '@';
    t->address_only = t->address[0] != '\0';
    if (t->host[0] == '\0' && !t->address_only)
        return refuse(e, "it names no host");
    if (t->address_only && !is_address(t->address))
        return refuse(e, "its parameter \"hostaddr\" is not an address");
    if (t->is_socket && t->address_only)
        return refuse(e, "it names a Unix socket and an address");
    if (t->is_socket ? !socket_is_sound(t->host) : !host_is_sound(t->host))
        return refuse(e, "its host has a character that a host's name has not");
    if (!t->is_socket && !t->address_only && is_address(t->host))
        (void)snprintf(t->address, sizeof t->address, "%s", t->host);
    return ZS_OK;
}

static int read_targets(struct conninfo *info, struct zs_error *e)
{
    const char *hosts = given(info, "host"), *addresses = given(info, "hostaddr");
    const char *ports = given(info, "port");
    unsigned n = count_items(addresses != NULL ? addresses : hosts != NULL ? hosts : "");
    unsigned nports = ports == NULL ? 1 : count_items(ports);
    if (n > CONNINFO_HOSTS_MAX)
        return refuse(e, "it names more than 8 hosts");
    if ((hosts != NULL && count_items(hosts) != n) || (nports != 1 && nports != n))
        return refuse(e, "the numbers of its hosts, addresses and ports differ");
    for (unsigned i = 0; i < n; i++) {
        struct target *t = &info->targets[i];
        char port[16];
        if (!list_item(hosts, i, t->host, sizeof t->host) ||
            !list_item(addresses, i, t->address, sizeof t->address) ||
            !list_item(ports, i, port, sizeof port))
            return refuse(e, "a host or a port in it is too long");
        TRY(read_target(t, port, e));
        info->ntargets = i + 1;
    }
    return ZS_OK;
}

int target_allow(const struct conninfo_rules *rules, const struct target *t, const char *address,
                 struct zs_error *e)
{
    if (t->is_socket) {
        if (rules->unix_sockets)
            return ZS_OK;
        error_set(e, ZS_NO_PERMISSION, "the URI names a Unix socket, and this server allows none");
        return error_hint(e, "Name a host and a port, or set allow_unix_sockets = true in the "
                             "server's configuration.");
    }
    enum allowed allowed = destinations_allow(rules->destinations, t->address_only ? NULL : t->host,
                                              address[0] == '\0' ? NULL : address, t->port);
    if (allowed != ALLOWED_NO)
        return ZS_OK;
    error_set(e, ZS_NO_PERMISSION, "this server may not connect to %s", target_text(t).s);
    if (address[0] != '\0' && strcmp(address, t->host) != 0)
        error_detail(e, "Its address is %s.", address);
    return error_hint(e, "Add it to allow_destinations in the server's configuration.");
}

/* ---- the whole ------------------------------------------------------------------------ */

int conninfo_open(const struct conninfo_rules *rules, const char *uri, struct conninfo *out,
                  struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    TRY(parse(uri, &out->parsed, e));
    TRY(check_parameters(rules, out, e));
    TRY(make_paths(rules, out, e));
    TRY(read_targets(out, e));
    for (unsigned i = 0; i < out->ntargets; i++)
        TRY(target_allow(rules, &out->targets[i], out->targets[i].address, e));
    const char *timeout = given(out, "connect_timeout");
    if (timeout == NULL)
        timeout = parameter_find("connect_timeout")->preset;
    unsigned long seconds = strtoul(timeout, NULL, 10);
    out->timeout_ms = seconds > 86400 ? 86400000 : (int)seconds * 1000;
    return ZS_OK;
}

void conninfo_close(struct conninfo *info)
{
    if (info->parsed != NULL)
        for (PQconninfoOption *o = info->parsed; o->keyword != NULL; o++)
            if (o->val != NULL)
                explicit_bzero(o->val, strlen(o->val));
    PQconninfoFree(info->parsed);
    for (size_t i = 0; i < CONNINFO_VALUES_MAX; i++)
        free(info->files[i]);
    memset(info, 0, sizeof *info);
}

/* What the environment would say where libpq was told nothing. */
static int check_environment(const struct conninfo *info, const char *const *keywords,
                             struct zs_error *e)
{
    for (const PQconninfoOption *o = info->parsed; o->keyword != NULL; o++) {
        bool told = false;
        for (size_t i = 0; keywords[i] != NULL && !told; i++)
            told = strcmp(keywords[i], o->keyword) == 0;
        /* libpq reads the same variables at the same time. */
        const char *set = told || o->envvar == NULL
                              ? NULL
                              : getenv(o->envvar); /* NOLINT(concurrency-mt-unsafe) */
        if (set == NULL || set[0] == '\0')
            continue;
        error_set(e, ZS_NO_PERMISSION,
                  "the environment variable %s is set in this server, and libpq would use it for "
                  "the far one",
                  o->envvar);
        return error_hint(e, "%s this server without it.",
                          strcmp(o->keyword, "password") == 0
                              ? "Give the password in the URI, or start"
                              : "Start");
    }
    return ZS_OK;
}

static int find_os_user(struct conninfo *info, struct zs_error *e)
{
    char buffer[1024];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0 || found == NULL ||
        strlen(found->pw_name) >= sizeof info->os_user)
        return refuse(e, "it names no user");
    (void)snprintf(info->os_user, sizeof info->os_user, "%s", found->pw_name);
    return ZS_OK;
}

/* What one row of the table comes to, for one place. */
static const char *value_of(const struct conninfo *info, size_t row, const struct target *target,
                            const char *address, const char *application)
{
    const struct parameter *p = &parameters[row];
    if (strcmp(p->keyword, "host") == 0)
        return target->host;
    if (strcmp(p->keyword, "hostaddr") == 0)
        return address;
    if (strcmp(p->keyword, "port") == 0)
        return target->port_text;
    const char *value = p->kind == PARAMETER_FILE ? info->files[row] : given(info, p->keyword);
    if (value != NULL)
        return value;
    if (strcmp(p->keyword, "user") == 0)
        return info->os_user;
    if (strcmp(p->keyword, "application_name") == 0)
        return application;
    return p->preset;
}

int conninfo_values(struct conninfo *info, const struct target *target, const char *address,
                    const char *application, const char *keywords[CONNINFO_VALUES_MAX],
                    const char *values[CONNINFO_VALUES_MAX], struct zs_error *e)
{
    size_t n = 0;
    if (given(info, "user") == NULL)
        TRY(find_os_user(info, e));
    for (size_t i = 0; i < parameters_count; i++) {
        const char *value = value_of(info, i, target, address, application);
        if (value == NULL || value[0] == '\0')
            continue;
        keywords[n] = parameters[i].keyword;
        values[n++] = value;
    }
    keywords[n] = NULL;
    values[n] = NULL;
    return check_environment(info, keywords, e);
}

struct target_text target_text(const struct target *t)
{
    struct target_text text;
    const char *host = t->host[0] != '\0' ? t->host : t->address;
    if (t->is_socket)
        (void)snprintf(text.s, sizeof text.s, "%s%s%s", host, host[0] == '/' ? ":" : "",
                       host[0] == '/' ? t->port_text : "");
    else
        (void)snprintf(text.s, sizeof text.s, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host,
                       t->port_text);
    return text;
}

/* A socket's folder as a URI has it: only plain characters stay as they are. */
static void show_target(const struct target *t, char *out, size_t size)
{
    size_t used = 0;
    if (!t->is_socket) {
        (void)snprintf(out, size, "%s", target_text(t).s);
        return;
    }
    out[0] = '\0';
    for (const char *p = t->host; *p != '\0' && used + 4 < size; p++) {
        bool plain = strchr(HOST_CHARACTERS, *p) != NULL;
        int n = snprintf(out + used, size - used, plain ? "%c" : "%%%02X", (unsigned char)*p);
        used += n > 0 ? (size_t)n : 0;
    }
    (void)snprintf(out + used, size - used, ":%s", t->port_text);
}

void conninfo_show(const struct conninfo *info, char *shown, size_t shown_bytes)
{
    size_t used = strlen("postgresql://");
    if (shown_bytes == 0)
        return;
    (void)snprintf(shown, shown_bytes, "postgresql://");
    for (unsigned i = 0; i < info->ntargets; i++) {
        char text[3 * sizeof info->targets[i].host];
        show_target(&info->targets[i], text, sizeof text);
        size_t len = strlen(text) + (i > 0);
        if (used + len >= shown_bytes)
            return;
        (void)snprintf(shown + used, shown_bytes - used, "%s%s", i > 0 ? "," : "", text);
        used += len;
    }
}
