-- The arithmetic of bucket.py, on the server: one decision about all buckets of a request, by the server's clock.
--
-- KEYS: one a bucket; one more, a counter, if decisions are logged.
-- ARGV: `reserve` or `settle`, lease, seconds a lease lasts, seconds to wait for a slot; then for each bucket "KIND RATE BURST COST", where
-- KIND is `bucket` or `slots`. `reserve` takes all or nothing; `settle` takes whatever it is told, and gives back slots.
-- Returns one line: granted (1 or 0), the number of the bucket that lacks most, seconds to wait, time, order; then for each bucket what it
-- held, and how many slots have run out since it was last looked at.

local ROUND_UP = 1 + 4e-15
local LONGEST_MS = 34560000000

local settling, lease, lease_s, slot_retry_s = ARGV[1] == 'settle', ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local count = #ARGV - 4
local buckets, worst, longest = {}, 0, 0

for i = 1, count do
  local kind, rate, burst, cost = string.match(ARGV[4 + i], '^(%S+) (%S+) (%S+) (%S+)$')
  local bucket = {kind = kind, rate = tonumber(rate), burst = tonumber(burst), cost = tonumber(cost), freed = 0}
  local wait = 0
  if bucket.kind == 'slots' then
    bucket.freed = redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
    bucket.level = bucket.burst - redis.call('ZCARD', KEYS[i])
    if bucket.level < 1 then wait = slot_retry_s end
  else
    local state = redis.call('HMGET', KEYS[i], 'l', 't')
    local level, since = tonumber(state[1] or bucket.burst), tonumber(state[2] or now)
    if now > since then level = level + (now - since) * bucket.rate end
    bucket.level = math.min(level, bucket.burst)
    local lacking = math.min(bucket.cost, bucket.burst) - bucket.level
    if lacking > 0 then wait = bucket.rate > 0 and lacking / bucket.rate * ROUND_UP or math.huge end
  end
  if wait > longest then longest, worst = wait, i end
  buckets[i] = bucket
end

local granted = settling or worst == 0
if granted then
  for i, bucket in ipairs(buckets) do
    if bucket.kind == 'slots' then
      if settling then
        redis.call('ZREM', KEYS[i], lease)
      else
        redis.call('ZADD', KEYS[i], string.format('%.17g', now + lease_s), lease)
        redis.call('PEXPIRE', KEYS[i], math.ceil(lease_s * 2000))
      end
    else
      local level = math.min(bucket.burst, bucket.level - bucket.cost)
      redis.call('HSET', KEYS[i], 'l', string.format('%.17g', level), 't', string.format('%.17g', now))
      -- A bucket that is full again need not be remembered.
      local full_ms = bucket.rate > 0 and (bucket.burst - level) / bucket.rate * 1000 or LONGEST_MS
      redis.call('PEXPIRE', KEYS[i], string.format('%.0f', math.min(math.ceil(full_ms) + 1000, LONGEST_MS)))
    end
  end
end

local order = #KEYS > count and redis.call('INCR', KEYS[#KEYS]) or 0
local out = {granted and 1 or 0, worst, string.format('%.17g', longest), string.format('%.17g', now), order}
for _, bucket in ipairs(buckets) do
  out[#out + 1] = string.format('%.17g', bucket.level)
  out[#out + 1] = bucket.freed
end
return table.concat(out, ' ')
