/* SPDX-License-Identifier: MIT
 *
 * Memory that grows without having to ask for more, for libev: its arrays are as long as
 * the highest descriptor, and where one cannot grow libev ends the process. So each block
 * reserves, when it is made, the address space of the longest it can become; pages
 * that are never touched cost nothing.
 */
#ifndef CORO_GROWABLE_H
#define CORO_GROWABLE_H

/*
 * As realloc(): block NULL makes a block, size 0 (bytes) frees it. Growing neither moves the block
 * nor fails until it is longer than 32 bytes for each descriptor that RLIMIT_NOFILE allowed when it
 * was made. Returns NULL when there is no memory, the block is then as it was. Any thread.
 */
void *coro_growable_realloc(void *block, long size);

#endif
