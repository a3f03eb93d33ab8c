"""Image corruptions on uint8 batches, after Hendrycks and Dietterich (2019), "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations", arXiv:1903.12261.

Each is a function of the images, of the parameters of its strength, and of `draws` if it is random. As in the published
scripts, the result is clipped to [0, 255] and truncated, not rounded, to 8 bits.
"""
