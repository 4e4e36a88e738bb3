/* stub_transport.h - a network of stub hosts, and the transport over it: scheme "stub".
 * Flow: perform_push in host a -> registry -> connect("stub://b", "branch_push ...") ->
 * a thread runs that line in host b, with a session whose copy_both is the other end
 * of an in-memory pipe.
 *
 * A URI is stub://[user[:password]@]NAME[/anything]; only NAME counts.  An error of
 * the far command arrives at the near recv as it is.  Closing the channel without a
 * finish cancels the far command, as a vanished client does; the close returns when
 * the far command has ended.
 *
 * A transport's init gets nothing but its host's settings, so the network is handed
 * over as the setting "stub_network": put {"stub_network", stub_network_key(net)} among
 * a stub host's settings, or use stub_network_self() as the self of a table that was
 * not inited.
 * Threads: connect from any; hosts are added and faults set while nothing runs.
 * Ownership: the opener's; close after every channel. */
#ifndef HOST_STUBS_STUB_TRANSPORT_H
#define HOST_STUBS_STUB_TRANSPORT_H

#include "stub/stub_fault.h"
#include "stub/stub_host.h"

#include <zenith-sync/transport.h>

struct stub_network;

int stub_network_open(struct stub_network **out, struct zs_error *e);
void stub_network_close(struct stub_network *net);

/* Make `host` reachable as stub://NAME; who comes gets `role` there.  Borrowed. */
int stub_network_add(struct stub_network *net, const char *name, struct stub_host *host,
                     uint32_t role, struct zs_error *e);

/* Faults of the connections to come: in front of the near channel ("connect", "send",
 * "recv", "finish"), and of the far session (stub_session.h).  NULL none.  Borrowed. */
void stub_network_faults(struct stub_network *net, struct stub_faults *near,
                         struct stub_faults *far);

/* How many bytes may lie unread in a connection, each way; 0 as stub_pipe.h. */
void stub_network_buffer(struct stub_network *net, uint64_t max_bytes);

/* How many times connect was called. */
uint64_t stub_network_connects(struct stub_network *net);

/* The value of the setting "stub_network"; valid until close. */
const char *stub_network_key(const struct stub_network *net);

/* The descriptor, as zenith_sync_transport_v1 of a shared object would give it. */
const struct zs_transport *stub_transport_table(void);
void *stub_network_self(struct stub_network *net);

#endif
