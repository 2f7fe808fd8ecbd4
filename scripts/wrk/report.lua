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
-- scripts/lab/measure/wrk.py does so.
--
-- connecting_us is null but for loads whose script measures it (wait.lua).
--
-- latency(i) walks the table from its start for every i: with latencies spread over a second
-- that takes wrk longer than its run did. So the table is read where it lies, with LuaJIT's
-- ffi, after its head was found to be what it should be; else the slow way.

local have_ffi, ffi = pcall(require, "ffi")
if have_ffi then
  ffi.cdef([[typedef struct { uint64_t count, limit, min, max, data[1]; } lab_stats;]])
end

-- wrk's own structure behind the handle, nil where it is not laid out as in wrk 4.1.
local function behind(latency)
  if not have_ffi then
    return nil
  end
  local ok, found = pcall(function()
    local stats = ffi.cast("lab_stats **", latency)[0]
    local sound = tonumber(stats.min) == latency.min and tonumber(stats.max) == latency.max
      and stats.min <= stats.max and stats.max <= stats.limit
    return sound and stats or nil
  end)
  return ok and found or nil
end

local function histogram(latency)
  local out = {}
  local stats = behind(latency)
  if stats then
    for value = tonumber(stats.min), tonumber(stats.max) do
      local count = tonumber(stats.data[value])
      if count > 0 then
        out[#out + 1] = string.format("[%d,%d]", value, count)
      end
    end
    return out
  end
  for i = 1, #latency do
    local value, count = latency(i)
    out[i] = string.format("[%d,%d]", value, count)
  end
  return out
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"lab_wrk":1,"connecting_us":%s,"duration_us":%d,"requests":%d,"bytes":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},' ..
    '"corrected":{"min":%d,"mean":%.1f,"p50":%d,"p90":%d,"p99":%d,"p999":%d,"max":%d},' ..
    '"histogram":[%s]}\n',
    connecting_us and string.format("%d", connecting_us) or "null",
    summary.duration, summary.requests, summary.bytes,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency.min, latency.mean, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency:percentile(99.9), latency.max,
    table.concat(histogram(latency), ",")))
end
