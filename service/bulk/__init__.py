"""Whole files of resources in and out (Bulk Data, Bundles), against the database itself."""
