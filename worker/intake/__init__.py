"""The doors by which jobs come in; all lead through `accept`."""
