"""Joins the stages into one resumable run."""
