/* SPDX-License-Identifier: MIT
 *
 * A limit of a thousand million descriptors, as containers have it where fs.nr_open and their
 * runtime are set to no less: preloaded into the server on a machine that does not allow for so
 * many. What the server sets is kept, and the kernel is told as far as it allows.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/resource.h>

enum { THOUSAND_MILLION = 1000000000 };

typedef int setrlimit_fn(__rlimit_resource_t resource, const struct rlimit *limit);
typedef int getrlimit_fn(__rlimit_resource_t resource, struct rlimit *limit);

static struct rlimit pretended = {.rlim_cur = THOUSAND_MILLION, .rlim_max = THOUSAND_MILLION};

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
    getrlimit_fn *real = (getrlimit_fn *)dlsym(RTLD_NEXT, "getrlimit");

    if (resource != RLIMIT_NOFILE)
        return real(resource, limit);
    *limit = pretended;
    return 0;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    setrlimit_fn *real = (setrlimit_fn *)dlsym(RTLD_NEXT, "setrlimit");
    getrlimit_fn *allowed = (getrlimit_fn *)dlsym(RTLD_NEXT, "getrlimit");
    struct rlimit least;

    if (resource != RLIMIT_NOFILE)
        return real(resource, limit);
    if (allowed(resource, &least) < 0)
        return -1;
    pretended = *limit;
    if (limit->rlim_cur < least.rlim_max)
        least.rlim_cur = limit->rlim_cur;
    else
        least.rlim_cur = least.rlim_max;
    return real(resource, &least);
}
