-- SPDX-License-Identifier: MIT
-- The numbers of a wrk run as one line of JSON, the last of its output.
--
-- Only done() is defined: a response() hook would make wrk copy every header and body into
-- Lua, and a request() hook would call Lua once a request; either costs the load generator
-- more than the request itself. Statuses over 399 come from summary.errors.status.
--
-- The latency table is handed over whole, as [microseconds, count] pairs, because wrk
-- rewrites it before done() sees it (it back-fills answers it believes it missed, and so
-- shifts mean and percentiles). The rewriting can be undone exactly from the whole table;
-- scripts/lab/wrk.py does so.

function done(summary, latency, requests)
  local pairs_out = {}
  for i = 1, #latency do
    local value, count = latency(i)
    pairs_out[i] = string.format("[%d,%d]", value, count)
  end
  local errors = summary.errors
  io.write(string.format(
    '{"lab_wrk":1,"duration_us":%d,"requests":%d,"bytes":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},' ..
    '"corrected":{"min":%d,"mean":%.1f,"p50":%d,"p90":%d,"p99":%d,"p999":%d,"max":%d},' ..
    '"histogram":[%s]}\n',
    summary.duration, summary.requests, summary.bytes,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency.min, latency.mean, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency:percentile(99.9), latency.max,
    table.concat(pairs_out, ",")))
end
