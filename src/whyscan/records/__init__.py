"""What is saved and read back: attributions, evidence, predictions, the run folder."""
