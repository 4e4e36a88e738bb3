/* serve.c - see serve.h. */
#include "command/serve.h"

#include "base/error.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

/* The peer's protocol stands in its JSON: refuse another one before the stream.  So does
 * the branch that it means, under a checksum, where the command's words have none. */
static int check_call(const char *json, const char *branch, struct zs_error *e)
{
    char meant[ZS_BRANCH_NAME_MAX + 1];
    struct json_in j;
    TRY(json_in_open(&j, "command", json, strlen(json), e));
    bool says = json_text_or(&j, "branch", meant, sizeof meant);
    int rc = json_in_check(&j, e);
    json_in_close(&j);
    if (rc != ZS_OK || !says || strcmp(meant, branch) == 0)
        return rc;
    error_set(e, ZS_CORRUPT,
              "the far side's command was damaged on the way: it names two branches");
    return error_hint(e, "Nothing was changed; run the command again.");
}

int serve_open(struct serve *s, const char *command, void *module, const struct zs_session *session,
               const char *args, struct zs_error *e)
{
    char usage[80];
    struct zs_timeline_id timeline;
    s->module = module;
    s->session = session;
    (void)snprintf(usage, sizeof usage, "%s BRANCH TIMELINE_ID 'JSON', which a peer sends",
                   command);
    TRY(arguments_parse(args, &s->args, e));
    TRY(arguments_expect(&s->args, 3, 3, usage, e));
    s->branch = s->args.words[0];
    s->json = s->args.words[2];
    TRY(branch_name_check(s->branch, e));
    if (!timeline_parse(s->args.words[1], &timeline)) {
        error_set(e, ZS_BAD_VALUE, "\"%.40s\" is no timeline id", s->args.words[1]);
        return error_hint(e, "A timeline id has 32 hex digits.");
    }
    TRY(check_call(s->json, s->branch, e));
    TRY(transfer_start(s->module->transfers, command, s->branch, session->peer, session->user,
                       &s->transfer, e));
    s->progress = (struct progress){.session = NULL, .transfer = s->transfer};
    return ZS_OK;
}

int serve_channel(struct serve *s, struct zs_error *e)
{
    const struct zs_session *session = s->session;
    if (session->copy_both == NULL)
        return error_set(e, ZS_NOT_SUPPORTED, "this session cannot carry a stream of messages");
    conn_init(&s->conn);
    if (s->module->work_ms != 0)
        s->conn.work_ms = s->module->work_ms;
    if (error_check(session->copy_both(session->self, &s->conn.channel, e), e,
                    "the session's copy_both") != ZS_OK) {
        memset(&s->conn.channel, 0, sizeof s->conn.channel);
        return ZS_FAIL;
    }
    return conn_check(&s->conn, s->module->host.name, e);
}

void serve_finish(struct serve *s)
{
    struct zs_error unheard = {0};
    (void)conn_finish(&s->conn, &unheard);
}

void serve_close(struct serve *s)
{
    conn_close(&s->conn);
    arguments_fini(&s->args);
}
