"""The processes of the platform: how each is configured, built and started."""
