"""The sandbox EHR: a small FHIR R4 server with a SMART authorisation server, for trying this service without a hospital.

It shares no code with the service's storage, validation, search or JOSE checks, so that a mistake in one does not hide in
the other. Everything in it is synthetic; it listens on loopback unless told otherwise and its control pages have no login.
"""
