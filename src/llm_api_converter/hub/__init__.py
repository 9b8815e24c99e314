"""The neutral representation every protocol is translated through.

Pure: frozen values and functions over them. Imports msgspec and the standard library only; no I/O, clock, environment or
randomness. Reading order: messages, request, response, events, fold, errors, ledger, facts, seal, adapt.
"""
