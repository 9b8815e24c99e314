"""The admin API under `/admin/api`: keys, usage, audit, models. A credential of its own; every change is in the audit log."""
