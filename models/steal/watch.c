/* SPDX-License-Identifier: MIT
 *
 * The watch: who gets nowhere by himself. The process's first thread, which serves nothing, looks
 * at all others once a millisecond while any of them is awake. It needs nothing of them but two
 * words that each writes for itself, so a thread that computes need not do anything to be helped.
 *
 * A thread that it finds at the same job twice is stuck; one that it finds awake many times in
 * turn has more than it can do. Others see that whenever they have served their own (help.c), and
 * if there is something to take and one of them is asleep, the watch wakes it. Even load costs a
 * thread two stores a turn, and all of them together a look a millisecond.
 *
 * When all sleep the watch does, too; whoever wakes then wakes it. Both write their own word before
 * they read the other's, so that one of them sees that somebody is to watch.
 */
#include <poll.h>

#include "models/steal/team.h"
#include "system/latch.h"

enum {
    LOOK_MS = 1,
    BUSY_LOOKS = 8,  /* awake at so many in turn: it has not waited for work for that long */
    QUIET_LOOKS = 4, /* when nobody was awake at so many in turn the watch sleeps */
};

void steal_note_wait(void *arg, bool waits)
{
    struct thief *t = arg;
    struct team *team = t->team;

    if (waits) {
        atomic_store_explicit(&t->asleep, true, memory_order_release);
        return;
    }
    steal_moves(t);
    atomic_store(&t->asleep, false);
    if (!atomic_load(&team->watching) && !atomic_exchange(&team->watching, true))
        latch_set(team->awake_fd);
}

static bool is_awake(const struct thief *t)
{
    return !atomic_load(&t->asleep);
}

static enum behind judge(struct thief *t)
{
    uint32_t moves = atomic_load_explicit(&t->moves, memory_order_relaxed);
    bool moved = moves != t->seen_moves;

    t->seen_moves = moves;
    if (!is_awake(t)) {
        t->awake_for = 0;
        return BEHIND_NOT;
    }
    if (++t->awake_for > 1 && !moved)
        return BEHIND_STUCK;
    return t->awake_for >= BUSY_LOOKS ? BEHIND_BUSY : BEHIND_NOT;
}

/* There is something that another could do for t. */
static bool has_work(const struct thief *t)
{
    struct pollfd lot = {.fd = t->lot_fd, .events = POLLIN};

    return !ready_is_empty(&t->ready) || poll(&lot, 1, 0) > 0;
}

/* Wakes one that sleeps. */
static void call_help(struct team *team)
{
    for (unsigned i = 0; i < team->server->workers; i++) {
        struct thief *t = &team->thieves[i];

        if (!is_awake(t)) {
            coro_notifier_send(t->bell);
            return;
        }
    }
}

/* Returns whether anybody is awake. */
static bool look(struct team *team)
{
    enum behind most = BEHIND_NOT, least = BEHIND_STUCK;
    bool awake = false, work = false;

    for (unsigned i = 0; i < team->server->workers; i++) {
        struct thief *t = &team->thieves[i];
        enum behind behind = judge(t);

        awake |= t->awake_for > 0;
        atomic_store_explicit(&t->behind, (uint8_t)behind, memory_order_relaxed);
        most = behind > most ? behind : most;
        least = behind < least ? behind : least;
        work = work || (behind != BEHIND_NOT && has_work(t));
    }
    atomic_store_explicit(&team->most_behind, (uint8_t)most, memory_order_relaxed);
    team->still = team->still && least == BEHIND_STUCK;
    if (work)
        call_help(team);
    return awake;
}

static bool anybody_awake(const struct team *team)
{
    for (unsigned i = 0; i < team->server->workers; i++)
        if (is_awake(&team->thieves[i]))
            return true;
    return false;
}

bool steal_watch(struct team *team, int fd, int64_t ms)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = team->awake_fd, .events = POLLIN}};
    int64_t until = io_now_ms() + ms, left = ms;

    do {
        bool watching = atomic_load_explicit(&team->watching, memory_order_relaxed);

        if (poll(fds, 2, watching && left > LOOK_MS ? LOOK_MS : (int)left) > 0 && fds[0].revents)
            return true;
        if (fds[1].revents)
            latch_unset(team->awake_fd);
        if (watching) {
            team->quiet = look(team) ? 0 : team->quiet + 1;
            if (team->quiet >= QUIET_LOOKS) {
                team->quiet = 0;
                atomic_store(&team->watching, false);
                if (anybody_awake(team))
                    atomic_store(&team->watching, true);
            }
        }
        left = until - io_now_ms();
    } while (left > 0);
    return false;
}
