"""Why a region has its label, and what retiring prototypes changes."""
