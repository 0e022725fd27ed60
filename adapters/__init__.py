"""How the outside speaks: EHR client, SMART client, vendor profiles, laboratory inputs, the sandbox EHR."""
