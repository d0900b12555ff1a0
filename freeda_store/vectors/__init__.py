"""Where vectors live: one protocol, one module per engine, and filters that all engines understand.

What a point's payload says of a prototype is decided outside, in ``freeda_store.payload``.
"""
