"""Moving banks: between folders, hosted banks, archives and dataset repositories, revision by revision."""
