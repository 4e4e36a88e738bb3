/* play.c - see play.h. */
#include "play.h"

#include "link.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "model/lsn.h"
#include "wire/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID "00112233445566778899aabbccddeeff"

const char *part_name(enum part part)
{
    static const char *const names[] = {"pusher", "puller",   "source",  "sink",
                                        "asker",  "answerer", "stranger"};
    return names[part];
}

/* ---- what is heard -----------------------------------------------------------------------------
 */

struct heard {
    bool state, offer, commit, ask, ready;
    struct state_message its_state;
    struct offer_message its_offer;
    struct ask_message its_ask;
};

/* "CZS001", "Mmessage": the fields of an error that tell what it was. */
static void hear_error(struct session *s, const struct frame *f)
{
    size_t used = 0;
    s->error = true;
    for (const uint8_t *p = f->body, *end = p + f->len; p < end && *p != '\0';) {
        size_t len = strnlen((const char *)p, (size_t)(end - p));
        if (strchr("CMD", *p) != NULL && used < sizeof s->said)
            used += (size_t)snprintf(s->said + used, sizeof s->said - used, "%.*s ", (int)len - 1,
                                     (const char *)p + 1);
        p += len + 1;
    }
}

static void hear(struct session *s, struct heard *h, const struct frame *f)
{
    struct zs_error e;
    const char *body = (const char *)f->body + 1;
    if (f->type == 'E')
        hear_error(s, f);
    h->ready = h->ready || f->type == 'Z';
    if (f->type != 'd' || f->len == 0)
        return;
    if (f->body[0] == 'S')
        h->state = state_decode(body, f->len - 1, &h->its_state, &e) == ZS_OK;
    if (f->body[0] == 'O')
        h->offer = offer_decode(body, f->len - 1, &h->its_offer, &e) == ZS_OK;
    if (f->body[0] == 'Q')
        h->ask = ask_decode(body, f->len - 1, &h->its_ask, &e) == ZS_OK;
    h->commit = h->commit || f->body[0] == 'C' || f->body[0] == 'M';
    s->done = s->done || f->body[0] == 'D';
}

static void listen_for(struct session *s, struct link *l, struct heard *h, int quiet_ms,
                       const bool *until)
{
    struct frame f;
    while (!*until && link_read(l, quiet_ms, &f))
        hear(s, h, &f);
}

/* ---- what is said
 * -------------------------------------------------------------------------------- */

static void say_step(struct session *s, struct link *l, struct heard *h, struct step *step)
{
    const struct offer_message nothing = {0};
    switch (step->kind) {
    case STEP_RAW:
        s->commit_said = s->commit_said || memchr(step->bytes, 'C', step->len) != NULL;
        (void)link_write(l, step->bytes, step->len);
        break;
    case STEP_COPY:
        s->commit_said = s->commit_said || (step->len > 0 && step->bytes[0] == 'C');
        (void)link_say(l, 'd', step->bytes, step->len);
        break;
    case STEP_WAIT:
        listen_for(s, l, h, s->honest ? LINK_WAIT_MS : 30, &h->commit);
        break;
    case STEP_SUMS:
        listen_for(s, l, h, 200, &h->ask);
        free(step->bytes);
        script_sums(step, &s->rng, &h->its_ask);
        h->ask = false;
        (void)link_say(l, 'd', step->bytes, step->len);
        break;
    case STEP_DONE:
        free(step->bytes);
        script_done(step, &s->rng, h->offer ? &h->its_offer : &nothing, s->honest);
        (void)link_say(l, 'd', step->bytes, step->len);
        break;
    }
}

static void say_all(struct session *s, struct link *l, struct heard *h, struct script *script)
{
    static const bool never = false;
    bool deaf = !s->honest && one_in(&s->rng, 4);
    for (size_t i = 0; i < script->n && !l->ended; i++) {
        say_step(s, l, h, &script->at[i]);
        if (!deaf)
            listen_for(s, l, h, 0, &never);
    }
}

/* An orderly end where the script was honest, any other where not. */
static void end_client(struct session *s, struct link *l, struct heard *h)
{
    if (s->honest) {
        if (s->part == PART_PUSHER)
            listen_for(s, l, h, LINK_WAIT_MS, &s->done);
        (void)link_say(l, 'c', "", 0);
        listen_for(s, l, h, LINK_WAIT_MS, &h->ready);
        return;
    }
    if (one_in(&s->rng, 2))
        listen_for(s, l, h, 60, s->error ? &s->error : &s->done);
    switch (rng_below(&s->rng, 5)) {
    case 0:
        (void)link_say(l, 'c', "", 0);
        listen_for(s, l, h, 50, &h->ready);
        break;
    case 1:
        (void)link_say(l, 'f', "no more", 8);
        listen_for(s, l, h, 50, &h->ready);
        break;
    case 2:
        (void)shutdown(l->fd, SHUT_WR);
        listen_for(s, l, h, 50, &h->ready);
        break;
    case 3:
        listen_for(s, l, h, 20, &h->ready);
        break;
    default:
        break; /* gone without a word */
    }
}

/* ---- a client
 * ----------------------------------------------------------------------------------------- */

/* Into the copy, with a command that is right. */
static bool begin_copy(struct session *s, struct link *l, const char *query)
{
    struct frame f;
    struct heard h = {0};
    if (!link_say(l, 'Q', query, strlen(query) + 1))
        return false;
    while (link_read(l, LINK_WAIT_MS, &f)) {
        hear(s, &h, &f);
        if (f.type == 'W' || f.type == 'Z')
            return f.type == 'W';
    }
    return false;
}

static void play_pusher(struct session *s, struct link *l)
{
    char query[256];
    struct heard h = {0};
    struct script script;
    (void)snprintf(query, sizeof query, "branch_push %s " ID " '{\"protocol\":1}'", s->branch);
    if (!begin_copy(s, l, query))
        return;
    listen_for(s, l, &h, LINK_WAIT_MS, &h.state);
    if (!h.state)
        return;
    script_sender(&script, &s->rng, &h.its_state, s->honest);
    say_all(s, l, &h, &script);
    end_client(s, l, &h);
    script_close(&script);
    s->committed = s->done;
}

static void play_asker(struct session *s, struct link *l)
{
    char query[256];
    struct heard h = {0};
    struct script script;
    (void)snprintf(query, sizeof query, "branch_verify %s " ID " '{\"protocol\":1}'", s->branch);
    if (!begin_copy(s, l, query))
        return;
    listen_for(s, l, &h, LINK_WAIT_MS, &h.state);
    if (!h.state)
        return;
    script_asker(&script, &s->rng, &h.its_state, s->honest);
    say_all(s, l, &h, &script);
    end_client(s, l, &h);
    script_close(&script);
}

static void receiver_state(struct session *s, bool honest, struct state_message *state)
{
    if (!honest && s->at.lsn > 0 && one_in(&s->rng, 3))
        script_state_resumes(&s->rng, &s->at, state);
    else
        script_state(&s->rng, honest, state);
}

static void play_puller(struct session *s, struct link *l)
{
    static char query[131072];
    struct heard h = {0};
    struct script script;
    struct state_message state;
    receiver_state(s, s->honest, &state);
    char *text = script_state_text(&s->rng, &state, s->honest);
    (void)snprintf(query, sizeof query, "branch_pull %s " ID " '%s'", s->branch, text);
    free(text);
    if (!begin_copy(s, l, query))
        return;
    script_receiver(&script, &s->rng, &state, false, s->honest);
    say_all(s, l, &h, &script);
    end_client(s, l, &h);
    script_close(&script);
    s->done = false; /* its own word would be a row of perform_*'s */
}

/* Anything that is no login, or a login and then no command. */
static void play_stranger(struct session *s, struct link *l)
{
    uint8_t bytes[512];
    struct heard h = {0};
    struct rng *r = &s->rng;
    size_t len = 1 + rng_below(r, sizeof bytes);
    bool in = one_in(r, 2) && link_log_in(l);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)rng_next(r);
    if (in) {
        bytes[0] = (uint8_t) "QPBEDCSHFdcfpX"[rng_below(r, 14)];
        if (len >= 5)
            put_u32be(bytes + 1, one_in(r, 3) ? (uint32_t)rng_next(r) : (uint32_t)len - 1);
    } else if (len >= 8) {
        static const uint32_t codes[] = {3u << 16, (3u << 16) + 2, 80877103, 80877104, 80877102};
        put_u32be(bytes, one_in(r, 3) ? (uint32_t)rng_next(r) : (uint32_t)len);
        put_u32be(bytes + 4, codes[rng_below(r, 5)]);
        if (len > 20 && one_in(r, 2))
            memcpy(bytes + 8, "user\0root", 10);
    }
    (void)link_write(l, bytes, len);
    if (one_in(r, 2))
        listen_for(s, l, &h, 20, &h.ready);
}

/* ---- a server
 * ------------------------------------------------------------------------------------------- */

/* The STATE in a query of "branch_pull BRANCH ID 'JSON'". */
static bool state_of_query(const char *query, struct state_message *state)
{
    struct zs_error e;
    const char *json = strchr(query, '{'), *end = strrchr(query, '}');
    return json != NULL && end != NULL &&
           state_decode(json, (size_t)(end + 1 - json), state, &e) == ZS_OK;
}

/* Not even a login. */
static void be_no_server(struct session *s, struct link *l)
{
    static const struct {
        const char *bytes;
        size_t len;
    } answers[] = {
        {BYTES("R\0\0\0\10\0\0\0\3")},                         /* a password, please */
        {BYTES("R\0\0\0\14\0\0\0\5salt")},                     /* MD5 */
        {BYTES("R\0\0\0\10\0\0\0\7")},                         /* GSS */
        {BYTES("R\0\0\0\27\0\0\0\12SCRAM-SHA-256\0\0")},       /* and nothing after it */
        {BYTES("R\0\0\0\20\0\0\0\12NOTHING\0\0")},             /* no mechanism of ours */
        {BYTES("E\0\0\0\40SFATAL\0C28P01\0Mgo away\0\0")},     /* */
        {BYTES("Eno more words")},                             /* protocol 2 */
        {BYTES("R\377\377\377\377")},                          /* */
        {BYTES("R\0\0\0\4")},                                  /* */
        {BYTES("v\0\0\0\14\377\377\377\377\377\377\377\377")}, /* */
        {BYTES("HTTP/1.1 400 Bad Request\r\n\r\n")},           /* */
        {BYTES("R\0\0\0\10\0\0\0\0S\0\0\0\4")},                /* */
        {BYTES("R\0\0\0\10\0\0\0\0K\0\0\0\6\0\0Z\0\0\0\5I")},  /* */
        {BYTES("")},
    };
    size_t i = rng_below(&s->rng, sizeof answers / sizeof *answers);
    struct frame f;
    (void)link_take_startup(l);
    (void)link_write(l, answers[i].bytes, answers[i].len);
    (void)link_read(l, 20, &f);
}

static void be_server(struct session *s, struct link *l)
{
    struct heard h = {0};
    struct script script;
    struct state_message state;
    const char *query = NULL;
    if (!s->honest && one_in(&s->rng, 12)) {
        be_no_server(s, l);
        return;
    }
    if (!link_let_in(l, &query))
        return;
    receiver_state(s, s->part == PART_SINK && s->honest, &state);
    if (s->part == PART_SOURCE && !state_of_query(query, &state))
        return;
    (void)link_say(l, 'W', "\0\0", 3);
    if (s->part == PART_SOURCE)
        script_sender(&script, &s->rng, &state, s->honest);
    else if (s->part == PART_ANSWERER)
        script_answerer(&script, &s->rng, &state);
    else
        script_receiver(&script, &s->rng, &state, true, s->honest);
    bool done = false; /* here the pageserver's row tells */
    say_all(s, l, &h, &script);
    if (s->honest && s->part == PART_SOURCE)
        listen_for(s, l, &h, LINK_WAIT_MS, &s->done);
    script_close(&script);
    s->done = done;
    if (s->honest || one_in(&s->rng, 2)) {
        (void)link_say(l, 'c', "", 0);
        (void)link_say(l, 'C', "DONE", 5);
        (void)link_say(l, 'Z', "I", 1);
    }
    if (s->honest || one_in(&s->rng, 2))
        listen_for(s, l, &h, s->honest ? 1000 : 20, &done);
}

static void play_server(struct session *s, struct link *l)
{
    char query[256];
    struct heard h = {0};
    struct frame f;
    struct link near = {.fd = -1};
    (void)snprintf(query, sizeof query,
                   "%s %s 'postgresql://u:p@127.0.0.1:%u/db?sslmode=disable' far",
                   s->part == PART_SOURCE     ? "perform_pull"
                   : s->part == PART_ANSWERER ? "perform_verify"
                                              : "perform_push",
                   s->branch, s->port);
    if (!link_say(l, 'Q', query, strlen(query) + 1))
        return;
    if (link_accept(&near, s->listener, s->honest ? LINK_WAIT_MS : 2000))
        be_server(s, &near);
    link_close(&near);
    while (link_read(l, LINK_WAIT_MS, &f) && !h.ready) {
        s->done = s->done || f.type == 'D';
        hear(s, &h, &f);
        if (f.type == 'Z')
            break;
    }
    s->committed = s->part == PART_SOURCE && s->done;
}

void session_play(struct session *s)
{
    struct link l;
    s->commit_said = s->done = s->error = s->committed = false;
    s->said[0] = '\0';
    if (!link_dial(&l, s->socket))
        return;
    if (s->part == PART_STRANGER) {
        play_stranger(s, &l);
    } else if (link_log_in(&l)) {
        if (s->part == PART_PUSHER)
            play_pusher(s, &l);
        else if (s->part == PART_PULLER)
            play_puller(s, &l);
        else if (s->part == PART_ASKER)
            play_asker(s, &l);
        else
            play_server(s, &l);
    }
    link_close(&l);
}

/* ---- the proof
 * ---------------------------------------------------------------------------------------------- */

struct proof {
    struct batch_reader *reader;
    struct zs_digest sum;
    const char *why;
    bool over;
};

static void prove(struct proof *p, const struct frame *f, const char *lsn, const char *digest)
{
    struct zs_error e = {0};
    const struct zs_record *records = NULL;
    struct commit_message commit;
    uint32_t n = 0;
    if (f->type != 'd' || f->len == 0)
        return;
    switch (f->body[0]) {
    case 'B':
        if (batch_decode(p->reader, f->body, f->len, &records, &n, &e) == ZS_OK)
            digest_add_records(&p->sum, records, n);
        else
            p->why = "a batch of it does not decode";
        break;
    case 'C':
        p->over = true;
        if (commit_decode((const char *)f->body + 1, f->len - 1, &commit, &e) != ZS_OK)
            p->why = "its COMMIT does not decode";
        else if (!digest_equal(commit.sum, p->sum))
            p->why = "its records do not add up to its COMMIT";
        else if (strcmp(lsn_text(commit.end.lsn).s, lsn) != 0)
            p->why = "it ends at another LSN";
        else if (commit.gc_cutoff_lsn == 0 && strcmp(digest_text(p->sum).s, digest) != 0)
            p->why = "its records do not add up to its digest";
        break;
    default:
        break;
    }
}

bool branch_verify(const char *socket, const char *branch, const char *lsn, const char *digest,
                   const char **why)
{
    struct link l;
    struct zs_error e = {0};
    struct frame f;
    struct proof p = {.why = NULL};
    struct rng r = {1};
    struct state_message state;
    char query[2048];
    if (!link_dial(&l, socket) || !link_log_in(&l) || batch_reader_open(&p.reader, &e) != ZS_OK) {
        *why = "it cannot be asked for";
        return false;
    }
    script_state(&r, true, &state);
    char *text = script_state_text(&r, &state, true);
    (void)snprintf(query, sizeof query, "branch_pull %s " ID " '%s'", branch, text);
    free(text);
    (void)link_say(&l, 'Q', query, strlen(query) + 1);
    while (!p.over && p.why == NULL && link_read(&l, LINK_WAIT_MS, &f))
        prove(&p, &f, lsn, digest);
    if (!p.over && p.why == NULL)
        p.why = "it is not sent to its end";
    batch_reader_close(p.reader);
    link_close(&l);
    *why = p.why;
    return p.why == NULL;
}
