-- SPDX-License-Identifier: MIT
-- GET requests for files at random: wrk ... -s scripts/wrk/set.lua URL -- COUNT
-- URL names the first of COUNT files, .../0000; the others are .../0001 and so on. Every request
-- is built once; each of wrk's threads picks a sequence of its own, the same in every run.

dofile("scripts/wrk/report.lua")

local requests = {}
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

function init(args)
  local folder = string.match(wrk.path, "^(.*/)[^/]*$")
  for i = 1, tonumber(args[1]) do
    requests[i] = wrk.format("GET", string.format("%s%04d", folder, i - 1))
  end
  math.randomseed(seed)
end

function request()
  return requests[math.random(#requests)]
end
