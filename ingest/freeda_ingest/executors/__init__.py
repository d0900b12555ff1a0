"""Where batches are computed: in this process (``local``), on several devices, or on several machines.

:mod:`freeda_ingest.executors.protocol` says what an executor is and how another one is written.
"""
