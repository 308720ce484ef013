"""Subjects as partitions: one key a subject file."""

import dagster as dg

SUBJECTS = dg.DynamicPartitionsDefinition(name="subject")
