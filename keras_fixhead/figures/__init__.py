"""Draws figures from arrays and rows of metrics, as image files."""
from keras_fixhead.figures.arms import plot_arms
from keras_fixhead.figures.comparison import plot_comparison
from keras_fixhead.figures.robustness import plot_robustness
from keras_fixhead.figures.run import plot_confusion, plot_curves
from keras_fixhead.figures.sheets import label_texts, plot_images, plot_pictures, plot_predictions
from keras_fixhead.figures.text import class_names

__all__ = ["class_names", "label_texts", "plot_arms", "plot_comparison", "plot_confusion", "plot_curves", "plot_images",
           "plot_pictures", "plot_predictions", "plot_robustness"]
