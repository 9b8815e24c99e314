"""What outlives the process: keys, usage, kept state, audit, stored models. `base`: what is asked of a store; `records`: what is in it."""
