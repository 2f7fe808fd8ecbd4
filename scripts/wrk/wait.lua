-- SPDX-License-Identifier: MIT
-- report.lua, and how long wrk only connected: its duration begins when its thread does, which
-- makes every connection before it sends the first request. Waits are few a second, so that a
-- call of Lua for each request costs nothing; other loads have report.lua alone.

dofile("scripts/wrk/report.lua")

local have_ffi, ffi = pcall(require, "ffi")
if have_ffi then
  ffi.cdef([[
    typedef struct { long seconds, microseconds; } lab_time;
    int gettimeofday(lab_time *now, void *zone);
  ]])
end

local threads, text = {}, nil

local function now_us()
  local now = ffi.new("lab_time[1]")
  ffi.C.gettimeofday(now, nil)
  return tonumber(now[0].seconds) * 1e6 + tonumber(now[0].microseconds)
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  text = wrk.format()
  begun_us = have_ffi and now_us() or nil -- a global: done() is in another Lua state
end

-- wrk calls this of the first thread once before it starts, to check what it gives.
function request()
  if begun_us and not second_us then
    if first_us then
      second_us = now_us()
    else
      first_us = now_us()
    end
  end
  return text
end

local report = done

function done(summary, latency, requests)
  for i, thread in ipairs(threads) do
    local begun, first = thread:get("begun_us"), thread:get(i == 1 and "second_us" or "first_us")
    if begun and first then
      connecting_us = math.max(connecting_us or 0, first - begun)
    end
  end
  report(summary, latency, requests)
end
