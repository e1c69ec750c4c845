"""Class activation maps: from what a layer says, weighted by how much a target depends on it."""
