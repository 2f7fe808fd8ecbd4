/* SPDX-License-Identifier: MIT
 *
 * What both forms of a report (report_json.c, report_summary.c) agree on.
 */
#include "load/report.h"

const struct report_percentile report_percentiles[REPORT_PERCENTILES] = {
    {5000, "p50", "50 %"},    {9000, "p90", "90 %"},      {9900, "p99", "99 %"},
    {9990, "p999", "99.9 %"}, {9999, "p9999", "99.99 %"},
};

bool report_shows(const struct histogram *histogram, const struct report_percentile *percentile)
{
    return histogram_beyond(histogram, percentile->per_10000) >= REPORT_BEYOND;
}

double report_rate(uint64_t count, const struct figures *figures)
{
    return figures->seconds > 0 ? (double)count / figures->seconds : 0;
}
