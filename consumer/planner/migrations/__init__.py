"""The catalog's migrations, run by ``consumer.planner.schema`` when a planner starts."""
