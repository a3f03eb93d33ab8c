"""Figures: arrays and lines of metrics in, a picture file out."""
from keras_fixhead.figures.arms import plot_arms
from keras_fixhead.figures.comparison import plot_comparison
from keras_fixhead.figures.run import plot_confusion, plot_curves
from keras_fixhead.figures.sheets import plot_images, plot_pictures, plot_predictions

__all__ = ["plot_arms", "plot_comparison", "plot_confusion", "plot_curves", "plot_images", "plot_pictures",
           "plot_predictions"]
