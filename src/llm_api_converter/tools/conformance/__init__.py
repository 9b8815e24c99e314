"""`conformance`: the known pitfalls of gateways as cases that judge any gateway from outside.

A case asks the gateway over HTTP in one protocol, plays the upstream in another, and looks at both sides. `trial` is what a case works
with, `upstream` the model server it scripts, `replies` what upstreams say, `run` runs them and prints the score card. The cases stand in
the modules named after the sections of the list they come from.
"""
