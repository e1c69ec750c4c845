"""Explanations for other programs: pictures, NIfTI, DICOM. Reads saved records, never models."""
