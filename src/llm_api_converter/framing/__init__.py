"""Bytes <-> frames: the transport formats that carry protocol messages. Pure."""
