-- Judges one request against several sliding windows, and charges all of them or none.
--
-- KEYS  a list a window: time, total, time, total, … oldest first. An entry says when something was admitted (ms
--       of this server's clock) and how much had been admitted by then in all. So the difference of two totals is
--       what was admitted between them, and bisection finds both what has run out and when there is room again.
--       The first entry does not count any more: its total is where counting begins.
-- ARGV  the cost, then of each window its limit and its length in ms.
-- Answers 1 if admitted, else 0; then of each window what is left of it, in how many ms it is wholly free, and in
-- how many it is free enough for this cost.
--
-- An entry counts until the length has certainly passed, so no stretch of time as long as the window holds more
-- than the limit, wherever it begins. What is admitted in one ms is one entry: a list never has more entries than
-- the limit allows, nor than the window has ms.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local cost = tonumber(ARGV[1])

local function number(key, index)
  return tonumber(redis.call('LINDEX', key, index))
end

-- The first of `low` … `high` for which it holds; it holds for `high`, and for all behind one for which it does.
local function first(low, high, holds)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holds(middle) then high = middle else low = middle + 1 end
  end
  return low
end

local function opened(key, limit, length)
  local window = {key = key, limit = limit, length = length, now = now, last = 0, newest = 0, total = 0, used = 0}
  if redis.call('EXISTS', key) == 0 then return window end
  window.last = redis.call('LLEN', key) / 2 - 1
  window.newest, window.total = number(key, -2), number(key, -1)
  if window.newest > now + length then
    -- The clock was set back by more than a window: what counts, counts from now on, and not until then.
    local base = number(key, 1)
    redis.call('DEL', key)
    redis.call('RPUSH', key, 0, base, now, window.total)
    redis.call('PEXPIRE', key, length + 1)
    window.newest, window.last = now, 1
  end
  window.now = math.max(now, window.newest) -- set back by less, it stands still until it is there again
  local function out(entry) return number(key, 2 * entry) + length < window.now end
  if window.last > 0 and out(1) then
    local base = window.last
    if not out(base) then
      base = first(1, window.last, function(entry) return not out(entry) end) - 1
    end
    redis.call('LTRIM', key, 2 * base, -1)
    window.last = window.last - base
  end
  window.used = window.total - number(key, 1)
  return window
end

local function charge(window)
  local total = window.total + cost
  if window.last == 0 and window.newest == 0 then
    redis.call('RPUSH', window.key, 0, 0, window.now, total)
  elseif window.last > 0 and window.newest == window.now then
    redis.call('LSET', window.key, -1, total)
  else
    redis.call('RPUSH', window.key, window.now, total)
  end
  redis.call('PEXPIRE', window.key, window.now - now + window.length + 1)
  window.newest, window.used = window.now, window.used + cost
end

local function ms_until_free(window, entry_time)
  return entry_time + window.length + 1 - now
end

local function ms_until_room(window)
  local enough = window.total + cost - window.limit
  local entry = first(1, window.last, function(one) return number(window.key, 2 * one + 1) >= enough end)
  return ms_until_free(window, number(window.key, 2 * entry))
end

local windows, admitted = {}, 1
for index, key in ipairs(KEYS) do
  local window = opened(key, tonumber(ARGV[2 * index]), tonumber(ARGV[2 * index + 1]))
  if window.used + cost > window.limit then admitted = 0 end
  windows[index] = window
end

local answer = {admitted}
for _, window in ipairs(windows) do
  local wait = 0
  if admitted == 1 then
    charge(window)
  elseif window.used + cost > window.limit then
    wait = ms_until_room(window)
  end
  local free = 0
  if window.used > 0 then free = ms_until_free(window, window.newest) end
  for _, value in ipairs({math.max(0, window.limit - window.used), free, wait}) do
    table.insert(answer, value)
  end
end
return answer
