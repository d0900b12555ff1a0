"""The contract of Label Studio's machine learning backends: labelling projects get labels of the bank.

Start at :mod:`freeda_studio.labelling.backend`.
"""
