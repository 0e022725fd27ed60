"""What happens: HTTP, use cases, storage, authorisation, worker."""
