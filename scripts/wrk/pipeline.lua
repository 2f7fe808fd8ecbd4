-- SPDX-License-Identifier: MIT
-- So many requests sent at once: wrk ... -s scripts/wrk/pipeline.lua URL -- DEPTH
-- wrk calls request() once for a batch, and records one latency for it: until its last answer.

dofile("scripts/wrk/report.lua")

local batch

function init(args)
  local requests = {}
  for i = 1, tonumber(args[1]) do
    requests[i] = wrk.format()
  end
  batch = table.concat(requests)
end

function request()
  return batch
end
