/* SPDX-License-Identifier: MIT
 *
 * Debts of time and bytes, which waiting adds to and moving takes from.
 */
#include "http/pace.h"

void pace_waited(struct client_pace *pace, int64_t ms)
{
    pace->late_ms += ms < PACE_GRACE_MS ? ms : PACE_GRACE_MS;
    pace->late_all_ms += ms;
    pace->behind_bytes += ms * PACE_GOOD_PER_MS;
}

static int64_t less(int64_t debt, int64_t paid)
{
    return debt > paid ? debt - paid : 0;
}

void pace_make_up(struct client_pace *pace, uint64_t bytes)
{
    pace->late_ms = less(pace->late_ms, (int64_t)bytes * PACE_MS_PER_BYTE);
    pace->late_all_ms = less(pace->late_all_ms, (int64_t)bytes * PACE_MS_PER_BYTE);
    pace->behind_bytes = less(pace->behind_bytes, (int64_t)bytes);
}

int64_t pace_patience_ms(const struct client_pace *pace, int64_t timeout_ms)
{
    int64_t left = PACE_GRACE_MS + timeout_ms - pace->late_all_ms;

    if (pace->late_ms > PACE_GRACE_MS || left <= 0)
        return 0;
    return left < timeout_ms ? left : timeout_ms;
}
