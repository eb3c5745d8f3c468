"""Runs to tables, figures and the report. Nothing here trains."""
