/* SPDX-License-Identifier: MIT
 *
 * Serving a connection: the same code under every model.
 *
 * The model owns the socket and the record; it calls connection_serve() in an
 * execution context whenever the socket is readable, and the two others when the
 * deadline of a parked connection has passed or the server is being stopped. It
 * must not call any of them for the same connection at the same time.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/conn.h"
#include "io.h"

struct config;

/* Bytes a context needs for io.in: one request head of the largest size and room to read on. */
size_t connection_in_size(const struct config *config);

/* Bytes of spill to set aside for a connection: all that io.in may hold, in whole pages, so that
 * they can be given back to the kernel without touching a neighbour's. */
size_t connection_spill_size(const struct config *config);

/*
 * Makes a record for a socket just accepted: fd and client as listen_accept() has them, spill
 * connection_spill_size() bytes of memory. The header timeout starts to run.
 */
void connection_init(struct conn *conn, int fd, const struct in6_addr *client, char *spill,
                     const struct config *config);

/*
 * Serves every request that is ready, pipelined ones in order with their answers
 * coalesced, unless others are to have their turn first; then says where the connection goes:
 * CONN_PARK with deadline_ms set, or CONN_CLOSE. May wait through io inside a request. All scratch
 * of io is free again when it returns.
 */
enum conn_next connection_serve(struct conn *conn, struct io *io);

/* The deadline of a parked connection has passed: answers 408 where a request has begun,
 * and lingers; else closes. What waits for the server and not for the client stays parked, and so
 * does what the client is still taking answers of, at the minimum rate; else answers are dropped.
 * Does not wait. */
enum conn_next connection_expire(struct conn *conn, struct io *io);

/* Others wait for a place: closes a parked connection that has been idle for a while, if so many
 * are wanted (server_seek_places()). Does not wait. */
enum conn_next connection_make_room(struct conn *conn, struct io *io);

/* The worker is to finish: closes a parked connection that is idle, unless such may still stay
 * (server_idle_may_stay()) or it was used a moment ago; one with a request under way, or unread
 * input, stays parked. To be called again every few milliseconds. Does not wait. */
enum conn_next connection_drain(struct conn *conn, struct io *io);

#endif
