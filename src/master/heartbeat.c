/* SPDX-License-Identifier: MIT
 *
 * The judgement over one worker process.
 */
#include "master/heartbeat.h"

#include "config.h"
#include "shared.h"

enum {
    SLOW_MS = 5000,      /* without a turn: worth a line in the log */
    LONGEST_LOOK = 1000, /* a longer gap between two looks says nothing of the worker */
};

void heartbeat_init(struct heartbeat *heart)
{
    *heart = (struct heartbeat){.stopped = false};
}

void heartbeat_report(struct heartbeat *heart, bool stopped)
{
    heart->stopped = stopped;
    heart->stopped_ms = 0;
}

enum heart heartbeat_look(struct heartbeat *heart, int64_t beat, uint64_t answered,
                          const struct config *config, int64_t now_ms)
{
    int64_t gap = heart->looked_ms == 0 ? 0 : now_ms - heart->looked_ms;
    bool warned = heart->warned;

    if (gap > LONGEST_LOOK)
        gap = 0;
    heart->looked_ms = now_ms;
    heart->stopped_ms = heart->stopped ? heart->stopped_ms + gap : 0;
    if (heart->stopped_ms >= config->stopped_timeout_ms && heart->stopped)
        return HEART_STOPPED;
    if (beat == 0 || beat != heart->last_beat_ms || answered != heart->last_answered) {
        heart->last_beat_ms = beat;
        heart->last_answered = answered;
        heart->still_ms = 0;
        heart->warned = false;
        return warned ? HEART_AGAIN : HEART_BEATS;
    }
    heart->still_ms += gap;
    if (heart->still_ms >= config->heartbeat_timeout_ms)
        return HEART_STILL;
    if (heart->still_ms < SLOW_MS || warned)
        return HEART_BEATS;
    heart->warned = true;
    return HEART_SLOW;
}
