"""Keras files, read as data: no Keras, no TensorFlow, nothing in the file runs."""
