/* seeds.c - writes the fuzz targets' first inputs: `seeds FOLDER` makes FOLDER/TARGET/NAME.
 * What a target finds interesting is found from these; they are small, a few for each
 * shape of input that the target knows, right ones and wrong ones.  The same each time.
 * Here: texts, in which \0 ends a part as the target's header says. */
#include "seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ID        "00112233445566778899aabbccddeeff"
#define POINT     "[\"0/2000\",\"" ID "\",\"7\",\"4096\"]"
#define OLDER     "[\"0/1000\",\"" ID "\",\"3\",\"64\"]"
#define SCRAM_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define VERIFIER  "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" SCRAM_KEY ":" SCRAM_KEY

struct seed {
    const char *target, *name, *text;
    size_t len;
};
#define SEED(target, name, text)                                                                   \
    {                                                                                              \
        target, name, text, sizeof(text) - 1                                                       \
    }

static const struct seed seeds[] = {
    SEED("arguments", "words", "main 'postgresql://u:p@h:1/db' far"),
    SEED("arguments", "options", "'a''b' c (dry_run on, max_rate 1.5M, compression zstd,progress)"),
    SEED("arguments", "json", "main " ID " '{\"protocol\":1}'"),
    SEED("arguments", "broken", "main 'open (a,,b"),
    SEED("uri", "plain", "\x40\x0dpostgresql://user:@host.example:5432/db?sslmode=require#x"),
    SEED("uri", "socket", "\x00\x00postgres://%2Fvar%2Frun:5432/db"),
    SEED("uri", "hosts", "\x00\x30POSTGRESQL://u@[::1]:1,10.0.0.1:2,h/p"),
    SEED("uri", "at", "\x00\x0cfile://a:/b@c/d?e@f"),
    SEED("text", "lsn", "16/B374D848"),
    SEED("text", "id", ID),
    SEED("text", "branch", "release/2.0-rc_1"),
    SEED("text", "rate", "1.5G"),
    SEED("conninfo", "plain", "\x00\x12postgresql://user:pw@host.example:5432/db?sslmode=require"),
    SEED("conninfo", "files",
         "\x01\x00postgres://u@h/?sslmode=verify-full&sslrootcert=ca.crt&sslcert=c&sslkey=k"),
    SEED("conninfo", "socket", "\x02\x00postgresql://%2Ftmp/db?connect_timeout=5&keepalives=0"),
    SEED("conninfo", "hosts", "\x04\x00postgresql://u@a.example:1,192.0.2.7:2,[::1]:5/db"),
    SEED("conninfo", "hostaddr", "\x04\x00postgresql://u@h/db?hostaddr=192.0.2.9&port=3"),
    SEED("conninfo", "locked", "\x07\x00postgresql://u@h/?gssencmode=prefer&passfile=%2Fx"),
    SEED("destinations", "names", "db.example db2:5432 *.lan.example.\0a.lan.example\0"),
    SEED("destinations", "addresses",
         "10.0.0.0/8 [fe80::1]:5 ::1 192.0.2.1:7\0h\0"
         "10.1.2.3"),
    SEED("destinations", "mapped",
         "::ffff:10.0.0.0/104\0\0"
         "10.9.9.9"),
    SEED("destinations", "broken", "h:0 [::1 a/33"),
    SEED("far_error", "refused",
         "\0connection to server at \"h\", port 1 failed: FATAL:  28P01: no\nDETAIL:  d\nHINT:  h"),
    SEED("far_error", "full", "\0connection failed: FATAL:  53300: too many clients\n"),
    SEED("far_error", "libpq", "\0connection to server failed: Connection refused\n\tIs it there?"),
    SEED("far_error", "ssl", "\1server does not support SSL, but SSL was required\n"),
    SEED("toml", "table",
         "\2origin\0main\0uri\0v\0# c\n[origin.main]\nuri = \"a\" # b\n\n[x]\na=1\n"),
    SEED("toml", "inline", "\1origin\0m\0x\0origin = { m = \"a\", n = { uri = 'b' } }\r\n"),
    SEED("toml", "lists",
         "\0list\0v\0list = [\"a\", \"b\"] # [\n[[t]]\nk = \"\"\"x\"\"\"\n[[t]]\n"),
    SEED("toml", "dotted", "\2a\0b c\0d\0v\\\"\xc3\xa9\0a.\"b c\".e = 1.5\n a.f = 1979-05-27\n"),
    SEED("toml", "mark",
         "\0k\0v\0\xef\xbb\xbf"
         "other = true\nk = 0x1F"),
    SEED("config", "all",
         "listen = \"127.0.0.1\"\nport = 5433\nmodules = [\"zenith_sync.so\"]\n"
         "allow_destinations = [\"h:1\", \"10.0.0.0/8\"]\nallow_unix_sockets = true\n"
         "tls_dir = \"/t\"\nmax_connections = 5\nmax_half_open = 2\nhandshake_timeout = 3\n"
         "idle_timeout = 0\ntls_cert = \"/c\"\ntls_key = \"/k\"\ntls_ca = \"/a\"\n"),
    SEED("config", "unknown", "port = 1\nprot = 2\n"),
    SEED("scram", "login", "\1n,,n=,r=fyko+d2lbbFgONRv9qkxdawL\0,x=1\0" VERIFIER),
    SEED("scram", "wrong", "\0y,,n=u,r=abc\0c=eSws,r=abc3rfcNHYJY1ZVvWVs7j,p=" SCRAM_KEY "\0"),
    SEED("scram", "binding", "\2p=tls-server-end-point,,n=,r=x\0\0SCRAM-SHA-256$0:$"),
    SEED("users", "some",
         "bob\0#key " SCRAM_KEY "\n# c\nalice admin " VERIFIER "\nbob read " VERIFIER "\n"),
    SEED("users", "none", "eve\0alice write " VERIFIER "\n\n"),
    SEED("users", "broken", "bob\0bob king " VERIFIER),
    SEED("query", "own", "export main '/tmp/it''s' '0/16B3748' ;"),
    SEED("query", "words", "  Branch_Create\tmain\n"),
    SEED("query", "broken", "load 'open"),
    SEED("pgpath", "relation", "16384_fsm.12"),
    SEED("pgpath", "slru", "001F"),
    SEED("pgpath", "conf", "postgresql.auto.conf"),
    SEED("pgpath", "version", "base/5/PG_VERSION"),
    SEED("pgpath", "tablespace", "pg_tblspc/16400/PG_15_202209061/5/PG_VERSION"),
    SEED("pgpath", "temporary", "t3_16385.1"),
    SEED("pgpath", "outside", "base/../PG_VERSION"),
    SEED("control", "state",
         "\0{\"protocol\":1,\"exists\":true,\"digests\":true,\"dry_run\":false,\"encodings\":7,"
         "\"encoding\":1,\"max_rate\":\"0\",\"timeline\":\"" ID "\",\"last\":" POINT
         ",\"points\":[" POINT "," OLDER "]}"),
    SEED("control", "offer",
         "\1{\"protocol\":1,\"verdict\":\"behind\",\"mode\":\"send\",\"digests\":true,"
         "\"timeline\":\"" ID "\",\"from_lsn\":\"0/1000\",\"to_lsn\":\"0/2000\",\"last\":" POINT
         ",\"records\":\"4\",\"bytes\":\"18446744073709551615\",\"new\":[null,{}]}"),
    SEED("control", "commit",
         "\2{\"protocol\":1,\"sum\":\"" ID "\",\"records\":\"4\",\"bytes\":\"9\",\"end\":" POINT
         ",\"gc_cutoff_lsn\":\"0/0\",\"points\":[]}"),
    SEED("control", "done",
         "\3{\"protocol\":1,\"verdict\":\"equal\",\"common_lsn\":\"0/0\",\"timeline\":\"" ID
         "\",\"last\":" POINT "} "),
    SEED("control", "ack", "\4{\"protocol\":1,\"records\":\"4\",\"bytes\":\"9\"}"),
    SEED("control", "resume",
         "\0{\"protocol\":1,\"exists\":true,\"digests\":true,\"timeline\":\"" ID
         "\",\"last\":" OLDER ",\"resume\":true,\"resume_to\":" POINT ",\"resume_key\":\"" ID
         "\",\"resume_key_end\":7,\"resume_lsn\":\"0/1800\",\"resume_sum\":\"" ID
         "\",\"resume_records\":\"2\",\"resume_bytes\":\"16384\"}"),
    SEED("control", "newer", "\0{\"protocol\":2}"),
    SEED("control", "cut", "\0{\"protocol\":1,"),
};

static const char *folder;

void seed_write(const char *target, const char *name, const void *bytes, size_t n)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, target);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        abort();
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    folder = argv[1];
    (void)mkdir(folder, 0755);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        seed_write(seeds[i].target, seeds[i].name, seeds[i].text, seeds[i].len);
    seeds_binary();
    return EXIT_SUCCESS;
}
