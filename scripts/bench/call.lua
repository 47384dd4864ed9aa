-- What wrk sends and prints for scripts/bench/call.sh: POST of one of a thousand bodies, round and round, and at the end
-- one line: requests per second, the median and the 99th percentile of the latency in microseconds, and failures.
-- Usage: wrk … -s call.lua URL -- FUNCTION [PATH]

local requests, turn = {}, 0

function init(arguments)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    local call, path = arguments[1], arguments[2] or "/call"
    for id = 1, 1000 do
        local body = string.format('{"platform":"bench-calls","function":"%s","params":[%d]}', call, id)
        requests[id] = wrk.format(nil, path, nil, body)
    end
    -- Threads begin at different places.
    math.randomseed(os.time())
    turn = math.random(1000)
end

function request()
    turn = turn % 1000 + 1
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("result %.1f %d %d %d\n", summary.requests * 1e6 / summary.duration,
        latency:percentile(50), latency:percentile(99), failures))
end
