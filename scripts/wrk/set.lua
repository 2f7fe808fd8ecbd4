-- SPDX-License-Identifier: MIT
-- GET requests for files at random: wrk ... -s scripts/wrk/set.lua URL -- COUNT
-- URL names the first of COUNT files, .../0000; the others are .../0001 and so on. Every request
-- is built once; wrk's one thread picks the same sequence in every run.

dofile("scripts/wrk/report.lua")

local requests = {}

function init(args)
  local folder = string.match(wrk.path, "^(.*/)[^/]*$")
  for i = 1, tonumber(args[1]) do
    requests[i] = wrk.format("GET", string.format("%s%04d", folder, i - 1))
  end
  math.randomseed(1)
end

function request()
  return requests[math.random(#requests)]
end
