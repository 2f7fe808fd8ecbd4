/* SPDX-License-Identifier: MIT
 *
 * A service manager that cannot be told, or a pid file that cannot be written once
 * the server is ready, is no reason to stop serving: it is said in the log.
 */
#include "master/service.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "system/notify.h"
#include "server.h"

enum { STOP_MARGIN_MS = 2000 }; /* beyond what settings say, before a service manager kills */

static void judge(int result)
{
    if (result < 0)
        log_line(LOG_WARN, "cannot tell NOTIFY_SOCKET: %s", strerror(-result));
}

void service_ready(struct service *service, const struct server *server)
{
    const char *path = server->config->pid_file;
    int result = 0;

    if (path != NULL)
        result = pid_file_write(&service->pid_file, path, getpid());
    if (result < 0)
        log_line(LOG_ERROR, "cannot write the pid file: %s", strerror(-result));
    log_plain("ready model=%s workers=%u listen=%s pid=%d version=%s", server->config->model,
              server->workers, server->listen_name, (int)getpid(), server_version);
    judge(notify_ready(getpid()));
    /* Half the interval, so that one message may be late. */
    service->watchdog_ms = notify_watchdog_interval_ms() / 2;
    service->watchdog_due_ms = io_now_ms();
}

void service_tick(struct service *service)
{
    int64_t now = io_now_ms();

    if (service->watchdog_ms == 0 || now < service->watchdog_due_ms)
        return;
    service->watchdog_due_ms = now + service->watchdog_ms;
    (void)notify_watchdog(); /* one that is lost is followed by another in time */
}

void service_reloading(void)
{
    judge(notify_reloading());
}

void service_reloaded(void)
{
    judge(notify_ready(getpid()));
}

void service_stopping(const struct service *service, int64_t within_ms)
{
    if (!service->handed_over)
        judge(notify_stopping(within_ms + STOP_MARGIN_MS));
}

void service_hand_over(struct service *service, pid_t successor)
{
    judge(notify_main_pid(successor));
    service->watchdog_ms = 0;
    service->handed_over = true;
}

void service_end(struct service *service)
{
    if (service->handed_over)
        pid_file_abandon(&service->pid_file);
    else
        pid_file_remove(&service->pid_file);
}
