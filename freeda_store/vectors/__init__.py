"""Where vectors live: one protocol, one file an engine, and filters that all engines understand."""
