"""The seven questions of `whyscan trust`: pure functions from the rows of the table to an answer."""
