"""How good a result is: measures, the protocols of the published data sets, and reports."""
