-- SPDX-License-Identifier: MIT
-- POST requests with a body of so many bytes: wrk ... -s scripts/wrk/post.lua URL -- BYTES
-- The request is built once; wrk sends it as it is, with no Lua in between.

dofile("scripts/wrk/report.lua")

function init(args)
  wrk.method = "POST"
  wrk.body = string.rep("x", tonumber(args[1]))
  wrk.headers["Content-Type"] = "application/octet-stream"
end
