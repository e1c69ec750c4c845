"""Files -> scans: reading, catalogues, the audit, splits, phantoms."""
