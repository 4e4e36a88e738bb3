/* message.h - the stream between a sender and a receiver: its messages.
 *
 * Whoever runs `sync/send` is the sender, whoever runs `sync/receive` the
 * receiver; which of them connected does not matter here.
 *
 *     receiver -> sender   STATE    what it has                              JSON
 *     sender -> receiver   OFFER    verdict, mode, what would come           JSON
 *                          BATCH*   records                                  batch.h
 *                          COMMIT   where it ends, sums, history points      JSON
 *     receiver -> sender   ACK*     how much is durable there (OFFER "acks")  JSON
 *                          DONE     what the branch is now                   JSON
 *     either               KEEPALIVE while nothing else is to be said        empty
 * A comparison (sync/compare.h) begins with a STATE, too, and goes on with
 *     asker -> answerer    ASK      the sum of which records; or: that is all  JSON
 *     answerer -> asker    SUMS     the answer                                 JSON
 *
 * A pull puts the STATE into the command that it sends, so that negotiation is one
 * round trip in both directions.  OFFER's mode says what follows:
 *     send   BATCH* COMMIT, then DONE comes back.  Before COMMIT the same OFFER may come
 *            once more: the sender found that it left something out (its change map
 *            lied), and starts over with batch 0
 *     none   nothing; DONE comes back (equal, refused, or a dry run)
 *     ask    nothing; the receiver can decide and the sender cannot: DONE has the
 *            verdict
 * A STATE may have "resume": where a transfer that was cut off stands.  An OFFER with
 * "resume" accepts it: it ends at that transfer's LSN, only records behind that position
 * come, and sums and counts are those of the whole range.  They come once the receiver has
 * looked through what it kept, and said so by an ACK of just that: it may take minutes, in
 * which nothing must lie in the way between the two.  If it says "more", another OFFER
 * follows the DONE, for what is newer.  The same OFFER once more, without
 * "resume", starts over here, too.
 * There is no message for errors: the side that was called fails its command, and
 * the host tells the caller as it tells any client (host.h, run); the side that
 * called closes the channel.  So an error has one way, with or without a stream.
 *
 * Each message is one byte of type and a body.  Version: OFFER and STATE carry
 * "protocol" (major; must be equal) and JSON members that are not known are
 * skipped, so a newer minor version still works; a message type that is not known
 * is refused by name.  What a flipped bit does is found by the checksums that stand in a
 * BATCH and in each JSON body; a KEEPALIVE with a body was another message. */
#ifndef ZS_WIRE_MESSAGE_H
#define ZS_WIRE_MESSAGE_H

#define PROTOCOL_MAJOR 1

enum message_type {
    MESSAGE_STATE = 'S',
    MESSAGE_OFFER = 'O',
    MESSAGE_BATCH = 'B',
    MESSAGE_COMMIT = 'C',
    MESSAGE_DONE = 'D',
    MESSAGE_ACK = 'A',
    MESSAGE_KEEPALIVE = 'K',
    MESSAGE_ASK = 'Q',
    MESSAGE_SUMS = 'M',
};

#endif
