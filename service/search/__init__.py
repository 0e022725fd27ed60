"""Search (R4 search.html): query text -> criteria -> one SQL statement over the index tables. Queries never touch JSON."""
