"""SQLite and PostgreSQL: one set of tables, one set of statements (SQLAlchemy Core), migrations by Alembic."""
