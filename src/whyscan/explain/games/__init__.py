"""The perturbation engine and what is played with it: superpixels are hidden and the model is asked again."""
