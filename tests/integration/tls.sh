#!/usr/bin/env bash
# The server's own TLS: who connects can know that it is the server, a certificate of the
# authority that tls_ca names logs its user in and nobody else, what is half done costs little
# and ends in time, and a branch travels through it as it does in the clear.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite tls
clusters
# Of the machine's settings none; names in two bytes a letter where one is asked for.
printf '%s\n' '[req]' 'distinguished_name = name' '[name]' >"$WORK/openssl.cnf"
printf '%s\n' '[req]' 'distinguished_name = name' 'string_mask = MASK:0x800' '[name]' \
    >"$WORK/two-bytes.cnf"
export OPENSSL_CONF=$WORK/openssl.cnf

# ---- certificates ----------------------------------------------------------------------------

TLS=$WORK/tls
mkdir -m 700 "$TLS"
new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
authority() { # NAME
    openssl req -x509 "${new_key[@]}" -keyout "$TLS/$1.key" -out "$TLS/$1.crt" -days 2 \
        -subj "/CN=authority $1" -addext basicConstraints=critical,CA:TRUE
}
# certificate NAME AUTHORITY SUBJECT [DAYS [EXTENSION]]
certificate() {
    openssl req -new "${new_key[@]}" -utf8 -keyout "$TLS/$1.key" -out "$TLS/$1.csr" -subj "$3" &&
        openssl x509 -req -in "$TLS/$1.csr" -CA "$TLS/$2.crt" -CAkey "$TLS/$2.key" \
            -CAcreateserial -days "${4:-2}" -out "$TLS/$1.crt" \
            -extfile <(echo "${5:-extendedKeyUsage=clientAuth}")
}
{
    authority ours && authority strange &&
        certificate server ours /CN=server 2 'subjectAltName=DNS:server.test,IP:127.0.0.1' &&
        certificate writer ours /CN=writer && certificate other ours /CN=other &&
        certificate longer ours /CN=writer2 && certificate nobody ours /O=nobody &&
        OPENSSL_CONF=$WORK/two-bytes.cnf certificate disguised ours /CN=$'\xe7\x9d\xb2\xe6\xa5\xb4\xe6\x95\xb2' &&
        certificate expired ours /CN=writer -1 && certificate stranger strange /CN=writer &&
        certificate not-a-client ours /CN=writer 2 extendedKeyUsage=serverAuth
} 2>"$WORK/openssl.log" || { cat "$WORK/openssl.log"; exit 1; }

# settings NAME LINE...: that server with these, started again.
settings() {
    [ -e "$WORK/$1.toml" ] || cp "$WORK/$1/.zenith/pageserver.toml" "$WORK/$1.toml"
    run "$1" stop
    { cat "$WORK/$1.toml"; printf '%s\n' "${@:2}"; } >"$WORK/$1/.zenith/pageserver.toml"
    run "$1" start
}
with_tls=("tls_cert = \"$TLS/server.crt\"" "tls_key = \"$TLS/server.key\"")
with_ca=("${with_tls[@]}" "tls_ca = \"$TLS/ours.crt\"")

# ---- files that cannot be used ---------------------------------------------------------------

server A && server B
settings B "tls_cert = \"$TLS/nothing.crt\"" "tls_key = \"$TLS/server.key\""
must "a server without its certificate does not start" not exits 0
must "and names the file" says "nothing.crt cannot be used"
settings B "tls_cert = \"$TLS/server.crt\"" "tls_key = \"$TLS/writer.key\""
must "nor does one with another's key" not exits 0
must "which is named" says "the key $TLS/writer.key cannot be used"
settings B "${with_tls[@]}" "tls_ca = \"$TLS/server.key\""
must "nor one with an authority that is none" not exits 0
must "which is named" says "the authority $TLS/server.key cannot be used"

# ---- who the server is -----------------------------------------------------------------------

settings B "${with_tls[@]}"
must "it starts with TLS" exits 0 || exit 1
for user in writer other; do
    z B user add "$user" --role write --password-stdin <<<"$PASSWORD" >/dev/null 2>&1
done
# log_in PARAMETER...: psql over TCP, verifying the server; the status command's answer.
log_in() {
    LAST="psql $*" STATUS=0
    PGPASSWORD=${password-} "$PG_BIN/psql" -X -A -t -w "host=server.test hostaddr=127.0.0.1 \
        port=${PORT[B]} dbname=zenith user=writer sslmode=verify-full \
        sslrootcert=$TLS/ours.crt $*" -c "${query:-status}" >"$WORK/.out" 2>"$WORK/.err" \
        </dev/null || STATUS=$?
    collect
}
by() { log_in "sslcert=$TLS/$1.crt sslkey=$TLS/$1.key" "${@:2}"; }
password=$PASSWORD
log_in
must "with verify-full one logs in by password" exits 0
log_in ssl_max_protocol_version=TLSv1.2
must "with TLS 1.2, too" exits 0
log_in ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1
must "not with what is older" not exits 0
log_in host=elsewhere.test
must "a server of another name is not believed" says 'server certificate.*does not match'
log_in "sslrootcert=$TLS/strange.crt"
must "nor one of another authority" says 'certificate verify failed'
log_in sslmode=disable sslrootcert=
must "in the clear one logs in as before" exits 0
password=wrong log_in
must "a wrong password is refused through TLS" says 'password authentication failed|28P01|wrong'
password=
by writer
must "without tls_ca a certificate is no login" not exits 0

# ---- who the client is -----------------------------------------------------------------------

settings B "${with_ca[@]}"
must "it starts with an authority" exits 0 || exit 1
by writer
must "a certificate logs its user in without a password" exits 0
by writer ssl_max_protocol_version=TLSv1.2
must "with TLS 1.2, too" exits 0
by writer user=other
must "and nobody else" says 'no password supplied'
by other
must "another's certificate does not" says 'no password supplied'
by longer
must "nor one whose name only begins so" says 'no password supplied'
by disguised
must "nor one whose name has the same bytes and says something else" says 'no password supplied'
by nobody
must "nor one without a name" says 'no password supplied'
by other user=nobody
must "nor does one let in who is no user" not exits 0
by longer user=writer2
must "not under the name in it either" says 'no password supplied'
by stranger
must "one of another authority is refused" says 'unknown ca'
by expired
must "an expired one is refused" says 'certificate expired'
by not-a-client
must "one that is not for clients is refused" says 'unsupported certificate|alert'
must "and none of them got in" not exits 0
password=$PASSWORD
by other
must "whose certificate does not help still has a password" exits 0
log_in
must "and so has who shows none" exits 0
query='branch_delete nothing' by writer
must "a certificate gives no role but its user's" says 'needs the role admin'
must "the server says in its log why it refused" \
    grep -q 'the TLS handshake failed' "$WORK/B/.zenith/pageserver.log"

# ---- what is half done -----------------------------------------------------------------------

SSL_REQUEST='\0\0\0\10\4\322\26\57'
dial() { exec {CLIENT}<>"/dev/tcp/127.0.0.1/${PORT[B]}"; }
hang_up() { exec {CLIENT}>&-; }
answer() { timeout 60 cat <&"$CLIENT" 2>/dev/null | tr -d '\0'; }
# ask_for_tls: the request, and its answer, S.
ask_for_tls() {
    printf '%b' "$SSL_REQUEST" >&"$CLIENT"
    LC_ALL=C read -r -t 60 -N 1 yes <&"$CLIENT"
    [ "${yes-}" = S ]
}
dial
printf '%b' "$SSL_REQUEST" '\0\0\0\27\0\3\0\0user\0writer\0\0' >&"$CLIENT"
must "what follows the request in the clear is refused" \
    grep -q 'bytes follow the request for TLS' <<<"$(answer)"
hang_up
dial
must "a request for TLS is granted" ask_for_tls
printf '\0\0\0\27\0\3\0\0user\0writer\0\0' >&"$CLIENT"
must "what is no handshake is answered nothing in the clear" \
    not grep -qE 'SCRAM|server_version|FATAL' <<<"$(answer)"
hang_up

settings B "${with_ca[@]}" 'handshake_timeout = 1'
ends_in_time() {
    timeout 20 cat <&"$CLIENT" >/dev/null 2>&1
    [ $? -ne 124 ]
}
dial
must "a request for TLS is granted" ask_for_tls
must "who then says nothing is hung up on" ends_in_time
hang_up
dial
must "a request for TLS is granted" ask_for_tls
{
    printf '\26\3\1\2\0\1\0\1\374\3\3' >&"$CLIENT"
    for _ in {1..300}; do
        sleep 0.2
        printf 'x' >&"$CLIENT" || break
    done
} 2>/dev/null &
slow=$!
must "a byte now and then gains no time" ends_in_time
must "it was still sending" kill "$slow"
wait "$slow" 2>/dev/null
hang_up
must "the server says in its log that it took too long" \
    grep -q 'the TLS handshake took too long' "$WORK/B/.zenith/pageserver.log"
# The handshake done, and no login behind it.
must "one that is done with the handshake and does not log in is hung up on, too" \
    timeout 20 openssl s_client -quiet -starttls postgres -connect "127.0.0.1:${PORT[B]}" \
    >"$WORK/.out" 2>&1 </dev/null
must "and told why" grep -qa 'the login took too long' "$WORK/.out"
log_in
must "others log in as ever" exits 0

settings B "${with_ca[@]}" 'handshake_timeout = 600'
descriptors() { find "/proc/$(pid_of B)/fd" -mindepth 1 2>/dev/null | wc -l; }
threads() { awk '$1 == "Threads:" {print $2}' "/proc/$(pid_of B)/status"; }
# Nothing; a record of 16 KiB that does not come; a hello of 16 MiB; one of 128 KiB, and the
# first record of it.
claims=('' '\26\3\1\77\377\1\0\77\373' '\26\3\1\77\377\1\377\377\377' '\26\3\1\77\377\1\1\377\0')
before_descriptors=$(descriptors) before_threads=$(threads) before_kib=$(anon_kib B)
half_open=()
for i in {1..300}; do
    dial
    half_open+=("$CLIENT")
    # Only those that have a place are answered.
    [ "$i" -gt 64 ] || ask_for_tls || continue
    {
        printf '%b' "${claims[i % ${#claims[@]}]}"
        head -c 16000 /dev/zero
    } >&"$CLIENT"
done 2>/dev/null
few() { [ "$(threads)" -le $((before_threads + 64)) ]; }
must "no more than 64 threads wait for them" poll 60 few
grown_kib=$(($(anon_kib B) - before_kib))
echo "64 handshakes half done: $grown_kib KiB"
must "300 half-open clients take less than 16 MiB, not $grown_kib KiB" test "$grown_kib" -lt \
    "$([ -n "$SHORT" ] && echo 65536 || echo 16384)"
for CLIENT in "${half_open[@]}"; do hang_up; done
back() { [ "$(descriptors)" -le "$before_descriptors" ] && [ "$(threads)" -le "$before_threads" ]; }
must "descriptors and threads are back" poll 60 back

# ---- a branch travels ------------------------------------------------------------------------

run A import main "$BASE"
must "the branch is there" exits 0
verified="sslmode=verify-full&sslrootcert=ours.crt"
address=127.0.0.1:${PORT[B]}
run A push main "postgresql://writer:s3cret%2Fp%40ss@$address?$verified"
must "without tls_dir no URI names a file" says 'names a file, and this server allows none'
settings A "tls_dir = \"$TLS\""
run A origin add cloud "postgresql://writer@$address?$verified&sslcert=writer.crt&sslkey=writer.key"
must "an origin with certificates is taken" exits 0
run A push main "postgresql://writer:s3cret%2Fp%40ss@$address?sslmode=verify-full&sslrootcert=strange.crt" --json
must "a server of another authority is sent nothing" fails_with 08001
must "nor has it anything" same "$(state B main)" none
over_4_batches() { [ "$(sed -n 's/.*"raw_bytes": *\([0-9]*\).*/\1/p' <<<"$OUT")" -gt 5000000 ]; }
run A push main cloud --compression none --json
must "a push through TLS succeeds" exits 0
must "it was more than four batches" over_4_batches
must "both sides are equal" same "$(state B main)" "$(state A main)"
run A verify main cloud
must "and a comparison through TLS says so" exits 0
run A import main "$NEXT"
run A push main "postgresql://writer:s3cret%2Fp%40ss@$address?$verified"
must "an increment goes by password, too" exits 0
must "both sides are equal" same "$(state B main)" "$(state A main)"
run A pull copy cloud:main --compression none --json
must "a pull through TLS succeeds" exits 0
must "it was more than four batches" over_4_batches
must "both sides are equal" same "$(history_of A copy)" "$(history_of B main)"
# Cut in the middle, in both directions, and gone on with.
in_background "$BUILD/zenith" -D "$WORK/A" push main cloud:again --max-rate 4M --compression none
must "a push through TLS is under way" poll 20 busy B branch_push
kill -INT "$SLOW"
ended
must "it can be interrupted" exits 6
run A push main cloud:again
must "and run again" exits 0
must "both sides are equal" same "$(history_of B again)" "$(history_of A main)"
finish
