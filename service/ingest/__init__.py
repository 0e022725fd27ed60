"""/ingest: results as laboratories send them, beside the FHIR API. One small module a dialect, one table of routes."""
