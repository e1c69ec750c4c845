"""One Classifier, whatever it was built with."""
