"""Rate limits: token buckets for requests and tokens, slots for what runs at a time. `bucket` is the arithmetic, `base` what is asked of a
back end, `host` and `redis` the two there are, `headers` how clients are told.
"""
