-- SPDX-License-Identifier: MIT
-- Users who think before each request, MS milliseconds on average, exponentially distributed:
-- wrk ... -s scripts/wrk/think.lua URL -- MS
-- wrk counts a latency from when it sends. As many users are never all at a time in the server,
-- their requests come almost as those of an open loop do. Each of wrk's threads thinks by itself.

dofile("scripts/wrk/report.lua")

local mean_ms
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", os.time() * 64 + threads)
end

function init(args)
  mean_ms = tonumber(args[1])
  math.randomseed(seed)
end

function delay()
  return math.floor(-math.log(1 - math.random()) * mean_ms + 0.5)
end
