"""The commands of `setpoint`, one module a noun."""
