"""The FHIR REST API (R4 4.0.1, http.html): one module per interaction, one table of routes."""
